"""What would become of a spec if it were submitted now; nothing is written."""

from dataclasses import dataclass, replace

import sqlalchemy as sa

from equipoise_service.errors import ServiceError
from equipoise_service.jobs.calibrations import DeviceClass
from equipoise_service.jobs.closed_forms import ClosedForms
from equipoise_service.jobs.costs import Estimate, time_note
from equipoise_service.jobs.expected_start import Outlook, Outlooks
from equipoise_service.jobs.fleet import FleetWatch
from equipoise_service.jobs.job_table import UNFINISHED, Job, JobTable
from equipoise_service.jobs.routing import Route, Router
from equipoise_service.jobs.submissions import Plan, Submission, Submissions


@dataclass(frozen=True)
class Forecast:
    """What would become of a spec.

    Attributes:
        estimate: what it takes.
        route: where it would go; None if it would be refused for what it is.
        is_immediate: whether it would be answered at once: the result is there, or it is a closed form
            that is computed where it is submitted.
        outlook: its place in the queue; None if it would not wait in one.
        refusal: why it would be refused; None if it would not.
        notes: what else to know.
    """

    estimate: Estimate
    route: Route | None
    is_immediate: bool = False
    outlook: Outlook | None = None
    refusal: ServiceError | None = None
    notes: tuple[str, ...] = ()


class Forecasts:
    """Foretells what becomes of specs."""

    def __init__(
        self,
        engine: sa.Engine,
        *,
        table: JobTable,
        submissions: Submissions,
        router: Router,
        fleet: FleetWatch,
        outlooks: Outlooks,
        closed_forms: ClosedForms,
    ) -> None:
        self._engine = engine
        self._table = table
        self._submissions = submissions
        self._router = router
        self._fleet = fleet
        self._outlooks = outlooks
        self._closed_forms = closed_forms

    def of(self, submission: Submission) -> Forecast:
        """What would become of a submission now.

        Raises:
            SolverError: the spec makes no sense.
        """
        work = self._submissions.prepared(submission)
        try:
            plan = self._submissions.plan(submission, work)
        except ServiceError as refusal:
            device: DeviceClass = "gpu" if submission.device == "gpu" else "cpu"
            estimate = self._router.estimate(work.cost, device, self._fleet.now())
            return Forecast(estimate, None, refusal=refusal)
        return self._of(plan, submission)

    def _of(self, plan: Plan, submission: Submission) -> Forecast:
        route, estimate = plan.route, plan.route.estimate
        with self._engine.connect() as connection:
            latest = self._table.latest_attempt(connection, plan.new.content_id)
            if latest is not None and latest.status in UNFINISHED:
                return self._of_unfinished(latest, plan)
            is_there = self._table.known(connection, plan.new).is_known
            if is_there or self._closed_forms.takes(route):
                return Forecast(estimate, route, is_immediate=True)
            try:
                room = self._table.room(connection, submission.caller.user)
                self._submissions.check_room(room, submission.caller, queue=route.queue)
            except ServiceError as refusal:
                return Forecast(estimate, route, refusal=refusal)
        user = submission.caller.user
        outlook = self._outlooks.of_new(queue=route.queue, user=user, priority=submission.priority)
        note = time_note(estimate.seconds, limit_s=route.timeout_seconds)
        notes = route.notes if note is None else (*route.notes, note)
        return Forecast(estimate, route, outlook=outlook, notes=notes)

    def _of_unfinished(self, job: Job, plan: Plan) -> Forecast:
        """What becomes of a spec that the user has sent already: it is that job, as it was sent."""
        estimate, outlook = plan.route.estimate, self._outlooks.of([job]).get(job.id)
        route = replace(
            plan.route, queue=job.queue, n_shards=job.n_shards, timeout_seconds=job.timeout_seconds
        )
        note = f"You have sent this spec already: it is job {job.id}, which is {job.status}."
        return Forecast(estimate, route, outlook=outlook, notes=(note,))

"""The task `sweep`: one spec at every point of a grid, in any parts and chunks."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from equipoise_solver.checkpoint import Checkpoint
from equipoise_solver.ensembles.devices import CPU
from equipoise_solver.errors import InvalidModelError, SolverError
from equipoise_solver.specs import RefusedPoint, Sweep, SweepSolution, spec_hash
from equipoise_solver.tasks.one_part import check_part
from equipoise_solver.tasks.sweep_outputs import check_outputs, default_outputs, output_of
from equipoise_solver.tasks.work import Cost, Work
from equipoise_solver.version import __version__

SAMPLED_POINTS = 33
"""Points at most whose cost is asked for; the others are taken to cost as much on average."""
POINT_STEPS = 200_000
"""Path-steps that a point without any counts for, so that a chunk ends in time."""
MAX_REFUSED_KEPT = 16
QUICK_POINTS, QUICK_SECONDS = 1000, 1.0
"""Most points of a sweep that is answered on the spot, and most seconds that it takes."""
_POINT = "point_"

PreparePoint = Callable[[Any], Work]


class SweepWork:
    """A `sweep` spec, ready to be computed point by point."""

    def __init__(self, spec: Sweep, *, prepare: PreparePoint) -> None:
        self.spec = spec
        self._prepare = prepare
        self._points = spec.points()
        self._outputs = spec.outputs or default_outputs(spec.base)
        check_outputs(spec.base, self._outputs)
        self._sampled = self._sample()

    @cached_property
    def cost(self) -> Cost:
        """That of all points, from some of them."""
        costs = [work.cost for work in self._sampled]
        share = len(self._points) / len(costs)
        seconds = share * sum(cost.seconds for cost in costs)
        is_small = len(self._points) <= QUICK_POINTS and seconds <= QUICK_SECONDS
        return Cost(
            path_steps=share * sum(cost.path_steps for cost in costs),
            memory_bytes=max(cost.memory_bytes for cost in costs),
            is_quick=is_small and all(cost.is_quick for cost in costs),
            seconds=seconds,
            kind=f"sweep/{costs[0].kind}"[:64],
        )

    @property
    def n_shards(self) -> int:
        """Every point on its own."""
        return len(self._points)

    def begin(self, shard: tuple[int, int] | None = None) -> Checkpoint:
        """State before the first point, of the whole or of a part."""
        check_part(shard, self.n_shards)
        number, of = shard or (0, 1)
        first, stop = (len(self._points) * part // of for part in (number, number + 1))
        return _checkpoint(
            {"first": first, "next": first, "stop": stop, "rows": [], "refused": [], "device": CPU}
        )

    def advance(self, checkpoint: Checkpoint, budget: int, *, threads: int) -> Checkpoint:
        """Solve points until about `budget` path-steps are done; a long point is cut as well."""
        state, inner = _read(checkpoint)
        spent = 0.0
        while state["next"] < state["stop"] and spent < budget:
            try:
                work = self._work(state["next"])
                before = inner or work.begin()
                inner = work.advance(before, int(budget - spent), threads=threads)
                spent += max(POINT_STEPS, work.cost.path_steps) * (inner.fraction - before.fraction)
                if not inner.is_done:
                    continue
                solution = work.finish(inner)
                row: list[Any] | None = [output_of(solution, path) for path in self._outputs]
                state["device"] = solution.device
            except SolverError as refused:
                row = None
                state["refused"].append([state["next"], refused.code, str(refused)])
                spent += POINT_STEPS
            state["rows"].append(row)
            state["next"] += 1
            inner = None
        return _checkpoint(state, inner)

    def merge(self, checkpoints: Sequence[Checkpoint]) -> Checkpoint:
        """The rows of all parts in order."""
        states = [_read(checkpoint)[0] for checkpoint in checkpoints if checkpoint.is_done]
        ends = [(state["first"], state["stop"]) for state in states]
        firsts, stops = [0, *(stop for _, stop in ends)], [*(first for first, _ in ends), len(self._points)]
        if len(states) < len(checkpoints) or firsts != stops:
            raise InvalidModelError(
                "checkpoints",
                given=[list(end) for end in ends],
                allowed=f"the parts of this sweep of {len(self._points)} points, all done, in order",
            )
        rows = [row for state in states for row in state["rows"]]
        refused = [entry for state in states for entry in state["refused"]]
        at = {"first": 0, "next": len(rows), "stop": len(rows)}
        return _checkpoint({**at, "rows": rows, "refused": refused, "device": states[0]["device"]})

    def finish(self, checkpoint: Checkpoint) -> SweepSolution:
        """The rows as arrays over the axes."""
        state, _ = _read(checkpoint)
        n = len(self._outputs)
        columns = list(zip(*(row if row is not None else [None] * n for row in state["rows"]), strict=True))
        shape = self.spec.shape
        return SweepSolution(
            spec=self.spec,
            spec_hash=spec_hash(self.spec),
            solver_version=__version__,
            device=state["device"],
            axes={name: np.array(values) for name, values in self.spec.values.items()},
            outputs={
                name: np.array(column, dtype=np.object_).reshape(shape)
                for name, column in zip(self._outputs, columns, strict=True)
            },
            n_refused=len(state["refused"]),
            refused=tuple(
                RefusedPoint(index=tuple(map(int, np.unravel_index(at, shape))), code=code, message=message)
                for at, code, message in state["refused"][:MAX_REFUSED_KEPT]
            ),
        )

    def _sample(self) -> list[Work]:
        """Some points that can be solved, spread over the grid.

        Raises:
            SolverError: none of those that were looked at can be solved; the refusal of the first.
        """
        n = len(self._points)
        places = sorted({round(i * (n - 1) / max(1, SAMPLED_POINTS - 1)) for i in range(SAMPLED_POINTS)})
        found: list[Work] = []
        refusals: list[SolverError] = []
        for place in places:
            try:
                found.append(self._work(place))
            except SolverError as refusal:
                refusals.append(refusal)
        if not found:
            raise refusals[0]
        return found

    def _work(self, place: int) -> Work:
        return self._prepare(self.spec.content_at(self._points[place]))


def _checkpoint(state: Mapping[str, Any], inner: Checkpoint | None = None) -> Checkpoint:
    """State of a sweep, with that of the point it is at."""
    size = state["stop"] - state["first"]
    done = state["next"] - state["first"] + (0.0 if inner is None else inner.fraction)
    is_done = state["next"] >= state["stop"]
    scalars = dict(state)
    if inner is not None:
        scalars["point"] = {"fraction": inner.fraction, "scalars": dict(inner.scalars)}
    return Checkpoint(
        fraction=1.0 if is_done else min(done / size, 1 - 1e-9),
        arrays={} if inner is None else {_POINT + name: array for name, array in inner.arrays.items()},
        scalars=scalars,
        live={"n_points": state["next"] - state["first"], "n_refused": len(state["refused"])},
    )


def _read(checkpoint: Checkpoint) -> tuple[dict[str, Any], Checkpoint | None]:
    """What `_checkpoint` wrote; lists of its own."""
    state = dict(checkpoint.scalars)
    point = state.pop("point", None)
    state |= {"rows": list(state["rows"]), "refused": list(state["refused"])}
    if point is None:
        return state, None
    arrays = {name.removeprefix(_POINT): array for name, array in checkpoint.arrays.items()}
    return state, Checkpoint(fraction=point["fraction"], arrays=arrays, scalars=point["scalars"])

"""One run: users, attacks, verdict, report."""

import json
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.chaos.attacks import Attack, Attacker
from tests.chaos.plan import draw_errands
from tests.chaos.stage import Stage, stage
from tests.chaos.users import Outcome, User
from tests.chaos.verdict import Check, Truth, judge_answers, judge_end, judge_records, shown


@dataclass(frozen=True)
class Plan:
    """What a run is.

    Attributes:
        n_jobs: jobs that are asked for.
        n_attacks: kills and freezes.
        database: "sqlite" or "postgresql".
        seed: draws jobs and attacks.
        seconds: longest simulation of one thread, [s].
        n_workers, n_users: how many there are.
        patience_s: silence after which users give up, [s].
        ttl_s: silence after which a worker counts as dead, [s]; on a busy machine the living need some.
    """

    n_jobs: int
    n_attacks: int
    database: str
    seed: int
    seconds: float = 3.0
    n_workers: int = 3
    n_users: int = 4
    patience_s: float = 240.0
    ttl_s: float = 5.0


@dataclass(frozen=True)
class Report:
    """What a run came to."""

    plan: Plan
    seconds: float
    attacks: list[Attack]
    outcomes: list[Outcome]
    checks: list[Check]
    lives: dict[str, int]
    n_repeats: int
    n_tracebacks: dict[str, int]

    @property
    def holds(self) -> bool:
        """Whether every check holds, and every attack was made."""
        return all(check.holds for check in self.checks) and len(self.attacks) == self.plan.n_attacks

    def as_json(self) -> str:
        """All of it."""
        content = {
            "plan": asdict(self.plan),
            "holds": self.holds,
            "seconds": self.seconds,
            "checks": [{"claim": check.claim, "broken": check.broken} for check in self.checks],
            "attacks": [asdict(attack) for attack in self.attacks],
            "jobs": [_brief(outcome) for outcome in self.outcomes],
            "lives": self.lives,
            "repeated_requests": self.n_repeats,
            "tracebacks": self.n_tracebacks,
        }
        return json.dumps(content, indent=1)

    def as_markdown(self) -> str:
        """What a person wants to know."""
        plan = self.plan
        kinds = Counter((outcome.errand.kind, outcome.job.get("status")) for outcome in self.outcomes)
        attacks = Counter(attack.kind for attack in self.attacks if attack.hit)
        parts = [outcome.job.get("n_shards", 1) for outcome in self.outcomes]
        n_shared, n_parts = sum(n > 1 for n in parts), sum(n for n in parts if n > 1)
        missed = sum(not attack.hit for attack in self.attacks)
        lines = [
            f"# Chaos on {plan.database}: {'all holds' if self.holds else 'BROKEN'}",
            "",
            f"{plan.n_jobs} jobs of {plan.n_users} users, {plan.n_workers} workers, "
            f"{len(self.attacks)} attacks of {plan.n_attacks} ({missed} found nobody), seed {plan.seed}, "
            f"{self.seconds:.0f} s.",
            f"Lives: {_listed(self.lives)}. Requests that were repeated: {self.n_repeats}.",
            f"Tracebacks in logs: {_listed(self.n_tracebacks)}.",
            "",
            *[shown(check) for check in self.checks],
            "",
            "Jobs: "
            + ", ".join(f"{kind} {status} {n}" for (kind, status), n in sorted(kinds.items(), key=str))
            + f"; computed in parts {n_shared}, of {n_parts} parts",
            "",
            "Attacks: " + _listed(attacks),
            "",
        ]
        return "\n".join(lines)


def run(plan: Plan, folder: Path, *, truth: Truth) -> Report:
    """Carry out a plan in an empty folder."""
    start = time.monotonic()
    with stage(folder, database=plan.database, n_workers=plan.n_workers, ttl_s=plan.ttl_s) as set_up:
        users, attacker = _people(plan, set_up)
        attacker.start()
        for user in users:
            user.start()
        for user in users:
            user.join()
        attacker.end()
        set_up.thaw(float("inf"))
        seconds = time.monotonic() - start
        outcomes = sorted((o for user in users for o in user.outcomes), key=lambda o: o.errand.number)
        checks = judge_records(set_up, outcomes)
        failures = [failure for user in users for failure in user.failures]
        checks = [*judge_answers(outcomes, failures, truth), *checks]
        checks += judge_end(set_up, ended_in_time=set_up.close())
        return Report(
            plan=plan,
            seconds=seconds,
            attacks=attacker.attacks,
            outcomes=outcomes,
            checks=checks,
            lives={role.name: role.lives for role in set_up.roles},
            n_repeats=sum(user.n_repeats for user in users),
            n_tracebacks={role.name: role.log.read_text("utf-8").count("Traceback") for role in set_up.roles},
        )


def _people(plan: Plan, set_up: Stage) -> tuple[list[User], Attacker]:
    over, lock = [0], threading.Lock()

    def count() -> None:
        with lock:
            over[0] += 1

    errands = draw_errands(plan.n_jobs, n_users=plan.n_users, seconds=plan.seconds, seed=plan.seed)
    users = [
        User(
            set_up.url,
            [errand for errand in errands if errand.user == number],
            n_over=count,
            deadline_s=plan.patience_s,
            seed=plan.seed + number,
        )
        for number in range(plan.n_users)
    ]
    return users, Attacker(set_up, plan.n_attacks, lambda: over[0] / plan.n_jobs, seed=plan.seed)


def _brief(outcome: Outcome) -> dict[str, Any]:
    job = outcome.job
    return {
        "errand": outcome.errand.number,
        "kind": outcome.errand.kind,
        "id": outcome.job_id,
        "status": job.get("status"),
        "error": job.get("error"),
        "wrong": outcome.wrong,
    }


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in sorted(counts.items())) or "none"

"""The attacks: kill -9, and stop for a while, of whatever is there, drawn from a seed."""

import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.stage import Role, Stage, send
from tests.support.servers import descendants

_WAIT_FOR_VICTIM_S = 5.0


@dataclass(frozen=True)
class Attack:
    """What was done, and when.

    Attributes:
        at_s: time since the start of the run, [s].
        kind: what was done.
        hit: number of processes that took the signal.
    """

    at_s: float
    kind: str
    hit: int


class Attacker(threading.Thread):
    """Attacks the stage as the work goes on.

    Each attack waits until some share of the jobs has ended, so that they spread over the run however fast
    the machine is.

    Args:
        stage: the service.
        n_attacks: how many.
        progress: share of the jobs that have ended.
        seed: the same seed gives the same attacks.
    """

    def __init__(self, stage: Stage, n_attacks: int, progress: Callable[[], float], *, seed: int) -> None:
        super().__init__(name="attacker", daemon=True)
        self._stage = stage
        self._progress = progress
        self._rng = random.Random(seed + 1)
        moves = {kind: weight for kind, weight in _WEIGHTS.items() if stage.cluster or kind not in _SERVER}
        kinds = [*moves, *self._rng.choices(list(moves), list(moves.values()), k=n_attacks)][:n_attacks]
        self._rng.shuffle(kinds)
        self._plan = list(zip(sorted(self._rng.uniform(0.0, 0.93) for _ in kinds), kinds, strict=True))
        self._is_told_to_end = threading.Event()
        self.attacks: list[Attack] = []

    def run(self) -> None:
        """Carry out the plan."""
        start = time.monotonic()
        for share, kind in self._plan:
            while self._progress() < share:
                if self._is_told_to_end.wait(0.05):
                    return
            self._is_told_to_end.wait(self._rng.uniform(0.0, 0.5))
            hit = self._attack(kind)
            self.attacks.append(Attack(round(time.monotonic() - start, 2), kind, hit))

    def end(self) -> None:
        """Attack no more."""
        self._is_told_to_end.set()
        self.join()

    def _attack(self, kind: str) -> int:
        stage, rng = self._stage, self._rng
        worker = rng.choice(stage.workers)
        # Within a beat, within the time to live, and beyond it.
        pause_s = rng.choice([0.2, 0.5 * stage.ttl_s, 1.6 * stage.ttl_s, 2.5 * stage.ttl_s])
        match kind:
            case "kill worker":
                return self._kill(_own(worker))
            case "kill all workers":
                return self._kill([pid for role in stage.workers for pid in _own(role)])
            case "kill computing child":
                return self._kill(self._children(worker))
            case "kill api":
                # Its supervisor, with which the others end, or one of those that answer.
                family = stage.api.family()
                return self._kill([rng.choice(family)] if family else [])
            case "freeze worker":
                return self._freeze(_own(worker), pause_s)
            case "freeze worker and child":
                return self._freeze(worker.family(), pause_s)
            case "freeze computing child":
                return self._freeze(self._children(worker), pause_s)
            case "freeze api":
                return self._freeze(stage.api.family(), pause_s)
            case "kill database backend":
                return self._kill(self._backends())
            case _:
                return self._crash_server(rng.uniform(0.0, 2.0))

    def _kill(self, pids: list[int]) -> int:
        return sum(send(pid, signal.SIGKILL) for pid in pids)

    def _freeze(self, pids: list[int], seconds: float) -> int:
        self._stage.freeze(pids, seconds)
        return len(pids)

    def _children(self, worker: Role) -> list[int]:
        """The computing child of a worker, which may just be starting."""
        give_up = time.monotonic() + _WAIT_FOR_VICTIM_S
        while time.monotonic() < give_up:
            children = worker.family()[1:]
            if children:
                return children[:1]
            if self._is_told_to_end.wait(0.1):
                break
        return []

    def _backends(self) -> list[int]:
        """A process of the database server that serves a client."""
        assert self._stage.cluster is not None
        serving = [
            child.pid for child in descendants(self._stage.cluster.pid) if "127.0.0.1(" in child.command
        ]
        return [self._rng.choice(serving)] if serving else []

    def _crash_server(self, pause_s: float) -> int:
        assert self._stage.cluster is not None
        self._stage.cluster.crash()
        self._is_told_to_end.wait(pause_s)
        self._stage.cluster.start()
        return 1


def _own(role: Role) -> list[int]:
    return role.family()[:1]


_WEIGHTS = {
    "kill worker": 8,
    "kill all workers": 1,
    "kill computing child": 5,
    "kill api": 4,
    "freeze worker": 6,
    "freeze worker and child": 4,
    "freeze computing child": 2,
    "freeze api": 3,
    "kill database backend": 4,
    "crash database server": 3,
}
_SERVER = frozenset({"kill database backend", "crash database server"})

"""The queues: which there are, who serves them, and how many of their jobs a worker runs at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

QUICK, URGENT, CPU, GPU, COORDINATE = "quick", "urgent", "cpu", "gpu", "coordinate"
CPU_WORKER = (QUICK, URGENT, CPU, COORDINATE)
"""What a worker serves that computes on the processors."""
GPU_WORKER = (URGENT, GPU, COORDINATE)
"""What a worker serves that computes on a graphics card."""
SHORT_S = 0.1
"""A simulation that is expected to take less than this is a quick job, computed in one go, [s]."""


@dataclass(frozen=True)
class SlotRule:
    """Slots of a worker, and the queues whose jobs may take them.

    Attributes:
        queues: looked at in this order whenever a slot is free.
        slots: jobs at a time.
        poll_s: time between two looks while nothing waits, [s]; a slot that becomes free is filled at once,
            but of many slots some together, which is one look for several jobs.
    """

    queues: tuple[str, ...]
    slots: int
    poll_s: float

    @property
    def batch(self) -> int:
        """Slots that are to be free before they are filled without waiting for the next look."""
        return max(1, min(4, self.slots // 4))

    @property
    def is_device(self) -> bool:
        """Whether the jobs compute on the device of the worker, one at a time."""
        return self.slots == 1


SHORT_RULE = SlotRule((QUICK,), 16, 0.1)
"""Slots for short jobs, which the engine does not know."""
SLOT_RULES = (
    SlotRule((QUICK,), 16, 0.25),
    # One job computes at a time on a device.
    SlotRule((URGENT, GPU, CPU), 1, 0.2),
    # Their jobs only wait for others.
    SlotRule((COORDINATE,), 200, 0.25),
)
QUEUES = tuple(queue for rule in SLOT_RULES for queue in rule.queues)


def served_by(device: str) -> tuple[str, ...]:
    """Queues that a worker serves by default.

    Args:
        device: "cpu" or "cuda:N".
    """
    return CPU_WORKER if device == "cpu" else GPU_WORKER


def queues_for(device: str, named: Sequence[str] | None) -> tuple[str, ...]:
    """Queues that a worker serves, of those that were named.

    A worker with a card may serve every queue: it has processors as well. One without computes nothing for
    a card.

    Args:
        device: "cpu" or "cuda:N".
        named: queues chosen by whoever runs the service; None leaves it to the device.
    """
    if named is None:
        return served_by(device)
    return tuple(queue for queue in named if device != "cpu" or queue != GPU)


def rules_for(queues: Sequence[str]) -> list[SlotRule]:
    """The slots of a worker that serves some queues."""
    kept = [
        SlotRule(tuple(queue for queue in rule.queues if queue in queues), rule.slots, rule.poll_s)
        for rule in SLOT_RULES
    ]
    return [rule for rule in kept if rule.queues]

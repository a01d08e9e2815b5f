"""What estimates of seconds are worth: how long work of each kind took, against its prior estimate."""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from equipoise_service.storage.database import database_now, insert_if_absent
from equipoise_service.storage.tables import calibrations

DeviceClass = Literal["cpu", "gpu"]
# A first measurement of a kind in a process often holds the compiling of its kernel: it counts this little.
FIRST_WEIGHT = 0.1
# What is assumed without measurements makes up for as much as these weigh less than this.
PRIOR_WEIGHT = 1.0
# From this weight on, one measurement moves the mean of the logarithms as if it were off by a factor of 2 at
# most, so that a machine that slept for a minute changes an estimate by some percent.
SETTLED_WEIGHT = 1.0
LARGEST_SURPRISE = math.log(2.0)
# The mean remembers about this many measurements, so that a new kernel or machine is noticed.
MEMORY = 20.0
# Shorter chunks than this are mostly overhead and count in proportion to their time, [s].
FULL_WEIGHT_S = 0.5
# Measurements of a kind are written together once they weigh this much: those of short jobs weigh little.
WRITTEN_FROM = 0.1
# Weight from which an estimate counts as measured.
MEASURED_WEIGHT = 0.5
# Without a measurement: a processor is the one that the prior estimates were made on; a card does the same
# work of one of its threads in about this share of the time.
UNMEASURED: dict[DeviceClass, float] = {"cpu": 1.0, "gpu": 0.05}
# So long the factors that were read are used again, [s].
KEEP_S = 5.0


@dataclass(frozen=True)
class Factor:
    """Measured seconds divided by those of the prior estimate, for one kind of work on one kind of device.

    Attributes:
        value: the factor, > 0.
        is_measured: whether it comes from measurements rather than from what is assumed without any.
    """

    value: float
    is_measured: bool


def device_class(device: str) -> DeviceClass:
    """The kind of device that shares its measurements and its queue: "cpu", or "gpu" for cuda:N."""
    return "cpu" if device == "cpu" else "gpu"


def updated(mean: float, weight: float, surprise: float, its_weight: float) -> tuple[float, float]:
    """Running mean of logarithms and its weight, with one measurement more.

    Args:
        mean: mean so far, of log(measured / predicted).
        weight: its weight, >= 0.
        surprise: log(measured / predicted) of the measurement.
        its_weight: weight of the measurement, > 0.

    Returns:
        The new mean, bounded against outliers once the weight has reached SETTLED_WEIGHT, and its weight,
        at most MEMORY.
    """
    change = surprise - mean
    if weight >= SETTLED_WEIGHT:
        change = max(-LARGEST_SURPRISE, min(LARGEST_SURPRISE, change))
    return mean + change * its_weight / (weight + its_weight), min(weight + its_weight, MEMORY)


def blended(measured: float, weight: float, assumed: float) -> float:
    """The factor that few measurements give: a mean of logarithms with what is assumed without any.

    Args:
        measured: factor of the measurements, > 0.
        weight: their weight, > 0; from PRIOR_WEIGHT on they count alone.
        assumed: factor without measurements, > 0.
    """
    share = min(weight / PRIOR_WEIGHT, 1.0)
    return math.exp(share * math.log(measured) + (1.0 - share) * math.log(assumed))


class Calibrations:
    """The measured factors, one row for each class of devices and kind of work."""

    def __init__(self, engine: sa.Engine, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._begun: set[tuple[int, str, str]] = set()
        # By key: the weight of what is not yet written, and the sum of logarithms, each times its weight.
        self._unwritten: dict[tuple[str, str], tuple[float, float]] = {}
        self._lock = threading.Lock()
        self._kept: tuple[float, dict[tuple[str, str], Factor]] | None = None

    def record(
        self, device: str, kind: str, predicted_s: float, measured_s: float, *, process: int = 0
    ) -> None:
        """Take in how long a chunk of work took.

        What cannot be compared (no prior estimate, no time at all) is left out.

        Args:
            device: "cpu", "gpu", or a device such as "cuda:0", which counts as "gpu".
            kind: `Cost.kind` of the work.
            predicted_s: prior estimate of the chunk: `Cost.seconds` times the share of the work that it did,
                divided by the threads that did it (1 on a card), [s].
            measured_s: wall-clock time that it took, [s].
            process: id of the process that computed it: each compiles, or loads, its kernels first.
        """
        if not (kind and 0 < predicted_s < math.inf and 0 < measured_s < math.inf):
            return
        key = (device_class(device), kind[:64])
        weight = min(1.0, measured_s / FULL_WEIGHT_S)
        with self._lock:
            if (process, *key) not in self._begun:
                self._begun.add((process, *key))
                weight *= FIRST_WEIGHT
            so_far = self._unwritten.pop(key, (0.0, 0.0))
            total = so_far[1] + weight * math.log(measured_s / predicted_s)
            weight += so_far[0]
            if weight < WRITTEN_FROM:
                self._unwritten[key] = (weight, total)
                return
        with self._engine.begin() as connection:
            self._merge(connection, key, total / weight, weight)

    def factor(self, device: str, kind: str) -> Factor:
        """Measured factor of a kind of work on a class of devices, or what is assumed without one."""
        now = self._clock()
        if self._kept is None or now - self._kept[0] > KEEP_S:
            self._kept = (now, self._read())
        name = device_class(device)
        return self._kept[1].get((name, kind[:64])) or Factor(UNMEASURED[name], is_measured=False)

    def _merge(
        self, connection: sa.Connection, key: tuple[str, str], surprise: float, its_weight: float
    ) -> None:
        now = database_now(self._engine)
        names = {"device": key[0], "kind": key[1]}
        first = {**names, "factor": math.exp(surprise), "weight": its_weight, "updated_at": now}
        # On SQLite this takes the lock of writers; on PostgreSQL the row is locked below.
        if insert_if_absent(connection, calibrations, first):
            return
        same = sa.and_(calibrations.c.device == key[0], calibrations.c.kind == key[1])
        row = connection.execute(sa.select(calibrations).where(same).with_for_update()).one()
        mean, weight = updated(math.log(row.factor), row.weight, surprise, its_weight)
        connection.execute(
            calibrations.update().where(same).values(factor=math.exp(mean), weight=weight, updated_at=now)
        )

    def _read(self) -> dict[tuple[str, str], Factor]:
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(calibrations)).all()
        found = {}
        for row in rows:
            value = blended(row.factor, row.weight, UNMEASURED[device_class(row.device)])
            found[row.device, row.kind] = Factor(value, row.weight >= MEASURED_WEIGHT)
        return found

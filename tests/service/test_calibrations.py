"""Estimates of seconds are corrected by what was measured."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from tests.support.postgres import new_database

from equipoise_service.jobs.calibrations import (
    FIRST_WEIGHT,
    KEEP_S,
    LARGEST_SURPRISE,
    MEMORY,
    UNMEASURED,
    Calibrations,
    DeviceClass,
    Factor,
    updated,
)
from equipoise_service.settings import Settings
from equipoise_service.storage.database import connect
from equipoise_service.storage.migrations import migrate

KIND = "simulate/test/float64"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    url = f"sqlite:///{tmp_path / 'test.db'}"
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres_server")
        url = Settings(database_url=new_database(server)).database
    engine = connect(url)
    migrate(engine)
    yield engine
    engine.dispose()


def factor(database: sa.Engine, device: str = "cpu", kind: str = KIND) -> float:
    return Calibrations(database).factor(device, kind).value


def test_without_measurements_the_assumed_factor_counts_as_not_measured(database: sa.Engine) -> None:
    """A kind that nobody has measured has the factor that is assumed for its class of devices."""
    classes: dict[str, DeviceClass] = {"cpu": "cpu", "gpu": "gpu", "cuda:3": "gpu"}
    for device, name in classes.items():
        found = Calibrations(database).factor(device, KIND)
        assert found == Factor(UNMEASURED[name], is_measured=False)


def test_measurements_give_the_factor_of_their_kind_and_device_alone(database: sa.Engine) -> None:
    """Chunks that take 3 times their estimate make the factor 3, for that kind on that class of devices."""
    calibrations = Calibrations(database)
    for _ in range(5):
        calibrations.record("cuda:1", KIND, 2.0, 6.0)
    found = Calibrations(database).factor("gpu", KIND)
    assert found.value == pytest.approx(3.0)
    assert found.is_measured
    assert factor(database) == UNMEASURED["cpu"]
    assert factor(database, "gpu", "another") == UNMEASURED["gpu"]


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_a_first_chunk_alone_counts_a_tenth(database: sa.Engine, device: DeviceClass) -> None:
    """With nothing but a chunk that compiled, nine tenths of the logarithm are those of what is assumed."""
    assumed = UNMEASURED[device]
    Calibrations(database).record(device, KIND, 1.0, 19.0 * assumed)
    found = Calibrations(database).factor(device, KIND)
    assert found.value == pytest.approx(assumed * 19.0**0.1)
    assert not found.is_measured


def test_what_is_assumed_fades_as_measurements_come(database: sa.Engine) -> None:
    """The factor moves from what is assumed to what every chunk shows, and from a weight of 1 on is that.

    What weighs little is taken in with the next.
    """
    calibrations, found = Calibrations(database), [1.0]
    for _ in range(8):
        calibrations.record("cpu", KIND, 0.025, 0.1)
        found.append(factor(database))
    assert found[1:3] == pytest.approx([1.0, 4.0**0.22])
    assert found == sorted(found)
    assert found[6:] == pytest.approx([4.0] * 3)


def test_a_slow_first_chunk_hardly_counts(database: sa.Engine) -> None:
    """A first chunk that compiles for 100 times as long is outweighed by one that does not."""
    calibrations = Calibrations(database)
    calibrations.record("cpu", KIND, 1.0, 100.0)
    assert not Calibrations(database).factor("cpu", KIND).is_measured
    calibrations.record("cpu", KIND, 1.0, 1.0)
    assert factor(database) == pytest.approx(math.exp(math.log(100) * FIRST_WEIGHT / (1 + FIRST_WEIGHT)))
    assert factor(database) < 1.6


def test_the_first_chunk_of_each_process_hardly_counts(database: sa.Engine) -> None:
    """A second process that loads its kernels for a second does not make milliseconds into seconds."""
    calibrations = Calibrations(database)
    for process in (1, 1, 1, 1, 2):
        took_s = 100.0 if process == 2 else 1.0
        calibrations.record("cpu", KIND, 1.0, took_s, process=process)
    weight = 3 + FIRST_WEIGHT
    expected = math.exp(math.log(2) * FIRST_WEIGHT / (weight + FIRST_WEIGHT))
    assert factor(database) == pytest.approx(expected)


@pytest.mark.parametrize("outlier", [1000.0, 1e-3])
def test_one_outlier_moves_a_settled_factor_by_some_percent(database: sa.Engine, outlier: float) -> None:
    """After many good measurements one that is off by 1000 changes the factor by less than 4 percent."""
    calibrations = Calibrations(database)
    for _ in range(30):
        calibrations.record("cpu", KIND, 1e4, 2e4)
    calibrations.record("cpu", KIND, 1e4, 2e4 * outlier)
    bound = LARGEST_SURPRISE / (MEMORY + 1)
    assert abs(math.log(factor(database) / 2.0)) == pytest.approx(bound, rel=1e-6)
    assert bound < 0.04


def test_a_lasting_change_is_learned(database: sa.Engine) -> None:
    """A machine that has become 10 times as fast is known to be so after a few minutes of chunks."""
    calibrations = Calibrations(database)
    for _ in range(30):
        calibrations.record("cpu", KIND, 1.0, 1.0)
    for _ in range(150):
        calibrations.record("cpu", KIND, 10.0, 1.0)
    assert factor(database) == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize(
    ("kind", "predicted_s", "measured_s"),
    [("", 1.0, 1.0), (KIND, 0.0, 1.0), (KIND, math.inf, 1.0), (KIND, math.nan, 1.0), (KIND, 1.0, 0.0)],
)
def test_what_cannot_be_compared_is_left_out(
    database: sa.Engine, kind: str, predicted_s: float, measured_s: float
) -> None:
    """A chunk without an estimate or without a time leaves no trace."""
    Calibrations(database).record("cpu", kind, predicted_s, measured_s)
    with database.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM equipoise_calibrations").scalar() == 0


def test_workers_that_record_at_the_same_time_lose_nothing(database: sa.Engine) -> None:
    """The weight of measurements made at the same time is the sum of their weights."""
    workers = [Calibrations(database) for _ in range(4)]

    def record(worker: Calibrations) -> None:
        for _ in range(3):
            worker.record("cpu", KIND, 1.0, 1.0)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(record, workers))
    with database.connect() as connection:
        weight = connection.exec_driver_sql("SELECT weight FROM equipoise_calibrations").scalar()
    assert weight == pytest.approx(4 * (FIRST_WEIGHT + 2))


def test_a_factor_is_read_again_after_some_seconds(database: sa.Engine) -> None:
    """A reader sees a new factor once what it keeps is old."""
    now = [0.0]
    reader, writer = Calibrations(database, clock=lambda: now[0]), Calibrations(database)
    assert reader.factor("cpu", KIND).value == UNMEASURED["cpu"]
    for _ in range(2):
        writer.record("cpu", KIND, 1.0, 5.0)
    assert reader.factor("cpu", KIND).value == UNMEASURED["cpu"]
    now[0] = KEEP_S + 0.1
    assert reader.factor("cpu", KIND).value == pytest.approx(5.0)


@given(
    st.lists(st.tuples(st.floats(-20, 20), st.floats(1e-3, 1.0)), min_size=1, max_size=40),
)
def test_the_mean_stays_among_the_measurements(measured: list[tuple[float, float]]) -> None:
    """Whatever is measured, the mean lies between the smallest and the largest logarithm."""
    mean, weight = measured[0]
    for surprise, its_weight in measured[1:]:
        mean, weight = updated(mean, weight, surprise, its_weight)
    logs = [surprise for surprise, _ in measured]
    assert min(logs) - 1e-9 <= mean <= max(logs) + 1e-9
    assert 0 < weight <= MEMORY

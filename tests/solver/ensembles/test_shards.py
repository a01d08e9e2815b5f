"""Parts of an ensemble, computed apart and merged, end in the bytes of the undivided run."""

import itertools
import math
import time
from typing import Any

import numpy as np
import pytest
from tests.solver.ensembles.runs import run

from equipoise_solver.checkpoint import Checkpoint
from equipoise_solver.ensembles import (
    Balanced,
    EnsemblePlan,
    GaussianPairs,
    Langevin,
    Normal,
    SamplePairs,
    Sgd,
    Sgf,
    advance,
    begin,
    finish,
    merge,
    n_shards,
    schedule,
)
from equipoise_solver.ensembles import run as engine
from equipoise_solver.ensembles.accumulators import Means, merge_blocks
from equipoise_solver.ensembles.pilot import pilot_of
from equipoise_solver.ensembles.shards import MERGED, Span, fold_spans, settled, spans_in, stored_spans
from equipoise_solver.ensembles.units import do_unit
from equipoise_solver.errors import InvalidModelError

PAIRS = GaussianPairs(1.1, 0.8, 1.2)
SAMPLES = SamplePairs(np.linspace(-1, 2, 50), np.sin(np.arange(50.0)))
THREE_SHARDS = 2 * 65536 + 300

TWO_SHARDS = {"n_paths": 65536 + 300}

PLANS: dict[str, dict[str, Any]] = {
    "sgd": {"dynamics": Sgd(0.02, 3, 0.0, 0.5), "n_steps": 12, "init": Normal(0.5)},
    "epoch": {"data": SAMPLES, "dynamics": Sgd(0.02, 3, sampling="epoch"), "n_steps": 40},
    "second run": {"dynamics": Sgf(0.1, 0.0, step_size=0.01), "duration": 0.4, "first_passage": 0.9},
    "five shards": {"dynamics": Sgf(0.1), "duration": 0.1, "n_records": 2, "n_paths": 4 * 65536 + 300},
    "langevin": {
        "dynamics": Langevin(0.1, step_size=0.02),
        "duration": 0.3,
        "init": Normal(0.5),
        **TWO_SHARDS,
    },
    "float32": {"dynamics": Sgf(0.1, 0.05), "duration": 0.3, "precision": "float32", "first_passage": 0.4},
    "deep": {"dynamics": Sgf(0.05, scheme="taylor"), "duration": 0.02, "depth": 2, **TWO_SHARDS},
    "many lost": {"dynamics": Sgd(0.8), "n_steps": 30},
    "few lost": {"dynamics": Sgd(0.07), "n_steps": 16},
    "absorbed": {"dynamics": Sgf(2.0), "duration": 0.1, "init": Balanced(2e-140)},
}


def plan_of(name: str, **changes: Any) -> EnsemblePlan:
    usual = {"depth": 1, "data": PAIRS, "n_paths": THREE_SHARDS, "seed": 77, "n_records": 4, "n_snapshots": 3}
    return EnsemblePlan(**{**usual, "observables": ("value", "loss"), **PLANS[name], **changes})


def part_of(plan: EnsemblePlan, number: int, of: int, *, budget: float = 3e6, threads: int = 2) -> Checkpoint:
    """The end of a part, through the bytes of a checkpoint after every chunk."""
    state = begin(plan, (number, of))
    before = 0.0
    while not state.is_done:
        state = advance(plan, Checkpoint.from_bytes(state.to_bytes()), budget=budget, threads=threads)
        assert before < state.fraction <= 1
        before = state.fraction
    return Checkpoint.from_bytes(state.to_bytes())


@pytest.mark.parametrize("name", PLANS)
def test_parts_merge_to_the_bytes_of_the_whole(name: str) -> None:
    """Any number of parts, in chunks with restarts on two threads, end in what one run on one thread does."""
    plan = plan_of(name)
    whole = run(plan)
    assert n_shards(plan) > 1
    for of in range(2, n_shards(plan) + 1):
        parts = [part_of(plan, number, of) for number in range(of)]
        merged = merge(plan, parts)
        assert merged.to_bytes() == whole.to_bytes()
        assert sum(part.live["path_steps"] or 0 for part in parts) == whole.live["path_steps"]
    assert repr(finish(plan, merged)) == repr(finish(plan, whole))


def test_the_plans_hold_what_they_are_for() -> None:
    """Some lose many paths, or few, or absorb some; one times passages and runs again at twice the step."""
    ends = {name: finish(plan_of(name), run(plan_of(name))) for name in ("many lost", "few lost", "absorbed")}
    assert ends["many lost"].n_diverged > 1000
    assert len(ends["many lost"].lost) == 16
    assert 0 < ends["few lost"].n_diverged < 1000
    assert ends["absorbed"].n_absorbed > 0
    second = finish(plan_of("second run"), run(plan_of("second run")))
    assert second.step_bias is not None
    assert second.passages is not None
    assert second.passages.n_passed > 1000
    assert second.snapshots.shape == (3, 5)
    assert np.isfinite(second.snapshots).all()


def test_a_part_that_is_killed_goes_on() -> None:
    """A part that stops after every piece of work and goes on from bytes ends as one that never stopped."""
    plan = plan_of("sgd", n_steps=200)
    pieces = part_of(plan, 1, 2, budget=1)
    assert pieces.to_bytes() == part_of(plan, 1, 2, budget=1e18, threads=1).to_bytes()
    middle = advance(plan, begin(plan, (1, 2)), budget=1)
    assert 0 < middle.fraction < 1
    assert middle.live["mean"] is not None or middle.arrays["counts"].sum() == 0


def test_shards_are_shared_out_evenly() -> None:
    """Parts are neighbours, each of as many shards or one more, and together they are all."""
    plan = plan_of("five shards")
    assert n_shards(plan) == 5
    for of in range(1, 6):
        bounds = [
            (span.first, span.stop)
            for number in range(of)
            for span in spans_in(part_of(plan, number, of, budget=1e18).arrays)
        ]
        covered = [shard for first, stop in bounds for shard in range(first, stop)]
        assert covered == (list(range(5)) if of > 1 else [])


def test_the_live_mean_of_a_part_is_that_of_its_samples() -> None:
    """It lies in their extent and is the mean of the averaged paths, which all have as many samples."""
    plan = plan_of("second run")
    part = part_of(plan, 1, 2)
    span = settled(spans_in(part.arrays))
    paths = merge_blocks(Means(*(np.stack([getattr(s.means["paths"], n) for s in span]) for n in FIELDS)))
    mean = part.live["mean"]
    assert mean is not None
    assert abs(mean - (plan.moments.minimum + paths.mean[0])) < 1e-12
    low, high = part.arrays["extent"]
    assert low < mean < high


FIELDS = ("count", "mean", "squares")


def span_of(shard: int, rng: np.random.Generator) -> tuple[Span, Any]:
    """A shard of a few paths with random numbers, and these numbers."""
    values = rng.standard_normal(int(rng.integers(0, 4))) + 0.3
    n = float(values.size)
    mean = values.mean() if n else 0.0
    means = Means(*(np.array([part]) for part in (n, mean, float(((values - mean) ** 2).sum()))))
    return Span(shard, shard + 1, float(values.sum()), dict.fromkeys(MERGED, means)), values


def folded(spans: list[Span]) -> tuple[bytes, float]:
    """The bytes of what spans merge to, and their sum."""
    arrays, scalars = stored_spans(spans), dict[str, Any]()
    fold_spans(arrays, scalars)
    assert set(arrays) == {f"{name}_{field}" for name in MERGED for field in FIELDS}
    return b"".join(arrays[name].tobytes() for name in sorted(arrays)), scalars["total"]


@pytest.mark.parametrize("n", range(1, 12))
def test_every_division_of_shards_merges_to_the_same_bits(n: int, rng: np.random.Generator) -> None:
    """All 2^(n-1) divisions of n shards into neighbours; what is merged is the mean over all their paths."""
    shards, values = zip(*(span_of(shard, rng) for shard in range(n)), strict=True)
    whole = folded(settled(shards))
    for cuts in itertools.product((False, True), repeat=n - 1):
        places = [0, *(i + 1 for i, cut in enumerate(cuts) if cut), n]
        parts = [settled(shards[a:b]) for a, b in itertools.pairwise(places)]
        assert folded(settled([span for part in parts for span in part])) == whole
    everything = np.concatenate(values)
    n_paths, mean, squares = np.frombuffer(whole[0][:24])[[0, 1, 2]]
    assert n_paths == everything.size
    if everything.size:
        assert abs(mean - everything.mean()) < 1e-14 * (1 + abs(mean))
        assert abs(squares - ((everything - everything.mean()) ** 2).sum()) < 1e-13 * (1 + squares)
        assert abs(whole[1] - everything.sum()) < 1e-13 * (1 + abs(everything).sum())


def test_few_spans_are_held_at_a_time(rng: np.random.Generator) -> None:
    """Any of 1526 neighbouring shards are held as at most two spans of each size."""
    shards = [span_of(shard, rng)[0] for shard in range(1526)]
    for first in (0, 1, 255, 257, 1000):
        spans = settled(shards[first:])
        assert len(spans) <= 2 * math.log2(1526)
        assert [spans[0].first, spans[-1].stop] == [first, 1526]


@pytest.fixture(scope="module")
def parts() -> list[Checkpoint]:
    """The three parts of a plan."""
    return [part_of(plan_of("sgd"), number, 3) for number in range(3)]


def refusal(parts: list[Checkpoint]) -> str:
    with pytest.raises(InvalidModelError) as caught:
        merge(plan_of("sgd"), parts)
    assert caught.value.field == "checkpoints"
    return str(caught.value)


def test_parts_out_of_order_missing_or_twice_are_refused(parts: list[Checkpoint]) -> None:
    """The refusal shows the numbers of the parts that were given."""
    first, second, third = parts
    assert "[[1, 3], [0, 3], [2, 3]]" in refusal([second, first, third])
    assert "[[0, 3], [1, 3]]" in refusal([first, second])
    assert "[[0, 3], [1, 3], [1, 3]]" in refusal([first, second, second])
    assert "at least one" in refusal([])
    assert "[[0, 3]]" in refusal([first])


def test_parts_of_other_divisions_are_refused(parts: list[Checkpoint]) -> None:
    """Halves do not fit thirds, nor does the whole."""
    plan = plan_of("sgd")
    assert "[0, 2]" in refusal([part_of(plan, 0, 2), *parts[1:]])
    assert "[0, 1]" in refusal([run(plan), *parts[1:]])


@pytest.mark.parametrize("changes", [{"seed": 78}, {"n_steps": 13}, {"data": GaussianPairs(1.1, 0.8)}])
def test_parts_of_another_plan_are_refused(changes: dict[str, Any], parts: list[Checkpoint]) -> None:
    """Whatever it is that another plan has otherwise."""
    other = part_of(plan_of("sgd", **changes), 1, 3)
    assert "part 1 of another" in refusal([parts[0], other, parts[2]])


def test_a_part_that_is_not_done_is_refused(parts: list[Checkpoint]) -> None:
    """It is named with the fraction that is done."""
    plan = plan_of("sgd", n_steps=200)
    with pytest.raises(InvalidModelError, match="part 1, 0 of which is done"):
        merge(plan_of("sgd"), [parts[0], begin(plan_of("sgd"), (1, 3)), parts[2]])
    assert begin(plan, (1, 3)).fraction == 0


def test_a_part_has_no_result(parts: list[Checkpoint]) -> None:
    """The answer is asked of the whole."""
    with pytest.raises(ValueError, match="merge all parts first"):
        finish(plan_of("sgd"), parts[0])


def test_plans_are_told_apart_by_their_fingerprint() -> None:
    """Equal plans have one fingerprint; any other number, word or datum changes it."""
    changes: list[dict[str, Any]] = [
        {"seed": 78},
        {"n_paths": 1},
        {"dynamics": Sgd(0.02, 4, 0.0, 0.5)},
        {"data": SAMPLES},
        {"data": SamplePairs(SAMPLES.x, SAMPLES.y + 1e-16 * (np.arange(50) == 0))},
        {"init": Normal(0.25)},
        {"edges": np.array([0.0, 1.0])},
        {"edges": np.array([0.0, 2.0])},
    ]
    plans = [plan_of("sgd"), *(plan_of("sgd", **change) for change in changes)]
    assert len({plan.fingerprint for plan in plans}) == len(plans)
    assert plan_of("sgd").fingerprint == plans[0].fingerprint
    assert plan_of("sgd", data=SamplePairs(SAMPLES.x, SAMPLES.y)).fingerprint == plans[4].fingerprint


@pytest.mark.parametrize(("name", "n_paths"), [("five shards", 4 * 65536 + 300), ("second run", 600)])
def test_a_run_that_is_given_up_begins_no_more(
    name: str, n_paths: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the next shard nor the second run, which are under way beside, goes on after an interrupt."""
    monkeypatch.setattr(schedule, "UNIT_WORK", 100)
    plan, done = plan_of(name, n_paths=n_paths), []

    def slowly(work: Any) -> Any:
        done.append(work)
        time.sleep(0.002 if len(done) < n_first else 0.05)
        return do_unit(work)

    def break_off(*_: Any) -> None:
        raise KeyboardInterrupt

    runs = [plan, pilot_of(plan)]
    schedules = [schedule.schedule_of(each) for each in runs if each is not None]
    n_first, n_all = schedules[0].first_unit(1), sum(each.n_units for each in schedules)
    monkeypatch.setattr(engine, "do_unit", slowly)
    monkeypatch.setattr(engine, "close_shard", break_off)
    with pytest.raises(KeyboardInterrupt):
        advance(plan, begin(plan), budget=1e18, threads=2)
    assert n_first <= len(done) < min(n_all, n_first + 8)

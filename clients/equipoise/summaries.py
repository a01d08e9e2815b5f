"""Solutions and jobs as a few lines of text for a terminal."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.records import Cost, Estimate, JobRecord
from equipoise.solutions import (
    AnySolution,
    CompareSolution,
    DiffusionSolution,
    EquilibriumSolution,
    SimulateNetworkSolution,
    SimulateSolution,
    StationarySolution,
    SweepSolution,
    SymmetriesSolution,
)
from equipoise_solver import specs

Row = tuple[str, str]
MOST_OBSERVABLES = 40


def summary(solution: AnySolution) -> str:
    """What a reader wants to know first about a solution."""
    match solution:
        case StationarySolution():
            rows = [*_law(solution), *_parts(solution)]
        case SimulateSolution():
            rows = _ensemble(solution)
        case CompareSolution():
            rows = [
                *(("theory " + name, value) for name, value in _law(solution.stationary)),
                *(("simulated " + name, value) for name, value in _ensemble(solution.simulation)),
                *_distance(solution.distance),
                *_finite_step(solution.finite_step, solution.finite_step_distance),
                *(("note", note) for note in solution.notes),
            ]
        case DiffusionSolution():
            rows = _diffusion(solution)
        case EquilibriumSolution():
            rows = _equilibrium(solution)
        case SymmetriesSolution():
            rows = _symmetries(solution)
        case SimulateNetworkSolution():
            rows = _networks(solution)
        case SweepSolution():
            rows = _sweep(solution)
    took = [] if solution.seconds is None else [("seconds", _number(solution.seconds))]
    return aligned([("task", solution.task), *rows, ("spec hash", solution.spec_hash), *took])


def job_table(records: Iterable[JobRecord]) -> str:
    """One line for each job, under a header."""
    header = ("JOB", "STATUS", "DONE", "TASK", "SUBMITTED", "TAGS")
    lines = [header]
    for record in records:
        submitted = f"{record.submitted_at:%Y-%m-%d %H:%M:%S}" if record.submitted_at else "-"
        tags = ",".join(record.tags) or "-"
        lines.append((record.id, record.status, f"{record.progress:.0%}", record.task, submitted, tags))
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def job_line(record: JobRecord) -> str:
    """State of a job in one line."""
    place = f", {record.queue_position} ahead" if record.queue_position else ""
    live = ", ".join(f"{name} {_number(value)}" for name, value in record.live.items() if _is_number(value))
    reason = f": {record.error.message}" if record.error else ""
    return f"{record.id}  {record.status}{place}{reason}  {record.progress:.0%}  {live}".rstrip()


def cost_line(record: JobRecord) -> str:
    """What a job is expected to take, and when it starts, in one line; empty where that is not known."""
    if record.cost is None or record.is_final:
        return ""
    place = f", {record.queue_position} ahead" if record.queue_position else ""
    start = f", starts about {record.expected_start:%H:%M:%S} UTC" if record.expected_start else ""
    note = f". {record.cost.note}" if record.cost.note else ""
    return f"{_cost(record.cost)}{place}{start}{note}"


def estimate_table(estimate: Estimate) -> str:
    """What would become of a spec, for a terminal."""
    rows = [("cost", _cost(estimate.cost))]
    if estimate.refusal is not None:
        rows.append(("refused", f"{estimate.refusal.code}: {estimate.refusal.message}"))
    elif estimate.immediate:
        rows.append(("start", "answered at once"))
    elif estimate.queue is not None:
        start = f"{estimate.expected_start:%Y-%m-%d %H:%M:%S} UTC" if estimate.expected_start else "not known"
        rows += [("queue", f"{estimate.queue}, {estimate.queue_position} ahead"), ("start", start)]
        rows += [("parts", str(estimate.n_shards))] if estimate.n_shards > 1 else []
    return aligned([*rows, *(("note", note) for note in estimate.notes)])


def _cost(cost: Cost) -> str:
    took = f"about {cost.seconds:.3g} s" if cost.seconds is not None else "a time not known"
    steps = f", {cost.path_steps:.3g} path-steps" if cost.path_steps else ""
    return f"{took} on the {cost.device}{steps}, {cost.memory_bytes / 1e6:.3g} MB"


def aligned(rows: Sequence[Row]) -> str:
    """Rows of a name and a value, values below each other."""
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in rows)


def _law(law: specs.Law) -> list[Row]:
    atoms = [
        (
            "atom",
            f"at {_number(atom.at)}, mass {'set by the start' if atom.mass is None else _number(atom.mass)}",
        )
        for atom in law.atoms
    ]
    return [
        ("phase", law.phase if law.regime is None else f"{law.phase} (regime {law.regime})"),
        ("temperature", _number(law.temperature)),
        ("critical temperature", _number(law.critical_temperature)),
        *atoms,
        ("mean", _number(law.mean)),
        ("variance", _number(law.variance)),
        ("mode", _number(law.mode)),
        ("tail exponent", _number(law.tail_exponent)),
        *(("note", note) for note in law.notes),
    ]


def _parts(solution: StationarySolution) -> list[Row]:
    rows: list[Row] = []
    if relaxation := solution.relaxation:
        rows.append(("relaxation time", _number(relaxation.time)))
        rows.append(("autocorrelation time", _number(relaxation.autocorrelation_time)))
    if escape := solution.escape:
        rows.append(("mean escape time", f"{_number(escape.mean)}, {_number(escape.ratio)} of Kramers'"))
    if bayes := solution.bayes:
        rows.append(("total variation", f"{_number(bayes.total_variation)} from the Gibbs posterior"))
    return rows


def _ensemble(ensemble: specs.Ensemble) -> list[Row]:
    return [
        ("mean", f"{_number(ensemble.mean)} +- {_number(ensemble.standard_error)}"),
        ("variance", f"{_number(ensemble.variance)} +- {_number(ensemble.variance_standard_error)}"),
        ("paths", f"{ensemble.n_paths}, {ensemble.n_diverged} diverged, {ensemble.n_absorbed} absorbed at 0"),
        ("path-steps", _number(ensemble.path_steps)),
        ("seed", str(ensemble.seed)),
        ("outcome", ensemble.outcome),
        *(("note", note) for note in ensemble.notes),
    ]


def _distance(distance: specs.Distance) -> list[Row]:
    return [
        ("KS distance", f"{_number(distance.ks)}, by chance at most {_number(distance.ks_bound)}"),
        ("Wasserstein distance", _number(distance.wasserstein)),
        ("mean difference", f"{_number(distance.mean_z)} standard errors"),
    ]


def _finite_step(law: specs.FiniteStepLaw | None, distance: specs.Distance | None) -> list[Row]:
    if law is None or distance is None:
        return []
    rows = [
        ("phase", law.phase),
        ("mean", _number(law.mean)),
        ("variance", _number(law.variance)),
        ("explosion rate", f"{_number(law.explosion_rate)} per step"),
        *_distance(distance),
        *(("note", note) for note in law.notes),
    ]
    return [("finite-step " + name, value) for name, value in rows]


def _diffusion(solution: specs.DiffusionSolution) -> list[Row]:
    rows = [
        (f"{side} end", f"{'infinity' if end.at is None else _number(end.at)}, {end.kind}")
        for side, end in zip(("lower", "upper"), solution.boundaries, strict=True)
    ]
    if law := solution.stationary:
        rows += [("in the long run", law.outcome), ("mean", _number(law.mean))]
        rows.append(("variance", _number(law.variance)))
    if hitting := solution.hitting:
        rows += [
            ("upper level first", f"from {_number(start)}: {_number(high)}")
            for start, high in zip(hitting.start.tolist(), hitting.high.tolist(), strict=True)
        ]
    if passage := solution.passage_time:
        rows += [
            ("mean passage time", f"from {_number(start)}: {_number(mean)}")
            for start, mean in zip(passage.start.tolist(), passage.mean.tolist(), strict=True)
        ]
    if escape := solution.escape:
        rows.append(("mean escape time", f"{_number(escape.mean)}, {_number(escape.ratio)} of Kramers'"))
    if survivors := solution.quasi_stationary:
        rows.append(("rate of loss", _number(survivors.rate)))
    if spectrum := solution.spectrum:
        rows.append(("relaxation rates", ", ".join(_number(rate) for rate in spectrum.rates.tolist())))
    if evolve := solution.evolve:
        rows += [
            ("mean over time", f"t = {_number(time)}: {_number(mean)}")
            for time, mean in zip(evolve.time.tolist(), evolve.mean.tolist(), strict=True)
        ]
    return [*rows, *(("note", note) for note in solution.notes)]


def _equilibrium(solution: specs.EquilibriumSolution) -> list[Row]:
    rows = [
        ("outcome", solution.outcome + (f": {solution.reason}" if solution.reason else "")),
        ("residual", _number(solution.residual)),
        *(
            (f"along {family.kind}", f"{family.name}, dimension {family.dimension}")
            for family in solution.families
        ),
        ("loss", _pair(solution.loss)),
        ("noise trace", _pair(solution.noise_trace)),
        ("sharpness", _pair(solution.sharpness)),
        ("largest eigenvalue", _pair(solution.top_eigenvalue)),
        *((f"squared norm of {name}", _pair(pair)) for name, pair in solution.norms.items()),
        *((f"noise of {name}", _pair(pair)) for name, pair in solution.noise_traces.items()),
        *((f"alignment of {name}", _pair(pair)) for name, pair in solution.alignment.items()),
    ]
    if flow := solution.flow:
        rows.append(("time to equilibrium", _number(flow.time_to_equilibrium)))
    return [*rows, *(("note", note) for note in solution.notes)]


def _symmetries(solution: specs.SymmetriesSolution) -> list[Row]:
    return [
        ("structure", solution.structure),
        ("dimension", str(solution.dimension)),
        *((family.kind, f"{family.name}, dimension {family.dimension}") for family in solution.families),
        ("gap", _number(solution.gap)),
        *(("note", note) for note in solution.notes),
    ]


def _networks(solution: specs.SimulateNetworkSolution) -> list[Row]:
    return [
        ("networks", f"{solution.n_paths}, {solution.n_diverged} diverged"),
        *(
            (f"{name} at the end", f"{_number(series.mean[-1])} +- {_number(series.standard_error[-1])}")
            for name, series in list(solution.observables.items())[:MOST_OBSERVABLES]
            if series.mean.size
        ),
        ("updates", _number(solution.path_steps)),
        ("seed", str(solution.seed)),
        ("outcome", solution.outcome),
        *(("note", note) for note in solution.notes),
    ]


def _sweep(solution: specs.SweepSolution) -> list[Row]:
    first = [f"{', '.join(map(str, point.index))}: {point.message}" for point in solution.refused[:1]]
    return [
        (
            "points",
            f"{solution.spec.n_points} of task {solution.spec.base.task}, {solution.n_refused} refused",
        ),
        *((name, _axis(values)) for name, values in solution.axes.items()),
        *((name, _found(values)) for name, values in solution.outputs.items()),
        *(("first refused", text) for text in first),
        *(("note", note) for note in solution.notes),
    ]


def _axis(values: NDArray[np.float64]) -> str:
    return f"{values.size} values, {_number(values[0])} .. {_number(values[-1])}"


def _found(values: NDArray[Any]) -> str:
    """The range of numbers, or how often each word is there."""
    if values.dtype.kind == "f":
        known = values[np.isfinite(values)]
        return f"{_number(known.min())} .. {_number(known.max())}" if known.size else "-"
    words, counts = np.unique(values, return_counts=True)
    return ", ".join(f"{word or 'none'} {n}" for word, n in zip(words.tolist(), counts.tolist(), strict=True))


def _pair(pair: specs.BeforeAfter) -> str:
    return f"{_number(pair.before)} before, {_number(pair.after)} after"


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.7g}"

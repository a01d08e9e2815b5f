"""Real SGD on real data against its exact stationary law, through the whole service (`make demo`).

Starts the embedded service on a free port, uploads diabetes.csv, compares SGD (learning rate 0.05, batch 1)
of a two-layer network with its exact laws, in the SDE limit and at this very step, prints a table, draws
demo/stationary_law.png and stops the service.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from equipoise import Client, specs
from equipoise.records import JobRecord
from equipoise.solutions import CompareSolution

HERE = Path(__file__).parent
PICTURE = Path("demo") / "stationary_law.png"
READY = "Equipoise is ready at "
START_DEADLINE_S = 60.0


def main() -> int:
    """Run the demonstration; 0 once table and picture are there."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="equipoise-demo-") as folder, service(Path(folder)) as url:
        print(f"Embedded service (API and one worker) at {url}, its documentation at {url}/docs")
        with Client(url) as lab:
            dataset = lab.upload(HERE / "diabetes.csv", x="bmi", y="progression")
            print(f"Uploaded examples/diabetes.csv: {dataset.n_rows} patients, id {dataset.id}")
            solution = lab.submit(question(dataset.id)).result(progress=shown_progress())
    assert isinstance(solution, CompareSolution)
    print_table(solution)
    PICTURE.parent.mkdir(exist_ok=True)
    figure = solution.plot().get_figure(root=True)
    assert figure is not None
    figure.savefig(PICTURE, dpi=150)
    print(f"\nPicture: {PICTURE}")
    print("Documentation page: run `make serve`, then open http://127.0.0.1:8000/docs")
    print(f"Done in {time.perf_counter() - started:.0f} s; the service is stopped.")
    return 0


def shown_progress() -> Callable[[JobRecord], None] | None:
    """A bar in a terminal; elsewhere, for example in a log, one line per tenth."""
    if sys.stderr.isatty():
        return None
    tenths_shown: set[int] = set()

    def show(job: JobRecord) -> None:
        tenth = int(10 * job.progress)
        if tenth not in tenths_shown:
            tenths_shown.add(tenth)
            mean = job.live.get("mean")
            print(f"  {job.status} {job.progress:4.0%}" + (f", mean so far {mean:.4f}" if mean else ""))

    return show


def question(dataset_id: str) -> specs.Compare:
    """The two-layer network on the standardised data, by real minibatch SGD."""
    return specs.Compare(
        model=specs.Diagonal(depth=1, width=1),
        data=specs.DatasetData(id=dataset_id, standardize=True),
        dynamics=specs.SGD(learning_rate=0.05, batch_size=1),
        n_paths=8192,
        n_steps=50_000,
        observables=("value", "loss", "imbalance"),
    )


@contextmanager
def service(folder: Path) -> Iterator[str]:
    """The embedded service on a free port, stopped in the end; yields its address."""
    serve = [sys.executable, "-m", "equipoise_service", "serve", "--port", "0", "--log-level", "warning"]
    command = [*serve, "--data-dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield _wait_until_ready(process)
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait_until_ready(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if READY in line:
            return line.split(READY)[1].split()[0]
    raise RuntimeError(f"the service ended with code {process.wait()} before it was ready")


def print_table(solution: CompareSolution) -> None:
    """Both laws beside the simulation, with standard errors, and which of them SGD follows."""
    law, own, ensemble = solution.stationary, solution.finite_step, solution.simulation
    assert own is not None
    assert solution.finite_step_distance is not None
    limit, chain = solution.distance, solution.finite_step_distance
    error, spread = ensemble.standard_error or 0.0, ensemble.variance_standard_error or 0.0
    lost = f"{ensemble.n_paths}, {ensemble.n_diverged}, {ensemble.n_absorbed}"
    rows = [
        ("temperature T = learning rate / batch size", f"{law.temperature:.4f}", "", ""),
        ("critical temperature Tc", _number(law.critical_temperature), "", ""),
        ("phase", law.phase, own.phase, ""),
        ("mean of v", _number(law.mean), _number(own.mean), f"{_number(ensemble.mean)} +- {error:.1g}"),
        ("mode of v", _number(law.mode), "", ""),
        (
            "variance of v",
            _number(law.variance),
            _number(own.variance),
            f"{_number(ensemble.variance)} +- {spread:.1g}",
        ),
        (
            "Kolmogorov-Smirnov distance from SGD",
            _number(limit.ks),
            _number(chain.ks),
            f"{_number(limit.ks_bound)} by sampling alone",
        ),
        ("paths, diverged, absorbed", "", "", lost),
        ("SGD updates in all", "", "", f"{ensemble.path_steps:,}"),
    ]
    print(f"\n{'':44s}{'SDE limit':14s}{'finite step':14s}simulated SGD")
    for name, *laws, simulated in rows:
        print(f"{name:44s}{laws[0]:14s}{laws[1]:14s}{simulated}")
    print(f"\n{solution.notes[-1]}")


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"


if __name__ == "__main__":
    sys.exit(main())

"""What each command of the command line does; each returns the exit code."""

import json
import os
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from equipoise.client import Client
from equipoise.errors import InvalidArgumentError, JobFailedError, MissingExtraError
from equipoise.solutions import AnySolution
from equipoise.summaries import aligned, cost_line, estimate_table, job_line, job_table, summary

OK = 0
# What `python -m equipoise_service` needs beyond the bare install.
SERVICE_MODULES = ("fastapi", "uvicorn", "sqlalchemy", "dbos")


def solve(options: Namespace) -> int:
    """Solve a spec here, or on the server that --url names."""
    spec = read_spec(options.spec)
    _check_plot(options.plot)
    with _local_or_remote(options) as client:
        solution = client.solve(spec, timeout_s=options.timeout, progress=_progress(options))
    return _show_solution(solution, options)


def submit(options: Namespace) -> int:
    """Submit a spec; print the job's id."""
    with _client(options) as client:
        job = client.submit(
            read_spec(options.spec),
            priority=options.priority,
            timeout_seconds=options.timeout_seconds,
            tags=options.tag,
            wait_s=options.wait,
            device=options.device,
            urgent=options.urgent,
        )
    _print(job.record.model_dump_json() if options.json else job.id)
    if not options.json and (line := cost_line(job.record)):
        _say(line)
    return OK


def estimate(options: Namespace) -> int:
    """Say what a spec would take; nothing is submitted."""
    with _client(options) as client:
        found = client.estimate(
            read_spec(options.spec),
            priority=options.priority,
            timeout_seconds=options.timeout_seconds,
            device=options.device,
            urgent=options.urgent,
        )
    _print(found.model_dump_json() if options.json else estimate_table(found))
    return OK


def watch(options: Namespace) -> int:
    """Print the states of a job until it has ended."""
    with _client(options) as client:
        job = client.job(options.job_id)
        last = ""
        for record in job.watch(timeout_s=options.timeout):
            line = record.model_dump_json() if options.json else job_line(record)
            if line != last:
                _print(line)
            last = line
    if job.status != "succeeded":
        raise JobFailedError(job.record)
    return OK


def result(options: Namespace) -> int:
    """Wait for a job and print its solution."""
    _check_plot(options.plot)
    with _client(options) as client:
        solution = client.result(options.job_id, timeout_s=options.timeout, progress=_progress(options))
    return _show_solution(solution, options)


def cancel(options: Namespace) -> int:
    """Ask a job to stop."""
    with _client(options) as client:
        job = client.cancel(options.job_id)
    _print(job.record.model_dump_json() if options.json else job_line(job.record))
    return OK


def jobs(options: Namespace) -> int:
    """List jobs, newest first."""
    with _client(options) as client:
        found = client.jobs(status=options.status, tag=options.tag, limit=options.limit)
        records = [job.record for job in found]
    if options.json:
        _print(json.dumps([record.model_dump(mode="json") for record in records]))
    else:
        _print(job_table(records))
    return OK


def upload(options: Namespace) -> int:
    """Upload a dataset; print its id."""
    with _client(options) as client:
        dataset = client.upload(options.file, x=options.x, y=options.y)
    if options.json:
        _print(dataset.model_dump_json())
    else:
        _print(dataset.id)
        _say(f"{dataset.n_rows} rows, x = {dataset.x}, y = {dataset.y}")
    return OK


def health(options: Namespace) -> int:
    """Say whether the service is up."""
    with _client(options) as client:
        content = client.health()
    rows = [(name, str(value)) for name, value in content.items() if value is not None]
    _print(json.dumps(content) if options.json else aligned(rows or [("status", "ok")]))
    return OK


def run_service(command: str, arguments: list[str]) -> int:
    """Become `python -m equipoise_service`, for the commands that are the service's own.

    Raises:
        MissingExtraError: the service is not installed.
    """
    from importlib.util import find_spec

    for module in SERVICE_MODULES:
        if find_spec(module) is None:
            raise MissingExtraError(f"equipoise {command}", extra="service", missing=module)
    # Does not return. The user starts this with words of the user's own.
    os.execv(sys.executable, service_command(command, arguments))  # nosec B606


def service_command(command: str, arguments: list[str]) -> list[str]:
    """The command line that `equipoise serve` and the like turn into."""
    return [sys.executable, "-m", "equipoise_service", command, *arguments]


def read_spec(source: str) -> Any:
    """Read a spec from a JSON file, or from standard input if the name is "-".

    Raises:
        InvalidArgumentError: there is no such file, or it holds no JSON, or says something twice.
    """
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
        return json.loads(text, object_pairs_hook=_unrepeated)
    except OSError as error:
        allowed = f"a readable JSON file, or - for standard input ({error.strerror})"
    except UnicodeDecodeError:
        allowed = "a file in UTF-8"
    except json.JSONDecodeError as error:
        allowed = f"JSON (line {error.lineno}, column {error.colno}: {error.msg})"
    except _RepeatedNameError as error:
        allowed = f"each name once in an object ({error} is there twice)"
    raise InvalidArgumentError("spec", given=source, allowed=allowed)


class _RepeatedNameError(Exception):
    """An object in a file names something twice."""


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        raise _RepeatedNameError(repr(next(name for name in names if names.count(name) > 1)))
    return content


def _client(options: Namespace) -> Client:
    return Client(options.url, token=options.token)


def _local_or_remote(options: Namespace) -> Client:
    return _client(options) if options.url else Client.local(threads=options.threads)


def _progress(options: Namespace) -> bool | None:
    return False if options.quiet else None


def _show_solution(solution: AnySolution, options: Namespace) -> int:
    if options.plot:
        _save_plot(solution, Path(options.plot))
    _print(solution.model_dump_json() if options.json else summary(solution))
    return OK


def _check_plot(path: str | None) -> None:
    """Refuse a picture that cannot be written before computing for hours."""
    if path is None:
        return
    try:
        import matplotlib
    except ImportError:
        raise MissingExtraError("--plot", extra="plot", missing="matplotlib") from None
    # No window is opened, whatever the user's settings.
    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    kinds = Figure().canvas.get_supported_filetypes()
    if Path(path).suffix.lstrip(".").lower() not in kinds:
        allowed = f"a file ending in one of {', '.join(sorted(kinds))}"
        raise InvalidArgumentError("--plot", given=path, allowed=allowed)
    if not Path(path).absolute().parent.is_dir():
        raise InvalidArgumentError("--plot", given=path, allowed="a file in a folder that exists")


def _save_plot(solution: AnySolution, path: Path) -> None:
    figure = solution.plot().get_figure(root=True)
    try:
        if figure is not None:
            figure.savefig(path, dpi=150)
    except OSError as error:
        allowed = f"a file that can be written ({error.strerror})"
        raise InvalidArgumentError("--plot", given=str(path), allowed=allowed) from None
    _say(f"Picture written to {path}.")


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")

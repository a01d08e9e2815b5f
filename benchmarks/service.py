"""A service under load: latencies, rates and memory; writes benchmarks/SERVICE.md (`make bench`).

`--quick` shows that it works; `--only` picks parts; `--soak-seconds 3600` looks at memory for an hour.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tests.support.postgres import binaries, new_database, running_cluster

from benchmarks.load_clients import FINAL, READS, law, small_simulation
from benchmarks.served import TOKEN, Served, served
from benchmarks.timing import machine
from benchmarks.wire import Wire, request_bytes

PAGE = Path(__file__).parent / "SERVICE.md"
PARTS = ("reads", "jobs", "load", "soak")
DATABASES = ("SQLite, embedded", "PostgreSQL")
ASKED_SHARE, ASKED_P99_MS = 0.35, 250.0
ASKED_JOBS = {"SQLite, embedded": 100.0, "PostgreSQL": 150.0}
_HEADERS = {"Authorization": f"Bearer {TOKEN}"}
_HOST = "service"
_N_WIRES = 8


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        n_rounds, round_s: interleaved rounds of the rates of reads, and seconds of each.
        n_laws, n_simulations: small jobs.
        n_clients, load_s, pause_s: clients of the mix, for how long, and mean pause of each, [s].
        soak_s, soak_pause_s: how long memory is looked at, and the pause of its clients, [s].
    """

    n_rounds: int = 5
    round_s: float = 3.0
    n_laws: int = 3000
    n_simulations: int = 1000
    n_clients: int = 64
    load_s: float = 180.0
    pause_s: float = 0.3
    soak_s: float = 180.0
    soak_pause_s: float = 0.5


QUICK = Sizes(n_rounds=2, round_s=1.0, n_laws=200, n_simulations=60, load_s=10.0, soak_s=10.0)


def main() -> int:
    """Measure, write the page and print it; 1 if something failed."""
    options = _options()
    sizes = (
        QUICK
        if options.quick
        else Sizes(
            n_clients=options.clients,
            load_s=options.seconds,
            pause_s=options.pause,
            soak_s=options.soak_seconds,
        )
    )
    started = time.perf_counter()
    tables: list[str] = []
    is_right = True
    for name in DATABASES:
        if name not in options.databases:
            continue
        with _service(name, options.api_processes) as service:
            if service is None:
                tables += [f"## {name}", "", "Not measured: PostgreSQL is not installed.", ""]
                continue
            tables += [f"## {name}", ""]
            for part in options.only:
                print(f"[{time.perf_counter() - started:4.0f} s] {name}: {part}", file=sys.stderr, flush=True)
                lines, is_well = _measure(part, service, sizes, name, options.api_processes)
                tables += lines
                is_right = is_right and is_well
    text = "\n".join([*_head(sizes, options), *tables, _took(started), ""])
    if not options.quick and tuple(options.only) == PARTS and tuple(options.databases) == DATABASES:
        PAGE.write_text(text, encoding="utf-8")
    print(text)
    return 0 if is_right else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes; the page is only printed")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to run")
    parser.add_argument("--databases", nargs="+", choices=DATABASES, default=DATABASES)
    parser.add_argument("--clients", type=int, default=64, help="clients of the mix (64)")
    parser.add_argument("--seconds", type=float, default=180.0, help="seconds of the mix (180)")
    parser.add_argument("--pause", type=float, default=0.3, help="mean pause of a client, in seconds (0.3)")
    parser.add_argument("--soak-seconds", type=float, default=180.0, help="seconds of the soak (180)")
    parser.add_argument("--api-processes", type=int, default=2, help="processes of the API (2)")
    return parser.parse_args()


@contextmanager
def _service(database: str, api_processes: int) -> Iterator[Served | None]:
    with tempfile.TemporaryDirectory(prefix="equipoise-bench-") as folder:
        if database != "PostgreSQL":
            with served(Path(folder), api_processes=api_processes) as service:
                yield service
        elif binaries() is None:
            yield None
        else:
            with running_cluster() as cluster:
                url = new_database(cluster.url)
                with served(Path(folder), database_url=url, api_processes=api_processes) as service:
                    yield service


def _measure(
    part: str, service: Served, sizes: Sizes, database: str, api_processes: int
) -> tuple[list[str], bool]:
    match part:
        case "reads":
            return asyncio.run(_reads(service, sizes, api_processes))
        case "jobs":
            return asyncio.run(_jobs(service, sizes, database))
        case "load":
            return _load(service, sizes)
        case _:
            return _soak(service, sizes)


async def _reads(service: Served, sizes: Sizes, n_processes: int) -> tuple[list[str], bool]:
    """Rate of GET of a stored solution beside that of a bare route of as many processes, interleaved."""
    wire = await Wire.open(service.host, service.port)
    body = json.dumps({"spec": law(0.05)}).encode()
    wait = {**_HEADERS, "Prefer": "wait=30"}
    answer = await wire.send(request_bytes("POST", "/v1/jobs", host=_HOST, headers=wait, body=body))
    path = answer.json()["links"]["result"]
    content = (await wire.send(request_bytes("GET", path, host=_HOST, headers=_HEADERS))).body
    wire.close()
    rates: dict[str, list[float]] = {"bare": [], "stored": []}
    with _bare_route(content, n_processes) as port:
        for number in range(sizes.n_rounds + 1):
            bare = await _rate("127.0.0.1", port, "/x", sizes.round_s, content)
            stored = await _rate(service.host, service.port, path, sizes.round_s, content)
            if number:  # The first round warms up.
                rates["bare"].append(bare)
                rates["stored"].append(stored)
    shares = [stored / bare for stored, bare in zip(rates["stored"], rates["bare"], strict=True)]
    share = statistics.median(shares)
    lines = [
        f"GET of a stored solution of {len(content):,} bytes, {_N_WIRES} connections, {sizes.n_rounds} "
        f"interleaved rounds of {sizes.round_s:g} s:",
        "",
        "| route | requests/s, median | lowest | highest |",
        "|---|---|---|---|",
        _rate_row(f"bare FastAPI route, processes: {n_processes}", rates["bare"]),
        _rate_row("/v1/jobs/{job_id}/result", rates["stored"]),
        "",
        f"Share: {share:.2f} ({min(shares):.2f} to {max(shares):.2f}; asked: {ASKED_SHARE}) "
        f"{_verdict(share >= ASKED_SHARE)}.",
        "",
    ]
    return lines, True


@contextmanager
def _bare_route(content: bytes, n_processes: int) -> Iterator[int]:
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        command = [sys.executable, "-m", "benchmarks.bare_route", file.name, str(n_processes)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                yield int(process.stdout.readline())
            finally:
                process.terminate()


async def _rate(host: str, port: int, path: str, seconds: float, content: bytes) -> float:
    """Answers per second on some connections at once, each of which is the right one."""
    request = request_bytes("GET", path, host=_HOST, headers=_HEADERS)
    until = time.perf_counter() + seconds
    n_answers = 0

    async def ask() -> None:
        nonlocal n_answers
        wire = await Wire.open(host, port)
        while time.perf_counter() < until:
            answer = await wire.send(request)
            assert answer.status == 200
            assert answer.body == content
            n_answers += 1
        wire.close()

    await asyncio.gather(*(ask() for _ in range(_N_WIRES)))
    return n_answers / seconds


def _rate_row(name: str, rates: list[float]) -> str:
    return f"| {name} | {statistics.median(rates):.0f} | {min(rates):.0f} | {max(rates):.0f} |"


async def _jobs(service: Served, sizes: Sizes, database: str) -> tuple[list[str], bool]:
    """Small jobs per second, from the first submission to the last end."""
    # Once each, untimed: kernels are compiled and pools filled.
    await _all_done(service, [law(0.011 + 1e-6 * k) for k in range(20)], "0")
    await _all_done(service, [small_simulation(10**9 + k) for k in range(5)], "1")
    laws = [law(0.03 + 1e-5 * k) for k in range(sizes.n_laws)]
    simulations = [small_simulation(k) for k in range(sizes.n_simulations)]
    found = {"stationary laws": laws, "simulations of 64 paths, 200 steps": simulations}
    asked = ASKED_JOBS[database]
    lines = [
        "| small jobs, submitted on 16 connections | jobs | jobs/s | processor, ms/job | |",
        "|---|---|---|---|---|",
    ]
    for tag, (name, specs) in enumerate(found.items(), 2):
        before = service.processor_seconds()
        rate = len(specs) / await _all_done(service, specs, str(tag))
        used = {key: value - before.get(key, 0.0) for key, value in service.processor_seconds().items()}
        shown = ", ".join(f"{key} {1e3 * value / len(specs):.1f}" for key, value in used.items())
        verdict = f"asked {asked:.0f}: {_verdict(rate >= asked)}"
        lines.append(f"| {name} | {len(specs)} | {rate:.0f} | {shown} | {verdict} |")
    return [*lines, ""], True


async def _all_done(service: Served, specs: list[dict[str, object]], tag: str) -> float:
    """Seconds until all of these have succeeded."""
    waiting = list(specs)
    start = time.perf_counter()

    async def submit() -> None:
        wire = await Wire.open(service.host, service.port)
        while waiting:
            body = json.dumps({"spec": waiting.pop(), "tags": [f"bench-{tag}"]}).encode()
            answer = await wire.send(
                request_bytes("POST", "/v1/jobs", host=_HOST, headers=_HEADERS, body=body)
            )
            assert answer.status in (200, 202), answer.body
        wire.close()

    await asyncio.gather(*(submit() for _ in range(16)))
    wire = await Wire.open(service.host, service.port)
    for status in ("queued", "running"):
        path = f"/v1/jobs?limit=1&tag=bench-{tag}&status={status}"
        request = request_bytes("GET", path, host=_HOST, headers=_HEADERS)
        while (await wire.send(request)).json()["jobs"]:
            await asyncio.sleep(0.1)
    seconds = time.perf_counter() - start
    for status in FINAL - {"succeeded"}:
        path = f"/v1/jobs?limit=1&tag=bench-{tag}&status={status}"
        answer = await wire.send(request_bytes("GET", path, host=_HOST, headers=_HEADERS))
        assert not answer.json()["jobs"], answer.body
    wire.close()
    return seconds


def _load(service: Served, sizes: Sizes) -> tuple[list[str], bool]:
    """The mix of all kinds of requests."""
    memory: list[tuple[float, dict[str, float]]] = []
    log = _mix(service, sizes.n_clients, sizes.load_s, sizes.pause_s, memory)
    seconds, statuses = log["seconds"], log["statuses"]
    failures = {name: n for name, n in statuses.items() if name.split()[1] >= "400"}
    n_answers = sum(len(values) for values in seconds.values())
    lines = [
        f"{sizes.n_clients} clients for {sizes.load_s:g} s, pauses of {sizes.pause_s:g} s in the mean: "
        f"{n_answers} answers, {n_answers / sizes.load_s:.0f}/s; refused or failed: {failures or 'none'}; "
        f"hung up: {log['n_hung_up']}.",
        "",
        "| kind | answers | median, ms | p95, ms | p99, ms | longest, ms |",
        "|---|---|---|---|---|---|",
    ]
    reads = [value for kind in READS for value in seconds.get(kind, ())]
    rows = {"**all reads**": reads, **{kind: seconds[kind] for kind in sorted(seconds)}}
    for kind, values in rows.items():
        shown = np.quantile(values, [0.5, 0.95, 0.99, 1.0]) * 1e3
        lines.append(f"| {kind} | {len(values)} | " + " | ".join(f"{value:.1f}" for value in shown) + " |")
    p99 = float(np.quantile(reads, 0.99)) * 1e3
    lines += [
        "",
        f"p99 of reads: {p99:.0f} ms (asked: < {ASKED_P99_MS:.0f}) {_verdict(p99 < ASKED_P99_MS)}.",
        "",
    ]
    is_well = not log["n_hung_up"] and not any(name.split()[1] >= "500" for name in statuses)
    return lines, is_well


def _soak(service: Served, sizes: Sizes) -> tuple[list[str], bool]:
    """Memory under a light mix."""
    memory: list[tuple[float, dict[str, float]]] = []
    log = _mix(service, 16, sizes.soak_s, sizes.soak_pause_s, memory)
    n_answers = sum(len(values) for values in log["seconds"].values())
    lines = [
        f"Memory over {sizes.soak_s:g} s of 16 clients, {n_answers} requests; slopes are of the second half:",
        "",
        "| process | first, MB | last, MB | slope, MB/h |",
        "|---|---|---|---|",
    ]
    for name in ("API", "worker", "computing process"):
        points = np.array([(at, sizes_[name]) for at, sizes_ in memory if name in sizes_])
        if not len(points):  # It ends when it has nothing to do for long.
            continue
        later = points[len(points) // 2 :]
        slope = np.polyfit(later[:, 0], later[:, 1], 1)[0] * 3600 if len(later) > 2 else float("nan")
        lines.append(f"| {name} | {points[0, 1]:.1f} | {points[-1, 1]:.1f} | {slope:+.1f} |")
    return [*lines, ""], not any(name.split()[1] >= "500" for name in log["statuses"])


def _mix(
    service: Served,
    n_clients: int,
    seconds: float,
    pause_s: float,
    memory: list[tuple[float, dict[str, float]]],
) -> dict[str, dict[str, list[float]]]:
    """Run the clients in a process of their own; meanwhile look at the service's memory."""
    words = [service.host, service.port, TOKEN, n_clients, seconds, pause_s, time.time_ns() % 10**6]
    command = [sys.executable, "-m", "benchmarks.load_clients", *map(str, words)]
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as sink, subprocess.Popen(command, stdout=sink) as process:
        while process.poll() is None:
            memory.append((time.perf_counter() - start, service.megabytes()))
            try:
                process.wait(min(5.0, max(0.5, seconds / 100)))
            except subprocess.TimeoutExpired:
                continue
        assert process.returncode == 0
        sink.seek(0)
        log: dict[str, dict[str, list[float]]] = json.load(sink)
        return log


def _verdict(is_met: bool) -> str:
    return "met" if is_met else "**missed**"


def _head(sizes: Sizes, options: argparse.Namespace) -> list[str]:
    quick = ["**A quick run with small sizes: the numbers say little.**", ""] if options.quick else []
    return [
        "# The service under load",
        "",
        f"Written by `make bench` on: {machine()}.",
        f"`equipoise serve` with {options.api_processes} process(es) of the API and one worker, a shared",
        "token, logging warnings; the clients share the machine, in a process of their own.",
        "",
        *quick,
    ]


def _took(started: float) -> str:
    return f"The whole run took {time.perf_counter() - started:.0f} s."


if __name__ == "__main__":
    sys.exit(main())

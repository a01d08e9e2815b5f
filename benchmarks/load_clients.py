"""Clients that load a service: a mix of requests with pauses, timed by kind.

Run as `python -m benchmarks.load_clients HOST PORT TOKEN CLIENTS SECONDS PAUSE SEED`; prints JSON.
"""

import asyncio
import json
import random
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from benchmarks.wire import Answer, Wire, request_bytes

FINAL = frozenset({"succeeded", "failed", "cancelled", "timed_out"})
READS = frozenset({"poll", "result", "list", "limits"})
"""Kinds that only read."""
MIX = {"poll": 34, "result": 22, "list": 5, "limits": 4, "solve": 10, "submit": 15, "stream": 10}
"""Requests of each kind in a hundred."""
_MODEL = {"kind": "diagonal", "depth": 1, "width": 1}


def law(temperature: float) -> dict[str, Any]:
    """A stationary law, which is a closed form."""
    return {
        "task": "stationary",
        "model": _MODEL,
        "data": {"kind": "gaussian", "slope": 1.0, "noise_std": 1.0},
        "temperature": temperature,
    }


def small_simulation(seed: int) -> dict[str, Any]:
    """An ensemble of SGD that takes milliseconds: 64 paths of 200 steps."""
    return {
        "task": "simulate",
        "model": _MODEL,
        "data": {"kind": "gaussian", "slope": 1.3, "noise_std": 0.7},
        "dynamics": {"kind": "sgd", "learning_rate": 0.02, "batch_size": 2},
        "n_paths": 64,
        "n_steps": 200,
        "seed": seed,
    }


@dataclass
class Log:
    """What the clients saw.

    Attributes:
        seconds: of each answer, by kind, [s].
        statuses: how often each kind was answered with each status.
        n_hung_up: connections that the service closed in the middle.
    """

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    statuses: Counter[str] = field(default_factory=Counter)
    n_hung_up: int = 0


class Caller:
    """One client on one connection, with jobs of its own."""

    def __init__(self, host: str, port: int, token: str, log: Log, *, seed: int) -> None:
        self._address = (host, port)
        self._headers = {"Authorization": f"Bearer {token}"}
        self._log = log
        self._rng = random.Random(seed)
        self._open: list[str] = []
        self._solved: list[str] = []
        self._wire: Wire | None = None

    async def run(self, until: float, pause_s: float) -> None:
        """Send requests, with pauses of this mean, until a time of the clock."""
        await asyncio.sleep(self._rng.uniform(0, 2 * pause_s))
        await self._submit()
        kinds, weights = list(MIX), list(MIX.values())
        while time.perf_counter() < until:
            await self._act(self._rng.choices(kinds, weights)[0])
            await asyncio.sleep(self._rng.uniform(0, 2 * pause_s))
        if self._wire is not None:
            self._wire.close()

    async def _act(self, kind: str) -> None:
        match kind:
            case "solve":
                body = {"spec": law(self._rng.uniform(0.03, 0.1))}
                await self._send("solve", "POST", "/v1/solve", body)
            case "submit":
                await self._submit()
            case "list":
                await self._send("list", "GET", "/v1/jobs?limit=20")
            case "limits":
                await self._send("limits", "GET", "/v1/limits")
            case "result" if self._solved:
                await self._send("result", "GET", f"/v1/jobs/{self._rng.choice(self._solved)}/result")
            case "stream" if self._open:
                job_id = self._open.pop()
                await self._send("stream", "GET", f"/v1/jobs/{job_id}/events")
                self._solved.append(job_id)
            case _:
                await self._poll()

    async def _submit(self) -> None:
        number = self._rng.getrandbits(48)
        spec = small_simulation(number) if number % 3 else law(0.03 + 0.07 * number / 2**48)
        answer = await self._send("submit", "POST", "/v1/jobs", {"spec": spec})
        if answer is not None and answer.status in (200, 202):
            job = answer.json()
            (self._solved if job["status"] in FINAL else self._open).append(job["id"])
            del self._solved[:-50]

    async def _poll(self) -> None:
        job_id = self._rng.choice(self._open or self._solved or [""])
        answer = await self._send("poll", "GET", f"/v1/jobs/{job_id}") if job_id else None
        if answer is not None and job_id in self._open and answer.json()["status"] in FINAL:
            self._open.remove(job_id)
            self._solved.append(job_id)

    async def _send(self, kind: str, method: str, path: str, body: Any = None) -> Answer | None:
        content = b"" if body is None else json.dumps(body).encode()
        request = request_bytes(method, path, host="service", headers=self._headers, body=content)
        start = time.perf_counter()
        try:
            if self._wire is None:
                self._wire = await Wire.open(*self._address)
            answer = await self._wire.send(request)
        except OSError:
            self._wire = None
            self._log.n_hung_up += 1
            return None
        self._log.seconds[kind].append(time.perf_counter() - start)
        self._log.statuses[f"{kind} {answer.status}"] += 1
        return answer if answer.status < 400 else None


async def load(
    host: str, port: int, token: str, *, n_clients: int, seconds: float, pause_s: float, seed: int
) -> Log:
    """Let clients work for some time, [s], with pauses of this mean between their requests, [s]."""
    log = Log()
    callers = [Caller(host, port, token, log, seed=1000 * seed + number) for number in range(n_clients)]
    until = time.perf_counter() + seconds
    await asyncio.gather(*(caller.run(until, pause_s) for caller in callers))
    return log


def main() -> None:
    """Load as the command line says."""
    host, port, token, n_clients, seconds, pause_s, seed = sys.argv[1:]
    log = asyncio.run(
        load(
            host,
            int(port),
            token,
            n_clients=int(n_clients),
            seconds=float(seconds),
            pause_s=float(pause_s),
            seed=int(seed),
        )
    )
    print(json.dumps({"seconds": log.seconds, "statuses": log.statuses, "n_hung_up": log.n_hung_up}))


if __name__ == "__main__":
    main()

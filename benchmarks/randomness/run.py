"""Run one battery on the interleaved streams and keep its log."""

import argparse
import hashlib
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.randomness.words import CHUNK, DEFECTS, Interleaved

HERE = Path(__file__).parent
LIBRARIES = ("-ltestu01", "-ltestu01probdist", "-ltestu01mylib", "-lm")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("battery", choices=("smallcrush", "crush", "bigcrush", "rabbit", "alphabit"))
    parser.add_argument("--paths", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--reversed", action="store_true")
    parser.add_argument("--planted", choices=DEFECTS, default="")
    parser.add_argument("--only", type=int, nargs="*", default=[], metavar="TEST")
    parser.add_argument("--logs", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.logs.mkdir(parents=True, exist_ok=True)
    facts = _facts(arguments)
    with tempfile.TemporaryDirectory() as folder:
        battery = Path(folder) / "battery"
        subprocess.run(["cc", "-O2", "-o", battery, HERE / "battery.c", *LIBRARIES], check=True)
        started = time.monotonic()
        output = _fed(battery, arguments)
    facts["seconds"] = f"{time.monotonic() - started:.0f}"
    head = "".join(f"{name}\t{value}\n" for name, value in facts.items())
    log = arguments.logs / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{arguments.battery}-{arguments.paths}.log"
    log.write_text(head + output)
    print(log)


def _fed(battery: Path, arguments: argparse.Namespace) -> str:
    writer = [sys.executable, "-m", "benchmarks.randomness.words"]
    writer += ["--paths", str(arguments.paths), "--seed", str(arguments.seed)]
    writer += ["--planted", arguments.planted] if arguments.planted else []
    reader = [str(battery), arguments.battery, "reversed" if arguments.reversed else "forward"]
    reader += [str(test) for test in arguments.only]
    with subprocess.Popen(writer, stdout=subprocess.PIPE) as words:
        output = subprocess.run(reader, stdin=words.stdout, stdout=subprocess.PIPE, text=True, check=True)
        assert words.stdout is not None
        words.stdout.close()  # So that the writer learns that nobody reads any more.
    return output.stdout


def _facts(arguments: argparse.Namespace) -> dict[str, str]:
    """What was run, on what: the head of the log."""
    chunk = Interleaved(arguments.paths, seed=arguments.seed, defect=arguments.planted).next_chunk()
    return {
        "battery": arguments.battery,
        "paths": str(arguments.paths),
        "seed": str(arguments.seed),
        "bits": "reversed" if arguments.reversed else "forward",
        "streams": f"planted {arguments.planted}" if arguments.planted else "as they are",
        "only": " ".join(map(str, arguments.only)) or "all tests",
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        "versions": ", ".join(
            (
                f"TestU01 {_debian_version('libtestu01-0-dev')} (Debian)",
                f"Python {platform.python_version()}",
                *(f"{name} {version(name)}" for name in ("numpy", "numba")),
                subprocess.run(["cc", "--version"], stdout=subprocess.PIPE, text=True).stdout.splitlines()[0],
            )
        ),
        "digest": f"sha256 of the first {CHUNK} words {hashlib.sha256(chunk.tobytes()).hexdigest()[:16]}",
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), "unknown processor")


def _debian_version(package: str) -> str:
    query = ["dpkg-query", "--show", "--showformat", "${Version}", package]
    return subprocess.run(query, stdout=subprocess.PIPE, text=True).stdout or "of unknown version"


if __name__ == "__main__":
    main()

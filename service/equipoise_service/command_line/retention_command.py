"""The command `gc`: remove old jobs, unused datasets and results, and litter."""

import argparse
import json
import re
import sys

from equipoise_service.command_line.command import Command
from equipoise_service.settings import Settings

_UNITS = {"": 1.0, "K": 2.0**10, "M": 2.0**20, "G": 2.0**30, "T": 2.0**40}
_TIMES = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}


def _run(settings: Settings, options: argparse.Namespace) -> int:
    from dataclasses import replace

    from equipoise_service.jobs.engine_queue import JobQueue
    from equipoise_service.storage.database import connect
    from equipoise_service.storage.probes import check_places
    from equipoise_service.storage.retention import Collector, limits_of
    from equipoise_service.storage.store import Store
    from equipoise_service.users import audit
    from equipoise_service.users.callers import LOCAL

    check_places(settings)
    limits = limits_of(settings)
    if options.older_than is not None:
        limits = replace(limits, older_than_s=options.older_than)
    if options.keep_bytes is not None:
        limits = replace(limits, keep_bytes=options.keep_bytes)
    database = connect(settings.database)
    queue = JobQueue(database)
    try:
        collector = Collector(database, Store(settings.store), queue)
        found = collector.find(limits) if options.dry_run else collector.collect(limits)
        if found is None:
            print("equipoise: another collection is under way.", file=sys.stderr)  # noqa: T201
            return 1
        counts = {
            "jobs": len(found.jobs),
            "expired_results": len(found.expired),
            "datasets": len(found.datasets),
            "files": len(found.files),
            "bytes": found.n_bytes,
            "audit_entries": found.audit_entries,
        }
        if not options.dry_run:
            with database.begin() as connection:
                audit.record(connection, LOCAL, "collect_garbage", "store", detail=counts)
    finally:
        queue.close()
        database.dispose()
    if options.json:
        names = {
            "jobs": found.jobs,
            "expired_results": found.expired,
            "datasets": found.datasets,
            "files": dict(found.files),
        }
        print(json.dumps({"dry_run": options.dry_run, "counts": counts, **names}, indent=1))  # noqa: T201
    else:
        verb = "would remove" if options.dry_run else "removed"
        print(  # noqa: T201
            f"{verb} {counts['jobs']} jobs, {counts['datasets']} datasets, {counts['audit_entries']} entries "
            f"of the audit log, and {counts['files']} files of {counts['bytes']} bytes, "
            f"{counts['expired_results']} of them results of jobs that stay"
        )
    return 0


def duration(text: str) -> float:
    """A time such as 90d, 12h or 2w in seconds."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smhdw])", text)
    if found is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time: need a number and s, m, h, d or w, such as 90d"
        )
    return float(found[1]) * _TIMES[found[2]]


def size(text: str) -> float:
    """A size such as 50G or 512M in bytes."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([KMGT]?)", text)
    if found is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no size: need a number of bytes, or one with K, M, G or T, such as 50G"
        )
    return float(found[1]) * _UNITS[found[2]]


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--older-than",
        type=duration,
        metavar="TIME",
        help="remove jobs that ended, and datasets unused, this long ago, such as 90d",
    )
    parser.add_argument(
        "--keep-bytes",
        type=size,
        metavar="SIZE",
        help="remove the results used longest ago until the store is this small, such as 50G",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    parser.add_argument("--json", action="store_true", help="print names and counts as JSON")


GC = Command("gc", "remove old jobs, unused datasets and results, and litter", run=_run, declare=_declare)

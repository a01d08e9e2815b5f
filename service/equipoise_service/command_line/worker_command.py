"""The command `worker`: one worker, or one for each device of this machine."""

import argparse
import logging
import os

from equipoise_service.command_line.command import Command, as_environment
from equipoise_service.settings import Settings
from equipoise_service.telemetry import tracing
from equipoise_service.workers.processes import die_with_parent, new_worker_id, share_memory_pools

ALL = "all"
OPTIONS = ("device", "threads", "queues")


def _run(settings: Settings, options: argparse.Namespace) -> int:
    from equipoise_service.storage.probes import check_places
    from equipoise_service.workers.devices import devices_for_all
    from equipoise_service.workers.supervisor import run_workers

    if settings.device != ALL:
        return _run_one(settings, options)
    check_places(settings)
    environment = {**os.environ, **as_environment(options)}
    return run_workers(settings, devices_for_all(), environment=environment)


def _run_one(settings: Settings, options: argparse.Namespace) -> int:
    from equipoise_service.storage.probes import check_places
    from equipoise_service.workers.devices import device_for, devices_in_use, reserve
    from equipoise_service.workers.orders import Orders
    from equipoise_service.workers.worker import run_worker

    name = device_for(settings.device)
    if options.parent is None:
        check_places(settings)
        devices_in_use([name], settings)
    else:  # The supervisor has looked.
        die_with_parent(options.parent)
    share_memory_pools()
    orders = Orders()
    orders.listen()
    run_worker(
        settings,
        worker=options.id or new_worker_id(),
        replaces=options.replaces,
        orders=orders,
        device=reserve(name),
        name=name,
    )
    tracing.close()
    # All that counts is recorded, and the jobs that ran here go on elsewhere.
    logging.shutdown()
    os._exit(0)


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--devices", dest="device", metavar="DEVICE", help="the same as --device")
    parser.add_argument("--id", help=argparse.SUPPRESS)
    parser.add_argument("--replaces", action="append", default=[], help=argparse.SUPPRESS)
    parser.add_argument("--parent", type=int, help=argparse.SUPPRESS)


WORKER = Command("worker", "run one worker, or one for each device", _run, OPTIONS, _declare)

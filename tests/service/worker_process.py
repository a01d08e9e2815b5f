"""A worker with the fake solver as a process of its own: `python -m tests.service.worker_process ID`."""

import logging
import os
import sys

from tests.service import fake_solver

from equipoise_service.settings import load_settings
from equipoise_service.workers.orders import Orders
from equipoise_service.workers.worker import run_worker

if __name__ == "__main__":
    settings = load_settings()
    logging.basicConfig(level=settings.log_level.upper())
    orders = Orders()
    orders.listen()
    run_worker(settings, worker=sys.argv[1], replaces=(), orders=orders, solver=fake_solver.NAME)
    os._exit(0)

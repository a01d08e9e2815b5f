"""A worker with the fake solver as a process of its own: `python -m tests.service.worker_process ID`."""

import sys
import threading

from tests.service import fake_solver

from equipoise_service.settings import load_settings
from equipoise_service.worker import run_worker

if __name__ == "__main__":
    run_worker(
        load_settings(), worker=sys.argv[1], replaces=(), stop=threading.Event(), solver=fake_solver.NAME
    )

"""An S3-compatible server for tests: moto's, in a process of its own, with a bucket."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

_CODE = """
import logging, os, sys, threading
from moto.server import ThreadedMotoServer
from equipoise_service.workers.processes import die_with_parent
die_with_parent(int(sys.argv[1]))
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
threading.Event().wait()
"""


@dataclass(frozen=True)
class S3Server:
    """A running server.

    Attributes:
        endpoint: its URL.
        pid: process id of the server.
    """

    endpoint: str
    pid: int

    @property
    def environment(self) -> Mapping[str, str]:
        """The standard variables that lead any S3 client to this server."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            # Without these, clients look for credentials of the machine on the network first.
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def new_bucket(self) -> str:
        """Make a bucket; its URL."""
        name = f"equipoise-{uuid.uuid4().hex[:12]}"
        httpx.put(f"{self.endpoint}/{name}").raise_for_status()
        return f"s3://{name}"


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Run a server on a free port; everything it holds is gone at the end."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _CODE, str(os.getpid())], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.strip().isdigit(), f"the S3 server did not start: {line!r}"
        yield S3Server(f"http://127.0.0.1:{line.strip()}", process.pid)
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()

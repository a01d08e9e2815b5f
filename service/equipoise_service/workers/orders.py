"""What a worker is told from outside: to hand its jobs back and end, or to end at once."""

import signal
import threading


class Orders:
    """Orders to end; signals may give them."""

    def __init__(self) -> None:
        self._wake = threading.Event()
        self._must_end = threading.Event()

    def drain(self) -> None:
        """Ask to finish the chunk, hand the job back and end; the second time, end at once."""
        if self._wake.is_set():
            self._must_end.set()
        self._wake.set()

    def end(self) -> None:
        """Ask to end at once."""
        self._must_end.set()
        self._wake.set()

    def listen(self) -> None:
        """Drain on SIGTERM, end at once on a second one or on SIGINT; the main thread calls this."""
        signal.signal(signal.SIGTERM, lambda *_: self.drain())
        signal.signal(signal.SIGINT, lambda *_: self.end())

    def wait(self, seconds: float) -> bool:
        """Wait for an order to end in either way; whether there is one."""
        return self._wake.wait(seconds)

    def must_end(self, seconds: float = 0.0) -> bool:
        """Wait for the order to end at once; whether there is one."""
        return self._must_end.wait(seconds)

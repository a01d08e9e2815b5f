"""The terminal: frames drawn over each other, keys without Enter, and everything as before at the end."""

import os
import select
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from shutil import get_terminal_size
from typing import TextIO

# Another page of the terminal, without a cursor, so that what was there before comes back at the end.
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME, _CLEAR_LINE, _CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
QUIT = frozenset({"q", "Q", "\x03", "\x04", "\x1b"})


class Screen:
    """A terminal while it shows frames.

    Args:
        output: where frames go.
        wake: file to watch besides the keys; something to read there ends a wait.
    """

    def __init__(self, output: TextIO, wake: int) -> None:
        self._output = output
        self._wake = wake
        self._keys = sys.stdin.fileno() if sys.stdin is not None and sys.stdin.isatty() else None
        self.is_interrupted = False

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        size = get_terminal_size((80, 24))
        return size.columns, size.lines

    def draw(self, lines: Sequence[str]) -> None:
        """Show a frame over the last one, without flicker."""
        # The last line has no end: it would scroll the terminal.
        body = f"{_CLEAR_LINE}\r\n".join(lines)
        self._output.write(f"{_HOME}{body}{_CLEAR_LINE}{_CLEAR_BELOW}")
        self._output.flush()

    def wait(self, seconds: float) -> bool:
        """Wait for a key, Ctrl-C, a new size, news, or some time; whether to quit."""
        if self.is_interrupted:
            return True
        files = [file for file in (self._keys, self._wake) if file is not None]
        ready = select.select(files, [], [], seconds)[0]
        if self._wake in ready:
            os.read(self._wake, 4096)
        if self._keys is not None and self._keys in ready:
            pressed = os.read(self._keys, 64).decode("utf-8", "replace")
            # A closed terminal reads as nothing.
            return not pressed or pressed in QUIT
        return self.is_interrupted


@contextmanager
def opened(output: TextIO, wake: tuple[int, int]) -> Iterator[Screen]:
    """A terminal that shows frames within this block.

    Args:
        output: the terminal.
        wake: ends of a pipe; a new size of the terminal writes to it.
    """
    screen = Screen(output, wake[0])

    def interrupt() -> None:
        screen.is_interrupted = True

    # An exception could be raised, and lost, in the middle of anything: Ctrl-C is news like all other.
    with (
        _keys_at_once(),
        _signal_wakes(signal.SIGWINCH, wake[1]),
        _signal_wakes(signal.SIGINT, wake[1], interrupt),
    ):
        output.write(_ENTER)
        try:
            yield screen
        finally:
            output.write(_LEAVE)
            output.flush()


@contextmanager
def _keys_at_once() -> Iterator[None]:
    """Within this block keys are read without Enter and not shown; Ctrl-C still interrupts."""
    if sys.stdin is None or not sys.stdin.isatty():
        yield
        return
    import termios
    import tty

    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    tty.setcbreak(number)
    try:
        yield
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)


@contextmanager
def _signal_wakes(number: int, wake: int, act: Callable[[], None] | None = None) -> Iterator[None]:
    """Within this block a signal ends a wait, after what is to be done first."""

    def handle(*_: object) -> None:
        if act is not None:
            act()
        os.write(wake, b"s")

    before = signal.signal(number, handle)
    try:
        yield
    finally:
        signal.signal(number, before)

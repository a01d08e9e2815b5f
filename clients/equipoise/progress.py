"""A progress bar for waiting: in a terminal or a notebook, and nowhere else unless asked for."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from equipoise.records import JobRecord

Reporter = Callable[[JobRecord], None]


@contextmanager
def reporter(progress: "bool | Reporter | None") -> Iterator[Reporter | None]:
    """Give a function that shows the state of a job.

    Args:
        progress: True for a bar, False for none, None for a bar in a terminal or notebook only; or a function
            to call with each state instead.
    """
    if callable(progress):
        yield progress
    elif progress is False or (progress is None and not _is_watched()):
        yield None
    else:
        bar = _Bar()
        try:
            yield bar.show
        finally:
            bar.close()


def _is_watched() -> bool:
    """Whether somebody looks: standard error is a terminal, or the code runs in a notebook's kernel."""
    return "ipykernel" in sys.modules or (sys.stderr is not None and sys.stderr.isatty())


class _Bar:
    """A tqdm bar in percent, made when the first unfinished state comes."""

    def __init__(self) -> None:
        self._bar: Any = None

    def show(self, record: JobRecord) -> None:
        if self._bar is None:
            if record.is_final:
                return
            from tqdm.auto import tqdm

            layout = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
            self._bar = tqdm(total=1.0, bar_format=layout, leave=False)
        waiting = f" ({record.queue_position} ahead)" if record.queue_position else ""
        self._bar.set_description_str(f"{record.task or 'job'} {record.status}{waiting}", refresh=False)
        mean = record.live.get("mean")
        if isinstance(mean, (int, float)):
            self._bar.set_postfix_str(f"mean {mean:.4g}", refresh=False)
        self._bar.update(max(0.0, min(1.0, record.progress) - self._bar.n))
        self._bar.refresh()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()

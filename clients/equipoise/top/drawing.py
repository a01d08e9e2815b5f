"""Pieces of a picture made of characters: bars, sparklines, short numbers, styled lines of a width."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Style = Literal["plain", "title", "dim", "good", "busy", "bad"]
Part = tuple[str, Style]
_CODES: dict[Style, str] = {
    "plain": "",
    "title": "1;36",
    "dim": "2",
    "good": "32",
    "busy": "33",
    "bad": "1;31",
}
_UNITS = (("d", 86400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0))


@dataclass(frozen=True)
class Glyphs:
    """Characters to draw with.

    Attributes:
        levels: from nothing to full, for sparklines.
        full: the done part of a bar.
        empty: the open part of a bar.
        cut: stands for what did not fit.
    """

    levels: str
    full: str
    empty: str
    cut: str


UNICODE = Glyphs("▁▂▃▄▅▆▇█", "█", "░", "…")
ASCII = Glyphs("_.-=+*%#", "#", ".", "~")


def bar(share: float, width: int, glyphs: Glyphs) -> str:
    """A bar of `width` characters that is full up to a share, 0..1."""
    n_full = round(min(max(share, 0.0), 1.0) * width)
    return glyphs.full * n_full + glyphs.empty * (width - n_full)


def sparkline(values: Sequence[float], width: int, glyphs: Glyphs) -> str:
    """The last values as heights; the largest one is full, zero is the lowest."""
    shown = list(values)[-width:]
    top = max(shown, default=0.0)
    last = len(glyphs.levels) - 1
    line = "".join(glyphs.levels[0 if top <= 0 else round(last * max(value, 0.0) / top)] for value in shown)
    return line.rjust(width)


def short_time(seconds: float | None) -> str:
    """A time with its largest unit, such as 3.2 h; "-" for None."""
    if seconds is None:
        return "-"
    seconds = max(seconds, 0.0)
    unit, size = next((pair for pair in _UNITS if seconds >= pair[1]), _UNITS[-1])
    number = seconds / size
    return f"{number:.0f} {unit}" if number >= 10 or unit == "s" else f"{number:.1f} {unit}"


def short_number(number: float | None) -> str:
    """A number with a prefix, such as 2.5 G; "-" for None."""
    if number is None:
        return "-"
    for prefix, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {prefix}"
    return f"{number:.3g}"


def line(parts: Iterable[Part], width: int, *, is_coloured: bool, glyphs: Glyphs) -> str:
    """Parts next to each other, cut to a width; what lies beyond is left out."""
    shown: list[str] = []
    left = width
    for text, style in parts:
        if left <= 0:
            break
        piece = text if len(text) <= left else text[: left - 1] + glyphs.cut
        left -= len(piece)
        code = _CODES[style] if is_coloured else ""
        shown.append(f"\x1b[{code}m{piece}\x1b[0m" if code else piece)
    return "".join(shown).rstrip() if not is_coloured else "".join(shown)


def cell(text: str, width: int, glyphs: Glyphs, *, is_right: bool = False) -> str:
    """A text in a column: padded, or cut, to its width."""
    if len(text) > width:
        text = text[: width - 1] + glyphs.cut
    return text.rjust(width) if is_right else text.ljust(width)

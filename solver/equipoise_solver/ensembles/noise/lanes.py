"""The stream of one lane of a block: its four words, taken out, moved on by `next_word`, and put back."""

from typing import Any

import numpy as np

from equipoise_solver.ensembles.compiled import inlined
from equipoise_solver.ensembles.elementary import normal_pair
from equipoise_solver.ensembles.streams import next_word


@inlined
def stream_of(words: Any, j: Any) -> Any:
    """The stream of lane j; words (4, LANES)."""
    return words[0, j], words[1, j], words[2, j], words[3, j]


@inlined
def keep(words: Any, j: Any, a: Any, b: Any, c: Any, d: Any) -> None:
    """Put the stream of lane j back."""
    words[0, j] = a
    words[1, j] = b
    words[2, j] = c
    words[3, j] = d


@inlined
def keep_where(active: Any, words: Any, j: Any, moved: Any, before: Any) -> None:
    """Put the stream of lane j back as moved if the lane is active, else as before: at rest it draws nothing.

    The stream before is an argument because, read again here, it would keep loops from becoming vectors.
    """
    on = active[j] != np.uint8(0)
    words[0, j] = moved[0] if on else before[0]
    words[1, j] = moved[1] if on else before[1]
    words[2, j] = moved[2] if on else before[2]
    words[3, j] = moved[3] if on else before[3]


@inlined
def two_normals(words: Any, j: Any) -> Any:
    """Two N(0, 1) numbers, float64, from the stream of lane j."""
    a, b, c, d = stream_of(words, j)
    high, a, b, c, d = next_word(a, b, c, d)
    low, a, b, c, d = next_word(a, b, c, d)
    turn, a, b, c, d = next_word(a, b, c, d)
    keep(words, j, a, b, c, d)
    return normal_pair(high, low, turn)

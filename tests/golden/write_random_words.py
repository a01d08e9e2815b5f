"""Write random_words.json: `python -m tests.golden.write_random_words`. Review the difference like code.

The Philox vectors are those of the Random123 distribution (kat_vectors, philox4x32 10); the outputs of
xoshiro128++ from state 1, 2, 3, 4 are those of the reference implementation. The streams are this project's
own.
"""

import json
from pathlib import Path
from typing import Any

from equipoise_solver.ensembles.streams import (
    INCREMENTS,
    INITIAL_STATE,
    MINIBATCHES,
    PERMUTATIONS,
    raw_words,
    stream_words,
)

PHILOX = [
    {
        "counter": ["00000000"] * 4,
        "key": ["00000000"] * 2,
        "words": ["6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"],
    },
    {
        "counter": ["ffffffff"] * 4,
        "key": ["ffffffff"] * 2,
        "words": ["408f276d", "41c83b0e", "a20bc7c6", "6d5451fd"],
    },
    {
        "counter": ["243f6a88", "85a308d3", "13198a2e", "03707344"],
        "key": ["a4093822", "299f31d0"],
        "words": ["d16cfe09", "94fdcceb", "5001e420", "24126ea1"],
    },
]
XOSHIRO = [
    641,
    1573767,
    3222811527,
    3517856514,
    836907274,
    4247214768,
    3867114732,
    1355841295,
    495546011,
    621204420,
]


def streams() -> list[dict[str, Any]]:
    """The first words of some streams of this project."""
    found: list[dict[str, Any]] = []
    for seed in (0, 0x0123456789ABCDEF):
        for purpose in (INITIAL_STATE, INCREMENTS, MINIBATCHES, PERMUTATIONS):
            for path in (0, 5_000_000_000):
                start = stream_words(seed, first_path=path, n_blocks=1, lanes=1, purpose=purpose)[0, :, 0]
                words = [int(word) for word in raw_words(start, 4)]
                found.append({"seed": seed, "purpose": purpose, "path": path, "words": words})
    return found


if __name__ == "__main__":
    content = {"philox": PHILOX, "xoshiro": XOSHIRO, "streams": streams()}
    Path(__file__).with_name("random_words.json").write_text(json.dumps(content, indent=1) + "\n")

"""Random words: published vectors, golden streams, unbiased integers, shuffles."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.statistics import assert_fraction

from equipoise_solver.ensembles.reference.arithmetic import Stream
from equipoise_solver.ensembles.reference.noise import shuffles
from equipoise_solver.ensembles.streams import INITIAL_STATE, philox_words, raw_words, stream_words

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "random_words.json").read_text())


@pytest.mark.parametrize("vector", GOLDEN["philox"], ids=lambda vector: vector["counter"][0])
def test_philox_known_answers(vector: dict[str, list[str]]) -> None:
    """Philox4x32-10 gives the known answers of its authors."""
    counter = np.array([[int(word, 16) for word in vector["counter"]]], dtype=np.uint32)
    key = np.array([int(word, 16) for word in vector["key"]], dtype=np.uint32)
    assert [f"{word:08x}" for word in philox_words(counter, key)[0]] == vector["words"]


def test_xoshiro_reference_outputs() -> None:
    """xoshiro128++ from state 1, 2, 3, 4 gives the outputs of the reference implementation."""
    assert raw_words(np.array([1, 2, 3, 4], dtype=np.uint32), 10).tolist() == GOLDEN["xoshiro"]


@pytest.mark.parametrize("stream", GOLDEN["streams"], ids=lambda s: f"{s['seed']}-{s['purpose']}-{s['path']}")
def test_streams_are_pinned(stream: dict[str, Any]) -> None:
    """Streams of (seed, path, purpose) keep their words, in the kernel and in the reference."""
    start = stream_words(
        stream["seed"], first_path=stream["path"], n_blocks=1, lanes=1, purpose=stream["purpose"]
    )
    assert raw_words(start[0, :, 0], 4).tolist() == stream["words"]
    reference = Stream(stream["seed"], paths=np.array([stream["path"]]), purpose=stream["purpose"])
    assert [int(reference.next()[0]) for _ in range(4)] == stream["words"]


def test_streams_differ_by_path_and_purpose() -> None:
    """No two of many streams start in the same state."""
    starts = [
        stream_words(9, first_path=0, n_blocks=4, lanes=256, purpose=purpose)
        .transpose(0, 2, 1)
        .reshape(-1, 4)
        for purpose in range(4)
    ]
    assert len(np.unique(np.concatenate(starts), axis=0)) == 4096


def test_bounded_integers_are_unbiased(seed: int) -> None:
    """Integers below 3 * 2**30, where a plain product is biased by a half, are uniform over the thirds."""
    stream = Stream(seed, paths=np.arange(20_000), purpose=INITIAL_STATE)
    third = stream.below(3 << 30) // (1 << 30)
    for value in range(3):
        assert_fraction(int((third == value).sum()), third.size, 1 / 3, resolves=0.04)


def test_shuffles_are_uniform(seed: int) -> None:
    """Each of the 6 orders of 3 items has chance 1/6, independently of the epoch."""
    first = shuffles(seed, paths=np.arange(30_000), epoch=0, n=3)
    second = shuffles(seed, paths=np.arange(30_000), epoch=1, n=3)
    assert (np.sort(first, axis=0) == np.arange(3)[:, None]).all()
    code, other = first[0] * 3 + first[1], second[0] * 3 + second[1]
    for value in (1, 2, 3, 5, 6, 7):
        assert_fraction(int((code == value).sum()), code.size, 1 / 6, resolves=0.025)
    assert_fraction(int((code == other).sum()), code.size, 1 / 6, resolves=0.025)

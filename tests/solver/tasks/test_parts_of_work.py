"""Parts of a work: which there are, and what is refused."""

from typing import Any

import pytest

from equipoise_solver import prepare
from equipoise_solver.errors import InvalidModelError

STATIONARY: dict[str, Any] = {
    "task": "stationary",
    "model": {"kind": "diagonal", "depth": 1},
    "data": {"kind": "gaussian", "slope": 1.2, "noise_std": 0.7},
    "temperature": 0.1,
}


def test_a_closed_form_is_one_part() -> None:
    """Its one part is the whole, and merges to itself."""
    work = prepare(STATIONARY)
    assert work.n_shards == 1
    done = work.advance(work.begin((0, 1)), 1, threads=1)
    assert done.to_bytes() == work.advance(work.begin(), 1, threads=1).to_bytes()
    whole = work.finish(work.merge([done])).model_dump_json()
    assert whole == work.finish(done).model_dump_json()


@pytest.mark.parametrize("part", [(0, 2), (1, 1), (-1, 1), (0, 0), (0, 1.0), (0, True), (0,), (0, 1, 1)])
def test_parts_that_there_are_not_are_refused(part: Any) -> None:
    """A part beyond those that the work has, or anything but two integers, is refused by name."""
    with pytest.raises(InvalidModelError) as caught:
        prepare(STATIONARY).begin(part)
    assert caught.value.field == "shard"


def test_a_closed_form_merges_its_one_part_only() -> None:
    """No part, two parts, and a part that is not done are refused by name."""
    work = prepare(STATIONARY)
    begun = work.begin()
    done = work.advance(begun, 1, threads=1)
    for parts in ([], [done, done], [begun]):
        with pytest.raises(InvalidModelError) as caught:
            work.merge(parts)
        assert caught.value.field == "checkpoints"

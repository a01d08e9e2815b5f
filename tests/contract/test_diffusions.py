"""Diffusions by the client: on the spot, as jobs, refused by the field, here and at the service alike."""

import io
from typing import Any

import httpx
import numpy as np
import pytest
from tests.support.servers import Service

from equipoise import ApiError, Client, DiffusionSolution

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

WAIT_S = 60.0
BROWN: dict[str, Any] = {
    "task": "diffusion",
    "drift": "0",
    "noise": "s",
    "params": {"s": 0.8},
    "interval": [0, 1],
    "passage_time": {"start": [0.3, 0.6], "low": 0, "high": 1},
}


def test_a_diffusion_is_solved_on_the_spot(client: Client) -> None:
    """POST /v1/solve answers; the mean time out of (0, 1) is x(1 - x)/s^2."""
    solution = client.solve(BROWN)
    assert isinstance(solution, DiffusionSolution)
    assert solution.passage_time is not None
    np.testing.assert_allclose(solution.passage_time.mean, np.array([0.21, 0.24]) / 0.64, rtol=1e-10)


def test_a_long_question_takes_a_job(remote: Client, service: Service) -> None:
    """Many rates are a job, whose tables are arrays of the NPZ."""
    spec = BROWN | {"spectrum": {"n": 8}}
    refused = httpx.post(f"{service.url}/v1/solve", json={"spec": spec}).json()
    assert refused["code"] == "needs_job"
    job = remote.submit(spec)
    solution = job.result(timeout_s=WAIT_S)
    assert isinstance(solution, DiffusionSolution)
    assert solution.spectrum is not None
    np.testing.assert_allclose(solution.spectrum.rates[1:], 0.32 * np.pi**2 * np.arange(2, 9) ** 2, rtol=1e-8)
    packed = httpx.get(f"{service.url}/v1/jobs/{job.id}/arrays").content
    arrays = np.load(io.BytesIO(packed))
    assert solution.passage_time is not None
    np.testing.assert_array_equal(arrays["passage_time.cdf"], solution.passage_time.cdf)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"drift": "x +"}, "drift"),
        ({"noise": "x - 0.5"}, "noise"),
        ({"passage_time": {"start": 2.0, "low": 0}}, "passage_time.start"),
        ({"hitting": {"start": 0.1, "low": 0.2}}, "hitting.start"),
    ],
)
def test_refusals_name_the_field(client: Client, changes: dict[str, Any], field: str) -> None:
    """What the solver refuses has the path of its field, in this process and at the service."""
    with pytest.raises(ApiError) as caught:
        client.solve(BROWN | changes)
    assert [error.field for error in caught.value.errors] == [field]

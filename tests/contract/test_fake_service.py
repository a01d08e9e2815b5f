"""The fake service of the client's tests answers in the forms of the real one."""

import json

import httpx
import pytest
from pydantic import BaseModel
from tests.clients.fake_service import FakeService, job_state, problem

from equipoise_service.errors import REASONS, ServiceError, blame
from equipoise_service.http.operation_schemas import Health
from equipoise_service.http.problems import Problem, problem_response
from equipoise_service.http.schemas import DatasetView, EstimateView, JobView


@pytest.mark.parametrize("code", REASONS)
def test_refusals_have_one_form(code: str) -> None:
    """A problem of the fake has the type, members and headers of the real one."""
    entry = blame("data.id", "there is none.", given="ds_9", allowed="an uploaded id")
    real = problem_response(ServiceError("Because.", code=code, errors=[entry]), "req_1")
    fake = problem(REASONS[code].status, code, title=REASONS[code].title, detail="Because.", errors=[entry])
    assert fake.status_code == real.status_code
    assert fake.headers["content-type"] == real.headers["content-type"]
    assert fake.json() == json.loads(bytes(real.body))
    assert set(problem(REASONS[code].status, code).json()) == set(Problem.model_fields)


@pytest.mark.parametrize("status", ["queued", "running", "succeeded", "failed"])
def test_jobs_have_one_form(status: str) -> None:
    """A job of the fake has the fields of a real one."""
    assert set(job_state(status)) == set(JobView.model_fields)
    JobView.model_validate(job_state(status))


@pytest.mark.parametrize(
    ("method", "path", "model"),
    [
        ("POST", "/v1/datasets", DatasetView),
        ("POST", "/v1/estimate", EstimateView),
        ("GET", "/healthz", Health),
    ],
)
def test_other_answers_have_one_form(method: str, path: str, model: type[BaseModel]) -> None:
    """What the fake says about an upload and about itself has the fields of the real answers."""
    content = FakeService()(httpx.Request(method, f"http://fake{path}")).json()
    real = model.model_validate(content).model_dump(exclude_none=True)
    assert {name for name, value in content.items() if value is not None} == set(real)

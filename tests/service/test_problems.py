"""Refusals: one shape on every route, stable codes, and the path of the field as the user wrote it."""

import json
import re
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from tests.service import fake_solver
from tests.service.asgi_client import AppClient, started

from equipoise_service.errors import REASONS
from equipoise_service.http.app import create_app
from equipoise_service.http.problems import field_path, shorten
from equipoise_service.settings import Settings

JSON = {"content-type": "application/json"}
TEXT = {"content-type": "text/plain"}
CSV_TYPE = {"content-type": "text/csv"}
GZIP = {"content-encoding": "gzip"}
BAD_KEY = {"idempotency-key": " "}
NO_JOB = f"job_{'0' * 32}"
MEMBERS = {"type", "title", "status", "detail", "code", "errors", "request_id"}
FIELD_MEMBERS = {"field", "message", "given", "allowed", "remedy"}
STATIONARY: dict[str, Any] = {
    "task": "stationary",
    "model": {"kind": "diagonal", "depth": 1, "width": 1},
    "data": {"kind": "gaussian", "slope": 1.0, "noise_std": 1.0},
    "temperature": 0.05,
}


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The answer is a problem of this status and code; returns it."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    content: dict[str, Any] = json.loads(
        answer.text, parse_constant=lambda name: pytest.fail(f"{name} in JSON")
    )
    assert (answer.status_code, content["status"], content["code"]) == (status, status, code), content
    assert set(content) == MEMBERS
    assert content["title"] == REASONS[code].title
    assert content["type"] == f"urn:equipoise:problem:{code}"
    assert content["request_id"] == answer.headers["x-request-id"]
    assert content["detail"]
    for error in content["errors"]:
        assert {"field", "message", "allowed"} <= set(error) <= FIELD_MEMBERS
        assert error["field"]
        assert error["message"]
        assert error["allowed"]
        assert ".." not in error["message"].replace("...", "")
        assert not re.search(r"\bnp\.|numpy\.float|tuple|dictionary", json.dumps(error)), error
    return content


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code"),
    [
        ("POST", "/v1/solve", {"content": b"{", "headers": JSON}, 400, "malformed_json"),
        ("POST", "/v1/solve", {"content": b"", "headers": JSON}, 400, "malformed_json"),
        ("POST", "/v1/solve", {"content": b"\xff\xfe", "headers": JSON}, 400, "malformed_json"),
        ("POST", "/v1/solve", {"content": b"[" * 100_000, "headers": JSON}, 400, "malformed_json"),
        ("POST", "/v1/solve", {"content": b"{}"}, 415, "unsupported_media_type"),
        ("POST", "/v1/solve", {"data": {"spec": "1"}}, 415, "unsupported_media_type"),
        ("POST", "/v1/solve", {"json": {}}, 422, "invalid_request"),
        ("POST", "/v1/solve", {"json": []}, 422, "invalid_request"),
        ("POST", "/v1/solve", {"json": {"spec": {}}}, 422, "invalid_spec"),
        ("POST", "/v1/solve", {"json": {"spec": fake_solver.simulate_spec(seed=1)}}, 422, "needs_job"),
        ("GET", "/v1/solve", {}, 405, "method_not_allowed"),
        ("POST", "/v1/jobs", {"content": b"nul", "headers": JSON}, 400, "malformed_json"),
        ("POST", "/v1/jobs", {"content": b"{}", "headers": TEXT}, 415, "unsupported_media_type"),
        ("POST", "/v1/jobs", {"json": {"spec": STATIONARY, "prio": 1}}, 422, "invalid_request"),
        ("POST", "/v1/jobs", {"json": {"spec": STATIONARY, "priority": 101}}, 422, "invalid_request"),
        ("POST", "/v1/jobs", {"json": {"spec": STATIONARY, "tags": ["\u0000"]}}, 422, "invalid_request"),
        ("POST", "/v1/jobs", {"json": {"spec": STATIONARY, "timeout_seconds": 0}}, 422, "invalid_request"),
        ("POST", "/v1/jobs", {"json": {"spec": STATIONARY}, "headers": BAD_KEY}, 422, "invalid_request"),
        ("GET", "/v1/jobs?limit=0", {}, 422, "invalid_request"),
        ("GET", "/v1/jobs?status=lost", {}, 422, "invalid_request"),
        ("GET", "/v1/jobs?cursor=x", {}, 422, "invalid_request"),
        ("PUT", "/v1/jobs", {}, 405, "method_not_allowed"),
        ("GET", f"/v1/jobs/{NO_JOB}", {}, 404, "job_not_found"),
        ("GET", f"/v1/jobs/{NO_JOB}/result", {}, 404, "job_not_found"),
        ("GET", f"/v1/jobs/{NO_JOB}/arrays", {}, 404, "job_not_found"),
        ("GET", f"/v1/jobs/{NO_JOB}/events", {}, 404, "job_not_found"),
        ("POST", f"/v1/jobs/{NO_JOB}/cancel", {}, 404, "job_not_found"),
        ("DELETE", f"/v1/jobs/{NO_JOB}", {}, 404, "job_not_found"),
        ("GET", "/v1/jobs/job_1", {}, 404, "job_not_found"),
        ("POST", f"/v1/jobs/{NO_JOB}", {}, 405, "method_not_allowed"),
        ("POST", "/v1/datasets", {"content": b"x,y\n1,2\n"}, 415, "unsupported_media_type"),
        ("POST", "/v1/datasets", {"content": b"{}", "headers": JSON}, 415, "unsupported_media_type"),
        ("GET", "/v1/jobs/job_%00", {}, 404, "job_not_found"),
        ("GET", "/v1/datasets/ds_1", {}, 404, "dataset_not_found"),
        ("GET", "/v1/datasets/ds_%00", {}, 404, "dataset_not_found"),
        ("DELETE", "/v1/datasets/ds_1", {}, 405, "method_not_allowed"),
        ("POST", "/v1/workers", {}, 405, "method_not_allowed"),
        ("POST", "/v1/limits", {}, 405, "method_not_allowed"),
        ("POST", "/healthz", {}, 405, "method_not_allowed"),
        ("POST", "/readyz", {}, 405, "method_not_allowed"),
        ("POST", "/metrics", {}, 405, "method_not_allowed"),
        ("POST", "/", {}, 405, "method_not_allowed"),
        ("GET", "/v2/jobs", {}, 404, "not_found"),
    ],
)  # fmt: skip
def test_every_route_refuses_with_a_problem(
    api: AppClient, method: str, path: str, options: dict[str, Any], status: int, code: str
) -> None:
    answer = api.request(method, path, **options)
    assert_problem(answer, status, code)
    if status == 405:
        assert answer.headers["allow"]


@pytest.mark.parametrize(
    ("method", "path", "options", "field", "given", "allowed"),
    [
        ("GET", "/v1/jobs?limit=abc", {}, "limit", "abc", "a whole number"),
        ("GET", "/v1/jobs?limit=0", {}, "limit", "0", ">= 1"),
        ("GET", "/v1/jobs?tag=%20", {}, "tag", " ", "A-Za-z"),
        ("GET", "/v1/jobs?status=lost", {}, "status", "lost", "queued"),
        ("GET", "/v1/jobs?cursor=x", {}, "cursor", "x", "next_cursor"),
        ("GET", f"/v1/jobs?cursor={'x' * 600}", {}, "cursor", "xxx", "at most 500 characters"),
        ("POST", "/v1/jobs", {"json": {"spec": {}}, "headers": BAD_KEY}, "idempotency-key", " ", "x21"),
        ("POST", "/v1/jobs", {"json": {"spec": STATIONARY, "tags": ["a b"]}}, "tags.0", "a b", "A-Za-z"),
        ("POST", "/v1/jobs", {"json": {"spec": STATIONARY, "tags": ["a"] * 17}}, "tags", "list", "most 16"),
        ("POST", "/v1/jobs", {"json": {"spec": STATIONARY, "tags": "a"}}, "tags", "a", "a list"),
        ("POST", "/v1/jobs", {"json": {"spec": STATIONARY, "priority": "1"}}, "priority", "1", "whole"),
        ("POST", "/v1/solve", {"json": []}, "body", "list of 0", "object"),
        ("POST", "/v1/solve", {"json": {}}, "spec", None, "a value"),
        ("POST", "/v1/solve", {"json": {"spec": {"task": "dance"}}}, "spec", "dance", "stationary"),
        ("POST", "/v1/solve", {"content": b"{]", "headers": JSON}, "body", "{]", "JSON object in UTF-8"),
        ("POST", "/v1/solve", {"content": b"{}", "headers": TEXT}, "content-type", "text/plain", "json"),
        (
            "POST",
            "/v1/solve",
            {"content": b"{}", "headers": JSON | GZIP},
            "content-encoding",
            "gzip",
            "identity",
        ),
        ("POST", "/v1/datasets", {"headers": CSV_TYPE | GZIP}, "content-encoding", "gzip", "identity"),
        ("POST", "/v1/datasets", {"content": b"", "headers": TEXT}, "content-type", "text/plain", "text/csv"),
        (
            "POST",
            "/v1/solve",
            {"json": {"spec": fake_solver.simulate_spec(seed=1)}},
            "task",
            "simulate",
            "stationary",
        ),
    ],
)  # fmt: skip
def test_a_refusal_names_the_field_what_was_given_and_what_is_allowed(
    api: AppClient,
    method: str,
    path: str,
    options: dict[str, Any],
    field: str,
    given: str | None,
    allowed: str,
) -> None:
    answer = api.request(method, path, **options)
    entry = assert_problem(answer, answer.status_code, answer.json()["code"])["errors"][0]
    assert entry["field"] == field
    assert entry.get("given") == given or str(given) in str(entry["given"])
    assert allowed in entry["allowed"]


@pytest.mark.parametrize(
    ("path", "methods"),
    [("/v1/jobs", "GET, POST"), (f"/v1/jobs/{NO_JOB}", "DELETE, GET"), ("/v1/solve", "POST")],
)
def test_405_names_every_method_of_the_path(api: AppClient, path: str, methods: str) -> None:
    answer = api.request("PUT", path)
    assert_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == methods


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"temperature": -1}, "temperature", ">= 0"),
        ({"temperature": "hot"}, "temperature", "number"),
        ({"data": {"kind": "gaussian", "noise_std": -2.0}}, "data.noise_std", ">= 0"),
        ({"data": {"kind": "gaussian", "noise": 1}}, "data.noise", "documented fields"),
        ({"data": {"kind": "cauchy"}}, "data", "gaussian"),
        ({"data": {"slope": 1.0}}, "data", "kind"),
        ({"model": {"kind": "diagonal", "depth": 10**9}}, "model.depth", "1000"),
        ({"model": {"kind": "diagonal", "depth": True}}, "model.depth", "integer"),
        ({"model": None}, "model", "object"),
        ({"task": "dance"}, "spec", "stationary"),
        ({"grid": {"v": ["a"]}}, "grid.v.0", "number"),
        (
            {"data": {"kind": "moments", "alpha1": 1, "alpha2": 9, "alpha3": 1, "beta1": 1, "beta2": 1}},
            "data.alpha2",
            "alpha2^2 <= alpha1 * alpha3",
        ),
        ({"data": {"kind": "samples", "x": [1, 2], "y": [1, 2, 3]}}, "data.y", "as many"),
        ({"data": {"kind": "dataset", "id": "ds_1"}}, "data.id", "pattern"),
    ],
)
def test_the_field_is_named_as_the_user_wrote_it(
    api: AppClient, change: dict[str, Any], field: str, words: str
) -> None:
    problem = assert_problem(api.post("/v1/solve", json={"spec": STATIONARY | change}), 422, "invalid_spec")
    assert problem["errors"][0]["field"] == field
    assert "given" in problem["errors"][0]
    assert words in json.dumps(problem["errors"][0])


def test_nan_is_refused_with_its_field(api: AppClient) -> None:
    body = json.dumps({"spec": STATIONARY | {"temperature": float("nan")}})
    problem = assert_problem(api.post("/v1/solve", content=body, headers=JSON), 422, "invalid_spec")
    assert (problem["errors"][0]["field"], problem["errors"][0]["given"]) == ("temperature", "nan")


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (json.dumps({"spec": STATIONARY})[:-2] + ', "temperature": 1.0}}', "temperature"),
        (json.dumps({"spec": STATIONARY})[:-1] + ', "spec": {}}', "spec"),
        ('{"spec": {"data": [{"a:b": {}, "\\u0061:b": 1}]}}', "a:b"),
        ('{"spec": {"' + "k" * 500 + '": 1, "' + "k" * 500 + '": 1}}', "k" * 40),
    ],
)
def test_a_name_that_is_there_twice_is_refused(api: AppClient, body: str, name: str) -> None:
    for path in ("/v1/solve", "/v1/jobs"):
        problem = assert_problem(api.post(path, content=body, headers=JSON), 400, "malformed_request")
        (entry,) = problem["errors"]
        assert entry["field"] == "body"
        assert name in entry["given"]
        assert "twice" in problem["detail"]
        assert len(problem["detail"]) < 300


def test_errors_of_the_solver_are_refusals_with_its_field(real_api: AppClient) -> None:
    spec = STATIONARY | {"data": {"kind": "dataset", "id": f"ds_{'0' * 32}"}}
    for path in ("/v1/solve", "/v1/jobs"):
        problem = assert_problem(real_api.post(path, json={"spec": spec}), 422, "invalid_model")
        assert problem["errors"][0]["field"] == "data.id"
        assert problem["errors"][0]["given"] == f"ds_{'0' * 32}"
        assert problem["errors"][0]["remedy"] == "Upload it first."


def test_rules_between_fields_say_what_to_do(api: AppClient) -> None:
    moments = {"kind": "moments", "alpha1": 1, "alpha2": 9, "alpha3": 1, "beta1": 1, "beta2": 1}
    answer = api.post("/v1/solve", json={"spec": STATIONARY | {"data": moments}})
    (entry,) = assert_problem(answer, 422, "invalid_spec")["errors"]
    assert entry["remedy"] == "No data has these moments."


def test_a_body_beyond_the_limit_is_refused_while_it_streams_in(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"max_body_bytes": 2000}), prepare=fake_solver.prepare)

    async def pieces() -> Any:
        while True:  # Endless: only a refusal that does not read on can answer.
            yield b" " * 1000

    with started(app) as api:
        assert_problem(api.post("/v1/solve", content=b" " * 2001, headers=JSON), 413, "body_too_large")
        assert_problem(api.post("/v1/jobs", content=pieces(), headers=JSON), 413, "body_too_large")


def test_a_token_is_asked_for_everywhere_but_at_health_and_docs(settings: Settings) -> None:
    token = "0123456789abcdef"
    app = create_app(
        settings.model_copy(update={"auth": "tokens", "token": SecretStr(token)}), prepare=fake_solver.prepare
    )
    with started(app) as api:
        paths = {**app.openapi()["paths"], "/": {"get": {}}, "/docs": {"get": {}}}
        assert len(paths) > 14
        for route, operations in paths.items():
            path = route.replace("{job_id}", NO_JOB).replace("{dataset_id}", "ds_1")
            method = sorted(operations)[0].upper()
            is_open = path in ("/", "/docs", "/healthz", "/readyz")
            for wrong in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {token}"}):
                answer = api.request(method, path, headers=wrong)
                if is_open:
                    assert answer.status_code < 400
                else:
                    assert_problem(answer, 401, "unauthorized")
                    assert answer.headers["www-authenticate"] == "Bearer"
        assert api.get("/v1/jobs", headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_an_unexpected_error_tells_nothing_but_its_request(settings: Settings) -> None:
    app: FastAPI = create_app(settings, prepare=fake_solver.prepare)

    async def fail() -> None:
        raise RuntimeError("a secret of the inside")

    app.add_api_route("/fail", fail)
    with started(app) as api:
        answer = api.get("/fail", headers={"X-Request-ID": "mine-1"})
        problem = assert_problem(answer, 500, "internal_error")
        assert problem["request_id"] == "mine-1"
        assert "secret" not in answer.text
        assert len(api.get("/fail", headers={"X-Request-ID": "a b"}).json()["request_id"]) == 32


def test_every_answer_has_security_headers(api: AppClient) -> None:
    for answer in (api.get("/healthz"), api.get("/nowhere"), api.get("/docs")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize(
    ("location", "path"),
    [
        (("body", "spec", "stationary", "data", "gaussian", "noise_std"), "data.noise_std"),
        (("body", "spec", "stationary", "model", "diagonal", "width"), "model.width"),
        (("body", "spec"), "spec"),
        (("body", "tags", 3), "tags.3"),
        (("query", "limit"), "limit"),
        (("body",), ""),
        ((), ""),
    ],
)
def test_paths_leave_out_what_unions_add(location: tuple[str | int, ...], path: str) -> None:
    assert field_path(location, {"spec": STATIONARY, "tags": []}) == path


@pytest.mark.parametrize(
    "value",
    [10**400, float("inf"), "x" * 10**6, list(range(10**6)), {str(i): i for i in range(10**5)}, object()],
)
def test_what_was_given_is_echoed_in_bounded_size(value: object) -> None:
    assert len(json.dumps(shorten(value), allow_nan=False)) < 700

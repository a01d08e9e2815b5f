"""The audit log: who did what, written in the transaction that does it, read by admins alone."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.service.fake_solver import simulate_spec
from tests.service.users import Lab, User, lab

from equipoise_service.settings import Settings
from equipoise_service.users import audit
from equipoise_service.users.callers import LOCAL, Caller

CSV_TYPE = {"Content-Type": "text/csv"}


@pytest.fixture
def service(settings: Settings) -> Iterator[Lab]:
    with lab(settings) as running:
        yield running


def entries(service: Lab, **query: Any) -> list[dict[str, Any]]:
    admin = service.user("root", "admin")
    answer = admin.get("/v1/audit", params={"limit": 1000, **query})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["entries"]
    return [entry for entry in found if entry["user"] != "local"]


def submit(user: User, seed: int, request_id: str) -> str:
    answer = user.post(
        "/v1/jobs", json={"spec": simulate_spec(seed=seed)}, headers={"X-Request-ID": request_id}
    )
    assert answer.status_code == 202, answer.text
    job_id: str = answer.json()["id"]
    return job_id


def test_what_users_do_is_written_down(service: Lab) -> None:
    """A submission, a cancellation, a deletion and an upload: with user, token, request and subject."""
    ana = service.user("ana")
    job_id = submit(ana, 1, "first")
    submit(ana, 1, "repeated")  # The job there is: nothing was done.
    ana.post(f"/v1/jobs/{job_id}/cancel", headers={"X-Request-ID": "second"})
    ana.delete(f"/v1/jobs/{job_id}", headers={"X-Request-ID": "third"})
    headers = {**CSV_TYPE, "X-Request-ID": "fourth"}
    dataset = ana.post("/v1/datasets", content=b"x,y\n1,2\n2,3\n3,5\n", headers=headers).json()["id"]
    found = [
        (entry["action"], entry["subject"], entry["request_id"], entry["user"], entry["token_id"])
        for entry in entries(service)
    ]
    by = ("ana", ana.token.id)
    assert found == [
        ("upload", dataset, "fourth", *by),
        ("delete", job_id, "third", *by),
        ("cancel", job_id, "second", *by),
        ("submit", job_id, "first", *by),
    ]


def test_what_was_refused_is_not_written(service: Lab) -> None:
    """Who may not cancel or delete a job leaves no trace of having done so."""
    ana, olga = service.user("ana"), service.user("olga")
    job_id = submit(ana, 2, "mine")
    assert olga.post(f"/v1/jobs/{job_id}/cancel").status_code == 404
    assert ana.delete(f"/v1/jobs/{job_id}").status_code == 409
    assert [entry["action"] for entry in entries(service)] == ["submit"]


def test_an_admin_who_stops_the_job_of_somebody_else_is_named(service: Lab) -> None:
    """The entry has the admin as its user, and the owner of the job in its detail."""
    job_id = submit(service.user("ana"), 3, "mine")
    service.user("chief", "admin").post(f"/v1/jobs/{job_id}/cancel")
    (entry,) = entries(service, action="cancel")
    assert (entry["user"], entry["subject"], entry["detail"]) == ("chief", job_id, {"owner": "ana"})


def test_tokens_are_written_down_without_their_secrets(service: Lab) -> None:
    """Who made and revoked which token is there; what it takes to use it is not."""
    ana = service.user("ana", label="notebook")
    service.tokens.revoke(LOCAL, ana.token.id)
    admin = service.user("root", "admin")
    text = admin.get("/v1/audit").text
    found = [entry for entry in admin.get("/v1/audit").json()["entries"] if entry["subject"] == ana.token.id]
    assert [entry["action"] for entry in found] == ["token_revoke", "token_create"]
    assert found[1]["detail"] == {"user": "ana", "scopes": ["submit", "read"], "label": "notebook"}
    assert ana.text.removeprefix(f"eq_{ana.token.id}_") not in text
    assert ana.token.secret_hash not in text


def test_the_log_is_read_page_by_page(service: Lab) -> None:
    """The pages of the log hold each entry once, the newest first; filters hold for all of them."""
    ana, olga = service.user("ana"), service.user("olga")
    jobs = [submit(user, seed, f"r{seed}") for seed in range(10, 15) for user in (ana, olga)]
    admin = service.user("root", "admin")
    seen: list[str] = []
    cursor = None
    while True:
        query = {"user": "ana", "action": "submit", "limit": "2", **({"cursor": cursor} if cursor else {})}
        page = admin.get("/v1/audit", params=query).json()
        seen += [entry["subject"] for entry in page["entries"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        assert len(page["entries"]) == 2
    assert seen == jobs[::2][::-1]
    assert entries(service, since="2999-01-01T00:00:00Z") == []
    assert len(entries(service, since="2020-01-01T00:00:00Z")) == 10


@pytest.mark.parametrize("cursor", ["x", "====", "LTE=", "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkw", "4pyT"])
def test_a_made_up_cursor_is_refused(service: Lab, cursor: str) -> None:
    answer = service.user("root", "admin").get("/v1/audit", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["errors"][0]["field"] == "cursor"


@pytest.mark.parametrize("since", ["0001-01-01", "0001-01-01T00:00:00+14:00", "1969-12-31T23:59:59Z"])
def test_a_time_before_all_logs_is_refused(service: Lab, since: str) -> None:
    answer = service.user("root", "admin").get("/v1/audit", params={"since": since})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    (error,) = answer.json()["errors"]
    assert (error["field"], error["given"][:10]) == ("since", since[:10])
    assert error["allowed"] == "a time of the years 1970 to 9999"


@pytest.mark.parametrize("since", ["1970-01-01", "1970-01-01T00:00:00+14:00"])
def test_the_log_is_read_from_any_later_time(service: Lab, since: str) -> None:
    submit(service.user("ana"), 1, "first")
    assert len(entries(service, since=since)) == 1
    assert entries(service, since="9999-12-31T23:59:59-14:00") == []


def test_a_time_without_a_zone_is_universal(service: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the service stands, the same words are the same moment."""
    with service.resources.database.begin() as connection:
        audit.record(connection, Caller("ana", frozenset()), "backup", "then", clock=lambda: 86400.0)
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert len(entries(service, since="1970-01-02T00:00:00")) == 1
        assert entries(service, since="1970-01-02T00:00:01") == []
    finally:
        monkeypatch.undo()
        time.tzset()


def test_an_entry_stands_or_falls_with_what_it_tells(service: Lab) -> None:
    """It is written in the transaction of the deed: if that is rolled back, so is the entry."""
    engine = service.resources.database
    caller = Caller("ana", frozenset({"submit"}), "t", "r")
    with engine.connect() as connection:
        audit.record(connection, caller, "submit", "job_1")
        connection.rollback()
    assert audit.read(engine, user="ana", limit=10) == []
    with engine.begin() as connection:
        audit.record(connection, caller, "submit", "s" * 500, clock=lambda: 5.0)
    (entry,) = audit.read(engine, user="ana", limit=10)
    assert (entry.at, entry.subject, entry.token_id, entry.request_id) == (5.0, "s" * 160, "t", "r")

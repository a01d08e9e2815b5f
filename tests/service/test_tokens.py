"""Tokens: what is stored, what is refused and how, and how little it costs to ask."""

import re
import secrets
import string
from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace

import anyio
import pytest
import sqlalchemy as sa
from tests.service.users import Lab, lab
from tests.support.postgres import new_database

from equipoise_service.errors import MalformedError
from equipoise_service.settings import Settings
from equipoise_service.storage.database import connect
from equipoise_service.storage.migrations import migrate
from equipoise_service.storage.tables import tokens
from equipoise_service.users import access, audit
from equipoise_service.users.access import CACHE_S, Access
from equipoise_service.users.callers import LOCAL, LOCAL_USER
from equipoise_service.users.tokens import TOKEN, USE_NOTED_EVERY_S, Token, TokenTable, hash_of

NOW = 1_800_000_000.0


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine(settings: Settings) -> Iterator[sa.Engine]:
    engine = connect(settings.database)
    migrate(engine)
    yield engine
    engine.dispose()


class CountedTable(TokenTable):
    """Counts the questions to the database."""

    def __init__(self, engine: sa.Engine, clock: Clock) -> None:
        super().__init__(engine, clock=clock)
        self.n_found = 0
        self.n_noted = 0

    def find(self, token_id: str) -> Token | None:
        self.n_found += 1
        return super().find(token_id)

    def note_use(self, token_id: str) -> None:
        self.n_noted += 1
        super().note_use(token_id)


@pytest.fixture
def table(engine: sa.Engine, clock: Clock) -> CountedTable:
    return CountedTable(engine, clock)


@pytest.fixture
def door(settings: Settings, table: CountedTable, clock: Clock) -> Iterator[Access]:
    door = Access(settings.model_copy(update={"auth": "tokens"}), table, clock=clock, monotonic=clock)
    yield door
    door.close()


@pytest.fixture
def service(settings: Settings) -> Iterator[Lab]:
    with lab(settings) as running:
        yield running


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> Iterator[sa.Engine]:
    """Tables on each kind of database."""
    if request.param == "sqlite":
        yield request.getfixturevalue("engine")
        return
    engine = connect(Settings(database_url=new_database(request.getfixturevalue("postgres_server"))).database)
    migrate(engine)
    yield engine
    engine.dispose()


def refusal_of(door: Access, text: str, *, address: str = "10.0.0.1") -> MalformedError:
    with pytest.raises(MalformedError) as caught:
        anyio.run(lambda: door.admit(text, address=address))
    return caught.value


def user_of(door: Access, text: str) -> str:
    return anyio.run(lambda: door.admit(text, address="10.0.0.1")).user


def test_a_token_is_random_and_stored_as_a_hash(engine: sa.Engine, table: TokenTable) -> None:
    """Each token has a secret of 32 random bytes, of which the database holds the SHA-256 alone."""
    made = [table.create(LOCAL, owner="ana", scopes=("read",), label="a")[1] for _ in range(50)]
    parts = [TOKEN.fullmatch(text) for text in made]
    assert all(parts)
    found = {part[2] for part in parts if part}
    assert len(found) == 50
    assert {len(secret) for secret in found} == {43}  # 32 bytes, 6 bits a character.
    alphabet = set(string.ascii_letters + string.digits + "-_")
    assert set("".join(found)) == alphabet  # 2150 draws of 64 characters: one is missing with odds 1e-13.
    with engine.connect() as connection:
        rows = str(connection.execute(sa.select(tokens)).all())
    for secret in found:
        assert secret not in rows
        assert hash_of(secret) in rows


def test_the_rows_are_the_same_on_each_database(database: sa.Engine, clock: Clock) -> None:
    """A token is made, found, used, listed and revoked, and that is written down, on both databases."""
    table = TokenTable(database, clock=clock)
    made, _ = table.create(LOCAL, owner="ana", scopes=("read", "submit"), label="\u00e4", lifetime_s=60)
    other, _ = table.create(LOCAL, owner="olga", scopes=("admin",))
    assert table.find(made.id) == made
    clock.now += 1
    table.note_use(made.id)
    clock.now += USE_NOTED_EVERY_S - 1
    table.note_use(made.id)
    assert table.revoke(LOCAL, made.id)
    assert not table.revoke(LOCAL, made.id)
    assert not table.revoke(LOCAL, "0" * 16)
    found = table.find(made.id)
    assert found == replace(made, used_at=NOW + 1, revoked_at=NOW + USE_NOTED_EVERY_S)
    assert table.all() in ([found, other], [other, found])
    assert table.all(owner="olga") == [other]
    entries = audit.read(database, since=NOW, limit=10)
    assert [entry.subject for entry in entries] == [made.id, other.id, made.id]
    assert audit.read(database, action="token_revoke", before=entries[0].id, limit=10) == []


def test_a_token_stands_for_its_user(door: Access, table: TokenTable) -> None:
    """The caller has the user, the scopes and the id of the token."""
    token, text = table.create(LOCAL, owner="ana", scopes=("submit",))
    caller = anyio.run(lambda: door.admit(text, address="10.0.0.1", request_id="r1"))
    assert (caller.user, caller.scopes, caller.token_id, caller.request_id) == (
        "ana",
        frozenset({"submit"}),
        token.id,
        "r1",
    )


def test_every_bad_token_is_refused_alike(door: Access, table: TokenTable, clock: Clock) -> None:
    """Missing, malformed, unknown, wrong, and wrong on an expired or revoked token: one answer."""
    good, text = table.create(LOCAL, owner="ana", scopes=("read",))
    expired, _ = table.create(LOCAL, owner="ana", scopes=("read",), lifetime_s=60)
    revoked, _ = table.create(LOCAL, owner="ana", scopes=("read",))
    table.revoke(LOCAL, revoked.id)
    clock.now += 61
    wrong = secrets.token_urlsafe(32)
    forged = [f"eq_{token_id}_{wrong}" for token_id in (good.id, expired.id, revoked.id, "0" * 16)]
    answers = [refusal_of(door, given) for given in ("", "nonsense", "eq_", text[:-1], f"{text}x", *forged)]
    assert {(error.code, error.status, error.detail, str(error.headers)) for error in answers} == {
        (
            "unauthorized",
            401,
            "This service needs a valid token: send the header Authorization: Bearer TOKEN.",
            "{'WWW-Authenticate': 'Bearer'}",
        )
    }
    assert user_of(door, text) == "ana"


def test_the_holder_of_the_secret_is_told_what_happened(
    door: Access, table: TokenTable, clock: Clock
) -> None:
    """An expired or revoked token is refused with the same code; its holder learns why."""
    _, expiring = table.create(LOCAL, owner="ana", scopes=("read",), lifetime_s=60)
    revoked, withdrawn = table.create(LOCAL, owner="ana", scopes=("read",))
    assert user_of(door, expiring) == "ana"
    clock.now += 60  # It is cached: it expires at once all the same.
    table.revoke(LOCAL, revoked.id)
    errors = [refusal_of(door, expiring), refusal_of(door, withdrawn)]
    assert [error.code for error in errors] == ["unauthorized", "unauthorized"]
    assert "has expired" in errors[0].detail
    assert "has been revoked" in errors[1].detail


def test_secrets_are_compared_in_constant_time(
    door: Access, table: TokenTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Known or not, a token is compared by `secrets.compare_digest`, on digests of one length."""
    good, text = table.create(LOCAL, owner="ana", scopes=("read",))
    compared: list[tuple[str, str]] = []

    def compare(first: str, second: str) -> bool:
        compared.append((first, second))
        return first == second

    monkeypatch.setattr(secrets, "compare_digest", compare)
    wrong = "w" * 43
    user_of(door, text)
    for token_id in (good.id, "0" * 16):
        refusal_of(door, f"eq_{token_id}_{wrong}")
    given = [word for _, word in compared]
    assert given.count(hash_of(text.removeprefix(f"eq_{good.id}_"))) == 1
    assert given.count(hash_of(wrong)) >= 2
    assert {len(word) for pair in compared for word in pair} == {64}


def test_the_shared_token_is_the_local_user_with_all_scopes(settings: Settings, table: CountedTable) -> None:
    shared = Settings(**{**settings.model_dump(), "auth": "tokens", "token": "0123456789abcdef"})
    door = Access(shared, table)
    caller = anyio.run(lambda: door.admit("0123456789abcdef", address=""))
    assert (caller.user, caller.scopes, caller.token_id) == (LOCAL_USER, LOCAL.scopes, None)
    refusal_of(door, "0123456789abcdeg")
    _, text = table.create(LOCAL, owner="ana", scopes=("read",))
    assert user_of(door, text) == "ana"
    door.close()


def test_requests_cost_no_query(door: Access, table: CountedTable, clock: Clock) -> None:
    """Within the time of the cache a token is looked up once, even by requests at the same moment."""
    _, text = table.create(LOCAL, owner="ana", scopes=("read",))

    async def many() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(lambda: door.admit(text, address="10.0.0.1"))

    anyio.run(many)
    anyio.run(many)
    assert table.n_found == 1
    clock.now += CACHE_S
    anyio.run(many)
    assert table.n_found == 2


def test_a_revoked_token_is_refused_when_the_cache_is_old(
    door: Access, table: CountedTable, clock: Clock
) -> None:
    """Revoking, by another process, works within the time of the cache, and that is a few seconds."""
    token, text = table.create(LOCAL, owner="ana", scopes=("read",))
    caller = anyio.run(lambda: door.admit(text, address="10.0.0.1"))
    assert table.revoke(LOCAL, token.id)
    assert not table.revoke(LOCAL, token.id)
    clock.now += CACHE_S - 0.01
    assert user_of(door, text) == "ana"
    assert anyio.run(lambda: door.still_admits(caller))
    clock.now += 0.01
    assert "revoked" in refusal_of(door, text).detail
    assert not anyio.run(lambda: door.still_admits(caller))
    assert CACHE_S <= 5


def test_an_open_stream_ends_when_its_token_does(door: Access, table: CountedTable, clock: Clock) -> None:
    """A stream gives no event any more once its token is known to be revoked, and is closed."""
    token, text = table.create(LOCAL, owner="ana", scopes=("read",))
    closed = []

    async def events() -> AsyncGenerator[str, None]:
        try:
            for number in range(10):
                if number == 3:
                    table.revoke(LOCAL, token.id)
                    clock.now += CACHE_S
                yield str(number)
        finally:
            closed.append(True)

    async def follow() -> list[str]:
        caller = await door.admit(text, address="10.0.0.1")
        return [event async for event in door.while_admitted(events(), caller)]

    assert anyio.run(follow) == ["0", "1", "2"]
    assert closed == [True]


def test_the_cache_is_bounded(door: Access, table: CountedTable, monkeypatch: pytest.MonkeyPatch) -> None:
    """More tokens than are held are looked up again; no memory grows."""
    monkeypatch.setattr(access, "MOST_CACHED", 3)
    made = [table.create(LOCAL, owner="ana", scopes=("read",))[1] for _ in range(5)]
    for text in [*made, made[4], made[0]]:
        user_of(door, text)
    assert table.n_found == 6  # The last one was held, the first one no longer.


def test_the_last_use_is_written_once_a_minute(settings: Settings, table: CountedTable, clock: Clock) -> None:
    """Many requests of a minute write one time of use."""
    door = Access(settings.model_copy(update={"auth": "tokens"}), table, clock=clock, monotonic=clock)
    token, text = table.create(LOCAL, owner="ana", scopes=("read",))
    for _ in range(59):
        user_of(door, text)
        clock.now += 1
    door.close()
    assert table.n_noted == 1
    found = table.find(token.id)
    assert found is not None
    assert found.used_at is not None
    assert NOW <= found.used_at < NOW + 60
    door = Access(settings.model_copy(update={"auth": "tokens"}), table, clock=clock, monotonic=clock)
    clock.now += 60
    user_of(door, text)
    door.close()
    again = table.find(token.id)
    assert again is not None
    assert again.used_at == clock.now


def test_scopes_bound_what_a_token_does(service: Lab) -> None:
    """Without the scope it is 403 naming the one that is missing; admin includes the others."""
    reader, submitter = service.user("ana", "read"), service.user("ana", "submit")
    admin = service.user("olga", "admin")
    assert reader.get("/v1/jobs").status_code == 200
    assert submitter.get("/v1/jobs").status_code == 403
    refused = reader.post("/v1/jobs", json={"spec": {}})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert "'submit'" in refused.json()["detail"]
    assert reader.get("/v1/audit").status_code == 403
    assert {admin.get(path).status_code for path in ("/v1/jobs", "/v1/audit", "/v1/limits")} == {200}


def test_me_shows_user_token_and_shares(service: Lab) -> None:
    """/v1/me shows whom a token stands for, and never its secret; any valid token may ask."""
    ana = service.user("ana", "submit", lifetime_s=3600, label="notebook")
    content = ana.get("/v1/me").json()
    assert content["user"] == "ana"
    assert content["scopes"] == ["submit"]
    assert content["token"]["id"] == ana.token.id
    assert content["token"]["label"] == "notebook"
    assert re.match(r"20\d\d-", content["token"]["expires_at"])
    assert content["jobs"]["unfinished"] == {"used": 0, "allowed": 2000}
    assert ana.text.removeprefix(f"eq_{ana.token.id}_") not in str(content)


def test_health_is_open(service: Lab) -> None:
    """Whoever looks after the service needs no token."""
    assert {service.api.get(path).status_code for path in ("/healthz", "/readyz", "/docs")} == {200}
    assert service.api.get("/v1/me").status_code == 401

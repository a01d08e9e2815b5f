"""Commands on tokens and on the audit log: the secret is printed once, everything else any time."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from equipoise.commands import SERVICE_COMMANDS
from equipoise.connection import resolve
from equipoise.errors import InvalidArgumentError
from equipoise_service.command_line.commands import main
from equipoise_service.settings import Settings
from equipoise_service.storage.database import connect
from equipoise_service.storage.migrations import migrate
from equipoise_service.users.callers import LOCAL
from equipoise_service.users.credentials import (
    MOST_ADDRESSES,
    Credential,
    credentials_path,
    read_credentials,
    store_credential,
)
from equipoise_service.users.local_token import addresses, keep_local_token
from equipoise_service.users.tokens import TOKEN, TokenTable, hash_of


@pytest.fixture
def folder(settings: Settings) -> str:
    """The data folder of a service that was started once."""
    engine = connect(settings.database)
    migrate(engine)
    engine.dispose()
    return str(settings.data_dir)


@pytest.fixture
def own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of credentials of this test alone."""
    path = tmp_path / "settings" / "equipoise" / "credentials.json"
    monkeypatch.delenv("EQUIPOISE_CREDENTIALS")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 0
    return capsys.readouterr().out


def read_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    return json.loads(run(capsys, *arguments, "--json"))


def test_the_secret_is_printed_once_and_alone(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`token create` prints the token to standard output, so that a script can keep it; no list shows it."""
    assert main(["token", "create", "--user", "ana", "--data-dir", folder]) == 0
    captured = capsys.readouterr()
    parts = TOKEN.fullmatch(captured.out.strip())
    assert parts is not None
    assert parts[2] not in captured.err
    assert "submit, read, for ever" in captured.err
    for arguments in (["token", "list"], ["token", "list", "--json"], ["audit"], ["audit", "--json"]):
        shown = run(capsys, *arguments, "--data-dir", folder)
        assert parts[1] in shown
        assert parts[2] not in shown
        assert hash_of(parts[2]) not in shown
    files = b"".join(path.read_bytes() for path in Path(folder).rglob("*") if path.is_file())
    assert parts[1].encode() in files
    assert parts[2].encode() not in files


def test_a_token_has_what_was_asked_for(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Scopes, expiry and label are those of the command; the user's tokens can be listed and revoked."""
    options = ["--user", "ana", "--scope", "read", "--expires", "90d", "--label", "wall display"]
    made = read_json(capsys, "token", "create", *options, "--data-dir", folder)
    assert (made["user"], made["scopes"], made["label"], made["state"]) == (
        "ana",
        ["read"],
        "wall display",
        "active",
    )
    assert made["expires_at"] > made["created_at"]
    main(["token", "create", "--user", "olga", "--scope", "admin", "--data-dir", folder])
    capsys.readouterr()
    assert [
        token["id"] for token in read_json(capsys, "token", "list", "--user", "ana", "--data-dir", folder)
    ] == [made["id"]]
    assert "is revoked" in run(capsys, "token", "revoke", made["id"], "--data-dir", folder)
    assert "before" in run(capsys, "token", "revoke", made["id"], "--data-dir", folder)
    states = {
        token["user"]: token["state"] for token in read_json(capsys, "token", "list", "--data-dir", folder)
    }
    assert states == {"ana": "revoked", "olga": "active"}
    actions = [entry["action"] for entry in read_json(capsys, "audit", "--since", "1h", "--data-dir", folder)]
    assert actions == ["token_revoke", "token_create", "token_create"]
    assert read_json(capsys, "audit", "--since", "2999-01-01", "--data-dir", folder) == []
    assert (
        len(read_json(capsys, "audit", "--action", "token_create", "--limit", "1", "--data-dir", folder)) == 1
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["create"], "--user"),
        (["create", "--user", "Ana!"], "is no name of a user"),
        (["create", "--user", "ana", "--scope", "root"], "invalid choice: 'root'"),
        (["create", "--user", "ana", "--expires", "soon"], "is no time"),
        (["create", "--user", "ana", "--expires", "0d"], "is no time"),
        (["create", "--user", "ana", "--expires", "999999w"], "is no time"),
        (["create", "--user", "ana", "--label", "a\x1b[2J"], "is no label"),
        (["revoke", "eq_0123456789abcdef_secret"], "16 hexadecimal digits"),
    ],
)
def test_bad_usage_says_what_is_wrong(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["token", *arguments])
    assert caught.value.code == 2
    shown = capsys.readouterr().err
    assert words in shown
    assert f"usage: equipoise token {arguments[0]} " in shown
    assert "_secret" not in shown


def test_a_token_that_there_is_not_is_said(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "revoke", "0" * 16, "--data-dir", folder]) == 2
    assert "There is no token '0000000000000000'" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["token", "create", "--user", "ana"], ["token", "list"], ["audit"]])
def test_no_new_database_is_made(
    tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """In a folder where no service was, a command says so: a token in an empty database would help nobody."""
    assert main([*arguments, "--data-dir", str(tmp_path / "elsewhere")]) == 2
    assert "There is no database" in capsys.readouterr().err
    assert not (tmp_path / "elsewhere").exists()


def test_the_client_hands_the_commands_on() -> None:
    assert {"token", "audit"} <= set(SERVICE_COMMANDS)


def test_serve_keeps_a_token_for_this_machine(settings: Settings, own_file: Path) -> None:
    """The file is the user's alone; the same database has one token, whatever the port."""
    assert keep_local_token(settings, "127.0.0.1", 8123) == own_file
    assert stat.S_IMODE(own_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(own_file.parent.stat().st_mode) == 0o700
    assert keep_local_token(settings, "127.0.0.1", 8124) == own_file
    found = read_credentials(own_file)
    assert set(found) == {
        f"http://{name}:{port}" for name in ("127.0.0.1", "localhost") for port in (8123, 8124)
    }
    assert len({credential.token for credential in found.values()}) == 1
    (credential, *_) = found.values()
    assert credential.token not in repr(credential)
    for url in found:
        assert resolve(url, None, 1.0).token == credential.token
        assert resolve(f"{url}/", None, 1.0).token == credential.token
    assert resolve("http://127.0.0.1:9999", None, 1.0).token is None


def test_a_token_that_is_no_longer_good_is_replaced(settings: Settings, own_file: Path) -> None:
    """After the kept token was revoked, the next start makes another one."""
    keep_local_token(settings, "127.0.0.1", 8123)
    (first, *_) = read_credentials(own_file).values()
    engine = connect(settings.database)
    table = TokenTable(engine)
    parts = TOKEN.fullmatch(first.token)
    assert parts is not None
    table.revoke(LOCAL, parts[1])
    keep_local_token(settings, "127.0.0.1", 8123)
    assert len(table.all()) == 2
    engine.dispose()
    assert {credential.token for credential in read_credentials(own_file).values()} != {first.token}


def test_the_argument_and_the_environment_go_before_the_file(
    settings: Settings, own_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_local_token(settings, "127.0.0.1", 8123)
    url = "http://127.0.0.1:8123"
    monkeypatch.setenv("EQUIPOISE_TOKEN", "from-the-environment")
    assert resolve(url, None, 1.0).token == "from-the-environment"
    assert resolve(url, "from-the-argument", 1.0).token == "from-the-argument"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"services": {"http://h": 1}}', "\xff"])
def test_a_broken_file_is_said_without_its_content(own_file: Path, content: str) -> None:
    """The client names the file and the remedy; the service writes a new one."""
    own_file.parent.mkdir(parents=True)
    own_file.write_bytes(content.encode("latin-1"))
    with pytest.raises(InvalidArgumentError, match=r"EQUIPOISE_CREDENTIALS=.*Remove it"):
        resolve("http://127.0.0.1:8123", None, 1.0)
    store_credential(own_file, ["http://127.0.0.1:8123"], Credential("eq_x"))
    assert resolve("http://127.0.0.1:8123", None, 1.0).token == "eq_x"


def test_a_file_that_cannot_be_written_does_not_stop_the_service(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    environment = {"EQUIPOISE_CREDENTIALS": str(tmp_path / "file" / "credentials.json")}
    assert keep_local_token(settings, "127.0.0.1", 8123, environment=environment) is None
    assert "cannot be stored" in caplog.text
    assert "eq_" not in caplog.text
    engine = connect(settings.database)
    assert [token.revoked_at is None for token in TokenTable(engine).all()] == [False]
    engine.dispose()


def test_the_file_stays_small(tmp_path: Path) -> None:
    """Addresses whose database has gone are dropped, then the oldest that `serve` wrote; a person's stay."""
    path = tmp_path / "credentials.json"
    (tmp_path / "there.db").write_text("")
    there, gone = f"sqlite:///{tmp_path}/there.db", f"sqlite:///{tmp_path}/gone.db"
    store_credential(path, ["http://lab:80"], Credential("by-hand"))
    store_credential(path, ["http://127.0.0.1:1"], Credential("a", gone))
    for port in range(2, MOST_ADDRESSES + 20):
        store_credential(path, [f"http://127.0.0.1:{port}"], Credential("b", there))
    found = read_credentials(path)
    assert len(found) == MOST_ADDRESSES
    assert "http://127.0.0.1:1" not in found
    assert found["http://lab:80"].token == "by-hand"
    assert f"http://127.0.0.1:{MOST_ADDRESSES + 19}" in found
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".credentials-")] == []


@pytest.mark.parametrize(
    ("host", "urls"),
    [
        ("127.0.0.1", ["http://127.0.0.1:80", "http://localhost:80"]),
        ("::1", ["http://[::1]:80", "http://localhost:80"]),
        ("0.0.0.0", ["http://127.0.0.1:80", "http://localhost:80", "http://[::1]:80"]),
        ("192.168.1.4", ["http://192.168.1.4:80"]),
        ("fd00::7", ["http://[fd00::7]:80"]),
    ],
)
def test_the_token_is_kept_under_every_address_of_this_machine(host: str, urls: list[str]) -> None:
    assert addresses(host, 80) == urls


def test_the_file_is_where_the_user_says(tmp_path: Path) -> None:
    assert credentials_path({"EQUIPOISE_CREDENTIALS": "/x/y.json", "XDG_CONFIG_HOME": "/z"}) == Path(
        "/x/y.json"
    )
    assert credentials_path({"XDG_CONFIG_HOME": "/z"}) == Path("/z/equipoise/credentials.json")
    assert credentials_path({"HOME": "/h"}) == Path("/h/.config/equipoise/credentials.json")
    assert str(tmp_path) not in os.environ["EQUIPOISE_CREDENTIALS"]

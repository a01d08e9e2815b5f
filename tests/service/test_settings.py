"""Settings: bad or unknown ones stop the start, naming the setting, its value and the remedy."""

import pytest

from equipoise_service.errors import SettingsError
from equipoise_service.settings import check_exposure, load_settings, shown


def refusal_of(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> str:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("EQUIPOISE_PORT", "70000", ["EQUIPOISE_PORT='70000'", "65535", "Port the API listens on"]),
        ("EQUIPOISE_PORT", "http", ["EQUIPOISE_PORT='http'", "integer"]),
        ("EQUIPOISE_DEVICE", "tpu", ["EQUIPOISE_DEVICE='tpu'", "'cpu'"]),
        ("EQUIPOISE_QUEUES", "cpu,fast", ["EQUIPOISE_QUEUES='cpu,fast'", "'quick'"]),
        ("EQUIPOISE_DATABASE_URL", "mysql://h/d", ["EQUIPOISE_DATABASE_URL='mysql://h/d'", "postgresql://"]),
        ("EQUIPOISE_DATABASE_URL", "nonsense", ["EQUIPOISE_DATABASE_URL='nonsense'", "postgresql://user"]),
        ("EQUIPOISE_DATABASE_URL", "mysql://u:secret@h/d", ["mysql://u:(hidden)@h/d"]),
        (
            "EQUIPOISE_HEARTBEAT_TTL_SECONDS",
            "2",
            ["EQUIPOISE_HEARTBEAT_TTL_SECONDS=2 must", "EQUIPOISE_HEARTBEAT_SECONDS=2"],
        ),
        ("EQUIPOISE_PROT", "1", ["EQUIPOISE_PROT='1' is no setting", "Did you mean EQUIPOISE_PORT?"]),
        ("EQUIPOISE_COLOUR", "red", ["EQUIPOISE_COLOUR='red' is no setting", "EQUIPOISE_DATA_DIR"]),
    ],
)
def test_a_bad_setting_is_named_with_its_value_and_remedy(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: list[str]
) -> None:
    message = refusal_of(monkeypatch, name, value)
    assert all(word in message for word in words), message
    assert "start again" in message or "unset it" in message


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ("postgresql://u:secret@host/db", "postgresql://u:(hidden)@host/db"),
        ("postgresql://u:se@cret@host/db", "postgresql://u:(hidden)@host/db"),
        ("postgresql://u:s:e/c?r#e'@t@host:5432/db", "postgresql://u:(hidden)@host:5432/db"),
        ("postgresql://:secret@host", "postgresql://:(hidden)@host"),
        ("u:secret@host/db", "u:(hidden)@host/db"),
        ("postgresql://u@host:5432/db", "postgresql://u@host:5432/db"),
        ("s3://bucket/a:b@c", "s3://bucket/a:b@c"),
        ("sqlite:////tmp/a@b:c@d.db", "sqlite:////tmp/a@b:c@d.db"),
    ],
)
def test_a_password_is_never_shown(value: str, seen: str) -> None:
    assert shown(value)[1:-1] == seen


def test_a_short_token_is_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    message = refusal_of(monkeypatch, "EQUIPOISE_TOKEN", "hunter2")
    assert "EQUIPOISE_TOKEN=(hidden)" in message
    assert "16 characters" in message
    assert "hunter2" not in message


def test_the_command_line_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EQUIPOISE_PORT", "8001")
    monkeypatch.setenv("EQUIPOISE_QUEUES", "cpu")
    monkeypatch.setenv("EQUIPOISE_URL", "http://read.by.the.client")
    assert load_settings().port == 8001
    settings = load_settings({"port": "0", "host": None})
    assert (settings.port, settings.host, settings.queues) == (0, "127.0.0.1", ("cpu",))


@pytest.mark.parametrize(
    ("url", "used"),
    [
        ("postgres://u:p%40ss@h:1/d", "postgresql+psycopg://u:p%40ss@h:1/d"),
        ("postgresql+psycopg://u@h/d", "postgresql+psycopg://u@h/d"),
        ("sqlite:////tmp/a.db", "sqlite:////tmp/a.db"),
    ],
)
def test_database_urls_get_the_driver_that_is_installed(url: str, used: str) -> None:
    assert load_settings({"database_url": url}).database == used


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "lab.example"])
def test_a_host_beyond_this_machine_needs_tokens(host: str) -> None:
    with pytest.raises(SettingsError, match=r"EQUIPOISE_HOST=.*EQUIPOISE_AUTH='none'.*token create"):
        check_exposure(load_settings({"host": host, "auth": "none"}))
    check_exposure(load_settings({"host": host}))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_this_machine_needs_none(host: str) -> None:
    check_exposure(load_settings({"host": host, "auth": "none"}))


def test_a_token_that_nobody_is_asked_for_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"EQUIPOISE_TOKEN is set, but EQUIPOISE_AUTH='none'.*unset one"):
        load_settings({"auth": "none", "token": "0123456789abcdef"})


@pytest.mark.parametrize(("processors", "n_apis"), [(1, 1), (2, 2), (64, 2)])
def test_two_processes_answer_where_there_are_processors_for_them(
    monkeypatch: pytest.MonkeyPatch, processors: int, n_apis: int
) -> None:
    """Without the setting the API takes two processes at most, and the worker every processor."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(processors)), raising=False)
    settings = load_settings()
    assert (settings.n_apis, settings.worker_threads) == (n_apis, processors)
    monkeypatch.setenv("EQUIPOISE_API_PROCESSES", "3")
    assert load_settings().n_apis == 3

"""Places that cannot be used are refused before the start, with the setting, its value and the remedy."""

import logging
import sqlite3
from pathlib import Path

import pytest

from equipoise_service.errors import SettingsError
from equipoise_service.settings import Settings
from equipoise_service.storage.probes import Patience, check_places


def refusal_of(settings: Settings, patience: Patience | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        check_places(settings, patience=patience)
    message = str(caught.value)
    assert "\n" not in message
    assert ".." not in message
    return message


def test_places_that_can_be_used_are_made_and_left_clean(tmp_path: Path) -> None:
    check_places(Settings(data_dir=tmp_path / "a" / "b"))
    assert {path.name for path in (tmp_path / "a" / "b").iterdir()} <= {"equipoise.db", "store"}
    assert list((tmp_path / "a" / "b" / "store").iterdir()) == []


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    message = refusal_of(Settings(data_dir=tmp_path / "file" / "x"))
    assert message.startswith(f"EQUIPOISE_DATA_DIR='{tmp_path}/file/x' cannot be made and written")
    assert "--data-dir" in message


@pytest.mark.parametrize("url", ["nothing://bucket/x", "file:///proc/x"])
def test_a_store_that_cannot_be_written_is_refused(tmp_path: Path, url: str) -> None:
    assert f"EQUIPOISE_STORE_URL='{url}'" in refusal_of(Settings(data_dir=tmp_path, store_url=url))


def test_a_file_that_is_no_database_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("no database" * 1000)
    message = refusal_of(Settings(data_dir=tmp_path, database_url=f"sqlite:///{tmp_path}/a.db"))
    assert "EQUIPOISE_DATABASE_URL='sqlite:" in message
    assert "file is not a database" in message


def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    check_places(Settings(data_dir=tmp_path))
    with sqlite3.connect(tmp_path / "equipoise.db") as database:
        database.execute("insert into equipoise_schema_version values (999)")
    database.close()
    assert "schema version 999" in refusal_of(Settings(data_dir=tmp_path))


def test_a_server_that_does_not_answer_is_tried_again_for_a_while(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now = [0.0]

    def pause(seconds: float) -> None:
        now[0] += seconds

    patience = Patience(total_s=6.0, pause_s=2.0, clock=lambda: now[0], pause=pause)
    settings = Settings(data_dir=tmp_path, database_url="postgresql://u:secret@127.0.0.1:1/x")
    with caplog.at_level(logging.WARNING):
        message = refusal_of(settings, patience)
    assert "EQUIPOISE_DATABASE_URL='postgresql://u:(hidden)@127.0.0.1:1/x'" in message
    assert now[0] == 6.0
    assert len(caplog.records) == 3
    assert "secret" not in message + caplog.text

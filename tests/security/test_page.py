"""The page on security says what the tests show."""

from pathlib import Path

from tests.security.write_page import PAGE, with_table

from equipoise_service.settings import PREFIX, Settings


def test_the_table_on_the_page_is_the_tested_one() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert with_table(text) == text


def test_the_page_names_the_settings_that_bound_what_users_can_do() -> None:
    text = PAGE.read_text(encoding="utf-8")
    bounds = [name for name in Settings.model_fields if name.startswith("max_")]
    assert not [name for name in bounds if f"{PREFIX}{name.upper()}" not in text]


def test_files_that_the_page_names_exist() -> None:
    assert PAGE.exists()
    for name in ("test_slow_clients.py", "test_secrets.py", "test_no_code_from_data.py", "schema_fuzz"):
        assert name in PAGE.read_text(encoding="utf-8")
        assert (Path(__file__).parent / name).with_suffix(".py").exists()

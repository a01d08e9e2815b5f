"""The store: blobs are whole or absent, in a folder and in any other fsspec file system."""

from pathlib import Path

import pytest

from equipoise_service.store import Store


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(f"file://{tmp_path}/store" if request.param == "file" else f"memory://{tmp_path.name}")


def test_what_was_put_is_got(store: Store) -> None:
    store.put("a/b/c", b"one")
    store.put("a/b/c", b"two")
    assert store.get("a/b/c") == b"two"
    assert store.names("a/b") == ["c"]
    assert store.names("nowhere") == []


def test_content_is_named_by_its_hash(store: Store) -> None:
    digest = store.put_content("results", b"abc", ".json")
    assert digest == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert store.get(f"results/{digest}.json") == b"abc"


def test_removing_what_is_absent_is_fine(store: Store) -> None:
    store.put("f/a", b"1")
    store.remove("f/a")
    store.remove("f/a")
    store.put("g/a", b"1")
    store.remove_folder("g")
    store.remove_folder("g")
    assert store.names("g") == []
    with pytest.raises(FileNotFoundError):
        store.get("f/a")


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    store = Store(f"file://{tmp_path}/store")
    (tmp_path / "store" / "taken").mkdir(parents=True)
    (tmp_path / "store" / "taken" / "child").write_bytes(b"")
    with pytest.raises(TypeError):
        store.put("name", "not bytes")  # type: ignore[arg-type]
    assert store.names("") == ["taken"]

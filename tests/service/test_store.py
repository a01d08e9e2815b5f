"""The store: blobs are whole or absent, in a folder, in memory, and on an S3-compatible server."""

import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given
from hypothesis import strategies as st
from tests.support.s3 import S3Server

from equipoise_service.storage import remote_blobs
from equipoise_service.storage.local_blobs import LocalBlobs
from equipoise_service.storage.remote_blobs import RemoteBlobs
from equipoise_service.storage.store import Store, is_unfinished

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["file", "memory", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "s3":
        server: S3Server = request.getfixturevalue("s3_service")
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        return f"{server.new_bucket()}/equipoise"
    return f"file://{tmp_path}/store" if request.param == "file" else f"memory://{tmp_path}"


@pytest.fixture
def store(url: str) -> Store:
    return Store(url)


def test_what_was_put_is_got(store: Store) -> None:
    store.put("a/b/c", b"one")
    store.put("a/b/c", b"two")
    assert store.get("a/b/c") == b"two"
    assert store.exists("a/b/c")
    assert not store.exists("a/b")
    assert store.names("a/b") == ["c"]
    assert store.names("a") == ["b"]
    assert store.names("") == ["a"]
    assert store.names("nowhere") == []


def test_content_is_named_by_its_hash(store: Store) -> None:
    digest = store.put_content("results", b"abc", ".json")
    assert digest == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert store.get(f"results/{digest}.json") == b"abc"


def test_removing_what_is_absent_is_fine(store: Store) -> None:
    store.put("f/a", b"1")
    store.remove("f/a")
    store.remove("f/a")
    store.put("g/a/deep", b"1")
    store.put("ga/other", b"1")
    store.remove_folder("g")
    store.remove_folder("g")
    assert store.names("g") == []
    assert store.get("ga/other") == b"1"
    with pytest.raises(FileNotFoundError):
        store.get("f/a")


def test_blobs_are_listed_with_size_and_time(store: Store) -> None:
    before = time.time()
    store.put("x/one", b"12345")
    store.put("x/y/two", b"")
    store.put("z/three", b"1")
    found = {blob.name: blob for blob in store.all("x")}
    assert {name: blob.size for name, blob in found.items()} == {"x/one": 5, "x/y/two": 0}
    assert len(list(store.all())) == 3
    for blob in store.all():
        # Object stores keep whole seconds.
        assert before - 1.0 <= blob.modified_at <= time.time() + 1.0
        assert store.stat(blob.name) == blob
    assert list(store.all("nowhere")) == []


def test_another_store_sees_at_once_what_was_written(store: Store, url: str) -> None:
    """No listing and no absence is remembered."""
    other = Store(url)
    assert other.names("n") == []
    assert not other.exists("n/a")
    store.put("n/a", b"1")
    assert other.names("n") == ["a"]
    assert other.get("n/a") == b"1"
    store.remove("n/a")
    assert other.names("n") == []


def test_readers_see_whole_blobs_while_threads_write(store: Store) -> None:
    """A name shows all the bytes of one write, whichever threads write and read it at the same time."""
    contents = [bytes([letter]) * 200_000 for letter in b"abcd"]
    store.put("shared/blob", contents[0])

    def write(content: bytes) -> None:
        for _ in range(5):
            store.put("shared/blob", content)

    with ThreadPoolExecutor(5) as pool:
        writing = [pool.submit(write, content) for content in contents]
        while not all(future.done() for future in writing):
            assert store.get("shared/blob") in contents
        for future in writing:
            future.result()
    assert [blob.name for blob in store.all()] == ["shared/blob"]


@pytest.mark.parametrize("url", ["file", "s3"], indirect=True)
def test_child_processes_share_the_store(store: Store, url: str) -> None:
    """A process that is given nothing but the URL and the environment reads and writes the same blobs."""
    store.put("from/parent", b"hello")
    code = (
        "import sys; from equipoise_service.storage.store import Store; store = Store(sys.argv[1]);"
        "store.put('from/child', store.get('from/parent') + b' there')"
    )
    subprocess.run([sys.executable, "-c", code, url], check=True, cwd=ROOT, env=dict(os.environ))
    assert store.get("from/child") == b"hello there"


UNSAFE = [
    "",
    "/a",
    "a/",
    "a//b",
    "..",
    "a/../b",
    "./a",
    "a/.",
    ".hidden",
    "a\\b",
    "a b",
    "a\n",
    "é",
    "a*",
    "a" * 600,
]


@pytest.mark.parametrize("name", UNSAFE)
def test_names_that_could_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    store = Store(f"file://{tmp_path}/store")
    for call in (
        store.get,
        store.remove,
        store.exists,
        store.remove_folder,
        lambda name: store.put(name, b""),
    ):
        with pytest.raises(ValueError, match="is no name of a blob"):
            call(name)
    if name:
        with pytest.raises(ValueError, match="is no name of a blob"):
            store.names(name)
    assert list(tmp_path.rglob("*")) == []


@given(name=st.text(alphabet="ab./-_\\%~ \0é", max_size=12))
def test_no_name_leaves_the_folder(name: str) -> None:
    """Whatever is accepted as a name stays below the store's folder."""
    try:
        Store("memory://nowhere").exists(name)
    except ValueError:
        return
    assert Path("/store", name).resolve().is_relative_to("/store")
    assert Path("/store", name).resolve() != Path("/store")


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    store = Store(f"file://{tmp_path}/store")
    (tmp_path / "store" / "taken").mkdir(parents=True)
    (tmp_path / "store" / "taken" / "child").write_bytes(b"")
    with pytest.raises(TypeError):
        store.put("name", "not bytes")  # type: ignore[arg-type]
    with pytest.raises(OSError, match="taken"):
        store.put("taken", b"a name that a folder has")
    assert [blob.name for blob in store.all()] == ["taken/child"]


def test_unfinished_writes_are_told_apart(tmp_path: Path) -> None:
    """What a killed writer leaves has no name of its own, and is found by who cleans up."""
    store = Store(f"file://{tmp_path}/store")
    store.put("a/b", b"1")
    (tmp_path / "store" / "a" / "b.0123.tmp").write_bytes(b"half")
    assert store.names("a") == ["b"]
    assert {blob.name: is_unfinished(blob) for blob in store.all()} == {"a/b": False, "a/b.0123.tmp": True}


class Recorder:
    """Counts what is forced to the disk."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.forced: list[str] = []
        force = os.fsync

        def record(number: int) -> None:
            self.forced.append("folder" if stat.S_ISDIR(os.fstat(number).st_mode) else "file")
            force(number)

        monkeypatch.setattr(os, "fsync", record)


def test_results_are_forced_to_the_disk_and_checkpoints_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes first, then the rename: a name outlives a loss of power only with its bytes."""
    recorder = Recorder(monkeypatch)
    store = Store(f"file://{tmp_path}/store")
    store.put("checkpoints/job/1", b"1")
    assert recorder.forced == []
    store.put("results/1", b"1")
    assert recorder.forced == ["file", "folder"]


class FailingFiles(MemoryFileSystem):  # type: ignore[misc]
    """Files in memory whose calls fail a number of times before they work."""

    protocol = "failing"
    store: ClassVar[dict[str, Any]] = {}
    failures: ClassVar[list[Exception]] = []

    def _fail(self) -> None:
        if self.failures:
            raise self.failures.pop(0)

    def cat_file(self, path: str, *args: Any, **options: Any) -> Any:
        self._fail()
        return super().cat_file(path, *args, **options)

    def pipe_file(self, path: str, *args: Any, **options: Any) -> Any:
        self._fail()
        return super().pipe_file(path, *args, **options)


@pytest.fixture
def failing() -> Iterator[tuple[RemoteBlobs, list[float], list[Exception]]]:
    fsspec.register_implementation("failing", FailingFiles, clobber=True)
    pauses: list[float] = []
    yield RemoteBlobs("failing://place", pause=pauses.append), pauses, FailingFiles.failures
    FailingFiles.failures.clear()
    FailingFiles.store.clear()


def test_what_may_pass_is_tried_again(failing: tuple[RemoteBlobs, list[float], list[Exception]]) -> None:
    """A location without whole writes goes through a temporary name, and through errors that pass."""
    blobs, pauses, failures = failing
    failures += [ConnectionResetError("reset"), TimeoutError("late")]
    blobs.put("a/b", b"1", is_durable=True)
    assert pauses == list(remote_blobs.PAUSES_S[:2])
    failures += [OSError("503")]
    assert blobs.get("a/b") == b"1"
    assert [blob.name for blob in blobs.all("")] == ["a/b"]


def test_what_does_not_pass_is_raised(failing: tuple[RemoteBlobs, list[float], list[Exception]]) -> None:
    """Lasting errors are raised at once, others after the last try; nothing is left behind."""
    blobs, pauses, failures = failing
    failures += [PermissionError("no")]
    with pytest.raises(PermissionError):
        blobs.put("a/b", b"1", is_durable=True)
    with pytest.raises(FileNotFoundError):
        blobs.get("a/b")
    assert pauses == []
    failures += [OSError(f"{number}") for number in range(len(remote_blobs.PAUSES_S) + 1)]
    with pytest.raises(OSError, match="4"):
        blobs.put("a/b", b"1", is_durable=True)
    assert pauses == list(remote_blobs.PAUSES_S)
    assert list(blobs.all("")) == []


def test_two_processes_may_remove_a_folder_at_once(tmp_path: Path) -> None:
    blobs = LocalBlobs(str(tmp_path))
    for number in range(300):
        blobs.put(f"f/{number}", b"", is_durable=False)
    start = threading.Barrier(3)

    def remove() -> None:
        start.wait()
        blobs.remove_folder("f")

    with ThreadPoolExecutor(3) as pool:
        for future in [pool.submit(remove) for _ in range(3)]:
            future.result()
    blobs.remove_folder("f")
    assert blobs.names("f") == []

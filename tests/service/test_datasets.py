"""Datasets over HTTP: three formats, one id per content, and refusals that say where the file is wrong."""

import io
import pickle
import warnings
import zipfile
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.service.asgi_client import AppClient, started
from tests.service.test_problems import assert_problem

from equipoise_service.errors import ServiceError
from equipoise_service.http.app import create_app
from equipoise_service.settings import Settings
from equipoise_service.storage.store import Store, dataset_name
from equipoise_service.uploads.dataset_columns import Choice
from equipoise_service.uploads.dataset_files import Format, read_columns

X, Y = [0.5, -1.25, 3.0], [1.0, 2.0, -7.5]
CSV = b"x,y\n0.5,1.0\n-1.25,2\n3e0,-7.5\n"
OCTETS = {"content-type": "application/octet-stream"}
TYPES = {"csv": "text/csv", "npz": "application/x-npz", "parquet": "application/vnd.apache.parquet"}


def npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def table(**columns: Any) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def squeezed(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


WHOLE: list[tuple[Format, bytes]] = [
    ("csv", CSV),
    ("npz", npz(x=X, y=Y)),
    ("npz", squeezed(x=X, y=Y)),
    ("parquet", table(x=X, y=Y)),
]


def repeated_table(*names: str) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(pa.Table.from_arrays([pa.array(X)] * len(names), names=list(names)), buffer)
    return buffer.getvalue()


def repeated_archive(*names: str) -> bytes:
    buffer, member = io.BytesIO(), io.BytesIO()
    np.save(member, np.array(X))
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as archive:
        warnings.simplefilter("ignore")  # The archive warns of the repeated name that is wanted here.
        for name in names:
            archive.writestr(f"{name}.npy", member.getvalue())
    return buffer.getvalue()


def upload(api: AppClient, content: bytes, kind: str = "csv", query: str = "") -> Any:
    return api.post(f"/v1/datasets{query}", content=content, headers={"content-type": TYPES[kind]})


def test_the_same_numbers_are_one_dataset_in_every_format(api: AppClient) -> None:
    first = upload(api, CSV)
    assert first.status_code == 201
    dataset = first.json()
    assert (dataset["n_rows"], dataset["x"], dataset["y"]) == (3, "x", "y")
    assert first.headers["location"] == f"/v1/datasets/{dataset['id']}"
    again = [
        upload(api, npz(x=np.array(X), y=np.array(Y)), "npz"),
        upload(api, npz(x=np.array(X, dtype=">f8"), y=np.array(Y)), "npz"),
        upload(api, table(x=X, y=Y), "parquet"),
        api.post(
            "/v1/datasets?format=csv", content=CSV, headers={"content-type": "application/octet-stream"}
        ),
        api.post("/v1/datasets", files={"file": ("a.csv", CSV, "text/csv")}),
        api.post("/v1/datasets", files={"other": b"1", "file": ("a.npz", npz(x=X, y=Y))}),
        upload(api, b"\xef\xbb\xbfa,b\r\n0.5,1\r\n-1.25,2\r\n3,-7.5\r\n"),
    ]
    assert [(answer.status_code, answer.json()["id"]) for answer in again] == [(200, dataset["id"])] * 7
    assert [(answer.json()["x"], answer.json()["y"]) for answer in again] == [("x", "y")] * 6 + [("a", "b")]
    assert api.get(f"/v1/datasets/{dataset['id']}").json() == dataset


VECTORS = np.array([[0.5, 1.0], [-1.25, 2.0], [3.0, 0.25]])


def test_vectors_are_one_dataset_in_every_format(api: AppClient) -> None:
    """Several columns are the rows of a table, however they are given, and other numbers than one column."""
    first, second = VECTORS.T.tolist()
    rows = [f"{a!r},{b!r},{c!r}" for a, b, c in zip(first, second, Y, strict=True)]
    uploads = [
        upload(api, npz(x=VECTORS, y=np.array(Y)), "npz"),
        upload(api, npz(x=np.asfortranarray(VECTORS), y=np.array(Y)[:, None]), "npz"),
        upload(api, "\n".join(["x1,x2,y", *rows]).encode()),
        upload(api, "\n".join(["x1,x2,y1", *rows]).encode()),
        upload(api, "\n".join(["a,b,c", *rows]).encode(), query="?x=a,b&y=c"),
        upload(api, table(x1=first, x2=second, y=Y), "parquet"),
        upload(api, table(x=VECTORS.tolist(), y=Y), "parquet"),
        upload(api, npz(x1=np.array(first), x2=np.array(second), y=np.array(Y)), "npz"),
    ]
    assert [answer.status_code for answer in uploads] == [201] + 7 * [200], [u.text for u in uploads]
    assert len({answer.json()["id"] for answer in uploads}) == 1
    assert [answer.json()["x"] for answer in uploads[:3]] == ["x", "x", "x1, x2"]
    flat = upload(api, npz(x=VECTORS.T.ravel(), y=np.ones(6)), "npz").json()
    turned = upload(api, npz(x=VECTORS.reshape(6), y=np.ones((6, 1))), "npz").json()
    assert len({flat["id"], turned["id"], uploads[0].json()["id"]}) == 3


def test_a_file_that_was_lost_comes_back_with_the_next_upload(api: AppClient, settings: Settings) -> None:
    """The same numbers get the same id and, if the store lost it, the same file; else nothing is written."""
    store = Store(settings.store)
    dataset_id = upload(api, CSV).json()["id"]
    name = dataset_name(dataset_id)
    content, written = store.get(name), store.stat(name)
    assert upload(api, CSV).json()["id"] == dataset_id
    assert store.stat(name) == written
    store.remove(name)
    assert upload(api, CSV).json()["id"] == dataset_id
    assert store.get(name) == content


def test_widths_are_part_of_the_content(api: AppClient) -> None:
    """The same bytes as tables of other widths are other datasets."""
    numbers = np.arange(12.0)
    shapes = [(numbers[:8].reshape(4, 2), numbers[8:]), (numbers[:4], numbers[4:].reshape(4, 2))]
    ids = {upload(api, npz(x=x, y=y), "npz").json()["id"] for x, y in shapes}
    assert len(ids) == 2


def test_columns_are_chosen_by_name(api: AppClient) -> None:
    content = b"age,bmi,target\n1,0.5,1.0\n2,-1.25,2\n3,3.0,-7.5\n"
    dataset = upload(api, content, query="?x=bmi&y=target").json()
    assert (dataset["x"], dataset["y"]) == ("bmi", "target")
    assert dataset["id"] == upload(api, CSV).json()["id"]
    turned = upload(api, CSV, query="?x=y").json()
    assert (turned["x"], turned["y"]) == ("y", "x")


@pytest.mark.parametrize(
    ("content", "kind", "query", "words"),
    [
        (b"", "csv", "", "empty"),
        (b"x,y\n", "csv", "", "0 rows"),
        (b"x,y\n1,2\n", "csv", "", "at least 2"),
        (b"x,y\n1,2\n1,3\n", "csv", "", "column 'x' is constant (1.0)"),
        (b"x,x,y\n1,2,3\n2,3,4\n", "csv", "", "2 columns are named 'x'"),
        (b"a,a\n1,2\n2,3\n", "csv", "", "2 columns are named 'a'"),
        (repeated_table("x", "x", "y"), "parquet", "", "2 columns are named 'x'"),
        (repeated_archive("x", "x", "y"), "npz", "", "2 columns are named 'x'"),
        (CSV, "csv", "?x=x&y=x", "x and y are both column 'x'"),
        (table(x=X, y=Y), "parquet", "?x=y&y=y", "x and y are both column 'y'"),
        (npz(x=X, y=Y, z=Y), "npz", "?x=y", "x and y are both column 'y'"),
        (b"a\0,b\n1,2\n2,3\n", "csv", "", "without the character NUL"),
        (b"a" * 201 + b",b\n1,2\n2,3\n", "csv", "", "at most 200 characters"),
        (b"x;y\n1;2\n2;3\n", "csv", "", "separated by commas"),
        (b"x\ty\n1\t2\n2\t3\n", "csv", "", "separated by commas"),
        (b"1,2\n3,4\n", "csv", "", "header"),
        (b"x,y\n1,2\n2,much\n", "csv", "", "line 3, column 'y' is 'much'"),
        (b"x,y\n1,2\n2,nan\n", "csv", "", "line 3, column 'y' is 'nan'"),
        (b"x,y\n1,2\n1_0,2\n", "csv", "", "line 3, column 'x' is '1_0'"),
        (b"x,y\n1,2\n1e300,2\n", "csv", "", "row 2 of column 'x' is 1e+300"),
        (b"x,y\n1,2\n3", "csv", "", "line 3 has 1 cells"),
        (b"a,b,c\n1,2,3\n", "csv", "", "x=bmi and y=target"),
        (CSV, "csv", "?x=z", "x='z' is no column"),
        (npz(x=np.array([1, None], dtype=object), y=np.array(Y)), "npz", "", "pickled"),
        (npz(x=np.ones((3, 2, 2)), y=np.array(Y)), "npz", "", "shape (3, 2, 2)"),
        (npz(x=np.ones((3, 0)), y=np.array(Y)), "npz", "", "shape (3, 0)"),
        (npz(x=np.ones((2, 2)), y=np.array(Y)), "npz", "", "'x' has 2 entries and 'y' has 3"),
        (npz(x=np.ones((3, 2)), y=np.array(Y)), "npz", "", "column 'x' is constant"),
        (npz(x=[[1, 2], [3, 1e12], [5, 6]], y=np.array(Y)), "npz", "", "row 2, number 2, of column 'x'"),
        (b"x1,x2,y\n1,2,3\n4,inf,6\n", "csv", "", "line 3, column 'x2' is 'inf'"),
        (b"x1,x2,y\n1,2,3\n4,1e12,6\n", "csv", "", "row 2 of column 'x2'"),
        (b"a,b,c\n1,2,3\n4,5,6\n", "csv", "?x=a,d&y=c", "x='d' is no column"),
        (b"a,b,c\n1,2,3\n4,5,6\n", "csv", "?x=a,a&y=c", "x names column 'a' twice"),
        (b"a,b,c\n1,2,3\n4,5,6\n", "csv", "?x=a,b&y=b,c", "x and y are both column 'b'"),
        (table(x=[[1.0, 2.0], [3.0], [4.0, 5.0]], y=Y), "parquet", "", "lists of 1 to 2 numbers"),
        (table(x=[[1.0, 2.0], [3.0, None], [4.0, 5.0]], y=Y), "parquet", "", "row 2 of column 'x' is null"),
        (npz(x=np.array(["a", "b"]), y=np.array(Y)), "npz", "", "type <U1"),
        (npz(x=np.array(X), y=np.array(Y[:2])), "npz", "", "as many"),
        (npz(x=np.array([1.0, np.inf, 2.0]), y=np.array(Y)), "npz", "", "row 2 of column 'x' is inf"),
        (table(x=X, y=["a", "b", "c"]), "parquet", "", "type string"),
        (table(x=[1.0, None, 2.0], y=Y), "parquet", "", "row 2 of column 'x' is null"),
    ],
)
def test_a_dataset_that_cannot_be_used_is_refused(
    api: AppClient, settings: Settings, content: bytes, kind: str, query: str, words: str
) -> None:
    problem = assert_problem(upload(api, content, kind, query), 422, "invalid_dataset")
    assert words in problem["detail"]
    assert {error["field"] for error in problem["errors"]} <= {"file", "x", "y"}
    assert all(error["given"] for error in problem["errors"])
    assert Store(settings.store).names("datasets") == []


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\xff\xfe\x00", "csv"),
        (b'x,y\n"1,2\n', "csv"),
        (pickle.dumps([1, 2]), "npz"),
        (npz(x=np.array(X), y=np.array(Y))[:-30], "npz"),
        (CSV, "npz"),
        (table(x=X, y=Y)[:-10], "parquet"),
        (CSV, "parquet"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(api: AppClient, content: bytes, kind: str) -> None:
    problem = assert_problem(upload(api, content, kind), 400, "malformed_upload")
    assert all(error["given"] for error in problem["errors"])


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4), st.data())
def test_a_damaged_file_is_refused_or_read(changes: list[tuple[int, int]], data: st.DataObject) -> None:
    """No damage to a file is the service's failure."""
    kind, whole = data.draw(st.sampled_from(WHOLE))
    content = bytearray(whole)
    for place, value in changes:
        content[place % len(content)] = value
    refusal = None
    try:
        read_columns(io.BytesIO(content), kind, Choice(), max_rows=1000)
    except ServiceError as error:
        refusal = error
    assert refusal is None or (refusal.status in (400, 422) and refusal.errors[0]["given"])


def test_a_form_that_is_cut_off_or_holds_no_file_is_refused(api: AppClient) -> None:
    whole = (
        b'--b\r\nContent-Disposition: form-data; name="%s"; filename="a.csv"\r\n\r\n' + CSV + b"\r\n--b--\r\n"
    )
    header = {"content-type": "multipart/form-data; boundary=b"}
    cut = api.post("/v1/datasets", content=(whole % b"file")[:-20], headers=header)
    assert "closing boundary" in assert_problem(cut, 400, "malformed_upload")["detail"]
    other = api.post("/v1/datasets", content=whole % b"fiel", headers=header)
    assert "no field named file" in assert_problem(other, 400, "malformed_upload")["detail"]
    bare = api.post("/v1/datasets", content=whole, headers={"content-type": "multipart/form-data"})
    assert_problem(bare, 400, "malformed_upload")
    long = {"content-type": f"multipart/form-data; boundary={'b' * 1000}"}
    endless = api.post("/v1/datasets", content=whole, headers=long)
    assert "1000 characters" in assert_problem(endless, 400, "malformed_upload")["detail"]
    assert api.post("/v1/datasets", content=whole % b"file", headers=header).status_code == 201


def test_sizes_are_bounded_even_when_they_are_hidden(settings: Settings) -> None:
    small = settings.model_copy(update={"max_upload_bytes": 4000, "max_dataset_rows": 100})
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("x", "y"):
            member = io.BytesIO()
            np.save(member, np.zeros(10**5))
            archive.writestr(f"{name}.npy", member.getvalue())
    with started(create_app(small)) as api:
        assert_problem(upload(api, b"x,y\n" + b"1,2\n" * 2000), 413, "body_too_large")
        assert_problem(upload(api, b"x,y\n" + b"1,2\n" * 200), 422, "limit_exceeded")
        assert_problem(upload(api, bomb.getvalue(), "npz"), 422, "limit_exceeded")
        assert_problem(upload(api, table(x=[1.0] * 200, y=[1.0] * 200), "parquet"), 422, "limit_exceeded")
        wide = np.zeros((50, 4))
        assert_problem(upload(api, squeezed(x=wide, y=np.zeros(50)), "npz"), 422, "limit_exceeded")
        lists = table(x=wide.tolist(), y=[0.0] * 50)
        assert_problem(upload(api, lists, "parquet"), 422, "limit_exceeded")
        header = ",".join(f"x{i}" for i in range(1, 5))
        rows = "\n".join(["0,0,0,0,0"] * 50)
        assert_problem(upload(api, f"{header},y\n{rows}".encode()), 422, "limit_exceeded")


def test_a_dataset_serves_as_data(real_api: AppClient) -> None:
    """The law of an uploaded dataset is that of the same samples sent inline."""
    dataset = upload(real_api, CSV).json()["id"]
    laws = [
        real_api.post(
            "/v1/solve",
            json={
                "spec": {
                    "task": "stationary",
                    "model": {"kind": "diagonal"},
                    "data": data,
                    "temperature": 0.01,
                }
            },
        ).json()
        for data in ({"kind": "dataset", "id": dataset}, {"kind": "samples", "x": X, "y": Y})
    ]
    assert laws[0]["mean"] == laws[1]["mean"] is not None

"""The table of hostile requests: what is sent, and what the answer is. docs/security.md shows its rows.

To add one: a line here, then `python -m tests.security.write_page`.
"""

import base64
import json
import math
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.security import hostile_files as files

JSON = {"content-type": "application/json"}
NO_JOB = "/v1/jobs/job_" + "0" * 32
NPZ, PARQUET, CSV = "application/x-npz", "application/vnd.apache.parquet", "text/csv"
MANY = 400_000
"""Entries of a wide body."""


@dataclass(frozen=True)
class Hostile:
    """One request.

    Attributes:
        group: what kind of attack it is.
        what: what is sent, in words.
        status: of the answer.
        code: of the problem; "" for an answer without one.
        body: makes the body.
    """

    group: str
    what: str
    status: int
    code: str
    method: str = "GET"
    path: str = "/v1/jobs"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Callable[[], bytes] = bytes

    @property
    def id(self) -> str:
        """Name of the test."""
        return f"{self.group}: {self.what}"


def solve(group: str, what: str, status: int, code: str, text: Callable[[], str]) -> Hostile:
    """A body sent to be solved."""
    return Hostile(group, what, status, code, "POST", "/v1/solve", JSON, lambda: text().encode())


def upload(what: str, status: int, code: str, kind: str, body: Callable[[], bytes], **extra: Any) -> Hostile:
    """A file sent as a dataset."""
    headers = {"content-type": kind, **extra.get("headers", {})}
    path = f"/v1/datasets{extra.get('query', '')}"
    return Hostile("uploads", what, status, code, "POST", path, headers, body)


def spec(**changes: str) -> str:
    """A body whose spec has some parts replaced by raw JSON."""
    parts = {
        "task": '"stationary"',
        "model": '{"kind":"diagonal","depth":1,"width":1}',
        "data": '{"kind":"gaussian","slope":1.0,"noise_std":1.0}',
        "temperature": "0.05",
        **changes,
    }
    return '{"spec":{' + ",".join(f'"{name}":{value}' for name, value in parts.items()) + "}}"


def gaussian(slope: str) -> str:
    return spec(data=f'{{"kind":"gaussian","slope":{slope},"noise_std":1.0}}')


def diffusion(drift: str) -> str:
    return json.dumps({"spec": {"task": "diffusion", "drift": drift, "noise": "1"}})


def repeated(entry: str, n: int = MANY) -> str:
    return ",".join([entry] * n)


def cursor(submitted_at: float) -> str:
    return base64.urlsafe_b64encode(json.dumps([submitted_at, f"job_{'0' * 32}"]).encode()).decode()


NUMBERS = [
    solve("numbers", "1e400", 422, "invalid_spec", lambda: gaussian("1e400")),
    solve("numbers", "an integer of 100,000 digits", 400, "malformed_json", lambda: gaussian("1" * 100_000)),
    solve("numbers", "an integer of 4,000 digits", 422, "invalid_spec", lambda: gaussian("1" * 4000)),
    solve("numbers", "a fraction of 1,000,000 digits", 200, "", lambda: gaussian("0." + "1" * 1_000_000)),
    solve("numbers", "NaN", 422, "invalid_spec", lambda: gaussian("NaN")),
    solve("numbers", "-Infinity", 422, "invalid_spec", lambda: gaussian("-Infinity")),
    solve("numbers", "-0", 200, "", lambda: gaussian("-0")),
    solve("numbers", "1e-400, which is 0", 200, "", lambda: gaussian("1e-400")),
    solve("numbers", "a subnormal temperature", 422, "invalid_spec", lambda: spec(temperature="5e-324")),
    solve("numbers", "a depth of 10^18", 422, "invalid_spec",
          lambda: spec(model='{"kind":"diagonal","depth":1000000000000000000}')),
    Hostile("numbers", "a limit of 10^30", 422, "invalid_request", path=f"/v1/jobs?limit=1{'0' * 30}"),
]  # fmt: skip
BODIES = [
    solve("JSON", "100,000 open lists", 400, "malformed_json", lambda: "[" * 100_000),
    solve("JSON", "100,000 open objects", 400, "malformed_json", lambda: '{"a":' * 100_000),
    solve("JSON", "400,000 wrong entries in a list", 422, "invalid_spec",
          lambda: spec(data=f'{{"kind":"samples","x":[{repeated(chr(34) * 2)}],"y":[1,2]}}')),
    solve("JSON", "400,000 numbers out of bounds", 422, "invalid_spec",
          lambda: spec(data=f'{{"kind":"samples","x":[{repeated("1e99")}],"y":[1,2]}}')),
    solve("JSON", "a list too long by far", 422, "invalid_spec",
          lambda: spec(data=f'{{"kind":"samples","x":[{repeated("1")}],"y":[1,2]}}')),
    solve("JSON", "1,500,000 empty lists", 400, "malformed_request",
          lambda: spec(data=f"[{repeated('[]', 1_500_000)}]")),
    solve("JSON", "400,000 unknown fields", 400, "malformed_request",
          lambda: "{" + ",".join(f'"{i}":1' for i in range(MANY)) + "}"),
    solve("JSON", "a name twice", 400, "malformed_request", lambda: spec(data='{"kind":"a","kind":"b"}')),
    solve("JSON", "a lone surrogate", 400, "malformed_json", lambda: spec(data='{"kind":"\\ud800"}')),
    solve("JSON", "a NUL in a word", 422, "invalid_spec", lambda: spec(data='{"kind":"a\\u0000"}')),
    Hostile("JSON", "no UTF-8", 400, "malformed_json", "POST", "/v1/solve", JSON, lambda: b'{"\xff":1}'),
    Hostile("JSON", "UTF-16", 400, "malformed_json", "POST", "/v1/solve", JSON,
            lambda: gaussian("1").encode("utf-16")),
    Hostile("JSON", "17 MB", 413, "body_too_large", "POST", "/v1/solve", JSON, lambda: b" " * 17 * 2**20),
    Hostile("JSON", "a gzip bomb", 415, "unsupported_media_type", "POST", "/v1/solve",
            {**JSON, "content-encoding": "gzip"}, files.gzip_bomb),
    Hostile("JSON", "a content type of 10,000 characters", 415, "unsupported_media_type", "POST",
            "/v1/solve", {"content-type": "a" * 10_000}, lambda: b"{}"),
    Hostile("JSON", "YAML", 415, "unsupported_media_type", "POST", "/v1/jobs",
            {"content-type": "application/yaml"}, lambda: b"!!python/object/apply:os.abort []"),
    Hostile("JSON", "400,000 wrong tags", 422, "invalid_request", "POST", "/v1/jobs", JSON,
            lambda: f'{gaussian("1")[:-1]},"tags":[{repeated(chr(34) * 2)}]}}'.encode()),
]  # fmt: skip
EXPRESSIONS = [
    solve("expressions", name, 422, code, lambda text=text: diffusion(text))  # type: ignore[misc]
    for name, code, text in (
        ("`__import__('os').abort()`", "invalid_model", "__import__('os').abort()"),
        ("`x.__class__.__mro__`", "invalid_model", "x.__class__.__mro__"),
        ("`exec(x)`", "invalid_model", "exec(x)"),
        ("`lambda: x`", "invalid_model", "lambda: x"),
        ("`[x for x in x]`", "invalid_model", "[x for x in x]"),
        ("`x; x`", "invalid_model", "x; x"),
        ("`x = 1`", "invalid_model", "x = 1"),
        ("an f-string", "invalid_model", "f'{x}'"),
        ("a NUL", "invalid_model", "x\0"),
        ("a letter that looks like x", "invalid_model", "\u0445"),
        ("10,000 open brackets", "invalid_spec", "(" * 10_000),
        ("499 nested brackets", "invalid_model", "(" * 499 + "x" + ")" * 499),
        ("999 signs", "invalid_model", "-" * 999 + "x"),
        ("a tower of powers", "invalid_model", "9**9**9**9**9**x"),
        ("a number of 999 digits", "invalid_model", "9" * 999),
        ("comparisons in a chain", "invalid_model", "x < x < x"),
    )
]
PATHS = [
    Hostile("paths", what, 404, code, path=path)
    for what, code, path in (
        ("`..` for a job", "not_found", "/v1/jobs/%2e%2e/%2e%2e/etc/passwd"),
        ("`..%2f` for a job", "not_found", "/v1/jobs/..%2f..%2fetc%2fpasswd"),
        ("`..` with backslashes", "job_not_found", "/v1/jobs/..%5c..%5cetc%5cpasswd"),
        ("a NUL in an id", "job_not_found", "/v1/jobs/job_%00"),
        ("a valid id and a line break", "job_not_found", f"{NO_JOB}%0a"),
        ("other digits than ASCII's", "job_not_found", "/v1/jobs/job_" + "%D9%A1" * 32),
        ("SQL in an id", "job_not_found", "/v1/jobs/job_'%20OR%201=1--"),
        ("an id of 30,000 characters", "job_not_found", "/v1/jobs/" + "a" * 30_000),
        ("`..` for a dataset", "not_found", "/v1/datasets/..%2f..%2fx"),
        ("an attempt of many digits", "job_not_found", f"{NO_JOB}-{'9' * 50}"),
        ("a file outside of the page's folder", "not_found", "/docs-files/..%2f..%2f..%2fetc%2fpasswd"),
        ("an absolute path in the page's folder", "not_found", "/docs-files/%2fetc%2fpasswd"),
    )
]  # fmt: skip
PARAMETERS = [
    Hostile("parameters", what, 422, "invalid_request", path=f"/v1/jobs?{query}")
    for what, query in (
        ("SQL in a tag", "tag=a'%20OR%20'1'='1"),
        ("a path in a tag", "tag=../../etc"),
        ("a NUL in a tag", "tag=a%00"),
        ("a line break after a tag", "tag=a%0a"),
        ("a tag of 20,000 characters", "tag=" + "a" * 20_000),
        ("a path in an owner", "owner=../root"),
        ("a cursor that is no base64", "cursor=%ff"),
        ("a cursor of deep JSON", "cursor=" + "W1tb" * 120),
        ("a cursor of numbers", "cursor=WzEsMl0="),
        ("a cursor with infinity", f"cursor={cursor(math.inf)}"),
        ("a cursor of 501 characters", "cursor=" + "a" * 501),
        ("a cursor with SQL", "cursor=WzEuMCwgIicgT1IgMT0xIl0="),
    )
] + [
    Hostile("parameters", "a line break in an Idempotency-Key", 422, "invalid_request", "POST", "/v1/jobs",
            {**JSON, "idempotency-key": "a\tb"}, lambda: gaussian("1").encode()),
    Hostile("parameters", "a request id of 5,000 characters, which is not taken", 200, "",
            headers={"x-request-id": "a" * 5000}),
    Hostile("parameters", "a wait of many digits", 404, "job_not_found", path=NO_JOB,
            headers={"prefer": "wait=" + "9" * 5000}),
]  # fmt: skip
UPLOADS = [
    upload("CSV: a line of 4 MB", 400, "malformed_upload", CSV, files.csv_without_line_end),
    upload("CSV: 20,001 columns", 422, "limit_exceeded", CSV, files.csv_of_many_columns),
    upload("CSV: a row over 1,000,000 lines", 400, "malformed_upload", CSV, files.csv_row_of_many_lines),
    upload("CSV: a field of 1 MB", 400, "malformed_upload", CSV, files.csv_long_field),
    upload("CSV: a number of 100,000 digits", 422, "invalid_dataset", CSV, files.csv_huge_numbers),
    upload("CSV: names of 30,000 characters", 422, "invalid_request", CSV, bytes, query="?x=" + "a" * 30_000),
    upload("NPZ: an array of 10^15 numbers", 422, "limit_exceeded", NPZ, files.npz_that_declares_much),
    upload("NPZ: 220 MB behind two numbers", 422, "invalid_dataset", NPZ, files.npz_that_hides_much),
    upload("NPZ: a header that unpacks to 220 MB", 400, "malformed_upload", NPZ,
           files.npz_with_a_long_header),
    upload("NPZ: 600,000 members", 400, "malformed_upload", NPZ, files.npz_of_many_members),
    upload("NPZ: 31 columns of 1,000,000 numbers", 422, "limit_exceeded", NPZ,
           files.npz_of_many_wide_columns),
    upload("NPZ: packed with bzip2", 400, "malformed_upload", NPZ, files.npz_packed_by(zipfile.ZIP_BZIP2)),
    upload("NPZ: packed with LZMA", 400, "malformed_upload", NPZ, files.npz_packed_by(zipfile.ZIP_LZMA)),
    upload("NPZ: paths for names", 422, "invalid_dataset", NPZ, files.npz_of_paths),
    upload("NPZ: pickled objects", 422, "invalid_dataset", NPZ, files.npz_of_objects),
    upload("NPZ: code in a header", 400, "malformed_upload", NPZ, files.npz_of_code),
    upload("NPZ: 4,000 brackets in a header", 400, "malformed_upload", NPZ, files.npz_nested_header),
    upload("Parquet: 20,000,000 rows in some kB", 422, "limit_exceeded", PARQUET, files.parquet_of_rows),
    upload("Parquet: a dictionary of long words", 422, "invalid_dataset", PARQUET, files.parquet_dictionary),
    upload("Parquet: lists of 12,000,000 numbers", 422, "limit_exceeded", PARQUET, files.parquet_lists),
    upload("Parquet: a page that announces far more", 400, "malformed_upload", PARQUET,
           files.parquet_unpacks_to_much),
    upload("Parquet: a summary of 8 MB", 400, "malformed_upload", PARQUET, files.parquet_long_summary),
    upload("gzip for CSV", 415, "unsupported_media_type", CSV, files.gzip_bomb,
           headers={"content-encoding": "gzip"}),
    upload("gzip within a file", 400, "malformed_upload", CSV, lambda: files.gzip_of(b"x,y\n1,2\n")),
    upload("a form of 200,000 fields", 400, "malformed_upload", "multipart/form-data; boundary=b",
           lambda: b"--b\r\na: b\r\n\r\n\r\n" * 200_000),
    upload("a form with a header of 1 MB", 400, "malformed_upload", "multipart/form-data; boundary=b",
           lambda: b"--b\r\na: " + b"b" * 2**20 + b"\r\n\r\n"),
    upload("a form with a path for a name", 422, "invalid_dataset", "multipart/form-data; boundary=b",
           lambda: b'--b\r\nContent-Disposition: form-data; name="file"; filename="../../x.csv"\r\n\r\nx,y\n'
                   b"\r\n--b--\r\n"),
    upload("a form with a boundary of 1,000 characters", 400, "malformed_upload",
           "multipart/form-data; boundary=" + "b" * 1000, bytes),
]  # fmt: skip
METHODS = [
    Hostile("methods", f"{method} on {path}", 405, "method_not_allowed", method, path)
    for method, path in (
        ("TRACE", "/v1/jobs"), ("OPTIONS", "/v1/jobs"), ("HEAD", "/v1/solve"), ("PUT", "/v1/limits"),
        ("CONNECT", "/v1/jobs"), ("PROPFIND", "/v1/jobs"), ("OPTIONS", "/healthz"),
    )
]  # fmt: skip
TOKENS = [
    Hostile("tokens", what, status, code, method, path, {"authorization": given} if given else {})
    for what, status, code, given, method, path in (
        ("none", 401, "unauthorized", "", "GET", "/v1/jobs"),
        ("an empty one", 401, "unauthorized", "Bearer ", "GET", "/v1/jobs"),
        ("a password instead", 401, "unauthorized", "Basic YTpi", "GET", "/v1/jobs"),
        ("in the address", 401, "unauthorized", "", "GET", "/v1/jobs?token={shared}"),
        ("the shared one, cut short", 401, "unauthorized", "Bearer {shared_cut}", "GET", "/v1/jobs"),
        ("the shared one and more", 401, "unauthorized", "Bearer {shared}x", "GET", "/v1/jobs"),
        ("a known id with another secret", 401, "unauthorized", "Bearer {forged}", "GET", "/v1/jobs"),
        ("an unknown id", 401, "unauthorized", "Bearer eq_" + "0" * 16 + "_" + "A" * 43, "GET", "/v1/jobs"),
        ("the hash of a secret", 401, "unauthorized", "Bearer {hash}", "GET", "/v1/jobs"),
        ("SQL", 401, "unauthorized", "Bearer ' OR 1=1--", "GET", "/v1/jobs"),
        ("of 30,000 characters", 401, "unauthorized", "Bearer " + "a" * 30_000, "GET", "/v1/jobs"),
        ("expired", 401, "unauthorized", "Bearer {expired}", "GET", "/v1/jobs"),
        ("revoked", 401, "unauthorized", "Bearer {revoked}", "GET", "/v1/jobs"),
        ("for metrics: none", 401, "unauthorized", "", "GET", "/metrics"),
        ("one to read, to upload", 403, "forbidden", "Bearer {reader}", "POST", "/v1/datasets"),
        ("one to submit, to read", 403, "forbidden", "Bearer {submitter}", "GET", "/v1/jobs"),
        ("a user's, for the audit log", 403, "forbidden", "Bearer {olga}", "GET", "/v1/audit"),
        ("another user's job", 404, "job_not_found", "Bearer {olga}", "GET", "/v1/jobs/{job}"),
        ("another user's result", 404, "job_not_found", "Bearer {olga}", "GET", "/v1/jobs/{job}/result"),
        ("another user's arrays", 404, "job_not_found", "Bearer {olga}", "GET", "/v1/jobs/{job}/arrays"),
        ("another user's events", 404, "job_not_found", "Bearer {olga}", "GET", "/v1/jobs/{job}/events"),
        ("cancel another user's job", 404, "job_not_found", "Bearer {olga}", "POST",
         "/v1/jobs/{job}/cancel"),
        ("forget another user's job", 404, "job_not_found", "Bearer {olga}", "DELETE", "/v1/jobs/{job}"),
        ("another user's dataset", 404, "dataset_not_found", "Bearer {olga}", "GET",
         "/v1/datasets/{dataset}"),
    )
] + [
    Hostile("tokens", "one to read, to submit", 403, "forbidden", "POST", "/v1/jobs",
            {**JSON, "authorization": "Bearer {reader}"}, lambda: gaussian("1").encode()),
] + [
    Hostile("tokens", f"another user's dataset in a spec to {path}", 422, "invalid_model", "POST", path,
            {**JSON, "authorization": "Bearer {olga}"},
            lambda: spec(data='{"kind":"dataset","id":"{dataset}"}').encode())
    for path in ("/v1/solve", "/v1/jobs", "/v1/estimate")
]  # fmt: skip
TABLE = [*NUMBERS, *BODIES, *EXPRESSIONS, *PATHS, *PARAMETERS, *UPLOADS, *METHODS, *TOKENS]

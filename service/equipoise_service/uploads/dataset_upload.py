"""Receiving an upload: the file out of a raw body or a form, bounded while it streams in."""

import tempfile
from typing import Any, BinaryIO

from anyio import CapacityLimiter, to_thread
from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from equipoise_service.errors import MalformedError, blame, sentence
from equipoise_service.http.json_body import check_declared_length, check_encoding, too_large
from equipoise_service.settings import Settings
from equipoise_service.uploads.dataset_arrays import Columns
from equipoise_service.uploads.dataset_columns import Choice
from equipoise_service.uploads.dataset_files import Format, read_columns
from equipoise_service.uploads.dataset_refusals import malformed

# Larger files wait on disk, not in memory.
_IN_MEMORY_BYTES = 4 * 2**20
# Files read at a time, so that the memory of this process has a bound; the others wait.
_READERS = CapacityLimiter(2)
_MOST_PARTS = 100
_BY_TYPE: dict[str, Format] = {
    "text/csv": "csv",
    "application/csv": "csv",
    "application/x-npz": "npz",
    "application/vnd.apache.parquet": "parquet",
}
_BY_SUFFIX: dict[str, Format] = {"csv": "csv", "npz": "npz", "parquet": "parquet"}
_FORM = "a whole multipart form with a field named file"
_OFFERED = (
    "text/csv, application/x-npz, application/vnd.apache.parquet, multipart/form-data with a field file"
)


async def receive(
    request: Request, choice: Choice, format_name: Format | None, settings: Settings
) -> Columns:
    """The columns of an uploaded file.

    Raises:
        MalformedError: too large, of a type that is not read, cut off or not of its format.
        RefusedError: its content cannot be used.
    """
    content_type, options = parse_options_header(request.headers.get("content-type", ""))
    kind = content_type.decode("latin-1").lower()
    is_form = kind == "multipart/form-data"
    format_name = format_name or _BY_TYPE.get(kind)
    if not is_form and (format_name is None or kind not in (*_BY_TYPE, "application/octet-stream")):
        raise _unsupported(kind)
    check_encoding(request)
    check_declared_length(request, settings.max_upload_bytes)
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as file:
        part = FilePart(file, options.get(b"boundary")) if is_form else None
        size = 0
        async for piece in request.stream():
            size += len(piece)
            if size > settings.max_upload_bytes:
                raise too_large(settings.max_upload_bytes)
            # Written in small pieces; the disk is only touched beyond _IN_MEMORY_BYTES.
            (file.write if part is None else part.feed)(piece)
        if part is not None:
            part.check_complete()
            format_name = format_name or part.format
        if format_name is None:
            raise _unsupported("multipart/form-data with a file of unknown type")
        file.seek(0)
        chosen = format_name
        return await to_thread.run_sync(
            lambda: read_columns(file, chosen, choice, max_rows=settings.max_dataset_rows),  # type: ignore[arg-type]
            limiter=_READERS,
        )


class FilePart:
    """The field `file` of a multipart form, written to a file while the form streams in."""

    def __init__(self, file: BinaryIO | Any, boundary: bytes | None) -> None:
        if not boundary:
            raise _bad_boundary("no boundary")
        self.format: Format | None = None
        self._file = file
        self._is_file = False
        self._was_found = False
        self._is_complete = False
        self._n_parts = 0
        self._headers: dict[str, bytes] = {}
        self._name = b""
        self._value = b""
        callbacks: Any = {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_end": self._end,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)
        except FormParserError as error:
            raise _bad_boundary(f"a boundary of {len(boundary)} characters") from error

    def feed(self, piece: bytes) -> None:
        """Take the next piece of the body."""
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise malformed(
                f"the form cannot be read: {sentence(error)} Let your HTTP library write it.",
                given=f"{len(piece)} bytes of a form",
                allowed=_FORM,
            ) from error

    def check_complete(self) -> None:
        """Refuse a form that was cut off or has no file.

        Raises:
            MalformedError: it was, or has none.
        """
        if not self._is_complete:
            raise malformed(
                "the form ends before its closing boundary: upload the whole file.",
                given="a form without an end",
                allowed=_FORM,
            )
        if not self._was_found:
            raise malformed(
                "the form has no field named file: send the file under that name.",
                given="a form without it",
                allowed=_FORM,
            )

    def _begin(self) -> None:
        self._n_parts += 1
        if self._n_parts > _MOST_PARTS:
            raise malformed(
                f"the form has more than {_MOST_PARTS} fields: send the file alone.",
                given=f"more than {_MOST_PARTS} fields",
                allowed=_FORM,
            )
        self._headers, self._is_file = {}, False

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._name.decode("latin-1").lower()] = self._value
        self._name = self._value = b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition", b""))
        self._is_file = options.get(b"name") == b"file" and not self._was_found
        if self._is_file:
            self._was_found = True
            kind, _ = parse_options_header(self._headers.get("content-type", b""))
            suffix = options.get(b"filename", b"").decode("utf-8", "replace").lower().rpartition(".")[2]
            self.format = _BY_SUFFIX.get(suffix) or _BY_TYPE.get(kind.decode("latin-1").lower())

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._file.write(data[start:end])

    def _end(self) -> None:
        self._is_complete = True


def _bad_boundary(given: str) -> MalformedError:
    allowed = "a boundary of 1 to 70 characters"
    message = f"the content type of the form names {given}: need {allowed}. Let your HTTP library write it."
    return malformed(message, field="content-type", given=given, allowed=allowed)


def _unsupported(kind: str) -> MalformedError:
    allowed = f"{_OFFERED}, or application/octet-stream with ?format=csv, npz or parquet"
    message = f"Content-Type {kind[:100]!r} is not read here: send {allowed}."
    return MalformedError(
        message,
        code="unsupported_media_type",
        errors=[blame("content-type", message, given=kind[:100], allowed=allowed)],
    )

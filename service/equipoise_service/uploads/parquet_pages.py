"""Sizes that the pages of a Parquet file announce, read without unpacking any.

The readers of Parquet make room for what a page's header announces, whatever the file's own summary says. A
page of some kilobytes may so become gigabytes. Headers are written in Thrift's compact protocol; of its
structures only the numbers that count are kept. Source: parquet.thrift (PageHeader, DataPageHeader,
DictionaryPageHeader, DataPageHeaderV2) and the specification of the compact protocol.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

LARGEST_FOOTER = 4 * 2**20
"""Most bytes of a file's summary at its end, [bytes]."""
_MAGIC = b"PAR1"
_LONGEST_HEADER = 2**16
_DEEPEST = 16
# Types of the compact protocol.
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 12
_INTEGERS = (4, 5, 6)
# Fields of a page's header, and of what it says about the kinds of pages.
_UNPACKED_SIZE, _PACKED_SIZE, _DATA, _DICTIONARY, _DATA_V2 = 2, 3, 5, 7, 8
_N_VALUES = 1


@dataclass(frozen=True)
class Page:
    """What a page announces.

    Attributes:
        unpacked: bytes it becomes, [bytes].
        n_values: values in it.
        n_entries: entries of the dictionary that it is.
    """

    unpacked: int
    n_values: int
    n_entries: int


def check_footer(file: BinaryIO) -> None:
    """Refuse a file whose summary would fill the memory; the position is left at the beginning.

    Raises:
        ValueError: it is too long, or the file is no Parquet file.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 8))
    tail = file.read(8)
    file.seek(0)
    if len(tail) < 8 or tail[4:] != _MAGIC:
        # The words of pyarrow, by which the client refuses such a file too.
        reason = "Either the file is corrupted or this is not a parquet file."
        raise ValueError(f"Parquet magic bytes not found in footer. {reason}")
    if int.from_bytes(tail[:4], "little") > LARGEST_FOOTER:
        raise ValueError(f"its summary is longer than {LARGEST_FOOTER} bytes")


def check_pages(file: BinaryIO, columns: list[Any], *, most_numbers: int) -> None:
    """Refuse columns whose pages announce more than fits.

    Args:
        file: the whole file; its position is not kept.
        columns: metadata of the column chunks that are to be read (pyarrow's ColumnChunkMetaData).
        most_numbers: most values in all of them together.

    Raises:
        ValueError: the pages announce more, contradict the summary, or cannot be read.
    """
    # Eight bytes a value and as many again for levels and indices, and some room for small pages.
    most_bytes = 16 * most_numbers + 2**20
    unpacked = n_values = n_entries = 0
    for column in columns:
        for page in _pages(file, column):
            unpacked += page.unpacked
            n_values += page.n_values
            n_entries += page.n_entries
            if unpacked > most_bytes or n_values > most_numbers or n_entries > most_numbers:
                raise ValueError("its pages announce more than its summary does")


def _pages(file: BinaryIO, column: Any) -> Iterator[Page]:
    """What each page of a column chunk announces."""
    offsets = (column.data_page_offset, column.dictionary_page_offset)
    start = min(offset for offset in offsets if offset is not None and offset > 0)
    end = start + column.total_compressed_size
    n_values = 0
    while start < end and n_values < column.num_values:
        file.seek(start)
        header = _Compact(file.read(_LONGEST_HEADER))
        fields = header.struct()
        packed = fields.get(_PACKED_SIZE, -1)
        page = _announced(fields)
        if packed < 0 or min(page.unpacked, page.n_values, page.n_entries) < 0:
            raise ValueError("a page has a negative size")
        n_values += page.n_values
        start += header.place + packed
        yield page


def _announced(fields: dict[int, Any]) -> Page:
    data = fields.get(_DATA) or fields.get(_DATA_V2) or {}
    dictionary = fields.get(_DICTIONARY) or {}
    sizes = (fields.get(_UNPACKED_SIZE, -1), data.get(_N_VALUES, 0), dictionary.get(_N_VALUES, 0))
    return Page(*map(int, sizes))


class _Compact:
    """Reads a structure in Thrift's compact protocol."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.place = 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """The numbers and structures among the fields of a structure, by field id."""
        if depth > _DEEPEST:
            raise ValueError("a page's header is too deep")
        fields: dict[int, Any] = {}
        name = 0
        while kind := self._byte():
            step, kind = kind >> 4, kind & 15
            name = name + step if step else self._zigzag()
            fields[name] = self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (_TRUE, _FALSE):
            return int(kind == _TRUE)
        if kind in _INTEGERS:
            return self._zigzag()
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in (_LIST, _SET):
            return self._list(depth)
        sizes = {_BYTE: 1, _DOUBLE: 8}
        self._skip(self._varint() if kind == _BINARY else sizes.get(kind, -1))
        return None

    def _list(self, depth: int) -> None:
        head = self._byte()
        n_entries, kind = head >> 4, head & 15
        for _ in range(self._varint() if n_entries == 15 else n_entries):
            if kind in (_TRUE, _FALSE):  # Within a list each is a byte of its own.
                self._skip(1)
            else:
                self._value(kind, depth + 1)

    def _byte(self) -> int:
        if self.place >= len(self._content):
            raise ValueError("a page's header is cut off or too long")
        self.place += 1
        return self._content[self.place - 1]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("a number in a page's header is too long")

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _skip(self, size: int) -> None:
        if size < 0 or self.place + size > len(self._content):
            raise ValueError("a page's header holds what none should, or is cut off")
        self.place += size

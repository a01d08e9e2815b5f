"""Rows of an uploaded CSV file, each of bounded length: a line without end does not fill the memory."""

import csv
import io
from collections.abc import Iterator

LONGEST_ROW = 2**20
"""Most characters of one row, quoted line breaks included."""


class CsvRows:
    """The rows of a CSV file with the numbers they have among all rows.

    Args:
        text: the file, at its beginning.
    """

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._length = 0

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        """Yield (number from 1 on, cells) of each row that is not empty.

        Raises:
            csv.Error: the file is not CSV, or a row is too long.
        """
        for number, row in enumerate(csv.reader(self._lines(), strict=True), start=1):
            self._length = 0
            if row:
                yield number, row

    def _lines(self) -> Iterator[str]:
        """Lines for the reader, which asks for the next one as long as a row has not ended."""
        while line := self._text.readline(LONGEST_ROW + 1):
            self._length += len(line)
            if self._length > LONGEST_ROW:
                raise csv.Error(f"a row is longer than {LONGEST_ROW} characters")
            yield line

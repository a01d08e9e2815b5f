"""The sizes that pages of Parquet announce are read as they are, for every way of writing them."""

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from equipoise_service.uploads.parquet_pages import check_footer, check_pages

N = 5000
COLUMNS = {
    "numbers": pa.array(np.arange(N) * 0.5),
    "few": pa.array(np.arange(N) % 3),
    "lists": pa.array([[1.0, 2.0]] * N),
}


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize(
    "options",
    [
        {"compression": "none"},
        {"compression": "snappy", "data_page_size": 500},
        {"compression": "zstd", "data_page_version": "2.0"},
        {"compression": "gzip", "row_group_size": 700, "use_dictionary": False},
        {"compression": "brotli", "write_statistics": False, "write_page_checksum": True},
    ],
)
def test_all_numbers_are_counted(name: str, options: dict[str, Any]) -> None:
    """A file passes with as many numbers as it has, and not with one fewer."""
    file = io.BytesIO()
    parquet.write_table(pa.table({"x": COLUMNS[name]}), file, **options)
    metadata = parquet.ParquetFile(file).metadata
    chunks = [metadata.row_group(i).column(0) for i in range(metadata.num_row_groups)]
    n_numbers = 2 * N if name == "lists" else N
    assert sum(chunk.num_values for chunk in chunks) == n_numbers
    check_footer(file)
    check_pages(file, chunks, most_numbers=n_numbers)
    with pytest.raises(ValueError, match="announce more"):
        check_pages(file, chunks, most_numbers=n_numbers - 1)


def test_a_page_of_many_bytes_is_refused() -> None:
    """What counts is what a page becomes, not what it takes in the file."""
    file = io.BytesIO()
    words = pa.array(["a" * 100_000] * 20)
    parquet.write_table(pa.table({"x": words}), file, compression="zstd", use_dictionary=False)
    chunk = parquet.ParquetFile(file).metadata.row_group(0).column(0)
    assert chunk.total_compressed_size < 10_000
    with pytest.raises(ValueError, match="announce more"):
        check_pages(file, [chunk], most_numbers=20)

"""Files that are made to hurt whoever reads them."""

import functools
import io
import struct
import zipfile
import zlib
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

MUCH = 220 * 2**20
"""Bytes that a bomb becomes if it goes off, [bytes]; several times what a request may take."""


def csv_without_line_end() -> bytes:
    return b"x,y\n" + b"1," * 2_000_000


def csv_of_many_columns() -> bytes:
    return b",".join(b"x%d" % i for i in range(1, 20_001)) + b",y\n"


def csv_row_of_many_lines() -> bytes:
    return b"x,y\n" + b'"\n",' * 1_000_000


def csv_long_field() -> bytes:
    return b'x,y\n"' + b"1" * 1_000_000 + b'",1\n'


def csv_many_rows() -> bytes:
    return b"x,y\n" + b"1,2\n" * 300_000


def csv_huge_numbers() -> bytes:
    return b"x,y\n1,2\n" + b"9" * 100_000 + b",3\n"


def array_header(shape: str, *, descr: str = "<f8", length: int | None = None) -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * ((length or len(text) + 1) - len(text) - 1) + b"\n"
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", len(text)) + text


def archive(method: int, **members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method, compresslevel=1) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def npz_that_declares_much() -> bytes:
    return archive(zipfile.ZIP_DEFLATED, x=array_header(f"({10**15},)"), y=array_header(f"({10**15},)"))


def npz_that_hides_much() -> bytes:
    """The array says two numbers, and much more is packed behind them."""
    content = array_header("(2,)") + bytes(MUCH)
    return archive(zipfile.ZIP_DEFLATED, x=content, y=content)


def npz_with_a_long_header() -> bytes:
    """The description of the array itself unpacks to much."""
    return archive(zipfile.ZIP_DEFLATED, x=array_header("(2,)", length=MUCH), y=array_header("(2,)"))


def npz_of_many_members() -> bytes:
    """A list of members that takes far more memory than file."""
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 0, 20, 0, *[0] * 14)[:46]
    directory = entry * 600_000
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, len(directory), 0, 0)
    return directory + end


def npz_of_many_wide_columns() -> bytes:
    """Each column is within the limits, all of them together are far beyond."""
    content = array_header("(1000000,)") + bytes(8_000_000)
    names = [f"x{i}" for i in range(1, 31)]
    return archive(zipfile.ZIP_DEFLATED, **dict.fromkeys([*names, "y"], content))


def npz_packed_by(method: int) -> Callable[[], bytes]:
    def make() -> bytes:
        return archive(method, x=array_header("(2,)") + bytes(16), y=array_header("(2,)") + bytes(16))

    return make


def npz_of_paths() -> bytes:
    column = array_header("(2,)") + bytes(16)
    return archive(zipfile.ZIP_STORED, **{"/tmp/x": column, "/etc/y": column})


def npz_of_objects() -> bytes:
    return archive(zipfile.ZIP_STORED, x=array_header("(2,)", descr="|O"), y=array_header("(2,)"))


def npz_of_code() -> bytes:
    return archive(zipfile.ZIP_STORED, x=array_header("__import__('os').abort()"), y=array_header("(2,)"))


def npz_nested_header() -> bytes:
    return archive(zipfile.ZIP_STORED, x=array_header("(" * 4000 + ")" * 4000), y=array_header("(2,)"))


def table(**columns: object) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(pa.table(columns), buffer, compression="zstd")
    return buffer.getvalue()


def parquet_of_rows() -> bytes:
    return table(x=pa.array(np.zeros(20_000_000, np.int8)), y=pa.array(np.zeros(20_000_000, np.int8)))


def parquet_dictionary() -> bytes:
    """Few rows point to one long word again and again: each is as long as the word once unpacked."""
    words = pa.array(["a" * 1_000_000] * 300)
    return table(x=words, y=words)


def parquet_lists() -> bytes:
    """Two rows, and far too many numbers in the lists of one."""
    lists = pa.array([np.zeros(12_000_000), np.zeros(1)])
    return table(x=lists, y=pa.array([1.0, 2.0]))


def parquet_unpacks_to_much() -> bytes:
    """A page whose header announces far more than is in it."""
    content = bytearray(table(x=np.arange(1000.0), y=np.arange(1000.0)))
    summary = parquet.ParquetFile(io.BytesIO(content)).metadata.row_group(0).column(0)
    start = summary.dictionary_page_offset or summary.data_page_offset
    # Field 1 (the kind of page), then field 2, the unpacked size as a zigzag varint.
    assert content[start : start + 1] == b"\x15"
    assert content[start + 2 : start + 3] == b"\x15"
    end = start + 3
    while content[end] & 128:
        end += 1
    width = end + 1 - start - 3
    content[start + 3 : end + 1] = b"\xfe" + b"\xff" * (width - 2) + b"\x7f"
    return bytes(content)


def parquet_long_summary() -> bytes:
    return b"PAR1" + bytes(8 * 2**20) + struct.pack("<I", 8 * 2**20) + b"PAR1"


def parquet_strings() -> bytes:
    return table(x=["a", "b"], y=["c", "d"])


def gzip_of(content: bytes) -> bytes:
    packer = zlib.compressobj(1, wbits=31)
    return packer.compress(content) + packer.flush()


@functools.cache
def gzip_bomb() -> bytes:
    return gzip_of(bytes(MUCH))

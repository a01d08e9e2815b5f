"""Headers of NPZ archives, read with bounds: nothing in them is believed before its size is known."""

import io
import os
import struct
import zipfile
from typing import IO, BinaryIO

import numpy as np

LARGEST_DIRECTORY = 2**20
"""Most bytes of an archive's list of members, [bytes]."""
LARGEST_HEADER = 10_000
"""Most bytes of the description of an array, [bytes]."""
_END = struct.Struct("<4s4H2LH")
_END_SIGNATURE = b"PK\x05\x06"
_LARGE_SIGNATURE = b"PK\x06\x07"
_LARGE_SIZE = 20
_LONGEST_COMMENT = 2**16


def check_directory(file: BinaryIO) -> None:
    """Refuse an archive whose list of members would fill the memory; it is read as a whole when opened.

    Args:
        file: the archive; its position is left at the beginning.

    Raises:
        ValueError: the list is too long, or its length cannot be told.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _LONGEST_COMMENT - _END.size - _LARGE_SIZE))
    tail = file.read()
    file.seek(0)
    # The module zipfile first looks for an end without a comment, then for the last one that has any.
    bare = len(tail) - _END.size
    place = bare if bare >= 0 and tail[bare:].startswith(_END_SIGNATURE) else tail.rfind(_END_SIGNATURE)
    if place < 0 or len(tail) < place + _END.size:
        raise ValueError("File is not a zip file")
    if tail[max(0, place - _LARGE_SIZE) : place].startswith(_LARGE_SIGNATURE):
        raise ValueError("it is of the kind for more than 4 GB")
    directory_size = _END.unpack_from(tail, place)[5]
    if directory_size > LARGEST_DIRECTORY:
        raise ValueError(f"its list of members is longer than {LARGEST_DIRECTORY} bytes")


def open_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> IO[bytes]:
    """Open a member that is stored as it is or deflated: only these are unpacked piece by piece.

    Raises:
        ValueError: it is packed otherwise.
    """
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError("a member is packed by another method than numpy.savez and savez_compressed use")
    return archive.open(member)


def read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    """Shape, order (whether it is Fortran's) and type of the array that a stream begins with.

    Raises:
        ValueError: it begins with no such description, or with one that is too long.
    """
    version = np.lib.format.read_magic(stream)
    field = struct.Struct("<H" if version == (1, 0) else "<I")
    raw = stream.read(field.size)
    if len(raw) != field.size:
        raise ValueError("the header is cut off")
    (length,) = field.unpack(raw)
    # NumPy reads as many bytes as the file says before it looks at how many they are.
    if length > LARGEST_HEADER:
        raise ValueError(f"the header is longer than {LARGEST_HEADER} bytes")
    text = io.BytesIO(raw + stream.read(length))
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(text)
    return np.lib.format.read_array_header_2_0(text)

"""Filters of HDF5 data sets, undone: deflate, shuffle, the checksum, and h5py's own LZF.

Source: HDF5 File Format Specification 3.0, section IV.A.2.l; the layout of LZF is that of LibLZF 3.6 (`lzf_d.c`).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.core.errors import ContentError

if TYPE_CHECKING:
    from assay.formats.hdf5.source import Source

_DEFLATE, _SHUFFLE, _CHECKSUM, _LZF = 1, 2, 3, 32000
_NAMED = 256  # numbers from here on carry a name
_MOST = 32  # filters of one data set: the library's mask has 32 bits


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter: its number, and its first parameter or 0."""

    number: int
    parameter: int


def read_filters(source: Source, data: bytes) -> tuple[Filter, ...]:
    """The pipeline of a filter message, in the order in which it was applied."""
    cursor = source.cursor(data)
    version, count = cursor.integer(1), cursor.integer(1)
    if version not in {1, 2} or count > _MOST:
        msg = f"a filter message of version {version} with {count} filters"
        raise ContentError(msg)
    cursor.take(6 if version == 1 else 0)
    found = []
    for _ in range(count):
        number = cursor.integer(2)
        name = cursor.integer(2) if version == 1 or number >= _NAMED else 0
        cursor.take(2)
        parameters = cursor.integer(2)
        cursor.take((name + 7) & ~7 if version == 1 else name)
        values = [cursor.integer(4) for _ in range(parameters)]
        if version == 1 and parameters % 2:
            cursor.take(4)
        found.append(Filter(number, values[0] if values else 0))
    return tuple(found)


def undone(data: bytes, filters: tuple[Filter, ...], mask: int, most: int) -> bytes:
    """A chunk's bytes with its filters undone, last first.

    Args:
        data: as they lie in the file.
        filters: in the order in which they were applied.
        mask: a bit is set for each filter that was left out.
        most: bytes of the chunk.

    Raises:
        ContentError: for a filter that is not read, or data that do not fit it.
    """
    for place in reversed(range(len(filters))):
        if mask >> place & 1:
            continue
        number, parameter = filters[place].number, filters[place].parameter
        if number == _DEFLATE:
            data = _inflated(data, most + 4)
        elif number == _SHUFFLE:
            data = _unshuffled(data, parameter)
        elif number == _CHECKSUM:
            data = data[:-4]
        elif number == _LZF:
            data = _unpacked(data, most + 4)
        else:
            msg = f"the HDF5 filter {number} is not read"
            raise ContentError(msg)
    return data


def _inflated(data: bytes, most: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, most)
    except zlib.error as error:
        raise ContentError(f"a chunk that can't be decompressed: {error}") from error


def _unshuffled(data: bytes, size: int) -> bytes:
    """Bytes of one significance lie together; what is left over at the end lies as it was."""
    if size < 2 or len(data) < size:  # noqa: PLR2004 - nothing to sort
        return data
    count = len(data) // size
    result = bytearray(data)
    for place in range(size):
        result[place : count * size : size] = data[place * count : (place + 1) * count]
    return bytes(result)


def _unpacked(data: bytes, most: int) -> bytes:
    """LZF: runs of literal bytes, and of bytes that stood before."""
    result, place = bytearray(), 0
    try:
        while place < len(data) and len(result) < most:
            head = data[place]
            place += 1
            if head < 32:  # noqa: PLR2004 - a run of literals
                result += data[place : place + head + 1]
                place += head + 1
                continue
            length = head >> 5
            if length == 7:  # noqa: PLR2004 - and a further byte
                length += data[place]
                place += 1
            start = len(result) - ((head & 31) << 8) - data[place] - 1
            place += 1
            if start < 0:
                msg = "a chunk of LZF that refers to before its start"
                raise ContentError(msg)
            for _ in range(length + 2):
                result.append(result[start])
                start += 1
    except IndexError as error:
        msg = "a chunk of LZF that is cut off"
        raise ContentError(msg) from error
    return bytes(result)

"""A fingerprint of one tensor that survives fine-tuning, rounding to fewer bits, and another name.

For a matrix of a given shape 64 windows of 8 neighbouring elements are drawn, the same for every matrix of that shape;
each gives four bits: which of two neighbours is larger. Comparing neighbours in a row needs no scale: rounding,
quantisation by row or block, and small steps of training leave most bits as they are, while two matrices trained apart
agree in about half of them. The idea is that of random-projection signatures (Charikar, "Similarity estimation
techniques from rounding algorithms", STOC 2002) with projections of two elements each. Changes that move elements
(transposing, permuting neurons) are not survived.
"""

from __future__ import annotations

import hashlib
import math
import struct
from functools import lru_cache
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable

    from assay.formats.tensor_place import Place

BITS = 256
MIN_ELEMENTS = 4096  # smaller tensors (norms, biases) look alike in unrelated models
MAX_TIES = 154  # of 256 comparisons: above it the tensor is nearly constant, and says nothing
_WINDOW = 8
_WINDOWS = BITS // (_WINDOW // 2)
_MIN_COLUMNS = 16
_BLOCK = 32  # elements of a block of GGML's Q8_0 and Q4_0
_NIBBLES = 16


def sketch(stream: BinaryIO, place: Place) -> str:
    """The fingerprint as 64 hex digits; empty for what has none: small, constant, strided, or of another type."""
    rows, columns = matrix(place.shape)
    read = _READERS.get(place.dtype)
    if read is None or place.stride or rows * columns < MIN_ELEMENTS or columns < _MIN_COLUMNS:
        return ""
    bits = ties = 0
    for row, column in _windows(rows, columns):
        values = read(stream, place.start, row, column, columns)
        if len(values) != _WINDOW:
            return ""
        for left, right in zip(values[::2], values[1::2], strict=True):
            bits = bits << 1 | (left < right)
            ties += left == right
    return f"{bits:064x}" if ties <= MAX_TIES else ""


def matrix(shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns: the first dimension, and all others together. (0, 0) below two dimensions."""
    return (shape[0], math.prod(shape[1:])) if len(shape) > 1 else (0, 0)


@lru_cache(maxsize=256)
def _windows(rows: int, columns: int) -> tuple[tuple[int, int], ...]:
    """Row and first column of each window."""
    found = []
    for number in range(_WINDOWS):
        digest = hashlib.sha256(f"assay.sketch/v1 {rows} {columns} {number}".encode()).digest()
        row = int.from_bytes(digest[:8], "big") % rows
        window = int.from_bytes(digest[8:16], "big") % (columns // _WINDOW)
        found.append((row, window * _WINDOW))
    return tuple(sorted(found))


Values = tuple[float, ...]


def _plain(form: str, width: int, *, magnitude: int = 0) -> Callable[[BinaryIO, int, int, int, int], Values]:
    """Reads elements by `struct`; those that Python has no type for are ordered by sign and magnitude."""
    full = f"<{_WINDOW}{form}"

    def read(stream: BinaryIO, start: int, row: int, column: int, columns: int) -> Values:
        stream.seek(start + (row * columns + column) * width)
        data = stream.read(_WINDOW * width)
        if len(data) != _WINDOW * width:
            return ()
        values: Values = struct.unpack(full, data)
        return tuple(magnitude - one if one >= magnitude else one for one in values) if magnitude else values

    return read


def _eight_bits(stream: BinaryIO, start: int, row: int, column: int, columns: int) -> Values:
    """GGML Q8_0: blocks of a half and 32 signed bytes."""
    if columns % _BLOCK:
        return ()
    block = (row * columns + column) // _BLOCK
    stream.seek(start + block * (_BLOCK + 2) + 2 + column % _BLOCK)
    data = stream.read(_WINDOW)
    return struct.unpack(f"<{_WINDOW}b", data) if len(data) == _WINDOW else ()


def _four_bits(stream: BinaryIO, start: int, row: int, column: int, columns: int) -> Values:
    """GGML Q4_0: blocks of a half and 16 bytes; low nibbles are the first half, high nibbles the second.

    The scale of a block may be negative: it is that of the element with the largest magnitude, over -8.
    """
    if columns % _BLOCK:
        return ()
    block = (row * columns + column) // _BLOCK
    stream.seek(start + block * (_NIBBLES + 2))
    data = stream.read(_NIBBLES + 2)
    if len(data) != _NIBBLES + 2:
        return ()
    sign = -1 if data[1] & 0x80 else 1
    within = column % _BLOCK
    part = data[2 + within % _NIBBLES :][:_WINDOW]
    return tuple(sign * (byte >> 4 if within >= _NIBBLES else byte & 0xF) for byte in part)


_READERS: dict[str, Callable[[BinaryIO, int, int, int, int], Values]] = {
    "F32": _plain("f", 4), "F64": _plain("d", 8), "F16": _plain("e", 2), "BF16": _plain("H", 2, magnitude=0x8000),
    "I8": _plain("b", 1), "U8": _plain("B", 1), "F8_E4M3": _plain("B", 1, magnitude=0x80),
    "F8_E5M2": _plain("B", 1, magnitude=0x80), "GGML:0": _plain("f", 4), "GGML:1": _plain("e", 2),
    "GGML:30": _plain("H", 2, magnitude=0x8000), "GGML:8": _eight_bits, "GGML:2": _four_bits,
}  # fmt: skip

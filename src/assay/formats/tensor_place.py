"""Where a dense tensor lies in a file, and its bytes in row order: for checkpoints, safetensors and GGUF alike."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, BinaryIO

from assay.core.errors import ContentError
from assay.formats.safetensors import DTYPE_BITS

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Place:
    """A tensor in a file.

    Attributes:
        name: of the tensor.
        dtype: safetensors' name of the element type, or `GGML:n` for a block format of GGUF.
        shape: elements in each dimension.
        start: offset in the file of the first byte of its storage's element 0, plus the tensor's own offset.
        size: bytes of the tensor when written in row order.
        stride: elements between neighbours, by dimension; empty: row order.
        reach: bytes from `start` to the end of what it touches.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    size: int
    stride: tuple[int, ...] = ()
    reach: int = 0

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def width(self) -> int:
        """Bytes of one element (plain types only)."""
        return DTYPE_BITS[self.dtype] // 8


def row_order(shape: tuple[int, ...], stride: tuple[int, ...]) -> bool:
    """Whether the elements already lie in row order, without gaps. Dimensions of one element don't count."""
    expected = 1
    for size, step in zip(reversed(shape), reversed(stride), strict=True):
        if size != 1 and step != expected:
            return False
        expected *= size
    return True


def chunks(stream: BinaryIO, place: Place) -> Iterator[bytes]:
    """The tensor's bytes in row order, in pieces of at most about `CHUNK_BYTES` (a strided one is held whole).

    Raises:
        ContentError: the file ends too early.
    """
    if place.stride:
        yield from _gathered(stream, place)
        return
    stream.seek(place.start)
    left = place.size
    while left:
        data = stream.read(min(left, CHUNK_BYTES))
        if not data:
            raise ContentError(f"tensor {place.name[:100]!r} is cut off")
        left -= len(data)
        yield data


def _gathered(stream: BinaryIO, place: Place) -> Iterator[bytes]:
    """Rows of a tensor that lies in another order, by stepped slices."""
    if not place.elements:
        return
    stream.seek(place.start)
    raw = stream.read(place.reach)
    if len(raw) != place.reach:
        raise ContentError(f"tensor {place.name[:100]!r} is cut off")
    if place.width not in _CODES:
        raise ContentError(f"tensor {place.name[:100]!r} of type {place.dtype} lies in another order than its rows")
    view = memoryview(raw).cast(_CODES[place.width])  # type: ignore[call-overload]
    shape, stride = place.shape or (1,), place.stride or (1,)
    count, step = shape[-1], stride[-1]
    for outer in product(*(range(size) for size in shape[:-1])):
        first = sum(index * one for index, one in zip(outer, stride[:-1], strict=True))
        if step:
            yield view[first : first + (count - 1) * step + 1 : step].tobytes()
        else:
            yield view[first : first + 1].tobytes() * count


_CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}

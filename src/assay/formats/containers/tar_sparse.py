"""Sparse members of a tar: the stretches that are stored, and the holes between them, as `tarfile` puts them together.

GNU tar manual, "Storing Sparse Files": the old GNU type `S`, and the pax forms 0.0, 0.1 and 1.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from assay.core.errors import ContentError
from assay.formats.containers.members import CHUNK_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BLOCK = 512
_MOST_STRETCHES = 1 << 16
_PAIR_BYTES = 24
Map = list[tuple[int, int]]


def gnu_map(block: bytes, stream: BinaryIO, number: Callable[[bytes], int]) -> tuple[Map, int, int]:
    """The map in a header of type `S` and in the blocks that go on with it.

    Args:
        block: the header.
        stream: stands behind it.
        number: reads a field of a header.

    Returns:
        (offset, length) of each stretch, size of the whole, number of further blocks.

    Raises:
        ContentError: for a map that does not end.
    """
    found: Map = []
    fields, more, blocks = block[386:482], block[482] != 0, 0
    while True:
        for at in range(0, len(fields) - _PAIR_BYTES + 1, _PAIR_BYTES):
            offset, length = number(fields[at : at + 12]), number(fields[at + 12 : at + _PAIR_BYTES])
            if offset >= 0 and length > 0:
                found.append((offset, length))
        if not more:
            return found, number(block[483:495]), blocks
        following = stream.read(BLOCK)
        if len(following) < BLOCK or len(found) > _MOST_STRETCHES:
            raise ContentError("the map of a sparse tar entry does not end")
        fields, more, blocks = following[:504], following[504] != 0, blocks + 1


def pax_map(text: str) -> Map:
    """Form 0.1 (and 0.0, whose records were put together): `offset,length,…`."""
    numbers = _numbers(text.split(","))
    return list(zip(numbers[::2], numbers[1::2], strict=False))


def data_map(stream: BinaryIO) -> tuple[Map, int]:
    """Form 1.0: the map stands before the data, a number to a line, filled up to whole blocks.

    Returns:
        The map, and the bytes that it takes.

    Raises:
        ContentError: for a map that does not end.
    """
    text, wanted, taken = b"", 1, 0
    while text.count(b"\n") < wanted:
        block = stream.read(BLOCK)
        taken += BLOCK
        if len(block) < BLOCK or taken > _MOST_STRETCHES * 16:
            raise ContentError("the map of a sparse tar entry does not end")
        text += block
        first = text.split(b"\n", 1)[0]
        wanted = 1 + 2 * int(first) if first.isdigit() and len(first) < 8 and b"\n" in text else wanted  # noqa: PLR2004
    numbers = _numbers(text.decode("latin-1").split("\n")[1:wanted])
    return list(zip(numbers[::2], numbers[1::2], strict=False)), taken


def whole(source: BinaryIO, stretches: Map, size: int) -> Iterator[bytes]:
    """The member as it is read: stretches at their offsets, zeros between."""
    position = 0
    for offset, length in sorted(stretches):
        yield from _zeros(min(offset, size) - position)
        position = max(position, min(offset, size))
        left = min(length, size - position)
        while left > 0 and (chunk := source.read(min(left, CHUNK_BYTES))):
            yield chunk
            position += len(chunk)
            left -= len(chunk)
    yield from _zeros(size - position)


def _zeros(count: int) -> Iterator[bytes]:
    while count > 0:
        yield bytes(min(count, CHUNK_BYTES))
        count -= CHUNK_BYTES


def _numbers(texts: list[str]) -> list[int]:
    return [int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0 for text in texts]  # noqa: PLR2004

"""Where the chunks of an HDF5 data set lie: all five indexes of the format, and the tree of its early versions.

Source: HDF5 File Format Specification 3.0, sections III.A (B-trees), VII (chunk indexes: fixed and extensible arrays).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count as counting
from math import prod
from typing import TYPE_CHECKING

from assay.core.errors import ContentError, LimitExceeded
from assay.formats.hdf5.heaps import tree_records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.formats.hdf5.source import Cursor, Source

_PREFIX = 6  # signature, version, kind of what the array is for
_CHECKSUM = 4


@dataclass(frozen=True, slots=True)
class Index:
    """Of a chunked data set.

    Attributes:
        kind: `tree`, `single`, `implicit`, `fixed`, `extensible` or `tree2`.
        address: of the index; of `single` and `implicit` of the first chunk.
        chunk: elements of a chunk in each dimension.
        size: bytes of a single filtered chunk in the file.
        mask: its filters that were left out.
    """

    kind: str
    address: int
    chunk: tuple[int, ...]
    size: int = 0
    mask: int = 0


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk: its first element, and where it lies."""

    at: tuple[int, ...]
    address: int
    size: int
    mask: int = 0


def chunks_of(source: Source, index: Index, shape: tuple[int, ...], each: int, filtered: bool) -> Iterator[Chunk]:
    """Every chunk that was written.

    Args:
        source: the file.
        index: of the data set.
        shape: elements in each dimension.
        each: bytes of a chunk without filters.
        filtered: whether chunks state their size in the file.

    Raises:
        ContentError: for an index that is broken.
        LimitExceeded: past a limit.
    """
    if index.address == source.undefined:
        return
    if index.kind == "tree":
        yield from _tree(source, index)
    elif index.kind == "single":
        yield Chunk((0,) * len(shape), index.address, index.size or each, index.mask)
    elif index.kind == "tree2":
        yield from _records(source, index, each, filtered)
    else:
        grid = [-(-size // side) for size, side in zip(shape, index.chunk, strict=True)]
        if prod(grid) > source.limits.members:
            raise LimitExceeded("members", f"a data set of {prod(grid)} chunks")
        entries = _ARRAYS[index.kind](source, index.address, each, filtered, prod(grid))
        for number, (address, size, mask) in zip(range(prod(grid)), entries, strict=False):
            if address != source.undefined:
                yield Chunk(_place(number, grid, index.chunk), address, size, mask)


def _place(number: int, grid: list[int], chunk: tuple[int, ...]) -> tuple[int, ...]:
    """First element of the chunk of a number, the last dimension running fastest."""
    at = []
    for count, side in zip(reversed(grid), reversed(chunk), strict=True):
        number, here = divmod(number, count)
        at.append(here * side)
    return tuple(reversed(at))


def _tree(source: Source, index: Index) -> Iterator[Chunk]:
    """A version 1 B-tree of kind 1."""
    rank = len(index.chunk)
    key = 8 + 8 * (rank + 1)
    seen: set[int] = set()
    stack = [index.address]
    while stack:
        here = stack.pop()
        if here in seen:
            continue
        seen.add(here)
        if len(seen) > source.limits.members:
            raise LimitExceeded("members", f"a tree of more than {source.limits.members} nodes")
        cursor = source.cursor(source.read(here, 8 + 2 * source.offset_bytes))
        cursor.expect(b"TREE")
        kind, level, count = cursor.integer(1), cursor.integer(1), cursor.integer(2)
        if kind != 1:
            msg = f"a B-tree of kind {kind} where one of chunks was expected"
            raise ContentError(msg)
        start = here + 8 + 2 * source.offset_bytes
        body = source.cursor(source.read(start, count * (key + source.offset_bytes)))
        children = []
        for _ in range(count):
            size, mask = body.integer(4), body.integer(4)
            at = tuple(body.integer(8) for _ in range(rank))
            body.take(8)
            address = body.address()
            if level:
                children.append(address)
            else:
                yield Chunk(at, address, size, mask)
        stack += reversed(children)


def _records(source: Source, index: Index, each: int, filtered: bool) -> Iterator[Chunk]:
    """A version 2 B-tree: records of type 10 or 11, whose places count chunks."""
    rank = len(index.chunk)
    for record in tree_records(source, index.address):
        cursor = source.cursor(record)
        address, size, mask = cursor.address(), each, 0
        if filtered:
            size = cursor.integer(len(record) - source.offset_bytes - 4 - 8 * rank)
            mask = cursor.integer(4)
        yield Chunk(tuple(cursor.integer(8) * side for side in index.chunk), address, size, mask)


def _implicit(source: Source, address: int, each: int, filtered: bool, count: int) -> Iterator[tuple[int, int, int]]:
    """One behind the other."""
    del source, filtered
    for number in range(count):
        yield address + number * each, each, 0


def _entries(source: Source, cursor: Cursor, count: int, width: int, each: int) -> Iterator[tuple[int, int, int]]:
    """Elements of an array: an address, and with filters (`width`) a size and a mask."""
    for _ in range(count):
        if width:
            yield cursor.address(), cursor.integer(width - source.offset_bytes - 4), cursor.integer(4)
        else:
            yield cursor.address(), each, 0


def _fixed(source: Source, address: int, each: int, filtered: bool, count: int) -> Iterator[tuple[int, int, int]]:
    """A fixed array, in pages when it is long."""
    cursor = source.cursor(source.read(address, 8 + source.length_bytes + source.offset_bytes))
    cursor.expect(b"FAHD")
    cursor.take(2)
    entry, page_bits, most, block = cursor.integer(1), cursor.integer(1), cursor.length(), cursor.address()
    if block == source.undefined:
        return
    entry = _entry_bytes(source, entry, filtered)
    count = min(count, most)
    page = 1 << min(page_bits, 31)
    start = block + _PREFIX + source.offset_bytes
    if most <= page:
        yield from _entries(source, source.cursor(source.read(start, count * entry)), count, filtered * entry, each)
        return
    pages = -(-most // page)
    bitmap = source.read(start, (pages + 7) // 8)
    start += len(bitmap) + _CHECKSUM
    for number in range(pages):
        here = min(page, most - number * page)
        if bitmap[number // 8] >> (7 - number % 8) & 1:
            cursor = source.cursor(source.read(start, here * entry))
            yield from _entries(source, cursor, here, filtered * entry, each)
        else:
            yield from ((source.undefined, 0, 0) for _ in range(here))
        start += here * entry + _CHECKSUM


def _entry_bytes(source: Source, stated: int, filtered: bool) -> int:
    least = source.offset_bytes + (5 if filtered else 0)
    if stated < least or (not filtered and stated != least):
        msg = f"a chunk index with entries of {stated} bytes"
        raise ContentError(msg)
    return stated


def _extensible(source: Source, address: int, each: int, filtered: bool, count: int) -> Iterator[tuple[int, int, int]]:
    """An extensible array: the first entries in its index block, then data blocks, then blocks of data blocks."""
    cursor = source.cursor(source.read(address, 12 + 6 * source.length_bytes + source.offset_bytes))
    cursor.expect(b"EAHD")
    cursor.take(2)
    entry, most_bits, first, least, pointers, page_bits = (cursor.integer(1) for _ in range(6))
    cursor.take(6 * source.length_bytes)
    block = cursor.address()
    if block == source.undefined:
        return
    entry = _entry_bytes(source, entry, filtered)
    if not least or least & (least - 1) or not pointers or pointers & (pointers - 1) or most_bits > 64:  # noqa: PLR2004
        msg = f"an extensible array of blocks of {least} entries and {pointers} pointers"
        raise ContentError(msg)
    shape = _Extensible(source, entry * filtered, entry, each, (most_bits + 7) // 8, 1 << min(page_bits, 31))
    direct = 2 * (pointers - 1)
    bits = most_bits - (least.bit_length() - 1)
    supers = max(0, 1 + bits - 2 * (pointers.bit_length() - 1))
    head = source.cursor(
        source.read(block, _PREFIX + source.offset_bytes + first * entry + (direct + supers) * source.offset_bytes)
    )
    head.expect(b"EAIB")
    head.take(2 + source.offset_bytes)
    yield from _entries(source, head, first, filtered * entry, each)
    left = count - first
    for number in counting():
        blocks, size = 1 << (number // 2), least << ((number + 1) // 2)
        if left <= 0:
            return
        if direct >= blocks:  # pointers to these data blocks stand in the index block
            direct -= blocks
            for _ in range(blocks):
                yield from shape.data_block(head.address(), size)
        else:
            yield from shape.super_block(head.address(), blocks, size)
        left -= blocks * size


@dataclass(frozen=True, slots=True)
class _Extensible:
    """Blocks of one extensible array."""

    source: Source
    width: int
    entry: int
    each: int
    offset_bytes: int
    page: int

    def super_block(self, address: int, blocks: int, size: int) -> Iterator[tuple[int, int, int]]:
        """A block of `blocks` pointers to data blocks of `size` entries."""
        source = self.source
        if address == source.undefined:
            yield from self._nothing(blocks * size)
            return
        pages = size // self.page if size > self.page else 0
        bitmap = blocks * ((pages + 7) // 8)
        head = _PREFIX + source.offset_bytes + self.offset_bytes + bitmap
        cursor = source.cursor(source.read(address, head + blocks * source.offset_bytes))
        cursor.expect(b"EASB")
        cursor.position = head
        for _ in range(blocks):
            yield from self.data_block(cursor.address(), size)

    def data_block(self, address: int, size: int) -> Iterator[tuple[int, int, int]]:
        """A block of `size` entries, in pages when it is long."""
        source = self.source
        if address == source.undefined:
            yield from self._nothing(size)
            return
        head = _PREFIX + source.offset_bytes + self.offset_bytes
        cursor = source.cursor(source.read(address, head))
        cursor.expect(b"EADB")
        pages = size // self.page if size > self.page else 1
        start = address + head + (_CHECKSUM if pages > 1 else 0)
        for _ in range(pages):
            entries = source.cursor(source.read(start, size // pages * self.entry))
            yield from _entries(source, entries, size // pages, self.width, self.each)
            start += size // pages * self.entry + _CHECKSUM

    def _nothing(self, count: int) -> Iterator[tuple[int, int, int]]:
        yield from ((self.source.undefined, 0, 0) for _ in range(count))


_ARRAYS = {"implicit": _implicit, "fixed": _fixed, "extensible": _extensible}

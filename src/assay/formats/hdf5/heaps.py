"""HDF5 heaps and B-trees: where names, links, dense attributes and variable-length text lie.

Source: HDF5 File Format Specification 3.0, sections III.A (B-trees), III.D (local heap), III.E (global heap), III.G
(fractal heap).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.core.errors import ContentError, LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.formats.hdf5.source import Source

_MAX_DEPTH = 16  # levels of a tree or of indirect blocks; the library's own files stay far below
_MANAGED, _HUGE, _TINY = 0, 1, 2


def local_heap(source: Source, address: int) -> bytes:
    """Data segment of a local heap: names of an old-style group."""
    cursor = source.cursor(source.read(address, 8 + 2 * source.length_bytes + source.offset_bytes))
    cursor.expect(b"HEAP")
    cursor.take(4)
    size = cursor.length()
    cursor.length()
    return source.read(cursor.address(), size)


def text_at(data: bytes, offset: int) -> str:
    """Null-terminated text in a heap segment."""
    if offset >= len(data):
        msg = f"name offset {offset} passes the end of its heap"
        raise ContentError(msg)
    end = data.find(b"\0", offset)
    return data[offset : end if end >= 0 else len(data)].decode("utf-8", "replace")


def group_nodes(source: Source, address: int) -> Iterator[int]:
    """Addresses of the symbol nodes under a version 1 B-tree of a group."""
    seen: set[int] = set()
    stack = [address]
    while stack:
        here = stack.pop()
        if here in seen or len(seen) > source.limits.members:
            continue
        seen.add(here)
        cursor = source.cursor(source.read(here, 8 + 2 * source.offset_bytes))
        cursor.expect(b"TREE")
        kind, level, count = cursor.integer(1), cursor.integer(1), cursor.integer(2)
        if kind != 0:
            msg = f"a B-tree of kind {kind} where a group's was expected"
            raise ContentError(msg)
        cursor.take(2 * source.offset_bytes)  # left and right siblings: the parent leads to them
        step = source.length_bytes + source.offset_bytes
        body = source.cursor(source.read(here + cursor.position, count * step + source.length_bytes))
        children = []
        for _ in range(count):
            body.length()
            children.append(body.address())
        if level:
            stack += reversed(children)
        else:
            yield from children


def global_heap_object(source: Source, address: int, index: int) -> bytes:
    """One object of a global heap collection: the bytes of a variable-length value."""
    if address not in source.heaps:
        source.heaps[address] = _collection(source, address)
    try:
        start, length = source.heaps[address][index]
    except KeyError:
        msg = f"object {index} is not in its global heap"
        raise ContentError(msg) from None
    return source.read(start, length)


def _collection(source: Source, address: int) -> dict[int, tuple[int, int]]:
    """Where the objects of a collection lie."""
    cursor = source.cursor(source.read(address, 8 + source.length_bytes))
    cursor.expect(b"GCOL")
    cursor.take(4)
    size = cursor.length()
    cursor = source.cursor(source.window(address, size), cursor.position)
    found: dict[int, tuple[int, int]] = {}
    while cursor.left >= 8 + source.length_bytes:
        number = cursor.integer(2)
        cursor.take(6)
        length = cursor.length()
        if number == 0:
            break
        found.setdefault(number, (address + cursor.position, length))
        cursor.take(min(cursor.left, (length + 7) & ~7))
    return found


def tree_records(source: Source, address: int) -> Iterator[bytes]:
    """Records of a version 2 B-tree, whatever their kind."""
    cursor = source.cursor(source.read(address, 16 + source.offset_bytes + 2 + source.length_bytes))
    cursor.expect(b"BTHD")
    cursor.take(2)
    node_bytes, record_bytes, depth = cursor.integer(4), cursor.integer(2), cursor.integer(2)
    cursor.take(2)
    root, count = cursor.address(), cursor.integer(2)
    if depth > _MAX_DEPTH or not record_bytes or node_bytes > source.limits.header_bytes:
        msg = f"a B-tree of depth {depth} with records of {record_bytes} bytes"
        raise ContentError(msg)
    sizes = _pointer_sizes(source, node_bytes, record_bytes, depth)
    stack = [(root, count, depth)]
    left = source.limits.members
    while stack:
        here, count, level = stack.pop()
        if here == source.undefined:
            continue
        cursor = source.cursor(source.read(here, node_bytes))
        cursor.expect(b"BTIN" if level else b"BTLF")
        cursor.take(2)
        left -= count
        if left < 0:
            raise LimitExceeded("members", f"a B-tree of more than {source.limits.members} records")
        for _ in range(count):
            yield cursor.take(record_bytes)
        if level:
            count_bytes, total_bytes = sizes[level]
            for _ in range(count + 1):
                child = cursor.address()
                stack.append((child, cursor.integer(count_bytes), level - 1))
                cursor.take(total_bytes)


def _pointer_sizes(source: Source, node_bytes: int, record_bytes: int, depth: int) -> dict[int, tuple[int, int]]:
    """Bytes of the record count and of the total count in a child pointer, by level (specification III.A.2)."""
    most = (node_bytes - 10) // record_bytes
    total = most
    count_bytes = _bytes_for(most)
    sizes: dict[int, tuple[int, int]] = {}
    for level in range(1, depth + 1):
        total_bytes = 0 if level == 1 else _bytes_for(total)
        sizes[level] = (count_bytes, total_bytes)
        pointer = source.offset_bytes + count_bytes + total_bytes
        inner = max(0, (node_bytes - 10 - pointer) // (record_bytes + pointer))
        total = (inner + 1) * total + inner
    return sizes


def _bytes_for(value: int) -> int:
    return max(1, (max(value, 1).bit_length() + 7) // 8)


@dataclass
class FractalHeap:
    """A fractal heap, opened by `open_heap`."""

    source: Source
    id_bytes: int
    filtered: bool
    width: int
    start_bytes: int
    max_direct: int
    heap_bits: int
    root: int
    rows: int
    max_managed: int
    huge_tree: int

    @property
    def offset_bytes(self) -> int:
        """Bytes of an offset into the heap."""
        return (self.heap_bits + 7) // 8

    def get(self, identifier: bytes) -> bytes:
        """The object with a heap id.

        Raises:
            ContentError: for an id that leads nowhere, or a filtered heap.
        """
        kind = identifier[0] >> 4 & 3 if identifier else -1
        if kind == _TINY:
            return identifier[1 : 2 + (identifier[0] & 0x0F)]
        if kind == _HUGE:
            return self._huge(identifier)
        if kind != _MANAGED or self.filtered:
            msg = "a fractal heap with filters, or an unknown kind of id"
            raise ContentError(msg)
        cursor = self.source.cursor(identifier, 1)
        offset = cursor.integer(self.offset_bytes)
        length_bytes = min(_bytes_for(self.max_direct), _bytes_for(self.max_managed))
        return self._managed(offset, cursor.integer(min(length_bytes, cursor.left)))

    def _huge(self, identifier: bytes) -> bytes:
        source = self.source
        direct = self.id_bytes >= 1 + source.offset_bytes + source.length_bytes
        cursor = source.cursor(identifier, 1)
        if direct:
            address, length = cursor.address(), cursor.length()
            return source.read(address, length)
        key = cursor.integer(min(cursor.left, source.length_bytes))
        for record in tree_records(source, self.huge_tree):
            item = source.cursor(record)
            address, length, number = item.address(), item.length(), item.length()
            if number == key:
                return source.read(address, length)
        msg = "a huge object that its tree does not list"
        raise ContentError(msg)

    def _managed(self, offset: int, length: int) -> bytes:
        """Walk the doubling table down to the direct block that holds `offset`."""
        address, rows, start = self.root, self.rows, 0
        size = self.start_bytes
        for _ in range(_MAX_DEPTH):
            if rows == 0:
                if offset - start + length > size:
                    msg = "a heap object passes the end of its block"
                    raise ContentError(msg)
                return self.source.read(address + offset - start, length)
            address, rows, start, size = self._child(address, rows, start, offset)
        msg = "indirect blocks nested too deep"
        raise ContentError(msg)

    def _child(self, address: int, rows: int, start: int, offset: int) -> tuple[int, int, int, int]:
        """(address, rows, start, size) of the entry of an indirect block that holds `offset`."""
        header = 5 + self.source.offset_bytes + self.offset_bytes
        cursor = self.source.cursor(self.source.read(address, header + rows * self.width * self.source.offset_bytes))
        cursor.expect(b"FHIB")
        cursor.position = header
        here = start
        for row in range(rows):
            size = self.start_bytes << max(0, row - 1)
            for _ in range(self.width):
                child = cursor.address()
                if here <= offset < here + size:
                    inner = 0 if size <= self.max_direct else self._rows_of(size)
                    return child, inner, here, size
                here += size
        msg = "a heap offset outside its blocks"
        raise ContentError(msg)

    def _rows_of(self, size: int) -> int:
        """Rows of an indirect block that spans `size` bytes (specification III.G)."""
        return (size.bit_length() - 1) - ((self.start_bytes * self.width).bit_length() - 1) + 1


def open_heap(source: Source, address: int) -> FractalHeap:
    """Read a fractal heap's header."""
    offset, length = source.offset_bytes, source.length_bytes
    cursor = source.cursor(source.read(address, 22 + 12 * length + 3 * offset))
    cursor.expect(b"FRHP")
    cursor.take(1)
    id_bytes, filters = cursor.integer(2), cursor.integer(2)
    cursor.take(1)
    max_managed = cursor.integer(4)
    cursor.length()
    huge_tree = cursor.address()
    cursor.length()
    cursor.address()
    cursor.take(8 * length)
    width = cursor.integer(2)
    start_bytes, max_direct = cursor.length(), cursor.length()
    heap_bits = cursor.integer(2)
    cursor.take(2)
    root, rows = cursor.address(), cursor.integer(2)
    if not width or not start_bytes or heap_bits > 64 or rows > 64 or width > 1024 or start_bytes > 1 << 32:  # noqa: PLR2004
        msg = f"a fractal heap of width {width}, {heap_bits} bits and {rows} rows"
        raise ContentError(msg)
    return FractalHeap(
        source, id_bytes, bool(filters), width, start_bytes, max_direct, heap_bits, root, rows, max_managed, huge_tree
    )

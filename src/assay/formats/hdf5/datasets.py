"""The bytes of HDF5 data sets that a program may take for something else than numbers.

Data sets whose elements are bytes, text, opaque or records are put together as the library does it: chunk by chunk
through any index, filters undone, variable-length values from the global heap. Those of numbers of several bytes are
tensors, and not read. Source: HDF5 File Format Specification 3.0, sections IV.A.2.b, d, i and l.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import TYPE_CHECKING

from assay.core.errors import ContentError, LimitExceeded
from assay.formats.hdf5 import messages as m
from assay.formats.hdf5.chunks import Index, chunks_of
from assay.formats.hdf5.filters import Filter, read_filters, undone
from assay.formats.hdf5.heaps import global_heap_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from assay.formats.hdf5.source import Cursor, Source

FILTERS = 11
READ_BYTES = 64 << 20  # of all data sets of one file, put together
_HEAD_BYTES = 1 << 20  # of one that lies in one piece
_FIXED, _STRING, _OPAQUE, _COMPOUND, _ENUM, _VARIABLE, _ARRAY = 0, 3, 5, 6, 8, 9, 10
_COMPACT, _CONTIGUOUS, _CHUNKED = 0, 1, 2
_MOST_RANK = 32  # of the library
_MOST_ROWS = 500_000  # of chunks, in one file
_MOST_VALUES = 200_000  # of variable length, in one file


@dataclass(frozen=True, slots=True)
class DataSet:
    """What the header of a data set says.

    Attributes:
        shape: elements in each dimension.
        element: bytes of one element.
        variable: the elements lie in the global heap.
        layout: 0 compact, 1 contiguous, 2 chunked.
        data: of a compact one.
        address: of a contiguous one.
        index: of a chunked one.
        filters: in the order in which they were applied.
    """

    shape: tuple[int, ...]
    element: int
    variable: bool
    layout: int
    data: bytes = b""
    address: int = 0
    index: Index | None = None
    filters: tuple[Filter, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all elements."""
        return prod(self.shape) * self.element


@dataclass
class Allowance:
    """What may still be put together of one file.

    Attributes:
        bytes_left: of chunks.
        rows_left: that chunks are copied in.
        values_left: of variable length.
    """

    bytes_left: int = 2 * READ_BYTES
    rows_left: int = _MOST_ROWS
    values_left: int = _MOST_VALUES

    def take(self, *, size: int = 0, rows: int = 0, values: int = 0) -> None:
        """Account for something (LimitExceeded past the limit)."""
        self.bytes_left -= size
        self.rows_left -= rows
        self.values_left -= values
        if min(self.bytes_left, self.rows_left, self.values_left) < 0:
            raise LimitExceeded(
                "text_bytes", f"data sets of more than {READ_BYTES} bytes in one file, or in too many pieces"
            )


def values_of(source: Source, address: int, allowance: Allowance) -> Iterator[bytes]:
    """The bytes of the data set at an object's address, or of each of its variable-length values.

    Nothing comes for one of numbers, and of one that lies in other files; of one that lies in one piece only the start.

    Args:
        source: the file.
        address: of the object.
        allowance: of the file.

    Raises:
        ContentError: when it can't be put together (a filter that is not read, a broken index).
        LimitExceeded: when it is larger than `READ_BYTES`, or the allowance is used up.
    """
    found = _data_set(source, address)
    if found is None or not found.size:
        return
    if found.size > READ_BYTES and (found.variable or found.layout == _CHUNKED):
        raise LimitExceeded("text_bytes", f"a data set of {found.size} bytes, which is more than {READ_BYTES}")
    data = _put_together(source, found, allowance)
    if not found.variable:
        yield data
        return
    allowance.take(values=prod(found.shape))
    cursor = source.cursor(data)
    for _ in range(prod(found.shape)):
        length, heap, number = cursor.integer(4), cursor.address(), cursor.integer(4)
        if length and heap not in {0, source.undefined}:
            yield global_heap_object(source, heap, number)


def _data_set(source: Source, address: int) -> DataSet | None:
    """What the messages of an object say; None when it is no data set of bytes."""
    said: dict[int, bytes] = {}
    for message in m.object_messages(source, address):
        if message.kind in {m.DATASPACE, m.DATATYPE, m.LAYOUT, FILTERS}:
            shared = message.flags & 2
            said[message.kind] = m.shared_data(source, message.data, message.kind) if shared else message.data
        elif message.kind == m.EXTERNAL:
            return None
    if not {m.DATASPACE, m.DATATYPE, m.LAYOUT} <= set(said):
        return None
    element, variable = _element(source, said[m.DATATYPE])
    if not element:
        return None
    filters = read_filters(source, said[FILTERS]) if FILTERS in said else ()
    return _layout(
        source, said[m.LAYOUT], DataSet(_shape(source, said[m.DATASPACE]), element, variable, -1, filters=filters)
    )


def _shape(source: Source, space: bytes) -> tuple[int, ...]:
    """Elements in each dimension; a scalar has one."""
    cursor = source.cursor(space)
    version, rank = cursor.integer(1), cursor.integer(1)
    cursor.take(1)
    if version == 1:
        cursor.take(5)
    elif cursor.integer(1) == 2:  # noqa: PLR2004 - a null dataspace
        return (0,)
    if rank > _MOST_RANK:
        msg = f"a data set of {rank} dimensions"
        raise ContentError(msg)
    return tuple(cursor.length() for _ in range(rank)) or (1,)


def _element(source: Source, datatype: bytes) -> tuple[int, bool]:
    """Bytes of an element, and whether it lies in the global heap; 0 for numbers of several bytes."""
    cursor = source.cursor(datatype)
    kind, size = cursor.integer(1) & 0x0F, (cursor.take(3), cursor.integer(4))[1]
    if kind == _VARIABLE:
        return 8 + source.offset_bytes, True
    bytes_like = kind in {_STRING, _OPAQUE, _COMPOUND} or (kind == _FIXED and size == 1)
    if kind == _ARRAY:  # of what the base type says, which is the last part of the message
        bytes_like = True
    return (size if bytes_like else 0), False


def _layout(source: Source, data: bytes, found: DataSet) -> DataSet | None:
    """Where the bytes lie; None when in other files."""
    cursor = source.cursor(data)
    version = cursor.integer(1)
    if version in {1, 2}:
        return _old_layout(cursor, found)
    kind = cursor.integer(1)
    if kind == _COMPACT:
        return replace(found, layout=kind, data=cursor.take(cursor.integer(2)))
    if kind == _CONTIGUOUS:
        return replace(found, layout=kind, address=cursor.address())
    if kind != _CHUNKED:
        return None
    index = _old_index(cursor, found.shape) if version == 3 else _new_index(cursor, found.shape)  # noqa: PLR2004
    return replace(found, layout=kind, index=index)


def _old_layout(cursor: Cursor, found: DataSet) -> DataSet:
    """Versions 1 and 2 of the message."""
    rank, kind = cursor.integer(1), cursor.integer(1)
    cursor.take(5)
    address = cursor.address() if kind != _COMPACT else 0
    sizes = [cursor.integer(4) for _ in range(rank)]
    if kind == _COMPACT:
        return replace(found, layout=kind, data=cursor.take(cursor.integer(4)))
    if kind == _CHUNKED:
        return replace(found, layout=kind, index=Index("tree", address, _chunk(sizes[:-1], found.shape)))
    return replace(found, layout=kind, address=address)


def _old_index(cursor: Cursor, shape: tuple[int, ...]) -> Index:
    rank, address = cursor.integer(1), cursor.address()
    return Index("tree", address, _chunk([cursor.integer(4) for _ in range(rank)][:-1], shape))


def _new_index(cursor: Cursor, shape: tuple[int, ...]) -> Index:
    flags, rank, width = cursor.integer(1), cursor.integer(1), cursor.integer(1)
    chunk = _chunk([cursor.integer(width) for _ in range(rank)][:-1], shape)
    kinds = {1: ("single", 0), 2: ("implicit", 0), 3: ("fixed", 1), 4: ("extensible", 5), 5: ("tree2", 6)}
    number = cursor.integer(1)
    if number not in kinds:
        msg = f"a chunk index of kind {number}"
        raise ContentError(msg)
    kind, parameters = kinds[number]
    size, mask = 0, 0
    if kind == "single" and flags & 2:
        size, mask = cursor.length(), cursor.integer(4)
    cursor.take(parameters)
    return Index(kind, cursor.address(), chunk, size, mask)


def _chunk(sizes: Sequence[int], shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(sizes) != len(shape) or not all(sizes):
        msg = f"chunks of {tuple(sizes)} in a data set of {shape}"
        raise ContentError(msg)
    return tuple(sizes)


def _put_together(source: Source, found: DataSet, allowance: Allowance) -> bytes:
    if found.layout == _COMPACT:
        return found.data
    if found.index is None:
        most = found.size if found.variable else min(found.size, _HEAD_BYTES)
        return b"" if found.address == source.undefined else source.read(found.address, most)
    whole = bytearray(found.size)
    each = prod(found.index.chunk) * found.element
    if each > READ_BYTES:
        raise LimitExceeded("text_bytes", f"a chunk of {each} bytes, which is more than {READ_BYTES}")
    for chunk in chunks_of(source, found.index, found.shape, each, bool(found.filters)):
        allowance.take(size=each, rows=prod(found.index.chunk[:-1]))
        data = undone(source.read(chunk.address, chunk.size), found.filters, chunk.mask, each)
        _place(whole, data, chunk.at, found, found.index.chunk)
    return bytes(whole)


def _place(whole: bytearray, data: bytes, first: tuple[int, ...], found: DataSet, sides: tuple[int, ...]) -> None:
    """Copy a chunk to where it belongs, row by row."""
    shape, element = found.shape, found.element
    there = [min(side, size - at) for side, size, at in zip(sides, shape, first, strict=True)]
    if min(there) <= 0:
        return  # a chunk outside, as a data set that was made smaller leaves it
    for row in product(*(range(count) for count in there[:-1])):
        source_at = target_at = 0
        for place, side, size, at in zip(row, sides[:-1], shape[:-1], first[:-1], strict=True):
            source_at = source_at * side + place
            target_at = target_at * size + at + place
        source_at = source_at * sides[-1] * element
        target_at = (target_at * shape[-1] + first[-1]) * element
        run = data[source_at : source_at + there[-1] * element]
        whole[target_at : target_at + len(run)] = run

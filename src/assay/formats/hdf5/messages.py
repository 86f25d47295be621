"""HDF5 object headers and their messages. Source: HDF5 File Format Specification 3.0, section IV."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.core.errors import ContentError, LimitExceeded
from assay.formats.hdf5.heaps import global_heap_object

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.formats.hdf5.source import Cursor, Source

DATASPACE, LINK_INFO, DATATYPE, LINK, EXTERNAL, LAYOUT = 1, 2, 3, 6, 7, 8
ATTRIBUTE, CONTINUATION, SYMBOL_TABLE, ATTRIBUTE_INFO = 12, 16, 17, 21
_INTEGER, _STRING, _OPAQUE, _VARIABLE = 0, 3, 5, 9
_SHARED = 2
_MAX_BLOCKS = 1_000  # continuation blocks of one object


@dataclass(frozen=True, slots=True)
class Message:
    """One header message: kind, flags, and its data as stated."""

    kind: int
    flags: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Link:
    """A link of a group.

    Attributes:
        name: of the link.
        kind: `hard`, `soft`, `external` or `user`.
        address: of a hard link's object.
        file: of an external link.
        target: path that a soft or external link names.
    """

    name: str
    kind: str
    address: int = 0
    file: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True)
class RawAttribute:
    """An attribute: its name, its values when it is text or bytes, else None."""

    name: str
    values: tuple[bytes, ...] | None


def object_messages(source: Source, address: int) -> Iterator[Message]:
    """Messages of the object header at `address`, continuation blocks included."""
    head = source.read(address, 4)
    blocks = _new_header(source, address) if head == b"OHDR" else _old_header(source, address)
    count = 0
    new = head == b"OHDR"
    pending = [blocks]
    seen: set[int] = set()
    while pending:
        start, length, ordered = pending.pop()
        if start in seen:
            continue
        seen.add(start)
        count += 1
        if count > _MAX_BLOCKS:
            raise LimitExceeded("members", f"an object of more than {_MAX_BLOCKS} header blocks")
        cursor = source.cursor(source.read(start, length))
        for message in _messages(cursor, new=new, ordered=ordered):
            if message.kind == CONTINUATION:
                target = source.cursor(message.data)
                where, size = target.address(), target.length()
                if new:
                    source.cursor(source.read(where, 4)).expect(b"OCHK")
                    where, size = where + 4, size - 8
                pending.append((where, size, ordered))
            else:
                yield message


def _old_header(source: Source, address: int) -> tuple[int, int, bool]:
    cursor = source.cursor(source.read(address, 16))
    version = cursor.integer(1)
    if version != 1:
        msg = f"an object header of version {version} at {address}"
        raise ContentError(msg)
    cursor.take(7)
    return address + 16, cursor.integer(4), False


def _new_header(source: Source, address: int) -> tuple[int, int, bool]:
    cursor = source.cursor(source.window(address, 40), 5)
    flags = cursor.integer(1)
    if flags & 0x20:
        cursor.take(16)
    if flags & 0x10:
        cursor.take(4)
    size = cursor.integer(1 << (flags & 3))
    return address + cursor.position, size, bool(flags & 4)


def _messages(cursor: Cursor, *, new: bool, ordered: bool) -> Iterator[Message]:
    smallest = 4 + 2 * ordered if new else 8
    while cursor.left >= smallest:
        kind = cursor.integer(1 if new else 2)
        size, flags = cursor.integer(2), cursor.integer(1)
        cursor.take((2 if ordered else 0) if new else 3)
        if size > cursor.left:
            msg = f"a header message of {size} bytes passes the end of its block"
            raise ContentError(msg)
        yield Message(kind, flags, cursor.take(size))


def shared_data(source: Source, data: bytes, kind: int) -> bytes:
    """The message that a shared one points to (committed datatypes)."""
    cursor = source.cursor(data)
    version = cursor.integer(1)
    sort = cursor.integer(1)
    if version == 1:
        cursor.take(6)
    elif sort == 1:  # in a heap of shared messages
        msg = "a message in the heap of shared messages"
        raise ContentError(msg)
    for message in object_messages(source, cursor.address()):
        if message.kind == kind and not message.flags & _SHARED:
            return message.data
    msg = "a shared message that is not where it should be"
    raise ContentError(msg)


def parse_link(source: Source, data: bytes) -> Link:
    """A link message."""
    cursor = source.cursor(data)
    cursor.take(1)
    flags = cursor.integer(1)
    kind = cursor.integer(1) if flags & 8 else 0
    if flags & 4:
        cursor.take(8)
    if flags & 0x10:
        cursor.take(1)
    name = cursor.take(cursor.integer(1 << (flags & 3))).decode("utf-8", "replace")
    if kind == 0:
        return Link(name, "hard", cursor.address())
    value = cursor.take(cursor.integer(2))
    if kind == 1:
        return Link(name, "soft", target=value.rstrip(b"\0").decode("utf-8", "replace"))
    if kind == 64:  # noqa: PLR2004 - external link (specification IV.A.2.g)
        file, _, target = value[1:].partition(b"\0")
        return Link(name, "external", file=file.decode("utf-8", "replace"), target=_text(target))
    return Link(name, "user", target=_text(value))


def _text(data: bytes) -> str:
    return data.split(b"\0", 1)[0].decode("utf-8", "replace")


def parse_attribute(source: Source, data: bytes) -> RawAttribute:
    """An attribute message of version 1, 2 or 3; the value only when it is text or bytes."""
    cursor = source.cursor(data)
    version, flags = cursor.integer(1), cursor.integer(1)
    name_bytes, type_bytes, space_bytes = cursor.integer(2), cursor.integer(2), cursor.integer(2)
    if version not in {1, 2, 3}:
        msg = f"an attribute of version {version}"
        raise ContentError(msg)
    if version == 3:  # noqa: PLR2004
        cursor.take(1)
    pad = 7 if version == 1 else 0
    name = _text(cursor.take((name_bytes + pad) & ~pad))
    datatype = cursor.take((type_bytes + pad) & ~pad)
    space = cursor.take((space_bytes + pad) & ~pad)
    if version > 1 and flags & 1:
        datatype = shared_data(source, datatype, DATATYPE)
    if version > 1 and flags & 2:
        space = shared_data(source, space, DATASPACE)
    return RawAttribute(name, _values(source, datatype, _elements(source, space), cursor))


def _elements(source: Source, space: bytes) -> int:
    """Number of elements that a dataspace message states."""
    cursor = source.cursor(space)
    version, rank = cursor.integer(1), cursor.integer(1)
    cursor.take(1)
    if version == 1:
        cursor.take(5)
    elif cursor.integer(1) == 2:  # noqa: PLR2004 - a null dataspace
        return 0
    count = 1
    for _ in range(rank):
        count *= cursor.length()
    return count


def _values(source: Source, datatype: bytes, count: int, cursor: Cursor) -> tuple[bytes, ...] | None:
    head = source.cursor(datatype)
    sort, bits, size = head.integer(1) & 0x0F, head.integer(3), head.integer(4)
    if sort in {_STRING, _OPAQUE}:
        if size * count > cursor.left:
            msg = f"{count} strings of {size} bytes in {cursor.left} bytes"
            raise ContentError(msg)
        if not size:  # any number of them fits into nothing: one stands for all
            return (b"",) * min(count, 1)
        return tuple(cursor.take(size).rstrip(b"\0") for _ in range(count))
    if sort == _INTEGER and size == 1:
        return (cursor.take(count),)  # bytes as an array
    if sort == _VARIABLE and bits & 0x0F == 1:
        found: list[bytes] = []
        total = 0
        for _ in range(min(count, cursor.left // (8 + source.offset_bytes))):
            length, address, index = cursor.integer(4), cursor.address(), cursor.integer(4)
            if not length or address in {0, source.undefined}:
                found.append(b"")
                continue
            value = global_heap_object(source, address, index)[:length]
            total += len(value)
            if total > source.limits.text_bytes:
                raise LimitExceeded("text_bytes", f"text attributes of more than {source.limits.text_bytes} bytes")
            found.append(value)
        return tuple(found)
    return None


def external_files(source: Source, data: bytes) -> Iterator[int]:
    """Offsets, in the local heap, of the names of external data files; the first item is the heap's address."""
    cursor = source.cursor(data)
    cursor.take(4)
    cursor.take(2)
    used = cursor.integer(2)
    yield cursor.address()
    for _ in range(used):
        yield cursor.length()
        cursor.length()
        cursor.length()


def virtual_layout(source: Source, data: bytes) -> tuple[int, int] | None:
    """(global heap address, index) of a virtual dataset's mapping; None for other layouts."""
    cursor = source.cursor(data)
    version, sort = cursor.integer(1), cursor.integer(1)
    if version != 4 or sort != 3:  # noqa: PLR2004 - layout class 3 is virtual, only in version 4
        return None
    return cursor.address(), cursor.integer(4)

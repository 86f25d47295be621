"""Read an HDF5 file: all its text attributes, and everything that leads outside it.

Old and new object headers, dense attributes and links (fractal heap, version 2 B-tree), variable-length text (global
heap), external links, external storage and virtual datasets. Tensors are not read. Nothing is opened that the file
names.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from assay.core.errors import ContentError, LimitExceeded
from assay.formats.anomaly import Anomaly
from assay.formats.hdf5 import messages as m
from assay.formats.hdf5.heaps import global_heap_object, group_nodes, local_heap, open_heap, text_at, tree_records
from assay.formats.hdf5.source import Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.core.limits import Limits

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_PRINTABLE = re.compile(rb"([\x21-\x7e][\x20-\x7e]{2,})\0")
_ATTRIBUTE_ID_BYTES = 8  # B-tree record types 8 and 9: heap id of 8 bytes first
_LINK_NAME_RECORD = 11  # type 5: hash of 4 bytes, then a heap id of 7


@dataclass(frozen=True, slots=True)
class Attribute:
    """A text attribute.

    Attributes:
        path: of the object it belongs to (`/` is the root).
        name: of the attribute.
        values: its strings, raw.
    """

    path: str
    name: str
    values: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Outside:
    """Something that lies in another file.

    Attributes:
        kind: `external-link`, `external-storage`, `virtual-dataset` or `user-link`.
        path: of the object in this file.
        file: the other file, as written.
        target: path in it, when there is one.
    """

    kind: str
    path: str
    file: str
    target: str = ""


@dataclass
class Hdf5:
    """One file.

    Attributes:
        source: of the bytes.
        attributes: text attributes of all objects.
        outside: what leads out of the file.
        objects: number of objects visited.
        names: paths of all objects.
        anomalies: where structures are broken; what lies behind them was not read.
        sets: path and address of every data set, for `datasets.values_of`.
    """

    source: Source = field(repr=False)
    attributes: list[Attribute] = field(default_factory=list)
    outside: list[Outside] = field(default_factory=list)
    objects: int = 0
    names: list[str] = field(default_factory=list)
    anomalies: list[Anomaly] = field(default_factory=list)
    sets: list[tuple[str, int]] = field(default_factory=list)


def read_hdf5(stream: BinaryIO, size: int, limits: Limits) -> Hdf5:
    """Read a file.

    Raises:
        ContentError: when it has no readable superblock.
        LimitExceeded: past a limit.
    """
    source = Source(stream, size, limits)
    root = _superblock(source)
    result = Hdf5(source)
    queue: deque[tuple[str, int]] = deque([("/", root)])
    seen: set[int] = {root}
    text = 0
    while queue:
        path, address = queue.popleft()
        result.objects += 1
        if result.objects > limits.members:
            raise LimitExceeded("members", f"more than {limits.members} objects")
        result.names.append(path)
        before = len(result.attributes)
        try:
            for link in _object(source, path, address, result):
                if link.kind == "hard" and link.address not in seen:
                    seen.add(link.address)
                    queue.append((f"{path.rstrip('/')}/{link.name}", link.address))
                elif link.kind in {"external", "user"}:
                    place = f"{path.rstrip('/')}/{link.name}"
                    result.outside.append(Outside(f"{link.kind}-link", place, link.file, link.target))
        except LimitExceeded:
            raise
        except ContentError as error:
            result.anomalies.append(Anomaly("broken-object", f"{path}: {error}", address + source.base))
        text += sum(len(v) for a in result.attributes[before:] for v in a.values)
        if text > 4 * limits.text_bytes:
            raise LimitExceeded("text_bytes", f"text attributes of more than {4 * limits.text_bytes} bytes")
    return result


def _superblock(source: Source) -> int:
    """Find the superblock, learn the sizes, and give the address of the root object."""
    start = 0
    while start < source.size:
        source.stream.seek(start)
        if source.stream.read(8) == _SIGNATURE:
            break
        start = start * 2 or 512
    else:
        msg = "no HDF5 signature"
        raise ContentError(msg)
    source.base = start
    cursor = source.cursor(source.window(0, 200), 8)
    version = cursor.integer(1)
    if version in {0, 1}:
        cursor.take(4)
        source.offset_bytes, source.length_bytes = cursor.integer(1), cursor.integer(1)
        _check_sizes(source)
        cursor.take(9 if version == 0 else 13)
        for _ in range(5):  # base, free space, end of file, driver information, link name of the root entry
            cursor.address()
        root = cursor.address()
    elif version in {2, 3}:
        source.offset_bytes, source.length_bytes = cursor.integer(1), cursor.integer(1)
        _check_sizes(source)
        cursor.take(1)
        for _ in range(3):  # base, superblock extension, end of file
            cursor.address()
        root = cursor.address()
    else:
        msg = f"a superblock of version {version}"
        raise ContentError(msg)
    return root  # the library, too, takes the signature's place as the base when another is stated


def _check_sizes(source: Source) -> None:
    if source.offset_bytes not in {2, 4, 8} or source.length_bytes not in {2, 4, 8}:
        msg = f"addresses of {source.offset_bytes} and lengths of {source.length_bytes} bytes"
        raise ContentError(msg)


def _object(source: Source, path: str, address: int, result: Hdf5) -> Iterator[m.Link]:
    """Take in one object's attributes; yield its links."""
    for message in m.object_messages(source, address):
        kind, data = message.kind, message.data
        result.sets += [(path, address)] * (kind == m.LAYOUT)
        try:
            if message.flags & 2 and kind in {m.ATTRIBUTE, m.LAYOUT}:
                data = m.shared_data(source, data, kind)
            if kind == m.ATTRIBUTE:
                _add(result, path, m.parse_attribute(source, data))
            elif kind == m.ATTRIBUTE_INFO:
                for stored in _dense(source, data, ordered=2):
                    _add(result, path, m.parse_attribute(source, stored))
            elif kind in {m.LINK, m.LINK_INFO, m.SYMBOL_TABLE}:
                yield from _links(source, kind, data)
            elif kind in {m.EXTERNAL, m.LAYOUT}:
                result.outside.extend(_elsewhere(source, path, kind, data))
        except LimitExceeded:
            raise
        except ContentError as error:
            result.anomalies.append(
                Anomaly("broken-message", f"{path}, message {kind}: {error}", address + source.base)
            )


def _add(result: Hdf5, path: str, attribute: m.RawAttribute) -> None:
    if attribute.values is not None:
        result.attributes.append(Attribute(path, attribute.name, attribute.values))


def _links(source: Source, kind: int, data: bytes) -> Iterator[m.Link]:
    if kind == m.LINK:
        yield m.parse_link(source, data)
    elif kind == m.LINK_INFO:
        for stored in _dense(source, data, ordered=8):
            yield m.parse_link(source, stored)
    else:
        yield from _old_links(source, data)


def _dense(source: Source, data: bytes, *, ordered: int) -> Iterator[bytes]:
    """Objects that an attribute info or link info message keeps in a fractal heap."""
    cursor = source.cursor(data, 1)
    flags = cursor.integer(1)
    if flags & 1:
        cursor.take(ordered)
    heap_address, tree = cursor.address(), cursor.address()
    if source.undefined in {heap_address, tree}:
        return
    heap = open_heap(source, heap_address)
    for record in tree_records(source, tree):
        identifier = record[4:] if len(record) == _LINK_NAME_RECORD else record[:_ATTRIBUTE_ID_BYTES]
        yield heap.get(identifier)


def _old_links(source: Source, data: bytes) -> Iterator[m.Link]:
    """Links of a group with a symbol table."""
    cursor = source.cursor(data)
    tree, heap = cursor.address(), local_heap(source, cursor.address())
    entry_bytes = 2 * source.offset_bytes + 24
    for node in group_nodes(source, tree):
        cursor = source.cursor(source.read(node, 8))
        cursor.expect(b"SNOD")
        cursor.take(2)
        count = cursor.integer(2)
        entries = source.cursor(source.read(node + 8, count * entry_bytes))
        for _ in range(count):
            name, address, cache = text_at(heap, entries.address()), entries.address(), entries.integer(4)
            entries.take(4)
            scratch = entries.take(16)
            if cache == 2:  # noqa: PLR2004 - a soft link, its value in the local heap
                yield m.Link(name, "soft", target=text_at(heap, int.from_bytes(scratch[:4], "little")))
            else:
                yield m.Link(name, "hard", address)


def _elsewhere(source: Source, path: str, kind: int, data: bytes) -> Iterator[Outside]:
    """External storage and virtual datasets."""
    if kind == m.EXTERNAL:
        items = m.external_files(source, data)
        heap = local_heap(source, next(items))
        for offset in items:
            yield Outside("external-storage", path, text_at(heap, offset))
        return
    mapping = m.virtual_layout(source, data)
    if mapping is None:
        return
    block = source.cursor(global_heap_object(source, *mapping), 1)
    entries = block.length()
    if entries > source.limits.members:
        raise LimitExceeded("members", f"a virtual dataset of {entries} parts")
    # Between the names lie selections whose form differs by version: the names are taken by their look.
    for name in _PRINTABLE.findall(block.data[block.position :]):
        if name != b"." and any(mark in name for mark in (b".", b"/", b"\\", b":")):
            yield Outside("virtual-dataset", path, name.decode("ascii"))

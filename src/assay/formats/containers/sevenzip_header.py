"""The header of a 7z archive: pack streams, folders of coders, and files (7zFormat.txt of the LZMA SDK)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from assay.core.errors import ContentError, LimitExceeded

if TYPE_CHECKING:
    from assay.core.limits import Limits

END, HEADER, PACK_INFO, UNPACK_INFO, SUBSTREAMS, SIZE, CRC, FOLDER = 0, 1, 6, 7, 8, 9, 10, 11
UNPACK_SIZE, UNPACK_STREAMS, EMPTY_STREAM, EMPTY_FILE, ANTI, NAMES = 12, 13, 14, 15, 16, 17
ATTRIBUTES, ENCODED_HEADER, DUMMY = 21, 23, 25
_MAIN_STREAMS, _FILES_INFO, _ARCHIVE_PROPERTIES, _ADDITIONAL = 4, 5, 2, 3
_MAX_CODERS = 8
_MAX_FOLDERS = 100_000


@dataclass(frozen=True, slots=True)
class Coder:
    """One step of a folder; only the linear kind (one stream in, one out) is read."""

    method: bytes
    properties: bytes
    simple: bool


@dataclass(frozen=True, slots=True)
class Folder:
    """A chain of coders.

    Attributes:
        coders: the one nearest the plain data first.
        size: plain bytes.
        packed: pack streams that it takes.
    """

    coders: tuple[Coder, ...]
    size: int
    packed: int


@dataclass
class Streams:
    """Pack streams and what they unpack to.

    Attributes:
        offset: of the first pack stream, behind the 32 bytes of the signature header.
        packed: sizes of the pack streams.
        folders: in order; each takes the next pack streams.
        files: sizes of the files in each folder.
    """

    offset: int = 0
    packed: list[int] = field(default_factory=list)
    folders: list[Folder] = field(default_factory=list)
    files: list[list[int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Item:
    """One entry; `has_data` tells files with content from directories and empty files."""

    name: str
    has_data: bool
    is_directory: bool
    attributes: int


class Reader:
    """A cursor over header bytes; everything past the end is a ContentError."""

    def __init__(self, data: bytes, limits: Limits) -> None:
        self.data = data
        self.at = 0
        self.limits = limits

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        end = self.at + count
        if count < 0 or end > len(self.data):
            raise ContentError("the 7z header breaks off")
        piece = self.data[self.at : end]
        self.at = end
        return piece

    def byte(self) -> int:
        """The next byte."""
        return self.take(1)[0]

    def number(self) -> int:
        """7z's variable-length number: leading ones of the first byte count the bytes that follow."""
        first = self.byte()
        mask, value = 0x80, 0
        for index in range(8):
            if not first & mask:
                return value | (first & (mask - 1)) << (8 * index)
            value |= self.byte() << (8 * index)
            mask >>= 1
        return value

    def count(self) -> int:
        """A number of things, limited by `limits.members`."""
        value = self.number()
        if value > self.limits.members:
            raise LimitExceeded("members", f"a 7z header that counts {value} entries")
        return value

    def bits(self, count: int, *, optional: bool = False) -> list[bool]:
        """A vector of bits; with `optional`, a leading byte may say that all are set."""
        if optional and self.byte():
            return [True] * count
        raw = self.take((count + 7) // 8)
        return [bool(raw[i // 8] & (0x80 >> i % 8)) for i in range(count)]

    def digests(self, count: int) -> None:
        """Skip CRCs: the file's own digest covers them."""
        defined = self.bits(count, optional=True)
        self.take(4 * sum(defined))


def read_streams(reader: Reader) -> Streams:
    """PackInfo, UnpackInfo and SubStreamsInfo, up to their end mark."""
    streams = Streams()
    while (kind := reader.byte()) != END:
        if kind == PACK_INFO:
            _pack_info(reader, streams)
        elif kind == UNPACK_INFO:
            _unpack_info(reader, streams)
        elif kind == SUBSTREAMS:
            _substreams(reader, streams)
        else:
            raise ContentError(f"unknown part {kind} in the 7z header")
    if not streams.files:
        streams.files = [[folder.size] for folder in streams.folders]
    return streams


def _pack_info(reader: Reader, streams: Streams) -> None:
    streams.offset = reader.number()
    count = reader.count()
    while (kind := reader.byte()) != END:
        if kind == SIZE:
            streams.packed = [reader.number() for _ in range(count)]
        elif kind == CRC:
            reader.digests(count)
        else:
            raise ContentError(f"unknown part {kind} of the 7z pack info")


def _unpack_info(reader: Reader, streams: Streams) -> None:
    if reader.byte() != FOLDER:
        raise ContentError("7z unpack info without folders")
    count = reader.count()
    if count > _MAX_FOLDERS or reader.byte():
        raise ContentError("7z folders in an external stream")
    parsed = [_folder(reader) for _ in range(count)]
    if reader.byte() != UNPACK_SIZE:
        raise ContentError("7z folders without sizes")
    for coders, outputs, pairs, packed in parsed:
        sizes = [reader.number() for _ in range(outputs)]
        last = next((index for index in range(outputs) if index not in pairs.values()), 0)
        chain = _chain(coders, pairs, last)
        streams.folders.append(Folder(chain, sizes[last], packed))
    while (kind := reader.byte()) != END:
        if kind != CRC:
            raise ContentError(f"unknown part {kind} of the 7z unpack info")
        reader.digests(count)


def _chain(coders: tuple[Coder, ...], pairs: dict[int, int], last: int) -> tuple[Coder, ...]:
    """Coders in the order of decoding, backwards; as they stand when one of them is not linear."""
    if not all(coder.simple for coder in coders):
        return coders
    order = [last]
    while (before := pairs.get(order[-1])) is not None and before < len(coders) and before not in order:
        order.append(before)
    if len(order) != len(coders):
        raise ContentError("7z coders that form no chain")
    return tuple(coders[index] for index in order)


def _folder(reader: Reader) -> tuple[tuple[Coder, ...], int, dict[int, int], int]:
    """Coders, number of output streams, input bound to output, number of pack streams."""
    coders: list[Coder] = []
    inputs = outputs = 0
    total = reader.number()
    if not 0 < total <= _MAX_CODERS:
        raise ContentError(f"a 7z folder of {total} coders")
    for _ in range(total):
        flags = reader.byte()
        method = reader.take(flags & 0x0F)
        n_in = n_out = 1
        if flags & 0x10:
            n_in, n_out = reader.number(), reader.number()
        properties = reader.take(reader.number()) if flags & 0x20 else b""
        if not (0 < n_in <= _MAX_CODERS and 0 < n_out <= _MAX_CODERS):
            raise ContentError("a 7z coder with too many streams")
        coders.append(Coder(method, properties, n_in == n_out == 1))
        inputs, outputs = inputs + n_in, outputs + n_out
    pairs: dict[int, int] = {}
    for _ in range(outputs - 1):
        bound = reader.number()
        pairs[bound] = reader.number()
    packed = inputs - (outputs - 1)
    if packed > 1:
        for _ in range(packed):
            reader.number()
    return tuple(coders), outputs, pairs, packed


def _substreams(reader: Reader, streams: Streams) -> None:
    counts = [1] * len(streams.folders)
    kind = reader.byte()
    if kind == UNPACK_STREAMS:
        counts = [reader.count() for _ in streams.folders]
        kind = reader.byte()
    if sum(counts) > reader.limits.members:
        raise LimitExceeded("members", f"more than {reader.limits.members} entries in a 7z")
    streams.files = []
    for folder, count in zip(streams.folders, counts, strict=True):
        sizes = [reader.number() for _ in range(count - 1)] if kind == SIZE else []
        if count:
            sizes.append(folder.size - sum(sizes))
        if any(size < 0 for size in sizes) or len(sizes) != count:
            raise ContentError("7z file sizes that do not fit their folder")
        streams.files.append(sizes)
    if kind == SIZE:
        kind = reader.byte()
    while kind != END:  # CRCs: of unknown number, but nothing of ours follows them
        if kind != CRC:
            raise ContentError(f"unknown part {kind} of the 7z substreams")
        reader.digests(sum(count for count in counts if count != 1) or sum(counts))
        kind = reader.byte()


def read_files(reader: Reader) -> list[Item]:
    """FilesInfo: names, and which entries have no stream.

    Every writer gives names, of two bytes at least: a header can't have more entries than bytes.
    """
    count = reader.count()
    if count > len(reader.data):
        raise ContentError(f"a 7z header of {len(reader.data)} bytes that counts {count} entries")
    names: list[str] = [""] * count
    empty = [False] * count
    empty_file: list[bool] = []
    attributes = [0] * count
    while (kind := reader.number()) != END:
        body = Reader(reader.take(reader.number()), reader.limits)
        if kind == EMPTY_STREAM:
            empty = body.bits(count)
        elif kind == EMPTY_FILE:
            empty_file = body.bits(sum(empty))
        elif kind == NAMES and not body.byte():
            text = body.data[1:].decode("utf-16-le", "backslashreplace").split("\0")
            names = (text + names)[:count]
        elif kind == ATTRIBUTES:
            defined = body.bits(count, optional=True)
            if not body.byte():
                attributes = [int.from_bytes(body.take(4), "little") if d else 0 for d in defined]
    files = iter(empty_file)
    return [
        Item(name, not void, void and not next(files, False), attribute)
        for name, void, attribute in zip(names, empty, attributes, strict=True)
    ]


def read_header(data: bytes, limits: Limits) -> tuple[Streams, list[Item]] | Streams:
    """A plain header as streams and items, or the streams that hold an encoded one."""
    reader = Reader(data, limits)
    kind = reader.byte()
    if kind == ENCODED_HEADER:
        return read_streams(reader)
    if kind != HEADER:
        raise ContentError("not a 7z header")
    streams, items = Streams(), []
    while (kind := reader.byte()) != END:
        if kind == _MAIN_STREAMS:
            streams = read_streams(reader)
        elif kind == _FILES_INFO:
            items = read_files(reader)
        elif kind == _ADDITIONAL:
            read_streams(reader)
        elif kind == _ARCHIVE_PROPERTIES:
            while reader.byte() != END:
                reader.take(reader.number())
        else:
            raise ContentError(f"unknown part {kind} of the 7z header")
    return streams, items

"""GGUF files: keys, values and tensor table, each length checked before it is believed.

Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md and `gguf.cpp` (versions 1 to 3, both byte orders).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from assay.core.errors import ContentError, LimitExceeded
from assay.formats.anomaly import Anomaly

if TYPE_CHECKING:
    from assay.core.limits import Limits

_STRING, _ARRAY, _BOOL = 8, 9, 7
_FORMATS: Final = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "B", 10: "Q", 11: "q", 12: "d"}
_BLOCK: Final = 1 << 20  # bytes read at once
_MAX_TEXT: Final = 4 << 20  # bytes of one text value that are kept: templates have 60 KB at most
_MAX_ITEMS: Final = 1_000  # items of an array that are kept
_MAX_ARRAY_DEPTH: Final = 4
_MAX_DIMS: Final = 4  # GGML_MAX_DIMS
_MAX_NAME: Final = 64  # GGML_MAX_NAME
_DEFAULT_ALIGNMENT: Final = 32
# ggml_type to (elements in a block, bytes of a block); ggml.c of 2026-09
_TYPES: Final = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36), 10: (256, 84),
    11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292), 16: (256, 66), 17: (256, 74),
    18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2),
    26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """One entry of the tensor table.

    Attributes:
        name: of the tensor.
        shape: as stated.
        type: ggml type number.
        offset: from the start of the data section.
        size: bytes by shape and type; -1 for an unknown type.
    """

    name: str
    shape: tuple[int, ...]
    type: int
    offset: int
    size: int


@dataclass
class Gguf:
    """One file.

    Attributes:
        version: 1, 2 or 3.
        big_endian: byte order.
        values: key to value; an array is a list of its first items.
        counts: number of items of each array.
        tensors: the table.
        data_start: offset of the data section.
        anomalies: where the header and the file disagree.
    """

    version: int
    big_endian: bool
    values: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    tensors: list[GgufTensor] = field(default_factory=list)
    data_start: int = 0
    anomalies: list[Anomaly] = field(default_factory=list)


def read_gguf(stream: BinaryIO, size: int, limits: Limits) -> Gguf:
    """Read a header.

    Raises:
        ContentError: when it is none, or is cut off.
        LimitExceeded: when it is longer than `header_bytes` or has more entries than `members`.
    """
    head = stream.read(8)
    if head[:4] not in {b"GGUF", b"FUGG"} or len(head) < 8:  # noqa: PLR2004
        msg = "no GGUF signature"
        raise ContentError(msg)
    little = int.from_bytes(head[4:8], "little")
    big = little > 1 << 16
    version = int.from_bytes(head[4:8], "big") if big else little
    if version not in {1, 2, 3}:
        msg = f"GGUF of version {version}"
        raise ContentError(msg)
    reader = _Reader(stream, size, limits, big=big, wide=version > 1)
    tensors, keys = reader.count(), reader.count()
    result = Gguf(version, big)
    if tensors > limits.members or keys > limits.members:
        raise LimitExceeded("members", f"a GGUF header of {keys} keys and {tensors} tensors")
    for _ in range(keys):
        _key(reader, result)
    for _ in range(tensors):
        _tensor(reader, result)
    alignment = result.values.get("general.alignment", _DEFAULT_ALIGNMENT)
    if not isinstance(alignment, int) or alignment <= 0 or alignment & (alignment - 1) or alignment > 1 << 20:
        result.anomalies.append(Anomaly("bad-alignment", f"general.alignment is {str(alignment)[:50]!r}"))
        alignment = _DEFAULT_ALIGNMENT
    result.data_start = (reader.position + alignment - 1) // alignment * alignment
    _check_tensors(result, size, alignment)
    return result


class _Reader:
    """Reads fields one after the other through a window on the stream."""

    def __init__(self, stream: BinaryIO, size: int, limits: Limits, *, big: bool, wide: bool) -> None:
        self._stream = stream
        self._limits = limits
        self._order = ">" if big else "<"
        self._wide = wide
        self._window = b""
        self._start = 0
        self.size = size
        self.position = 8

    def take(self, length: int) -> bytes:
        """The next `length` bytes."""
        end = self.position + length
        if end > self.size:
            msg = f"{length} bytes at {self.position} pass the end of the file ({self.size} bytes)"
            raise ContentError(msg)
        if end > self._limits.header_bytes:
            raise LimitExceeded("header_bytes", f"a GGUF header of more than {self._limits.header_bytes} bytes")
        if end > self._start + len(self._window):
            self._stream.seek(self.position)
            self._window = self._stream.read(max(_BLOCK, length))
            self._start = self.position
        offset = self.position - self._start
        data = self._window[offset : offset + length]
        if len(data) < length:
            msg = f"cut off at {self.position + len(data)}"
            raise ContentError(msg)
        self.position = end
        return data

    def number(self, form: str) -> Any:
        """One number in the file's byte order."""
        return struct.unpack(self._order + form, self.take(struct.calcsize("=" + form)))[0]

    def count(self) -> int:
        """A count or length: 64 bits, in version 1 32 bits."""
        return int(self.number("Q" if self._wide else "I"))

    def text(self, keep: int = _MAX_TEXT) -> str:
        """A length and that many bytes; what exceeds `keep` is passed over."""
        length = self.count()
        if length > self.size - self.position:
            msg = f"a text of {length} bytes at {self.position} passes the end of the file"
            raise ContentError(msg)
        data = self.take(min(length, keep))
        if length > keep:
            self.skip(length - keep)
        return data.decode("utf-8", "replace")

    def skip(self, length: int) -> None:
        """Pass over bytes."""
        if length > self.size - self.position:
            msg = f"{length} bytes at {self.position} pass the end of the file"
            raise ContentError(msg)
        self.position += length
        if self.position > self._limits.header_bytes:
            raise LimitExceeded("header_bytes", f"a GGUF header of more than {self._limits.header_bytes} bytes")


def _key(reader: _Reader, result: Gguf) -> None:
    start = reader.position
    key = reader.text(1 << 16)
    kind = reader.number("I")
    value = _value(reader, kind, key, result, 0)
    if key in result.values:
        result.anomalies.append(Anomaly("duplicate-key", f"the key {key[:100]!r} stands twice", start))
        result.values.setdefault(f"{key}#2", value)
        return
    if kind == _BOOL and value not in {0, 1}:
        result.anomalies.append(Anomaly("bad-bool", f"the truth value {key[:100]!r} is {value}", start))
    result.values[key] = bool(value) if kind == _BOOL else value


def _value(reader: _Reader, kind: int, key: str, result: Gguf, depth: int) -> Any:
    if kind == _STRING:
        return reader.text()
    if kind == _ARRAY:
        return _array(reader, key, result, depth)
    form = _FORMATS.get(kind)
    if form is None:
        msg = f"the key {key[:100]!r} has the unknown type {kind}"
        raise ContentError(msg)
    return reader.number(form)


def _array(reader: _Reader, key: str, result: Gguf, depth: int) -> list[Any]:
    kind, count = reader.number("I"), reader.count()
    smallest = struct.calcsize("=" + _FORMATS[kind]) if kind in _FORMATS else 4
    if count * smallest > reader.size - reader.position:
        msg = f"the array {key[:100]!r} of {count} items passes the end of the file"
        raise ContentError(msg)
    if depth >= _MAX_ARRAY_DEPTH:
        raise LimitExceeded("depth", f"the array {key[:100]!r} is nested too deep")
    if depth == 0:
        result.counts[key] = count
    kept = min(count, _MAX_ITEMS)
    items = [_value(reader, kind, key, result, depth + 1) for _ in range(kept)]
    if kind in _FORMATS:
        reader.skip((count - kept) * smallest)
    else:
        for _ in range(count - kept):
            if kind == _STRING:
                reader.text(0)
            else:
                _value(reader, kind, key, result, depth + 1)
    return items


def _tensor(reader: _Reader, result: Gguf) -> None:
    start = reader.position
    name = reader.text(1 << 16)
    dims = reader.number("I")
    if dims > _MAX_DIMS or len(name.encode()) >= _MAX_NAME:
        result.anomalies.append(
            Anomaly(
                "tensor-entry",
                f"tensor {name[:100]!r} has {dims} dimensions and a name of {len(name)} characters",
                start,
            )
        )
    if dims > 64:  # noqa: PLR2004 - no tensor: the table is broken
        msg = f"tensor {name[:100]!r} has {dims} dimensions"
        raise ContentError(msg)
    shape = tuple(reader.count() for _ in range(dims))
    kind, offset = reader.number("I"), reader.number("Q")
    result.tensors.append(GgufTensor(name, shape, kind, offset, _bytes(shape, kind)))


def _bytes(shape: tuple[int, ...], kind: int) -> int:
    """Bytes of a tensor; -1 for an unknown type."""
    if kind not in _TYPES:
        return -1
    elements = 1
    for size in shape:
        elements *= size
    block, size = _TYPES[kind]
    return (elements + block - 1) // block * size


def _check_tensors(result: Gguf, size: int, alignment: int) -> None:
    """Bounds, overlaps, alignment and names of the tensor table."""
    room = size - result.data_start
    names: set[str] = set()
    for tensor in result.tensors:
        problem = ""
        if tensor.name in names:
            problem = "stands twice"
        elif any(d <= 0 or d >= 1 << 63 for d in tensor.shape) or tensor.size >= 1 << 63:
            problem = f"has the shape {tensor.shape}"
        elif tensor.size > 0 and tensor.offset + tensor.size > room:
            problem = f"needs bytes {tensor.offset} to {tensor.offset + tensor.size} of {room}"
        elif tensor.offset % alignment:
            problem = f"starts at {tensor.offset}, which is no multiple of {alignment}"
        names.add(tensor.name)
        if problem and len(result.anomalies) < 100:  # noqa: PLR2004
            result.anomalies.append(Anomaly("tensor-bounds", f"tensor {tensor.name[:100]!r} {problem}"))
    placed = sorted((t for t in result.tensors if t.size > 0), key=lambda t: t.offset)
    for before, after in pairwise(placed):
        if before.offset + before.size > after.offset and len(result.anomalies) < 100:  # noqa: PLR2004
            detail = f"tensors {before.name[:100]!r} and {after.name[:100]!r} overlap"
            result.anomalies.append(Anomaly("tensor-overlap", detail))

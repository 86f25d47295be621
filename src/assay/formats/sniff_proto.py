"""Formats that are bare protocol buffers and have no magic number: told by the fields of their outermost message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_FIELDS = 64
_MIN_BYTES = 4

_ONNX_GRAPH, _ONNX_FUNCTIONS = 7, 25
# onnx.proto ModelProto: field → wire type
_ONNX = {1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2, 26: 2}
_SAVED_MODEL = {1: 0, 2: 2}  # saved_model.proto
_GRAPH_DEF = {1: 2, 2: 2, 3: 0, 4: 2, 5: 2}  # graph.proto: node, library, version, versions, debug_info
_SENTENCEPIECE = {1: 2, 2: 2, 3: 2, 4: 2, 5: 2}  # sentencepiece_model.proto
_PADDLE = {1: 2, 4: 2, 5: 2}  # framework.proto ProgramDesc
_COREML_LOW = {1: 0, 2: 2, 10: 0}  # Model.proto; the model kind is one field from 200 up
_COREML_KIND = range(200, 5001)


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message: its number, wire type, and where its value lies (or its value, for a varint)."""

    number: int
    wire: int
    start: int
    length: int
    value: int


def fields(data: bytes, start: int, end: int, size: int) -> Iterator[Field | None]:
    """Fields of a message in `data[start:end]`; None when the bytes are no message. `size`: bytes that really exist."""
    position = start
    for _ in range(_MAX_FIELDS):
        if position >= end:
            return
        tag, position = _varint(data, position)
        number, wire = tag >> 3, tag & 7
        if tag < 0 or number == 0 or number > 1 << 20:
            yield None
            return
        value, length = 0, 0
        if wire == _VARINT:
            value, position = _varint(data, position)
        elif wire == _BYTES:
            length, position = _varint(data, position)
        elif wire in (_FIXED64, _FIXED32):
            length = 8 if wire == _FIXED64 else 4
        else:
            yield None
            return
        if value < 0 or length < 0 or position + length > size:
            yield None
            return
        yield Field(number, wire, position, length, value)
        position += length


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """Value and the position after it; -1 when it is broken or cut."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            return -1, position
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004
            return value, position
    return -1, position


def protobuf_readings(head: bytes, size: int, suffix: str) -> list[str]:
    """Readings as ONNX, SavedModel, frozen graph, sentencepiece, Paddle or Core ML; `suffix` breaks no tie, it adds."""
    if len(head) < _MIN_BYTES or head[0] & 7 not in (_VARINT, _BYTES) or head[0] >> 3 not in (1, 2, 3, 4, 7, 8, 14):
        return []
    seen: list[Field] = []
    for item in fields(head, 0, min(len(head), size), size):
        if item is None:
            break
        seen.append(item)
    else:
        item = None
    reached = seen[-1].start + seen[-1].length if seen else 0
    if not seen or (item is None and reached < min(len(head) - 10, size) and len(seen) < _MAX_FIELDS):
        return []
    return _classify(head, size, seen, suffix)


def _classify(head: bytes, size: int, seen: list[Field], suffix: str) -> list[str]:
    found: list[str] = []
    numbers = {item.number for item in seen}
    if _fits(seen, _ONNX) and numbers & {_ONNX_GRAPH, _ONNX_FUNCTIONS} and _onnx_like(head, size, seen):
        found.append("onnx")
    if _fits(seen, _SAVED_MODEL) and _saved_model_like(head, size, seen):
        found.append("tf-saved-model")
    if _fits(seen, _GRAPH_DEF) and _nodes_like(head, size, seen):
        found.append("tf-graph")
    if _fits(seen, {1: 2}) and _keras_like(head, size, seen[0]):
        found.append("keras-metadata")
    if _fits(seen, _SENTENCEPIECE) and _pieces_like(head, size, seen):
        found.append("sentencepiece")
    if _fits(seen, _PADDLE) and suffix in {".pdmodel", "__model__"}:
        found.append("paddle")
    kinds = [item for item in seen if item.number in _COREML_KIND and item.wire == _BYTES]
    rest = [item for item in seen if item.number not in _COREML_KIND]
    if rest and _fits(rest, _COREML_LOW) and rest[0].number == 1 and (kinds or suffix == ".mlmodel"):
        found.append("coreml")
    return found


def _fits(seen: list[Field], schema: dict[int, int]) -> bool:
    return all(schema.get(item.number) == item.wire for item in seen)


def _inner(head: bytes, size: int, item: Field, limit: int = 8) -> list[Field]:
    result: list[Field] = []
    for inner in fields(head, item.start, min(item.start + item.length, len(head)), size):
        if inner is None or len(result) >= limit:
            break
        result.append(inner)
    return result


def _onnx_like(head: bytes, size: int, seen: list[Field]) -> bool:
    for item in seen:
        if item.number == _ONNX_GRAPH:
            graph = _inner(head, size, item)
            return bool(graph) and all(
                f.wire == _BYTES and f.number in (1, 2, 5, 10, 11, 12, 13, 14, 15, 16) for f in graph
            )
    return True


def _saved_model_like(head: bytes, size: int, seen: list[Field]) -> bool:
    metas = [item for item in seen if item.number == 2]  # noqa: PLR2004
    if not metas:
        return False
    meta = _inner(head, size, metas[0])
    return bool(meta) and all(f.wire == _BYTES and f.number <= 8 for f in meta) and meta[0].number in (1, 2)  # noqa: PLR2004


def _nodes_like(head: bytes, size: int, seen: list[Field]) -> bool:
    """The first node has a printable name and an operation (`node_def.proto`)."""
    if seen[0].number != 1:
        return False
    node = {f.number: f for f in reversed(_inner(head, size, seen[0])) if f.wire == _BYTES}
    return 1 in node and 2 in node and _word(head, node[1]) and _word(head, node[2])  # noqa: PLR2004


def _keras_like(head: bytes, size: int, first: Field) -> bool:
    """The first node's identifier is one of Keras's (saved_metadata.proto)."""
    texts = [item for item in _inner(head, size, first) if item.number == 4 and item.wire == _BYTES]  # noqa: PLR2004
    return any(head.startswith(b"_tf_keras", item.start) for item in texts)


def _pieces_like(head: bytes, size: int, seen: list[Field]) -> bool:
    """The first piece is a string and a float score."""
    if seen[0].number != 1:
        return False
    piece = _inner(head, size, seen[0])
    return len(piece) >= 2 and piece[0].wire == _BYTES and (piece[1].number, piece[1].wire) == (2, _FIXED32)  # noqa: PLR2004


def _word(head: bytes, item: Field) -> bool:
    text = head[item.start : item.start + item.length]
    return 0 < len(text) < 1000 and text.isascii() and all(32 < byte < 127 for byte in text)  # noqa: PLR2004

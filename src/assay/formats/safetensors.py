"""Safetensors: what the header says against what the file is.

Format: 8 bytes little-endian header length, JSON header padded with blanks, tensor data
(https://github.com/huggingface/safetensors#format). The reference reader refuses holes, overlaps, wrong sizes,
and headers above 100 MB; readers in other languages do not all do so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from assay.core.errors import ContentError, LimitExceeded
from assay.formats.anomaly import Anomaly
from assay.formats.json_text import read_json

if TYPE_CHECKING:
    from assay.core.limits import Limits

DTYPE_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
    "I32": 32, "U32": 32, "F32": 32, "F64": 64, "I64": 64, "U64": 64, "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
    "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
}  # fmt: skip
_LENGTH_BYTES = 8
_MAX_NOTES = 100


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of the header; offsets count from the start of the data."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True)
class Safetensors:
    """A header that was read.

    Attributes:
        header_bytes: stated length of the JSON header.
        tensors: in order of their offsets.
        metadata: `__metadata__`, empty when there is none.
        anomalies: where header and file disagree.
    """

    header_bytes: int
    tensors: tuple[Tensor, ...]
    metadata: dict[str, Any]
    anomalies: tuple[Anomaly, ...]


def read_safetensors(stream: BinaryIO, size: int, limits: Limits) -> Safetensors:
    """Read and check the header; tensor data is not read.

    Raises:
        ContentError: when there is no readable header.
        LimitExceeded: for a header above `limits.header_bytes`.
    """
    stream.seek(0)
    length = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
    if size < _LENGTH_BYTES + 2 or length + _LENGTH_BYTES > size:
        raise ContentError(f"the header states {length} bytes in a file of {size}: cut off or no safetensors")
    if length > limits.header_bytes:
        raise LimitExceeded("header_bytes", f"a safetensors header of {length} bytes")
    raw = stream.read(length)
    notes: list[Anomaly] = []
    if not raw.startswith(b"{"):
        notes.append(Anomaly("header-start", "the header does not start with '{'", _LENGTH_BYTES))
    document = read_json(raw, depth=limits.json_depth)
    notes += document.anomalies
    if not isinstance(document.value, dict):
        raise ContentError("the header is JSON, but no object")
    header = dict(document.value)
    metadata = _metadata(header.pop("__metadata__", {}), notes)
    tensors = [tensor for name, entry in header.items() if (tensor := _tensor(name, entry, notes))]
    tensors.sort(key=lambda tensor: (tensor.start, tensor.end))
    _layout(tensors, size - _LENGTH_BYTES - length, notes)
    if length % _LENGTH_BYTES:
        notes.append(Anomaly("unaligned", "the data does not start at a multiple of 8 bytes", _LENGTH_BYTES))
    return Safetensors(length, tuple(tensors), metadata, tuple(notes[:_MAX_NOTES]))


def _metadata(value: Any, notes: list[Anomaly]) -> dict[str, Any]:
    if not isinstance(value, dict):
        notes.append(Anomaly("metadata-type", "__metadata__ is no object", _LENGTH_BYTES))
        return {}
    for key, item in value.items():
        if not isinstance(item, str):
            notes.append(Anomaly("metadata-type", f"metadata {key[:100]!r} is no string", _LENGTH_BYTES))
    return value


def _tensor(name: str, entry: Any, notes: list[Anomaly]) -> Tensor | None:
    if not isinstance(entry, dict):
        notes.append(Anomaly("bad-entry", f"tensor {name[:100]!r} is described by no object", _LENGTH_BYTES))
        return None
    dtype, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not (
        isinstance(dtype, str)
        and isinstance(shape, list)
        and all(_natural(item) for item in shape)
        and isinstance(offsets, list)
        and len(offsets) == 2  # noqa: PLR2004
        and all(_natural(item) for item in offsets)
    ):
        notes.append(Anomaly("bad-entry", f"tensor {name[:100]!r} lacks dtype, shape or offsets", _LENGTH_BYTES))
        return None
    if extra := set(entry) - {"dtype", "shape", "data_offsets"}:
        notes.append(Anomaly("extra-field", f"tensor {name[:100]!r} has unknown fields {sorted(extra)[:3]}"))
    start, end = offsets
    if start > end:
        notes.append(Anomaly("offset-order", f"tensor {name[:100]!r} ends at {end} before it starts at {start}"))
        return None
    bits = DTYPE_BITS.get(dtype)
    if bits is None:
        notes.append(Anomaly("unknown-dtype", f"tensor {name[:100]!r} has the dtype {dtype[:40]!r}"))
    elif (needed := -(-bits * math.prod(shape) // 8)) != end - start:
        detail = f"tensor {name[:100]!r}: {dtype} {shape[:8]} needs {needed} bytes, the offsets span {end - start}"
        notes.append(Anomaly("size-mismatch", detail))
    return Tensor(name, dtype, tuple(shape), start, end)


def _natural(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _layout(tensors: list[Tensor], data_bytes: int, notes: list[Anomaly]) -> None:
    """Tensors must tile the data exactly: no overlap, no hole, nothing after."""
    reached = 0
    for tensor in tensors:
        if tensor.start < reached and tensor.end > tensor.start:
            notes.append(Anomaly("overlap", f"tensor {tensor.name[:100]!r} overlaps the one before it"))
        elif tensor.start > reached:
            notes.append(
                Anomaly("hole", f"{tensor.start - reached} bytes before {tensor.name[:100]!r} belong to nothing")
            )
        reached = max(reached, tensor.end)
    if reached > data_bytes:
        notes.append(Anomaly("data-missing", f"tensors reach to byte {reached}, the file has {data_bytes}"))
    elif reached < data_bytes:
        notes.append(Anomaly("trailing-bytes", f"{data_bytes - reached} bytes after the last tensor"))

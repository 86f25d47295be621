"""Safetensors headers.

What it reads: the header of each safetensors file, against the size of the file and the layout of its tensors.
What it reports: tensors and metadata that are a program or a pickle, overlaps, holes, bytes after the data, sizes that
do not fit, keys that stand twice, unknown types, metadata that is code.
Why it matters: the reference reader refuses most of these, other readers do not; where they disagree data can hide.
What it cannot see: whether the numbers are a good model.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from assay.core.finding import Confidence, Severity
from assay.formats.safetensors import Safetensors, read_safetensors
from assay.formats.sniff import HEAD_BYTES, sniff
from assay.formats.sniff_pickle import pickle_plausible
from assay.inspections.passive import RUNS

if TYPE_CHECKING:
    from assay.inspections.parts import Collector, Part

_JUDGED = {
    "overlap": Severity.MEDIUM,
    "hole": Severity.MEDIUM,
    "trailing-bytes": Severity.MEDIUM,
    "size-mismatch": Severity.MEDIUM,
    "data-missing": Severity.LOW,
    "duplicate-key": Severity.MEDIUM,
    "offset-order": Severity.MEDIUM,
    "header-start": Severity.MEDIUM,
    "bad-entry": Severity.MEDIUM,
    "metadata-type": Severity.LOW,
    "unknown-dtype": Severity.LOW,
    "extra-field": Severity.LOW,
    "unaligned": Severity.NOTE,
}
_CODE = re.compile(
    r"(?:__import__|\bexec\s*\(|\beval\s*\(|\bos\.system|subprocess\.|<script\b|/bin/(?:ba)?sh\b|\{\{.*__)"
)
_LARGE_METADATA = 1 << 20
_PICKLED = re.compile(r"gA[I-X][A-Za-z0-9+/]{8,}={0,2}")  # base64 of a pickle's first bytes
_MARKS = (b"\x7fELF", b"MZ", b"PK\x03\x04", b"\xcf\xfa\xed\xfe", b"\xfe\xed\xfa\xcf", b"\0asm", b"#!/", b"\x1f\x8b\x08")
_ARCHIVES = frozenset(("zip", "tar", "gzip"))
_GLANCE, _SHORTEST, _MOST_TENSORS = 32, 8, 100_000
_PROTO = 0x80


class SafetensorsHeader:
    """The inspector `safetensors`."""

    name = "safetensors"
    local = True
    version = "1"

    def wants(self, part: Part) -> bool:
        """Parts whose content is safetensors."""
        return "safetensors" in part.formats

    def inspect_part(self, part: Part, out: Collector) -> None:
        """Compare the header with the file."""
        header = read_safetensors(part.stream, part.size, part.limits)
        out.fact_here("tensors", len(header.tensors))
        for anomaly in header.anomalies:
            out.finding(
                "safetensors-header",
                _JUDGED[anomaly.code],
                Confidence.HIGH,
                anomaly.detail,
                offset=anomaly.offset,
                anomaly=anomaly.code,
            )
            if anomaly.code == "data-missing":
                out.incomplete("the file is cut off")
        length = sum(len(key) + len(str(value)) for key, value in header.metadata.items())
        if length > _LARGE_METADATA:
            message = f"{length} characters of metadata"
            out.finding("safetensors-metadata", Severity.LOW, Confidence.MEDIUM, message, characters=length)
        _content(part, header, out)
        for key, value in header.metadata.items():
            if _PICKLED.search(str(value)) and _holds_pickle(str(value)):
                message = f"metadata {key[:80]!r} holds a pickle in base64"
                out.finding("safetensors-hidden-content", Severity.MEDIUM, Confidence.HIGH, message, key=key[:200])
            if match := _CODE.search(f"{key} {value}"):
                out.finding(
                    "safetensors-metadata",
                    Severity.MEDIUM,
                    Confidence.LOW,
                    f"metadata {key[:80]!r} holds what looks like code: {match.group()!r}",
                    key=key[:200],
                )


def _content(part: Part, header: Safetensors, out: Collector) -> None:
    """Tensors that start like a program, an archive or a whole pickle: numbers don't."""
    start = 8 + header.header_bytes
    for tensor in header.tensors[:_MOST_TENSORS]:
        if tensor.end - tensor.start < _SHORTEST:
            continue
        part.stream.seek(start + tensor.start)
        head = part.stream.read(min(tensor.end - tensor.start, _GLANCE))
        if not head.startswith(_MARKS) and not _opens_pickle(head):
            continue
        part.stream.seek(start + tensor.start)
        size = min(tensor.end, part.size - start) - tensor.start
        head = part.stream.read(min(size, HEAD_BYTES))
        readings = sniff(head, head, size, "tensor", strict=True).formats
        telling = [reading for reading in readings if reading in RUNS or reading in _ARCHIVES]
        if telling:
            message = f"the bytes of tensor {tensor.name[:100]!r} are {telling[0]}"
            out.finding(
                "safetensors-hidden-content", Severity.MEDIUM, Confidence.HIGH, message,
                offset=start + tensor.start, tensor=tensor.name[:200], formats=telling,
            )  # fmt: skip


def _opens_pickle(head: bytes) -> bool:
    return (head[0] == _PROTO and 2 <= head[1] <= 5) or (head[0] in b"c(" and b"\n" in head)  # noqa: PLR2004


def _holds_pickle(value: str) -> bool:
    for match in _PICKLED.finditer(value):
        text = match.group()
        try:
            data = base64.b64decode(text[: len(text) // 4 * 4])
        except (binascii.Error, ValueError):
            continue
        if pickle_plausible(data, len(data)):
            return True
    return False

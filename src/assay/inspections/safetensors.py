"""Safetensors headers.

What it reads: the header of each safetensors file, against the size of the file and the layout of its tensors.
What it reports: overlaps, holes, bytes after the data, sizes that do not fit, keys that stand twice, unknown types,
metadata that is code.
Why it matters: the reference reader refuses most of these, other readers do not; where they disagree data can hide.
What it cannot see: whether the numbers are a good model.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from assay.core.finding import Confidence, Severity
from assay.formats.safetensors import read_safetensors

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
        for key, value in header.metadata.items():
            if match := _CODE.search(f"{key} {value}"):
                out.finding(
                    "safetensors-metadata",
                    Severity.MEDIUM,
                    Confidence.LOW,
                    f"metadata {key[:80]!r} holds what looks like code: {match.group()!r}",
                    key=key[:200],
                )

"""GGUF files: header truth and chat templates.

What it reads: all keys and values, and the tensor table against the file's size. Tensor data is not read.
What it reports: templates with ways out of the sandbox or text behind a trigger, tensors that lie outside the file or
over each other, keys that stand twice, hidden characters in text values.
Why it matters: loaders of this format are written in C and C++, and several have read past buffers that a header
described; some render the templates without a sandbox.
What it cannot see: what the weights do.
References: CVE-2024-34359, CVE-2024-23496, CVE-2024-21802, CVE-2025-53630.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.core.finding import Confidence, Severity
from assay.formats.gguf import read_gguf
from assay.inspections.hidden import judge_hidden
from assay.inspections.template import judge_template
from assay.sourcecode.hidden import find_hidden

if TYPE_CHECKING:
    from assay.inspections.parts import Collector, Part

_JUDGED = {
    "duplicate-key": Severity.MEDIUM,
    "bad-bool": Severity.LOW,
    "bad-alignment": Severity.MEDIUM,
    "tensor-entry": Severity.MEDIUM,
    "tensor-bounds": Severity.MEDIUM,
    "tensor-overlap": Severity.MEDIUM,
}


class GgufFile:
    """The inspector `gguf`."""

    name = "gguf"
    version = "1"
    local = True

    def wants(self, part: Part) -> bool:
        """GGUF files."""
        return "gguf" in part.formats

    def inspect_part(self, part: Part, out: Collector) -> None:
        """Read the header, judge its lies and its templates."""
        file = read_gguf(part.stream, part.size, part.limits)
        for anomaly in file.anomalies:
            severity = _JUDGED[anomaly.code]
            out.finding(
                "gguf-header", severity, Confidence.HIGH, anomaly.detail, offset=anomaly.offset, anomaly=anomaly.code
            )
        for key, value in file.values.items():
            if not isinstance(value, str):
                continue
            if "template" in key:
                judge_template(value, out, key)
            else:
                judge_hidden(find_hidden(value), out.at(part.path, part.inner), code=False)
        unknown = sorted({tensor.type for tensor in file.tensors if tensor.size < 0})
        if unknown:
            message = f"tensors of types that are not known here: {unknown[:10]}"
            out.finding("gguf-header", Severity.LOW, Confidence.LOW, message, anomaly="tensor-type")
        out.fact_here("architecture", str(file.values.get("general.architecture", ""))[:100])
        out.fact_here("tensors", len(file.tensors))

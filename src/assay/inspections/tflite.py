"""TensorFlow Lite and ExecuTorch models.

What it reads: operators, delegates, and the tables that lead to buffers and tensors.
What it reports: TensorFlow operations that leave the graph (Flex operators), custom operators and back ends that need
native code, indexes and buffers outside the file.
Why it matters: Flex operators run the same file and Python operations as a SavedModel; indexes that are not checked
have been memory errors in interpreters.
What it cannot see: the options of operators.
References: CVE-2020-15208, CVE-2021-29605; `tensorflow/lite/schema/schema.fbs`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.core.finding import Confidence, Severity
from assay.formats.tflite import read_executorch, read_tflite
from assay.inspections.tensorflow import operations

if TYPE_CHECKING:
    from assay.formats.tflite import FlatModel
    from assay.inspections.parts import Collector, Part

_OWN_PREFIXES = (
    "aten::",
    "prim::",
    "quantized_decomposed::",
    "dim_order_ops::",
    "llama::",
    "et_vk::",
    "executorch_prim::",
)
_OWN_DELEGATES = frozenset(
    (
        "XnnpackBackend",
        "CoreMLBackend",
        "MPSBackend",
        "VulkanBackend",
        "QnnBackend",
        "ArmBackend",
        "EthosUBackend",
        "CudaBackend",
    )
)


class FlatModels:
    """The inspector `tflite`."""

    name = "tflite"
    version = "1"
    local = True

    def wants(self, part: Part) -> bool:
        """TensorFlow Lite and ExecuTorch models."""
        return bool({"tflite", "executorch"}.intersection(part.formats))

    def inspect_part(self, part: Part, out: Collector) -> None:
        """Read and judge."""
        if "tflite" in part.formats:
            model = read_tflite(part.stream, part.size, part.limits)
            _tflite(model, out)
        else:
            model = read_executorch(part.stream, part.size, part.limits)
            _executorch(model, out)
        for anomaly in model.anomalies:
            out.finding("flatbuffer-bounds", Severity.MEDIUM, Confidence.HIGH, anomaly.detail, anomaly=anomaly.code)
        out.fact_here("operators", dict(list(model.custom.items())[:300]))


def _tflite(model: FlatModel, out: Collector) -> None:
    own: list[str] = []
    for name, count in model.custom.items():
        operation = name.removeprefix("Flex")
        known = operations().leaves.get(operation) if name.startswith("Flex") else None
        if known is not None:
            kind, says, severity = known
            message = f"the operator {name} {says} ({count} uses)"
            out.finding("tf-operation", severity, Confidence.HIGH, message, call=name, operation=operation, kind=kind)
        elif not name.startswith(("Flex", "TFLite_", "TFSentencepiece", "Mediapipe", "MediaPipe")):
            own.append(name)
    if own:
        message = f"custom operators that need native code: {', '.join(own[:8])}"
        out.finding("flatbuffer-custom-operator", Severity.LOW, Confidence.HIGH, message, operators=own[:100])


def _executorch(model: FlatModel, out: Collector) -> None:
    own = [name for name in model.custom if not name.startswith(_OWN_PREFIXES)]
    own += [name for name in model.delegates if name not in _OWN_DELEGATES]
    if own:
        message = f"operators or back ends that need native code: {', '.join(own[:8])}"
        out.finding("flatbuffer-custom-operator", Severity.LOW, Confidence.HIGH, message, operators=own[:100])

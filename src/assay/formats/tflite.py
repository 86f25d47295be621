"""TensorFlow Lite and ExecuTorch models: the operators they need, and whether their buffers lie inside the file.

Source: `tensorflow/lite/schema/schema.fbs` (version 3c) and `executorch/schema/program.fbs`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final

from assay.formats.anomaly import Anomaly
from assay.formats.flatbuffers import FlatBuffer

if TYPE_CHECKING:
    from assay.core.limits import Limits
    from assay.formats.flatbuffers import Table

_CUSTOM: Final = 32  # BuiltinOperator.CUSTOM
_MAX_ANOMALIES: Final = 100


@dataclass
class FlatModel:
    """One model.

    Attributes:
        version: of the schema, as stated.
        description: as stated.
        custom: names of custom operators (TensorFlow Lite), or of all operators (ExecuTorch), with their use counts.
        delegates: back ends that take over parts of the graph (ExecuTorch).
        subgraphs: number of graphs.
        tensors: number of tensors.
        metadata: names of metadata entries.
        anomalies: where the tables and the file disagree.
    """

    version: int = 0
    description: str = ""
    custom: dict[str, int] = field(default_factory=dict)
    delegates: list[str] = field(default_factory=list)
    subgraphs: int = 0
    tensors: int = 0
    metadata: list[str] = field(default_factory=list)
    anomalies: list[Anomaly] = field(default_factory=list)


def read_tflite(stream: BinaryIO, size: int, limits: Limits) -> FlatModel:
    """Read a TensorFlow Lite model.

    Raises:
        ContentError: when an offset leads outside the file.
        LimitExceeded: past a limit.
    """
    model, result = FlatBuffer(stream, size, limits).root(), FlatModel()
    result.version, result.description = model.integer(0, "I"), model.text(3, 1000)
    names: list[str] = []
    for code in model.tables(1):
        builtin = max(code.integer(0, "b"), code.integer(3, "i"))
        name = code.text(1, 500)
        names.append(name if builtin == _CUSTOM or name else "")
    buffers = _buffers(model, size, result)
    for graph in model.tables(2):
        result.subgraphs += 1
        _graph(graph, names, buffers, result)
    for name in names:
        if name:
            result.custom.setdefault(name, 0)
    result.metadata = [entry.text(0, 200) for entry in model.tables(6)][:1000]
    return result


def _buffers(model: Table, size: int, result: FlatModel) -> int:
    """Check that every buffer lies inside the file; gives their number."""
    count = 0
    for count, buffer in enumerate(model.tables(4), 1):
        buffer.vector(0, 1)
        offset, length = buffer.integer(1, "Q"), buffer.integer(2, "Q")
        if offset > 1 and offset + length > size:
            _note(result, "buffer-bounds", f"buffer {count - 1} needs bytes {offset} to {offset + length} of {size}")
    return count


def _graph(graph: Table, names: list[str], buffers: int, result: FlatModel) -> None:
    tensors = 0
    for tensor in graph.tables(0):
        tensors += 1
        buffer = tensor.integer(2, "I")
        if buffer >= max(buffers, 1):
            _note(result, "buffer-index", f"tensor {tensor.text(3, 200)!r} uses buffer {buffer} of {buffers}")
        start, dims = tensor.vector(0, 4)
        if any(graph.buffer.number(start + 4 * i, "i") < 0 for i in range(min(dims, 32))):
            _note(result, "negative-dimension", f"tensor {tensor.text(3, 200)!r} has a negative dimension")
    result.tensors += tensors
    for operator in graph.tables(3):
        index = operator.integer(0, "I")
        if index >= len(names):
            _note(result, "operator-index", f"an operator uses code {index} of {len(names)}")
        elif names[index]:
            result.custom[names[index]] = result.custom.get(names[index], 0) + 1
        for slot in (1, 2):
            start, count = operator.vector(slot, 4)
            for number in range(min(count, 10_000)):
                used = graph.buffer.number(start + 4 * number, "i")
                if used >= tensors or used < -1:
                    _note(result, "tensor-index", f"an operator uses tensor {used} of {tensors}")


def _note(result: FlatModel, code: str, detail: str) -> None:
    if len(result.anomalies) < _MAX_ANOMALIES:
        result.anomalies.append(Anomaly(code, detail))


def read_executorch(stream: BinaryIO, size: int, limits: Limits) -> FlatModel:
    """Read an ExecuTorch program; errors as for `read_tflite`."""
    program, result = FlatBuffer(stream, size, limits).root(), FlatModel()
    result.version = program.integer(0, "I")
    for plan in program.tables(1):
        result.subgraphs += 1
        for operator in plan.tables(6):
            name, overload = operator.text(0, 500), operator.text(1, 200)
            full = f"{name}.{overload}" if overload else name
            result.custom[full] = result.custom.get(full, 0) + 1
        result.delegates += [delegate.text(0, 200) for delegate in plan.tables(7)][:1000]
    for number, segment in enumerate(program.tables(4)):
        offset, length = segment.integer(0, "Q"), segment.integer(1, "Q")
        if offset + length > size:
            _note(result, "segment-bounds", f"segment {number} needs bytes {offset} to {offset + length} of {size}")
    return result

"""ONNX models: operators with their domains, functions, nested graphs, external data, and tensors' own measures.

Source: `onnx.proto` of ONNX 1.19 (IR version 12). Tensor data is not read, only measured.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final

from assay.core.errors import ContentError, LimitExceeded
from assay.formats.anomaly import Anomaly
from assay.formats.protobuf import BYTES, Field, Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from assay.core.limits import Limits

_MAX_GRAPHS: Final = 100_000
_MAX_ANOMALIES: Final = 100
_EXTERNAL: Final = 1  # TensorProto.DataLocation.EXTERNAL
_MAX_ELEMENTS: Final = 1 << 48  # more than any machine's memory
# TensorProto.DataType to bits of one element; strings (8) have none
_BITS: Final = {
    1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64, 15: 128, 16: 16,
    17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4, 24: 8, 25: 2, 26: 2,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ExternalData:
    """Data of a tensor that lies in another file.

    Attributes:
        tensor: its name.
        location: as stated; relative to the model file by the specification.
        offset: bytes, -1 when not stated or no number.
        length: bytes, -1 when not stated or no number.
    """

    tensor: str
    location: str
    offset: int
    length: int


@dataclass
class Onnx:
    """One model.

    Attributes:
        producer: name and version, as stated.
        ir_version: as stated.
        opsets: domain to version.
        operators: (domain, type) to count, in all graphs and functions; the default domain is empty.
        functions: (domain, name) to the operators that it uses.
        external: tensors whose data lies elsewhere.
        metadata: key to value, cut.
        texts: text attributes of operators outside the default domain: (operator, attribute, text).
        tensors: number of tensors.
        anomalies: where a tensor is not what it says.
    """

    producer: str = ""
    ir_version: int = 0
    opsets: dict[str, int] = field(default_factory=dict)
    operators: Counter[tuple[str, str]] = field(default_factory=Counter)
    functions: dict[tuple[str, str], set[tuple[str, str]]] = field(default_factory=dict)
    external: list[ExternalData] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    texts: list[tuple[str, str, str]] = field(default_factory=list)
    tensors: int = 0
    anomalies: list[Anomaly] = field(default_factory=list)


def read_onnx(stream: BinaryIO, size: int, limits: Limits) -> Onnx:
    """Read a model.

    Raises:
        ContentError: when it is no protobuf, or holds neither graph nor function.
        LimitExceeded: past a limit.
    """
    return _Reader(Message(stream, size, limits), limits).model()


class _Reader:
    """Walks graphs with a list of work, so that nested graphs cost no stack."""

    def __init__(self, message: Message, limits: Limits) -> None:
        self.message = message
        self.limits = limits
        self.result = Onnx()
        self.graphs: list[Field] = []
        self.seen = 0

    def model(self) -> Onnx:
        result = self.result
        found = False
        for item in self.message.fields():
            if item.wire == BYTES:
                found |= self.part(item)
            elif item.number == 1:
                result.ir_version = item.signed
        if not found:
            msg = "an ONNX model without graph"
            raise ContentError(msg)
        self.drain(result.operators.update)
        return result

    def part(self, item: Field) -> bool:
        """One field of the model; whether it is something that can run."""
        message, result = self.message, self.result
        if item.number in {2, 3}:  # producer_name, producer_version
            result.producer = f"{result.producer} {message.text(item, 200)}".strip()
        elif item.number == 7:  # noqa: PLR2004 - graph
            self.graphs.append(item)
            return True
        elif item.number == 20:  # noqa: PLR2004 - training_info: initialization and algorithm graphs
            self.graphs += [f for f in message.of(item) if f.wire == BYTES and f.number in {1, 2}]
        elif item.number == 25:  # noqa: PLR2004 - function
            self.function(item)
            return True
        elif item.number == 8:  # noqa: PLR2004 - opset_import
            self.opset(item)
        elif item.number == 14:  # noqa: PLR2004 - metadata_props
            self.pair(item)
        return False

    def drain(self, count: Callable[[Counter[tuple[str, str]]], None]) -> None:
        """Walk all graphs that wait."""
        while self.graphs:
            self.seen += 1
            if self.seen > _MAX_GRAPHS:
                raise LimitExceeded("members", f"more than {_MAX_GRAPHS} nested graphs")
            operators: Counter[tuple[str, str]] = Counter()
            for item in self.message.of(self.graphs.pop()):
                if item.wire != BYTES:
                    continue
                if item.number == 1:
                    operators[self.node(item)] += 1
                elif item.number == 5:  # noqa: PLR2004 - initializer
                    self.tensor(item)
                elif item.number == 15:  # noqa: PLR2004 - sparse_initializer
                    self.sparse(item)
            count(operators)

    def function(self, item: Field) -> None:
        """A model-local function, with the operators of its body and of graphs nested in it."""
        message = self.message
        parts = [f for f in message.of(item) if f.wire == BYTES]
        name = next((message.text(f, 500) for f in parts if f.number == 1), "")
        domain = next((message.text(f, 500) for f in parts if f.number == 10), "")  # noqa: PLR2004
        waiting, self.graphs = self.graphs, []
        used: Counter[tuple[str, str]] = Counter(self.node(f) for f in parts if f.number == 7)  # noqa: PLR2004
        for inner in parts:
            if inner.number == 11:  # noqa: PLR2004 - attribute_proto: defaults, possibly graphs or tensors
                self.attribute(inner, ("", ""))
        self.drain(used.update)
        self.graphs = waiting
        self.result.functions.setdefault((domain, name), set()).update(used)
        self.result.operators.update(used)

    def node(self, item: Field) -> tuple[str, str]:
        """One node: (domain, operator)."""
        message = self.message
        parts = [f for f in message.of(item) if f.wire == BYTES and f.number in {4, 5, 7}]
        operator = next((message.text(f, 500) for f in parts if f.number == 4), "")  # noqa: PLR2004
        domain = next((message.text(f, 500) for f in parts if f.number == 7), "")  # noqa: PLR2004
        domain = "" if domain == "ai.onnx" else domain
        for part in parts:
            if part.number == 5:  # noqa: PLR2004 - attribute
                self.attribute(part, (domain, operator))
        return domain, operator

    def attribute(self, item: Field, owner: tuple[str, str]) -> None:
        """An attribute: graphs wait, tensors are measured, texts of foreign operators are kept."""
        message = self.message
        parts = [f for f in message.of(item) if f.wire == BYTES]
        for part in parts:
            if part.number in {6, 11}:  # g, graphs
                self.graphs.append(part)
            elif part.number in {5, 10}:  # t, tensors
                self.tensor(part)
            elif part.number in {22, 23}:  # sparse tensors
                self.sparse(part)
            elif part.number in {4, 9} and owner[0] and len(self.result.texts) < 1000:  # noqa: PLR2004 - s, strings
                name = next((message.text(f, 200) for f in parts if f.number == 1), "")
                self.result.texts.append((owner[1], name, message.text(part, 1000)))

    def sparse(self, item: Field) -> None:
        """Values and indices of a sparse tensor."""
        for part in self.message.of(item):
            if part.wire == BYTES and part.number in {1, 2}:
                self.tensor(part)

    def tensor(self, item: Field) -> None:
        """Measure one tensor."""
        message, self.result.tensors = self.message, self.result.tensors + 1
        dims: list[int] = []
        numbers = {2: 0, 14: 0}  # data_type, data_location
        texts: dict[int, Field] = {}
        entries: dict[str, str] = {}
        for part in message.of(item):
            if part.number == 1:
                dims += message.numbers(part)
            elif part.number in numbers:
                numbers[part.number] = part.value
            elif part.number == 13 and part.wire == BYTES:  # noqa: PLR2004 - external_data
                entries.update(self.entry(part))
            elif part.wire == BYTES:
                texts[part.number] = part
        name = message.text(texts[8], 500) if 8 in texts else ""  # noqa: PLR2004
        raw = texts[9].end - texts[9].start if 9 in texts else -1  # noqa: PLR2004 - raw_data
        if entries or numbers[14] == _EXTERNAL:
            self.external(name, entries)
        for code, detail in _measured(name, dims, numbers[2], raw):
            if len(self.result.anomalies) < _MAX_ANOMALIES:
                self.result.anomalies.append(Anomaly(code, detail, item.start))

    def external(self, name: str, entries: dict[str, str]) -> None:
        if len(self.result.external) >= self.limits.members:
            raise LimitExceeded("members", "more external tensors than files are allowed")
        place = ExternalData(name, entries.get("location", ""), _number(entries, "offset"), _number(entries, "length"))
        self.result.external.append(place)

    def entry(self, item: Field) -> Iterator[tuple[str, str]]:
        """A StringStringEntryProto."""
        parts = {f.number: self.message.text(f) for f in self.message.of(item) if f.wire == BYTES}
        yield parts.get(1, ""), parts.get(2, "")

    def pair(self, item: Field) -> None:
        for key, value in self.entry(item):
            if len(self.result.metadata) < 1000:  # noqa: PLR2004 - models have a few dozen
                self.result.metadata[key[:200]] = value[:100_000]

    def opset(self, item: Field) -> None:
        parts = {f.number: f for f in self.message.of(item)}
        domain = self.message.text(parts[1], 200) if 1 in parts and parts[1].wire == BYTES else ""
        self.result.opsets[domain] = parts[2].signed if 2 in parts else 0  # noqa: PLR2004


def _number(entries: dict[str, str], key: str) -> int:
    text = entries.get(key, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else -1  # noqa: PLR2004


def _measured(name: str, dims: list[int], kind: int, raw: int) -> Iterator[tuple[str, str]]:
    """What a tensor says against what it has."""
    shown = "x".join(str(d) for d in dims[:16])
    elements = 1
    for size in dims:
        if size < 0:
            yield "negative-dimension", f"tensor {name!r} has the shape {shown}"
            return
        elements *= size
        if elements > _MAX_ELEMENTS:
            yield "huge-tensor", f"tensor {name!r} has the shape {shown}"
            return
    bits = _BITS.get(kind)
    if raw >= 0 and bits is not None and raw != (elements * bits + 7) // 8:
        yield "tensor-size", f"tensor {name!r} of shape {shown} needs {(elements * bits + 7) // 8} bytes and has {raw}"

"""TensorFlow graphs: operations by name, in the main graph and in every function, with the constants that feed them.

Source: `saved_model.proto`, `meta_graph.proto`, `graph.proto`, `function.proto`, `node_def.proto`, `attr_value.proto`,
`tensor.proto`, and Keras's `saved_metadata.proto`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final

from assay.core.errors import ContentError, LimitExceeded
from assay.formats.protobuf import BYTES, Field, Message

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from assay.core.limits import Limits

MAX_KEPT: Final = 5_000  # nodes and texts kept of one file
_TEXT: Final = 1_000  # bytes of a constant that are kept
_DT_STRING: Final = 7
_PASSES_ON: Final = frozenset(
    ("Identity", "IdentityN", "StringJoin", "AddV2", "Add", "ConcatV2", "Pack", "Reshape", "ExpandDims")
)


@dataclass(frozen=True, slots=True)
class TfNode:
    """An operation that was asked for.

    Attributes:
        name: of the node.
        op: name of the operation.
        function: the function it stands in; empty for the main graph.
        inputs: constant texts that reach it, by input, empty where not constant.
        attributes: its text attributes.
    """

    name: str
    op: str
    function: str
    inputs: tuple[str, ...]
    attributes: dict[str, str]


@dataclass
class TfGraph:
    """What a file holds.

    Attributes:
        operations: how often each operation occurs.
        nodes: those that were asked for.
        functions: names of all functions.
        assets: file names of assets.
        truncated: more nodes were asked for than are kept.
    """

    operations: Counter[str] = field(default_factory=Counter)
    nodes: list[TfNode] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    assets: list[str] = field(default_factory=list)
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class KerasNode:
    """One node of `keras_metadata.pb`: where it stands, what it is, and its JSON."""

    path: str
    identifier: str
    metadata: bytes


@dataclass
class _Raw:
    """A node as it stands, before its inputs are resolved."""

    name: str
    op: str
    inputs: list[str]
    attributes: dict[str, str]


def read_saved_model(stream: BinaryIO, size: int, limits: Limits, keep: Container[str]) -> TfGraph:
    """Read `saved_model.pb`.

    Args:
        stream: seekable.
        size: its bytes.
        limits: when to stop.
        keep: names of operations whose inputs are wanted.

    Raises:
        ContentError: when it is no protobuf.
    """
    message, graph = Message(stream, size, limits), TfGraph()
    for item in message.fields():
        if item.number == 2 and item.wire == BYTES:  # noqa: PLR2004 - MetaGraphDef
            for part in message.of(item):
                if part.number == 2 and part.wire == BYTES:  # noqa: PLR2004 - GraphDef
                    _graph(message, part.start, part.end, graph, keep)
                elif part.number == 6 and part.wire == BYTES:  # noqa: PLR2004 - AssetFileDef
                    graph.assets += [message.text(f) for f in message.of(part) if f.number == 2 and f.wire == BYTES]  # noqa: PLR2004
    return graph


def read_graph_def(stream: BinaryIO, size: int, limits: Limits, keep: Container[str]) -> TfGraph:
    """Read a frozen graph; arguments and errors as for `read_saved_model`."""
    message, graph = Message(stream, size, limits), TfGraph()
    _graph(message, 0, size, graph, keep)
    return graph


def read_keras_metadata(stream: BinaryIO, size: int, limits: Limits) -> Iterator[KerasNode]:
    """Read `keras_metadata.pb`, node by node.

    Raises:
        ContentError: when it is no protobuf.
        LimitExceeded: when a node's JSON is longer than `text_bytes`.
    """
    message = Message(stream, size, limits)
    for item in message.fields():
        if item.number != 1 or item.wire != BYTES:
            continue
        found = {f.number: f for f in message.of(item) if f.wire == BYTES}
        texts = [message.text(found[n]) if n in found else "" for n in (3, 4)]
        yield KerasNode(texts[0], texts[1], message.data(found[5]) if 5 in found else b"")  # noqa: PLR2004


def _graph(message: Message, start: int, end: int, graph: TfGraph, keep: Container[str]) -> None:
    main = _Collector(message, "", graph, keep)
    for item in message.fields(start, end):
        if item.number == 1 and item.wire == BYTES:
            main.node(item)
        elif item.number == 2 and item.wire == BYTES:  # noqa: PLR2004 - FunctionDefLibrary
            for function in message.of(item):
                if function.number == 1 and function.wire == BYTES:
                    _function(message, function, graph, keep)
    main.resolve()


def _function(message: Message, item: Field, graph: TfGraph, keep: Container[str]) -> None:
    inner = _Collector(message, "", graph, keep)
    for part in message.of(item):
        if part.wire != BYTES:
            continue
        if part.number == 1:  # OpDef
            inner.function = next((message.text(f) for f in message.of(part) if f.number == 1 and f.wire == BYTES), "")
            graph.functions.append(inner.function)
        elif part.number == 3:  # noqa: PLR2004 - NodeDef
            inner.node(part)
    inner.resolve()


class _Collector:
    """Takes the nodes of one graph or function."""

    def __init__(self, message: Message, function: str, graph: TfGraph, keep: Container[str]) -> None:
        self.message = message
        self.function = function
        self.graph = graph
        self.keep = keep
        self.texts: dict[str, str] = {}
        self.passing: dict[str, list[str]] = {}
        self.wanted: list[_Raw] = []

    def node(self, item: Field) -> None:
        """Take one NodeDef."""
        message = self.message
        parts = [f for f in message.of(item) if f.wire == BYTES]
        op = next((message.text(f, 200) for f in parts if f.number == 2), "")  # noqa: PLR2004
        self.graph.operations[op] += 1
        if len(self.graph.operations) > 100_000:  # noqa: PLR2004 - TensorFlow has fewer than two thousand
            raise LimitExceeded("members", "more than 100000 different operations")
        wanted = op in self.keep
        if not wanted and op != "Const" and op not in _PASSES_ON:
            return
        name = next((message.text(f, _TEXT) for f in parts if f.number == 1), "")
        inputs = [message.text(f, _TEXT) for f in parts if f.number == 3][:64]  # noqa: PLR2004
        if op == "Const":
            self._constant(name, parts)
        elif not wanted:
            self.passing[name] = inputs
        if wanted:
            if len(self.wanted) + len(self.graph.nodes) >= MAX_KEPT:
                self.graph.truncated = True
                return
            self.wanted.append(_Raw(name, op, inputs, self._attributes(parts)))

    def _constant(self, name: str, parts: list[Field]) -> None:
        """Keep a constant that is text."""
        if len(self.texts) >= 100_000:  # noqa: PLR2004 - more texts than any graph that runs
            self.graph.truncated = True
            return
        for _, value in self._attribute_values(parts):
            tensor = next((f for f in self.message.of(value) if f.number == 8 and f.wire == BYTES), None)  # noqa: PLR2004
            if tensor is None or tensor.end - tensor.start > 1 << 20:  # longer than a path or a command
                continue
            inner = list(self.message.of(tensor))
            if any(f.number == 1 and f.value == _DT_STRING for f in inner):
                found = [self.message.text(f, _TEXT) for f in inner if f.number == 8 and f.wire == BYTES]  # noqa: PLR2004
                self.texts[name] = ", ".join(found[:20])[:_TEXT]

    def _attribute_values(self, parts: list[Field]) -> Iterator[tuple[Field | None, Field]]:
        for part in parts:
            if part.number == 5:  # noqa: PLR2004 - map entry: key, AttrValue
                entry = {f.number: f for f in self.message.of(part) if f.wire == BYTES}
                if 2 in entry:  # noqa: PLR2004
                    yield entry.get(1), entry[2]

    def _attributes(self, parts: list[Field]) -> dict[str, str]:
        found: dict[str, str] = {}
        for key, value in self._attribute_values(parts):
            texts = [self.message.text(f, _TEXT) for f in self._strings(value)]
            if texts and key is not None and len(found) < 64:  # noqa: PLR2004
                found[self.message.text(key, 200)] = ", ".join(texts)[:_TEXT]
        return found

    def _strings(self, value: Field) -> Iterator[Field]:
        for item in self.message.of(value):
            if item.number == 2 and item.wire == BYTES:  # noqa: PLR2004 - s
                yield item
            elif item.number == 1 and item.wire == BYTES:  # list
                yield from (f for f in self.message.of(item) if f.number == 2 and f.wire == BYTES)  # noqa: PLR2004

    def resolve(self) -> None:
        """Put the texts in that reach the wanted nodes."""
        for raw in self.wanted:
            inputs = tuple(self._text_of(name) for name in raw.inputs if not name.startswith("^"))
            self.graph.nodes.append(TfNode(raw.name, raw.op, self.function, inputs, raw.attributes))

    def _text_of(self, name: str) -> str:
        """The constant text behind an input, through operations that hand text on."""
        found: list[str] = []
        stack, seen = [name], set[str]()
        while stack and len(seen) < 32:  # noqa: PLR2004 - a path is put together from a few pieces
            here = stack.pop().split(":")[0].removeprefix("^")
            if here in seen:
                continue
            seen.add(here)
            if here in self.texts:
                found.append(self.texts[here])
            stack += reversed(self.passing.get(here, []))
        return "".join(found)[:_TEXT]


def saved_model_or_graph(stream: BinaryIO, size: int, limits: Limits, keep: Container[str], *, saved: bool) -> TfGraph:
    """Read the file as the one or the other; a SavedModel that holds no operation is a ContentError."""
    graph = (read_saved_model if saved else read_graph_def)(stream, size, limits, keep)
    if not graph.operations:
        msg = "no operation in the graph"
        raise ContentError(msg)
    return graph

"""TensorFlow graphs written as text: `saved_model.pbtxt`, which loads like the binary file, and `graph.pbtxt`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.formats.tensorflow import TfGraph, TfNode
from assay.formats.text_proto import read_text_proto

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

_MAX_NODES = 20_000
_TEXTS = ("attr.value.tensor.string_val", "attr.value.s", "attr.value.list.s")


class _Nodes:
    """The nodes met so far: name, operation, inputs, texts."""

    def __init__(self, graph: TfGraph) -> None:
        self.graph = graph
        self.found: list[tuple[str, str, list[str], list[str]]] = []
        self._name = ""

    def field(self, last: str, value: str) -> None:
        """A field of a node itself; its name comes before its operation."""
        if last == "name":
            self._name = value
        elif last == "op":
            self.graph.operations[value] += 1
            self.graph.truncated = self.graph.truncated or len(self.found) >= _MAX_NODES
            if not self.graph.truncated:
                self.found.append((self._name, value, [], []))
        elif last == "input" and self.found:
            self.found[-1][2].append(value.lstrip("^").partition(":")[0])


def graph_in_text(text: str, keep: AbstractSet[str]) -> TfGraph:
    """The operations of a graph, and those of `keep` with the constant texts that reach them.

    Args:
        text: the file.
        keep: names of operations.
    """
    graph = TfGraph()
    nodes = _Nodes(graph)
    for path, value, _ in read_text_proto(text):
        place, _, last = path.rpartition(".")
        if place.rpartition(".")[2] in {"node", "node_def"}:
            nodes.field(last, value)
        elif nodes.found and path.endswith(_TEXTS):
            nodes.found[-1][3].append(value)
        elif path.endswith("asset_file_def.filename"):
            graph.assets.append(value)
        elif path.endswith("function.signature.name"):
            graph.functions.append(value)
    constants = {name: texts[0] for name, operation, _, texts in nodes.found if operation == "Const" and texts}
    for name, operation, inputs, texts in nodes.found:
        if operation in keep:
            reached = tuple(constants.get(one, "") for one in inputs)
            graph.nodes.append(TfNode(name, operation, "", reached, {str(at): one for at, one in enumerate(texts)}))
    return graph

"""TensorFlow graphs: operations that leave the graph.

What it reads: `saved_model.pb` and frozen graphs, the main graph and every function in them, constant texts that reach
an operation, and the file names of assets.
What it reports: operations that write or read files, call Python, talk to the network or load other graphs; paths that
leave the model's folder; operations that TensorFlow does not have.
Why it matters: a graph is a program: these operations run when a signature is called, some already on loading.
What it cannot see: paths that are computed while the graph runs.
References: `tf.raw_ops`; TensorFlow SECURITY.md ("TensorFlow models are programs"); CVE-2021-37678.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from assay.core.errors import ContentError
from assay.core.finding import Confidence, Severity
from assay.formats.tensorflow import saved_model_or_graph

if TYPE_CHECKING:
    from assay.formats.tensorflow import TfGraph, TfNode
    from assay.inspections.parts import Collector, Part

_OUTSIDE = re.compile(r"^(?:/|~|\\|[A-Za-z]:[\\/]|\.\./|.*/\.\./|(?:https?|ftp|gs|s3|hdfs|file|grpc)://)")
_SENSITIVE = re.compile(r"^(?:file://)?(?:/etc/|/proc/|/root/|/home/[^/]+/\.|~/\.|https?://|ftp://|/var/)")
_INPUT_ONLY = frozenset(("ReadFile", "MatchingFiles", "TFRecordDataset", "TextLineDataset"))


@dataclass(frozen=True)
class Operations:
    """The table of `data/tf-operations.toml`: operation to what it does and how bad that is."""

    leaves: dict[str, tuple[str, str, Severity]]
    told: frozenset[str]


@cache
def operations() -> Operations:
    """Read the table once."""
    raw = tomllib.loads((files("assay.inspections") / "data" / "tf-operations.toml").read_text("utf-8"))
    leaves = {
        name: (kind, group["says"], Severity.parse(group["severity"]))
        for kind, group in raw.items()
        if isinstance(group, dict) and "severity" in group
        for name in group["operations"]
    }
    return Operations(leaves, frozenset(raw["when_told"]["operations"]))


class TensorFlow:
    """The inspector `tensorflow`."""

    name = "tensorflow"
    version = "1"

    def wants(self, part: Part) -> bool:
        """Graphs."""
        return bool({"tf-saved-model", "tf-graph"}.intersection(part.formats))

    def inspect_part(self, part: Part, out: Collector) -> None:
        """Read as a SavedModel, as a frozen graph, or as both."""
        table = operations()
        keep = table.leaves.keys() | table.told
        problems: list[str] = []
        readings = [reading for reading in part.formats if reading in {"tf-saved-model", "tf-graph"}]
        for reading in readings:
            try:
                graph = saved_model_or_graph(
                    part.stream, part.size, part.limits, keep, saved=reading == "tf-saved-model"
                )
            except ContentError as error:
                problems.append(f"as {reading}: {error}")
                continue
            judge_graph(graph, out)
        if len(problems) == len(readings):
            out.incomplete("; ".join(problems))


def judge_graph(graph: TfGraph, out: Collector) -> None:
    """Report what leaves the graph."""
    for node in graph.nodes:
        _node(node, out)
    for asset in graph.assets:
        if _OUTSIDE.match(asset):
            message = f"an asset is named {asset[:200]!r}, outside the model's folder"
            out.finding("tf-asset-escape", Severity.HIGH, Confidence.HIGH, message, path=asset[:500])
    if graph.truncated:
        out.incomplete("more operations that leave the graph than are kept")
    out.fact_here("operations", dict(graph.operations.most_common(500)))


def _node(node: TfNode, out: Collector) -> None:
    known = operations().leaves.get(node.op)
    texts = [text for text in (*node.inputs, *node.attributes.values()) if text]
    if known is None:
        _told(node, texts, out)
        return
    kind, says, severity = known
    path = next((text for text in texts if _OUTSIDE.match(text)), node.inputs[0] if node.inputs else "")
    if node.op in _INPUT_ONLY and not any(node.inputs):
        severity = Severity.MEDIUM  # the path is an input of the model: whoever calls it chooses
    place = f" in function {node.function}" if node.function else ""
    call = f"{node.op}({', '.join(repr(t[:100]) for t in node.inputs if t)})"
    message = f"{call} {says}{place} (node {node.name})"
    out.finding(
        "tf-operation", severity, Confidence.HIGH, message,
        call=call, operation=node.op, kind=kind, node=node.name, function=node.function, path=path[:500],
    )  # fmt: skip


def _told(node: TfNode, texts: list[str], out: Collector) -> None:
    """Operations that are ordinary unless a text sends them somewhere."""
    outside = [text for text in texts if _OUTSIDE.match(text)]
    if node.op.startswith("Print"):
        outside = [text for text in texts if text.startswith("file:")]
    elif node.op.startswith(("Initialize", "Restore")):
        outside = [text for text in texts if _SENSITIVE.match(text)]  # the exporter's own path is often left in
    elif node.op in {"DecodeProtoV2", "EncodeProto"}:
        outside = [text for text in outside if text.startswith(("/", "file:"))]
    if not outside:
        return
    message = f"{node.op} is sent to {outside[0][:200]!r} (node {node.name})"
    out.finding(
        "tf-operation", Severity.HIGH, Confidence.MEDIUM, message,
        call=f"{node.op}({outside[0][:100]!r})", operation=node.op, kind="told", node=node.name, path=outside[0][:500],
    )  # fmt: skip

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
from assay.formats.tensor_bundle import read_bundle
from assay.formats.tensorflow import saved_model_or_graph
from assay.formats.tensorflow_text import graph_in_text

if TYPE_CHECKING:
    from assay.core.inspector import Subject
    from assay.formats.tensorflow import TfGraph, TfNode
    from assay.inspections.parts import Collector, Part

_OUTSIDE = re.compile(r"^(?:/|~|\\|[A-Za-z]:[\\/]|\.\./|.*/\.\./|(?:https?|ftp|gs|s3|hdfs|file|grpc)://)")
_SENSITIVE = re.compile(r"^(?:file://)?(?:/etc/|/proc/|/root/|/home/[^/]+/\.|~/\.|https?://|ftp://|/var/)")
_INPUT_ONLY = frozenset(("ReadFile", "MatchingFiles", "TFRecordDataset", "TextLineDataset"))


@dataclass(frozen=True)
class Operations:
    """The tables of `data/tf-operations.toml` and `data/tf-known-operations.txt`.

    Attributes:
        leaves: operation to its kind, what it does, and how bad that is.
        told: operations that matter only when a text sends them somewhere.
        known: every operation of TensorFlow.
        libraries: prefixes of operations of well-known libraries.
    """

    leaves: dict[str, tuple[str, str, Severity]]
    told: frozenset[str]
    known: frozenset[str]
    libraries: tuple[str, ...]


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
    listing = (files("assay.inspections") / "data" / "tf-known-operations.txt").read_text("utf-8")
    known = frozenset(line for line in listing.splitlines() if not line.startswith("#"))
    told = frozenset(raw["when_told"]["operations"])
    return Operations(leaves, told, known | told | leaves.keys(), tuple(raw["libraries"]["prefixes"]))


class TensorFlow:
    """The inspector `tensorflow`."""

    name = "tensorflow"
    version = "2"

    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}

    def wants(self, part: Part) -> bool:
        """Graphs, the index of their variables, and the fingerprint, which only has numbers."""
        if "text" in part.formats and part.name.lower().endswith(".pbtxt"):
            return True
        return bool({"tf-saved-model", "tf-graph", "tf-fingerprint", "tf-table"}.intersection(part.formats))

    def begin(self, subject: Subject, out: Collector) -> None:
        """Note the files: an index names its data files."""
        del out
        self._sizes = {entry.path: entry.size for entry in subject.snapshot.files}

    def inspect_part(self, part: Part, out: Collector) -> None:
        """Read as a SavedModel, as a frozen graph, or as both."""
        if "text" in part.formats:
            _text(part, out)
        if "tf-table" in part.formats:
            self._index(part, out)
        readings = [reading for reading in part.formats if reading in {"tf-saved-model", "tf-graph"}]
        if not readings:
            return
        table = operations()
        keep = table.leaves.keys() | table.told
        problems: list[str] = []
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

    def _index(self, part: Part, out: Collector) -> None:
        """The index of a checkpoint: its data files hold raw tensors, and must be long enough."""
        bundle = read_bundle(part.stream, part.size, part.limits)
        prefix = part.path.removesuffix(".index")
        for number in range(min(bundle.shards, 10_000)):
            name = f"{prefix}.data-{number:05}-of-{bundle.shards:05}"
            if part.inner or name not in self._sizes:
                continue
            out.claim(name)
            short = next(
                (e for e in bundle.entries if e.shard == number and e.offset + e.size > self._sizes[name]), None
            )
            if short is not None:
                message = f"tensor {short.key!r} reaches past the end of {name!r} ({self._sizes[name]} bytes)"
                out.finding("tf-variables", Severity.MEDIUM, Confidence.HIGH, message, tensor=short.key)


def _text(part: Part, out: Collector) -> None:
    data = part.read_all(part.limits.text_bytes)
    if data is None:
        out.unread(f"longer than {part.limits.text_bytes} bytes")
        return
    graph = graph_in_text(data.decode("utf-8", "replace"), operations().leaves.keys() | operations().told)
    if graph.operations:
        judge_graph(graph, out)


def judge_graph(graph: TfGraph, out: Collector) -> None:
    """Report what leaves the graph."""
    for node in graph.nodes:
        _node(node, out)
    for asset in graph.assets:
        if _OUTSIDE.match(asset):
            message = f"an asset is named {asset[:200]!r}, outside the model's folder"
            out.finding("tf-asset-escape", Severity.HIGH, Confidence.HIGH, message, path=asset[:500])
    foreign = sorted(graph.operations.keys() - operations().known - set(graph.functions) - {""})
    own = [name for name in foreign if not name.startswith(operations().libraries)]
    for names, severity in ((own, Severity.MEDIUM), ([n for n in foreign if n not in own], Severity.LOW)):
        if names:
            message = f"operations that TensorFlow does not have: {', '.join(names[:8])}"
            out.finding(
                "tf-custom-operation", severity, Confidence.MEDIUM, message, call=names[0], operations=names[:100]
            )
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

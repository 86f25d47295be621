"""Graphs of Core ML, PaddlePaddle and MXNet.

What it reads: operators, custom classes and the files that a graph names.
What it reports: operators that run Python, load libraries or open files; classes that an application must bring along;
weight files and linked models outside the model.
Why it matters: running the graph looks these up and calls them.
What it cannot see: what a custom class does.
References: `framework.proto` of Paddle; `Model.proto` of Core ML; MXNet custom operators.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from assay.core.errors import ContentError
from assay.core.finding import Confidence, Severity
from assay.formats.json_text import read_json

if TYPE_CHECKING:
    from assay.inspections.parts import Collector, Part

_NOTE, _LOW, _MEDIUM, _HIGH, _CRITICAL = Severity
_OUTSIDE = re.compile(r"^(?:/|\\|~|[A-Za-z]:|\w+://)|(?:^|[/\\])\.\.(?:[/\\]|$)")
_PADDLE_PYTHON = frozenset(("py_func", "py_layer", "pylayer", "run_program", "custom_op"))
_PADDLE_FILES = frozenset(
    ("save", "save_combine", "load", "load_combine", "read_file", "create_custom_reader", "open_files")
)
_MXNET_PYTHON = frozenset(("Custom", "_Native", "_NDArray", "_CustomFunction"))


class Graphs:
    """The inspector `graph`."""

    name = "graph"
    version = "1"
    local = True

    def wants(self, part: Part) -> bool:
        """Core ML and Paddle programs, MXNet symbols and parameters, and the manifest of a Core ML package."""
        return bool({"coreml", "paddle", "json", "mxnet-params", "paddle-params"}.intersection(part.formats))

    def inspect_part(self, part: Part, out: Collector) -> None:
        """Read and judge by format."""
        if "coreml" in part.formats:
            _coreml(part, out)
        if "paddle" in part.formats:
            _paddle(part, out)
        if "json" in part.formats:
            data = part.read_all(part.limits.text_bytes)
            if data is not None and (b'"arg_nodes"' in data or b'"itemInfoEntries"' in data):
                _json(data, part, out)


def _coreml(part: Part, out: Collector) -> None:
    from assay.formats.coreml import read_coreml  # noqa: PLC0415 - JSON wakes this inspector far more often

    model = read_coreml(part.stream, part.size, part.limits)
    if model.custom:
        message = f"needs classes of the application: {', '.join(model.custom[:8])}"
        out.finding(
            "graph-custom-class", _MEDIUM, Confidence.HIGH, message, call=model.custom[0], classes=model.custom[:100]
        )
    if model.linked:
        out.finding(
            "graph-file", _MEDIUM, Confidence.HIGH, f"is linked to other models: {model.linked[:4]}", files=model.linked
        )
    for name in model.files:
        if _OUTSIDE.search(name.removeprefix("@model_path/")):
            message = f"weights lie outside the model: {name[:200]!r}"
            out.finding("graph-file", _HIGH, Confidence.HIGH, message, path=name)


def _paddle(part: Part, out: Collector) -> None:
    from assay.formats.paddle import read_paddle  # noqa: PLC0415

    program = read_paddle(part.stream, part.size, part.limits, _PADDLE_FILES | _PADDLE_PYTHON)
    for kind in sorted(_PADDLE_PYTHON & program.operators.keys()):
        message = f"the operator {kind} runs Python or other code"
        out.finding("graph-operator", _HIGH, Confidence.HIGH, message, call=kind)
    for kind, name, text in program.texts:
        if kind in _PADDLE_FILES and ("path" in name or "file" in name) and _OUTSIDE.search(text):
            message = f"the operator {kind} opens {text[:200]!r}"
            out.finding("graph-operator", _HIGH, Confidence.HIGH, message, call=f"{kind}({text[:100]!r})", path=text)


def _json(data: bytes, part: Part, out: Collector) -> None:
    try:
        document = read_json(data, depth=part.limits.json_depth).value
    except ContentError:
        return  # the inspector of configuration files reports it
    if not isinstance(document, dict):
        return
    nodes = document.get("nodes")
    for node in nodes if isinstance(nodes, list) and "arg_nodes" in document else ():
        if isinstance(node, dict):
            _mxnet(node, out)
    entries = document.get("itemInfoEntries")
    for entry in entries.values() if isinstance(entries, dict) else ():
        path = entry.get("path") if isinstance(entry, dict) else None
        if isinstance(path, str) and _OUTSIDE.search(path):
            out.finding("graph-file", _HIGH, Confidence.HIGH, f"the package lists {path[:200]!r}", path=path)


def _mxnet(node: dict[str, Any], out: Collector) -> None:
    operator = node.get("op")
    attributes = node.get("attrs", node.get("attr", node.get("param")))
    texts = {str(k): str(v) for k, v in attributes.items()} if isinstance(attributes, dict) else {}
    if operator in _MXNET_PYTHON:
        name = texts.get("op_type") or texts.get("info") or ""
        message = f"the operator {operator} calls the Python operator {name[:100]!r}"
        out.finding("graph-operator", _MEDIUM, Confidence.HIGH, message, call=f"{operator}({name[:100]!r})")
    for key, text in texts.items():
        if key in {"library", "path", "filename", "lib_path"}:
            severity = _HIGH if _OUTSIDE.search(text) or text.endswith((".so", ".dll", ".dylib")) else _MEDIUM
            message = f"the operator {operator} names the file {text[:200]!r} ({key})"
            out.finding(
                "graph-operator", severity, Confidence.HIGH, message, call=f"{operator}({text[:100]!r})", path=text
            )

"""skops files: the types and functions that loading one would build and call.

What it reads: `schema.json`, every node of it, and the names of the members that nodes read.
What it reports: functions and types that reach the system, operators and methods that stand for a call, types that no
list of known frameworks holds, members outside the archive.
Why it matters: the loader asks the user to trust what it does not know, and several versions did not ask about some
nodes.
What it cannot see: what a custom class does when its state is set.
References: CVE-2025-54412, CVE-2025-54413, CVE-2025-54886; https://skops.readthedocs.io/en/stable/persistence.html.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.core.errors import ContentError
from assay.core.finding import Confidence, Severity
from assay.formats.json_text import read_json
from assay.formats.skops import read_skops
from assay.inspections.pickle_names import known
from assay.sourcecode.table import kinds_of, table

if TYPE_CHECKING:
    from assay.formats.skops import SkopsNode
    from assay.inspections.parts import Collector, Part

_FRAMEWORKS = (
    "sklearn.",
    "numpy",
    "scipy.",
    "xgboost.",
    "lightgbm.",
    "catboost.",
    "pandas.",
    "quantile_forest.",
    "imblearn.",
    "joblib.",
)
_PLAIN = frozenset(("builtins", "collections", "datetime", "decimal", "fractions", "uuid", "enum"))
_OPERATORS = frozenset(("attrgetter", "itemgetter"))
_BUILT_IN_ABUSE = frozenset(
    (
        "exec",
        "eval",
        "compile",
        "getattr",
        "setattr",
        "delattr",
        "open",
        "__import__",
        "breakpoint",
        "input",
        "globals",
        "vars",
    )
)


class Skops:
    """The inspector `skops`."""

    name = "skops"
    version = "1"
    local = True

    def wants(self, part: Part) -> bool:
        """The archive, and the schema in it."""
        return "skops" in part.formats or (part.name == "schema.json" and bool(part.inner))

    def inspect_part(self, part: Part, out: Collector) -> None:
        """Judge every node of the schema."""
        if part.name != "schema.json" or not part.inner:
            return
        data = part.read_all(part.limits.header_bytes)
        if data is None:
            out.unread(f"longer than {part.limits.header_bytes} bytes")
            return
        try:
            nodes, version = read_skops(read_json(data, depth=part.limits.json_depth * 4).value)
        except ContentError as error:
            if b"__loader__" in data:
                out.incomplete(str(error))
            return
        for node in nodes:
            _node(node, part.siblings, out)
        out.fact_here("skops_version", version)


def _node(node: SkopsNode, members: frozenset[str], out: Collector) -> None:
    severity, why = _judged(node)
    target = f"{node.module}.{node.name}".strip(".")
    if severity is not None:
        message = f"{node.place or 'the model'} ({node.loader}) looks up {target!r}: {why}"
        rule = "skops-dangerous-type" if severity >= Severity.HIGH else "skops-unknown-type"
        out.finding(rule, severity, Confidence.HIGH, message, call=target, loader=node.loader, place=node.place)
    if node.file and node.file not in members:
        message = f"{node.place or 'the model'} reads {node.file[:200]!r}, which is no member of the archive"
        out.finding("skops-file", Severity.MEDIUM, Confidence.HIGH, message, path=node.file)


def _judged(node: SkopsNode) -> tuple[Severity | None, str]:
    """Severity (None for an ordinary node) and why."""
    if node.loader == "MethodNode.func":
        hidden = "." in node.name or node.name.startswith("__")
        return (Severity.HIGH, "a method is reached through other objects") if hidden else (None, "")
    if node.loader == "OperatorFuncNode":
        ordinary = node.module == "operator" and node.name in _OPERATORS
        return (None, "") if ordinary else (Severity.HIGH, "an operator that stands for a call")
    abuse = node.module == "builtins" and node.name in _BUILT_IN_ABUSE
    reaches = kinds_of(f"{node.module}.{node.name}") or node.module in table().modules - {"builtins", "operator"}
    return (Severity.CRITICAL, "it reaches the system") if abuse or reaches else _type(node)


def _type(node: SkopsNode) -> tuple[Severity | None, str]:
    """A type or function that does not reach the system by its name."""
    if node.module in _PLAIN or known(node.module, node.name) is not None:
        return None, ""
    if f"{node.module}.".startswith(_FRAMEWORKS):
        return (Severity.NOTE, "a function of a known framework") if node.loader == "FunctionNode" else (None, "")
    return Severity.MEDIUM, "no list of known frameworks holds it"

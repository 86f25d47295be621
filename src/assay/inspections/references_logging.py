"""Logging configurations: `logging.config` imports what they name, calls factories, and evaluates arguments.

`dictConfig` (JSON, YAML, TOML) calls what stands under `()`; `fileConfig` (INI) evaluates `args`, `kwargs` and `class`.
Source: `logging/config.py` of Python 3.11. Facts, no judgement.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

from assay.inspections.code_reference import CodeReference, dotted

if TYPE_CHECKING:
    from collections.abc import Iterator

_PARTS = ("handlers", "formatters", "filters", "loggers", "queue", "listener")
_SECTION = re.compile(r"^\[(?:handler|formatter|logger)_?[^\]\n]*\]", re.MULTILINE)
_EVALUATED = re.compile(r"^(args|kwargs|class)[ \t]*[=:][ \t]*(.*(?:\n[ \t]+\S.*)*)", re.MULTILINE)
_FACTORY = "()"
_HARMLESS = re.compile(r"(?:os\.path\.\w+|os\.getenv|os\.environ\.get|time\.\w+|datetime\.[\w.]+|str|int|len)\(")


def is_logging(document: Any) -> bool:
    """Whether a document is what `dictConfig` takes."""
    return isinstance(document, dict) and "version" in document and any(part in document for part in _PARTS)


def dictionary_references(document: dict[str, Any], where: str = "") -> Iterator[CodeReference]:
    """Factories and classes outside `logging` of a `dictConfig` document."""
    for part in _PARTS:
        entries = document.get(part)
        for name, entry in entries.items() if isinstance(entries, dict) else ():
            for key in (_FACTORY, "class"):
                value = entry.get(key) if isinstance(entry, dict) else None
                if isinstance(value, str) and dotted(value.removeprefix("ext://")) and not _usual(value):
                    target = value.removeprefix("ext://")
                    yield CodeReference("target", f"{where}{part}.{name}.{key}", target, module=target)


def _usual(value: str) -> bool:
    return value.removeprefix("ext://").startswith(
        ("logging.", "rich.logging.", "pythonjsonlogger.", "uvicorn.logging.")
    )


def file_references(text: str) -> Iterator[tuple[int, CodeReference]]:
    """What `fileConfig` evaluates besides literals and classes of `logging`, with its line."""
    if _SECTION.search(text) is None:
        return
    for match in _EVALUATED.finditer(text):
        key, value = match[1], match[2].strip()
        line = text.count("\n", 0, match.start()) + 1
        calls, names = _evaluated(value)
        if calls:
            yield line, CodeReference("target", key, calls[0], module=calls[0])
        elif (
            key == "class"
            and names
            and not names[0].startswith(("logging.", "handlers.", "config."))
            and "." in names[0]
        ):
            yield line, CodeReference("target", key, names[0], module=names[0])


def _evaluated(text: str) -> tuple[list[str], list[str]]:
    """(what is called, what is named) by an expression; one that can't be parsed calls itself."""
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ([text[:200]] if "(" in text and "__" in text else []), []
    nodes = list(ast.walk(tree))
    calls = [ast.unparse(node)[:200] for node in nodes if isinstance(node, ast.Call)]
    calls = [call for call in calls if not _HARMLESS.match(call)]
    return calls, [ast.unparse(node)[:200] for node in nodes if isinstance(node, ast.Attribute | ast.Name)]

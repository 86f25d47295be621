"""Templates inside configurations: prompts of LangChain, Haystack, prompt flows and their kind.

A prompt that says that it is a Jinja template is judged as one, wherever it stands in the document; any other text is
when it has the marks of a template and reaches for Python's inner attributes. The fields of a format string may walk
through attributes, too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from assay.core.finding import Confidence, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.inspections.parts import Collector

_MARKS = re.compile(r"\{\{|\{%")
_INNER = re.compile(r"__\w{2,40}__|\\x5f|attr\s*\(")
_FIELD = re.compile(r"\{[^{}]{0,200}(?:\.|\[)_{0,2}__\w{2,40}__[^{}]{0,200}\}")
_RENDERED = ("template", "prefix", "suffix")
_MAX_NODES = 2_000_000
_MAX_TEMPLATES = 1_000
_LONGEST = 1 << 20


def judge_templates(document: Any, out: Collector) -> None:
    """Report templates of a parsed document that reach out of themselves."""
    from assay.inspections.template import judge_template  # noqa: PLC0415 - few configurations hold templates

    for number, (key, text) in enumerate(_templates(document)):
        if number >= _MAX_TEMPLATES:
            out.unread(f"more than {_MAX_TEMPLATES} templates")
            return
        judge_template(text, out, key)
    for key, text in _strings(document):
        if field := _FIELD.search(text):
            message = f"{key}: the field {field[0][:200]} of a format string reaches into Python's objects"
            out.finding("template-escape", Severity.MEDIUM, Confidence.MEDIUM, message, call=field[0][:300])


def _templates(document: Any) -> Iterator[tuple[str, str]]:
    """(key, text) of what is rendered by Jinja."""
    for path, node in _nodes(document):
        if isinstance(node, dict) and node.get("template_format") == "jinja2":
            yield from ((f"{path}{key}", node[key]) for key in _RENDERED if isinstance(node.get(key), str))
    for path, text in _strings(document):
        if len(text) <= _LONGEST and _MARKS.search(text) and _INNER.search(text):
            yield path, text


def _strings(document: Any) -> Iterator[tuple[str, str]]:
    for path, node in _nodes(document):
        items = node.items() if isinstance(node, dict) else enumerate(node)
        yield from ((f"{path}{key}", item) for key, item in items if isinstance(item, str) and "{" in item)


def _nodes(document: Any) -> Iterator[tuple[str, Any]]:
    """Every dictionary and list, with the keys that lead to it."""
    stack: list[tuple[str, Any]] = [("", document)]
    seen: set[int] = set()
    while stack and len(seen) < _MAX_NODES:
        path, node = stack.pop()
        if id(node) in seen or not isinstance(node, (dict, list)):
            continue
        seen.add(id(node))
        yield path, node
        items = node.items() if isinstance(node, dict) else enumerate(node)
        stack += [(f"{path}{key}.", item) for key, item in items if isinstance(item, (dict, list))]

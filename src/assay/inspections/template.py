"""Chat templates.

What it reads: Jinja files, the chat templates in tokenizer and processor configurations (single, by name, or as a
list), and those in GGUF files. They are parsed as their loaders do and never rendered.
What it reports: ways out of the sandbox, templates that take in others, text that is put out only when a message holds
certain words, hidden characters, scripts and links in what is put out, and work without measure.
Why it matters: a template runs on every request. Some loaders rendered them without a sandbox, and what a template adds
is read by the model as if its operator had said it.
What it cannot see: what the added text makes a model do.
References: CVE-2024-34359 (GHSA-56xg-wfcc-g829), CVE-2025-61620; https://jinja.palletsprojects.com/en/stable/sandbox/.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from assay.core.errors import ContentError
from assay.core.finding import Confidence, Severity
from assay.formats.json_text import read_json
from assay.inspections.hidden import judge_hidden

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.inspections.parts import Collector, Part
    from assay.sourcecode.jinja import ConditionalText, Template

_NOTE, _LOW, _MEDIUM, _HIGH, _CRITICAL = Severity
_NAMES = re.compile(
    r"(?:.*/)?(?:tokenizer_config|chat_template|processor_config|preprocessor_config|config|generation_config)[\w.-]*\.json"
)
_REACHES = re.compile(
    r"__(?:globals|builtins|subclasses|import|mro|base|bases|loader|code|init|getattribute|reduce\w*)__|mro|func_globals|g?i?_?frame|f_globals"
)
_FACTS: dict[str, tuple[str, Severity, str]] = {
    "dunder": ("template-escape", _HIGH, "reaches into Python's objects"),
    "computed-attribute": ("template-escape", _MEDIUM, "fetches an attribute under a computed name"),
    "format-field": ("template-escape", _HIGH, "reaches into Python's objects through a format string"),
    "escape-name": ("template-escape", _LOW, "uses a global that is known as a way out of the sandbox"),
    "include": ("template-include", _MEDIUM, "takes in another template"),
    "huge": ("template-huge", _MEDIUM, "asks for work without measure"),
    "extension-call": ("template-escape", _LOW, "fetches an attribute by a filter"),
}
_MARKER = re.compile(r"[<\[{|/\\#@$&*`~^_]|^\W*$")  # tags and commands that templates look for in earnest
_ACTIVE = re.compile(r"https?://|<script|javascript:|!\[[^\]]*\]\(|<img|<iframe|data:text/html", re.IGNORECASE)
_ORDERS = re.compile(
    r"\b(?:ignore|disregard|forget)\b.{0,40}\b(?:previous|prior|above|all|safety|instructions|rules)\b"
    r"|\b(?:do not|don't|never)\b.{0,30}\b(?:tell|mention|reveal|inform|disclose|refuse)\b"
    r"|\b(?:reveal|exfiltrate|leak|send|include|insert|output)\b.{0,60}\b(?:secret|password|token|key|credential|link|code|url)s?\b",
    re.IGNORECASE | re.DOTALL,
)
# Keys of structured content, which templates ask for in the same way as for words.
_STRUCTURE = frozenset(
    (
        "image",
        "image_url",
        "video",
        "audio",
        "text",
        "parts",
        "tool_calls",
        "type",
        "input_audio",
        "thinking",
        "content",
    )
)
_WORD = re.compile(r"[A-Za-z]{3,}")


class Templates:
    """The inspector `template`."""

    name = "template"
    version = "1"
    local = True

    def wants(self, part: Part) -> bool:
        """Jinja files, and the configurations that hold templates."""
        if "jinja" in part.formats:
            return True
        return "json" in part.formats and _NAMES.fullmatch(part.name) is not None

    def inspect_part(self, part: Part, out: Collector) -> None:
        """Find the templates of a part and judge each."""
        data = part.read_all(part.limits.text_bytes)
        if data is None:
            if "jinja" in part.formats:
                out.unread(f"longer than {part.limits.text_bytes} bytes")
            return
        if "jinja" in part.formats:
            judge_template(data.decode("utf-8", "replace"), out)
            return
        if b"template" not in data:
            return
        try:
            document = read_json(data, depth=part.limits.json_depth)
        except ContentError:
            return  # the inspector of configuration files reports it
        for where, text in templates_in(document.value):
            judge_template(text, out, where)


def templates_in(document: Any) -> Iterator[tuple[str, str]]:
    """(key, template) of every chat template in a parsed configuration."""
    if not isinstance(document, dict):
        return
    for key, value in document.items():
        if not isinstance(key, str) or "template" not in key:
            continue
        if isinstance(value, str):
            yield key, value
        items = value if isinstance(value, list) else list(value.items()) if isinstance(value, dict) else []
        for index, item in enumerate(items):
            if isinstance(item, dict) and isinstance(item.get("template"), str):
                yield f"{key}.{item.get('name', index)}", item["template"]
            elif isinstance(item, tuple) and isinstance(item[1], str):
                yield f"{key}.{item[0]}", item[1]


def judge_template(text: str, out: Collector, where: str = "") -> None:
    """Judge one template; `where` names the key that it stands under."""
    if "{" not in text and not where:
        return
    from assay.sourcecode.jinja import read_template  # noqa: PLC0415 - JSON wakes this inspector far more often

    template = read_template(text)
    prefix = f"{where}: " if where else ""
    if template.error:
        message = f"{prefix}the template can't be parsed: {template.error}"
        out.finding("template-broken", _LOW, Confidence.MEDIUM, message)
        if _REACHES.search(text):
            message = f"{prefix}a template that can't be parsed names Python's inner attributes"
            out.finding("template-escape", _HIGH, Confidence.MEDIUM, message)
    _facts(template, out, prefix)
    for item in template.conditional:
        _conditional(item, out, prefix)
    for shown, line in template.texts:
        active = _ACTIVE.search(shown)
        if active and ("<" in active.group() or "(" in active.group()):
            message = f"{prefix}puts out active content: {shown[active.start() : active.start() + 120]!r}"
            out.finding("template-text", _MEDIUM, Confidence.MEDIUM, message, line=line)
        elif _ORDERS.search(shown):
            out.finding(
                "template-text", _NOTE, Confidence.LOW, f"{prefix}puts out orders: {shown.strip()[:200]!r}", line=line
            )
    judge_hidden(template.hidden, out, code=True)


def _facts(template: Template, out: Collector, prefix: str) -> None:
    reached = any(fact.kind in {"dunder", "format-field"} for fact in template.facts)
    for fact in template.facts:
        rule, severity, why = _FACTS[fact.kind]
        if fact.kind == "dunder" and _REACHES.search(fact.text):
            severity = _CRITICAL
        elif reached and rule == "template-escape":
            severity = max(severity, _HIGH)
        message = f"{prefix}{fact.text[:200]} {why}"
        out.finding(rule, severity, Confidence.HIGH, message, line=fact.line, call=fact.text[:300], kind=fact.kind)


def _conditional(item: ConditionalText, out: Collector, prefix: str) -> None:
    """Text behind a trigger: words that a user says, and prose or links that are then added."""
    if _MARKER.search(item.trigger) or not _WORD.search(item.trigger):
        return
    words = len(_WORD.findall(item.output))
    active = _ACTIVE.search(item.output) or _ORDERS.search(item.output)
    if not active and (words < 5 or item.trigger in _STRUCTURE):  # noqa: PLR2004 - labels and tags have fewer
        return
    severity = _HIGH if active else _MEDIUM
    message = f"{prefix}when a message holds {item.trigger[:100]!r}, adds {item.output[:200]!r}"
    out.finding(
        "template-trigger",
        severity,
        Confidence.MEDIUM,
        message,
        line=item.line,
        trigger=item.trigger,
        output=item.output,
    )

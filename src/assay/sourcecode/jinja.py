"""Read a Jinja template by its syntax tree, as chat templates are loaded, without rendering a line of it.

The environment has the tags that loaders of chat templates know (`break`, `continue`, `do`, `generation`). What is
looked for: ways out of the sandbox, templates that take in other templates, text that is only put out when a message
holds certain words, and amounts of work. Source: Jinja 3 documentation; GHSA-56xg-wfcc-g829 (CVE-2024-34359) and
GHSA-cpwx-vrp4-4pq7.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from assay.sourcecode.hidden import Hidden, find_hidden
from assay.sourcecode.jinja_text import MAX_TEMPLATE, fold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jinja2 import Environment, nodes

_MAX_FACTS: Final = 500
_DUNDER: Final = re.compile(
    r"__\w+__|\bmro\b|\bfunc_globals\b"
    r"|\bgi_(?:frame|code)\b|\bf_(?:globals|builtins|back)\b|\btb_frame\b"
)
_FORMAT_FIELD: Final = re.compile(r"\{[^{}]*[.\[][^{}]*\}")
_MESSAGE: Final = frozenset(
    ("content", "message", "messages", "prompt", "text", "query", "last_message", "user_message")
)
_BIG_RANGE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class TemplateFact:
    """One thing a template does.

    Attributes:
        kind: `dunder` (an attribute that leads to the interpreter), `computed-attribute`, `format-field`, `escape-name`
            (`lipsum`, `cycler`, …), `include`, `huge`, `extension-call`.
        text: the name or expression.
        line: 1-based.
    """

    kind: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class ConditionalText:
    """Text that is put out only when a message holds, or lacks, certain words.

    Attributes:
        trigger: the words.
        output: the text, cut.
        line: 1-based.
    """

    trigger: str
    output: str
    line: int


@dataclass(frozen=True)
class Template:
    """One template.

    Attributes:
        facts: in order of line.
        conditional: text that depends on what a message says.
        texts: constant texts that are put out, with their line.
        hidden: characters that a reader does not see.
        error: why it could not be parsed; empty when it could.
    """

    facts: tuple[TemplateFact, ...] = ()
    conditional: tuple[ConditionalText, ...] = ()
    texts: tuple[tuple[str, int], ...] = ()
    hidden: tuple[Hidden, ...] = ()
    error: str = ""


@dataclass
class _Findings:
    names: set[str] = field(default_factory=lambda: set(_MESSAGE - {"messages", "message"}))
    flags: dict[str, list[str]] = field(default_factory=dict)
    lists: dict[str, str] = field(default_factory=dict)
    facts: list[TemplateFact] = field(default_factory=list)
    conditional: list[ConditionalText] = field(default_factory=list)
    texts: list[tuple[str, int]] = field(default_factory=list)

    def add(self, kind: str, text: str, line: int) -> None:
        if len(self.facts) < _MAX_FACTS:
            self.facts.append(TemplateFact(kind, text[:300], line))


def read_template(text: str) -> Template:
    """Read one template. A broken one is a fact of the result, never an exception."""
    hidden = find_hidden(text)
    if len(text) > MAX_TEMPLATE:
        return Template(hidden=hidden, error=f"longer than {MAX_TEMPLATE} characters")
    import jinja2  # noqa: PLC0415 - 30 ms that most scans do not need

    try:
        tree = _environment().parse(text)
    except (jinja2.TemplateError, RecursionError, ValueError, OverflowError, AssertionError) as error:
        return Template(hidden=hidden, error=f"{type(error).__name__}: {str(error)[:200]}")
    found = _Findings()
    _learn(tree, found)
    _loops(tree, found)
    for node in _walk(tree):
        handler = _HANDLERS.get(type(node).__name__)
        if handler is not None:
            handler(node, found)
    facts = tuple(sorted(dict.fromkeys(found.facts), key=lambda fact: fact.line))
    return Template(facts, tuple(found.conditional), tuple(found.texts[:2000]), hidden)


def _environment() -> Environment:
    from jinja2 import Environment, nodes  # noqa: PLC0415
    from jinja2.ext import Extension  # noqa: PLC0415

    class Generation(Extension):
        """`{% generation %}`: marks what the assistant says; transformers and others know it."""

        tags = {"generation"}  # noqa: RUF012 - as the base class declares it

        def parse(self, parser: Any) -> nodes.Node:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.Scope(body).set_lineno(line)

    return Environment(  # noqa: S701 - nothing is rendered
        extensions=["jinja2.ext.loopcontrols", "jinja2.ext.do", "jinja2.ext.i18n", Generation],
        trim_blocks=True,
        lstrip_blocks=True,
        cache_size=0,
    )


def _walk(tree: nodes.Node) -> Iterator[Any]:
    """All nodes, parents first, without recursion."""
    stack: list[nodes.Node] = [tree]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(list(node.iter_child_nodes())))


def _getattr(node: Any, found: _Findings) -> None:
    if _DUNDER.fullmatch(node.attr):
        found.add("dunder", node.attr, node.lineno)


def _getitem(node: Any, found: _Findings) -> None:
    key = fold(node.arg)
    if key is not None and _DUNDER.fullmatch(key):
        found.add("dunder", key, node.lineno)


def _filter(node: Any, found: _Findings) -> None:
    attributes = [fold(a) for a in node.args[:1]] if node.name in {"attr", "selectattr", "rejectattr"} else []
    attributes += [fold(k.value) for k in node.kwargs if k.key == "attribute"]
    if node.name in {"groupby", "sort", "unique", "sum", "max", "min"}:
        attributes += [fold(a) for a in node.args]
    for attribute in attributes:
        if attribute is not None and _DUNDER.search(attribute):
            found.add("dunder", attribute, node.lineno)
        elif attribute is None and node.name == "attr":
            found.add("computed-attribute", "attr filter with a computed name", node.lineno)
    if node.name == "attr" and attributes[:1] != [None] and not any(a and _DUNDER.search(a) for a in attributes):
        found.add("extension-call", f"attr filter: {attributes[0] if attributes else ''}", node.lineno)
    if node.name == "map" and node.args and fold(node.args[0]) == "attr":
        name = fold(node.args[1]) if len(node.args) > 1 else None
        found.add("dunder" if name and _DUNDER.search(name) else "computed-attribute", f"map attr {name}", node.lineno)
    if node.name == "format":
        _format_text(fold(node.node) if node.node is not None else None, node.lineno, found)
    if node.name in {"center", "indent", "wordwrap"} and any(_number(a) > _BIG_RANGE for a in node.args):
        found.add("huge", f"{node.name} filter", node.lineno)


def _format_text(text: str | None, line: int, found: _Findings) -> None:
    if text is not None and _FORMAT_FIELD.search(text) and _DUNDER.search(text):
        found.add("format-field", text, line)


def _const(node: Any, found: _Findings) -> None:
    if isinstance(node.value, str) and _DUNDER.fullmatch(node.value):
        found.add("dunder", node.value, node.lineno)


def _folded(node: Any, found: _Findings) -> None:
    text = fold(node)
    if text is not None and _DUNDER.fullmatch(text.strip()):
        found.add("dunder", text, node.lineno)


def _name(node: Any, found: _Findings) -> None:
    if node.name in {"lipsum", "cycler", "joiner", "self", "url_for", "get_flashed_messages", "request"}:
        found.add("escape-name", node.name, node.lineno)
    elif _DUNDER.fullmatch(node.name):
        found.add("dunder", node.name, node.lineno)


def _call(node: Any, found: _Findings) -> None:
    target = node.node
    kind = type(target).__name__
    if kind == "Getattr" and target.attr in {"format", "format_map"}:
        text = fold(target.node)
        _format_text(text, node.lineno, found)
        if text is None and type(target.node).__name__ not in {"Const", "TemplateData"}:
            found.add("computed-attribute", f"{target.attr} on a text that is not constant", node.lineno)
    if kind == "Name" and target.name == "range" and any(_number(a) > _BIG_RANGE for a in node.args):
        found.add("huge", "range over more than a million", node.lineno)


def _multiply(node: Any, found: _Findings) -> None:
    if max(_number(node.left), _number(node.right)) > _BIG_RANGE:
        found.add("huge", "multiplication by more than a million", node.lineno)


def _power(node: Any, found: _Findings) -> None:
    if _number(node.right) > 1000:  # noqa: PLR2004
        found.add("huge", "power above 1000", node.lineno)


def _number(node: Any, depth: int = 0) -> float:
    if type(node).__name__ == "Pow" and depth < 5:  # noqa: PLR2004
        left, right = _number(node.left, depth + 1), _number(node.right, depth + 1)
        return left**right if 0 < left < 1000 and 0 < right < 20 else 0  # noqa: PLR2004
    value = getattr(node, "value", 0)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0


def _include(node: Any, found: _Findings) -> None:
    found.add("include", f"{type(node).__name__.lower()} {fold(node.template) or '(computed)'}", node.lineno)


def _text(node: Any, found: _Findings) -> None:
    if node.data.strip():
        found.texts.append((node.data, node.lineno))


def _output(node: Any, found: _Findings) -> None:
    for child in node.nodes:
        if type(child).__name__ not in {"TemplateData", "Name", "Getattr", "Getitem"}:
            text = " ".join(c.value for c in _walk(child) if type(c).__name__ == "Const" and isinstance(c.value, str))
            if text.strip():
                found.texts.append((text, node.lineno))


def _if(node: Any, found: _Findings) -> None:
    """`{% if %}`: what is put out in its body; `a if b else c`: what `a` is."""
    triggers = list(dict.fromkeys(_triggers(node.test, found)))[:10]
    if not triggers:
        return
    body = node.body if type(node).__name__ == "If" else [node.expr1]
    output = " ".join(_put_out(body)).strip()
    if output:
        found.conditional.extend(ConditionalText(t[:300], output[:1000], node.lineno) for t in triggers)


def _learn(tree: Any, found: _Findings) -> None:
    """Note names that stand for what a message says, for a test of it, or for the items of a constant list."""
    for node in _walk(tree):
        kind = type(node).__name__
        if kind == "Assign" and (name := _target_name(node.target)):
            if triggers := list(_triggers(node.node, found)):
                found.flags.setdefault(name, []).extend(triggers[:10])
            elif _about_message(node.node, found):
                found.names.add(name)
        elif kind == "For" and (name := _target_name(node.target)):
            items = [fold(item) for item in getattr(node.iter, "items", [])[:50]]
            if items and type(node.iter).__name__ in {"List", "Tuple"}:
                found.lists[name] = ", ".join(item for item in items if item)


def _loops(tree: Any, found: _Findings) -> None:
    """Loops over constant ranges, multiplied by the loops around them."""
    stack: list[tuple[Any, float]] = [(tree, 1)]
    while stack:
        node, times = stack.pop()
        items: Any = node.iter if type(node).__name__ == "For" else None
        if type(items).__name__ == "Call" and getattr(items.node, "name", "") == "range":
            bounds = [_number(argument) for argument in items.args[:2]]
            times *= max(1, bounds[-1] - (bounds[0] if len(bounds) > 1 else 0)) if bounds else 1
            if times > _BIG_RANGE:
                found.add("huge", f"loops that run {times:.0f} times", node.lineno)
                continue
        stack.extend((child, times) for child in node.iter_child_nodes())


def _target_name(target: Any) -> str:
    """Name of an assignment's target, with its namespace (`ns.flag`)."""
    kind = type(target).__name__
    if kind == "NSRef":
        return f"{target.name}.{target.attr}"
    return str(target.name) if kind == "Name" else ""


def _triggers(test: Any, found: _Findings) -> Iterator[str]:
    """Constant words that a test looks for in what a message says."""
    for node in _walk(test):
        name = type(node).__name__
        if name == "Compare":
            sides = [node.expr, *(operand.expr for operand in node.ops)]
            if any(_about_message(side, found) for side in sides):
                yield from (text for side in sides if (text := _words(side, found)))
        elif name == "Call" and type(node.node).__name__ == "Getattr" and _about_message(node.node.node, found):
            if node.node.attr in {"startswith", "endswith", "find", "count", "index", "rfind"}:
                yield from (text for a in node.args if (text := _words(a, found)))
        elif name == "Test" and node.name in {"in", "eq", "equalto", "=="} and _about_message(node.node, found):
            yield from (text for a in node.args if (text := _words(a, found)))
        elif name in {"Name", "Getattr"}:
            yield from found.flags.get(_dotted(node), ())


def _dotted(node: Any) -> str:
    if type(node).__name__ == "Getattr":
        return f"{node.node.name}.{node.attr}" if type(node.node).__name__ == "Name" else ""
    return str(node.name)


def _words(node: Any, found: _Findings) -> str:
    if type(node).__name__ == "Name":
        return found.lists.get(node.name, "")
    return fold(node) or ""


def _about_message(node: Any, found: _Findings) -> bool:
    """Whether the expression is what a message says (`message['content']`, `messages[-1].content|lower`)."""
    for inner in _walk(node):
        kind = type(inner).__name__
        if kind == "Getattr" and inner.attr in {"role", "type"}:
            return False
        if kind == "Getitem" and fold(inner.arg) in {"role", "type"}:
            return False
        key = inner.attr if kind == "Getattr" else fold(inner.arg) if kind == "Getitem" else None
        if key in _MESSAGE or (kind in {"Name", "Getattr"} and _dotted(inner) in found.names):
            return True
    return False


def _put_out(body: list[Any]) -> Iterator[str]:
    for statement in body:
        for node in _walk(statement):
            kind = type(node).__name__
            if kind == "TemplateData" and node.data.strip():
                yield node.data
            elif kind == "Const" and isinstance(node.value, str) and len(node.value) > 8:  # noqa: PLR2004
                yield node.value


_HANDLERS: Final[dict[str, Callable[[Any, _Findings], None]]] = {
    "Getattr": _getattr,
    "Getitem": _getitem,
    "Filter": _filter,
    "Const": _const,
    "Concat": _folded,
    "Add": _folded,
    "Mod": _folded,
    "Name": _name,
    "Call": _call,
    "Mul": _multiply,
    "Pow": _power,
    "Include": _include,
    "Import": _include,
    "FromImport": _include,
    "Extends": _include,
    "TemplateData": _text,
    "Output": _output,
    "If": _if,
    "CondExpr": _if,
}

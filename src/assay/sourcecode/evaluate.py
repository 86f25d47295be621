"""Evaluate Python expressions as far as names and constants go, children first, so that depth costs no stack."""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from assay.sourcecode.table import attribute_of, kinds_of, table
from assay.sourcecode.tree import children_first, dotted
from assay.sourcecode.values import MAX_ITEMS, NOTHING, UNKNOWN, Value, bounded, fold_binary, fold_call, fold_method

if TYPE_CHECKING:
    from collections.abc import Callable

_BUILTINS: Final = frozenset(dir(builtins)) | {"execfile", "raw_input", "unicode", "get_ipython"}
_FOLD_BUDGET: Final = 16 << 20  # characters or bytes folded for one file
_COMPREHENSION_BUDGET: Final = 50_000  # steps spent on comprehensions over constants in one file
_GENERIC: Final = "…"


@dataclass
class Scope:
    """Names bound in one module, class or function."""

    kind: str
    names: dict[str, Value] = field(default_factory=dict)
    parent: Scope | None = None

    def find(self, name: str) -> Value | None:
        """Look up as Python does: class scopes are seen only from their own body."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names and (scope is self or scope.kind != "class"):
                return scope.names[name]
            scope = scope.parent
        return None

    def bind(self, name: str, value: Value) -> None:
        """Bind, keeping what the name stood for before."""
        before = self.names.get(name)
        self.names[name] = before.join(value) if before is not None else value


@dataclass
class Knowledge:
    """What is known about the whole file, kept over the two passes.

    Attributes:
        returns: local function to what it returns.
        parameters: local function to what its parameters were given.
        stars: modules imported with `*`.
        attributes: `self.x` and the like.
    """

    returns: dict[str, Value] = field(default_factory=dict)
    parameters: dict[str, dict[str, Value]] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    attributes: dict[str, Value] = field(default_factory=dict)
    fold_budget: int = _FOLD_BUDGET
    steps: int = _COMPREHENSION_BUDGET


class Evaluator:
    """Evaluates the nodes of one statement in a scope; results are kept by node until `clear`."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge
        self.scope = Scope("module")
        self._values: dict[int, Value] = {}

    def clear(self) -> None:
        """Forget the values of the last statement."""
        self._values.clear()

    def value(self, node: ast.AST | None) -> Value:
        """The value of a node already visited; NOTHING for others."""
        return self._values.get(id(node), NOTHING) if node is not None else NOTHING

    def visit(self, node: ast.AST) -> None:
        """Evaluate one node whose children have been evaluated."""
        handler = _HANDLERS.get(type(node))
        if handler is not None:
            value = handler(self, node)
            if value.known and isinstance(value.constant, str | bytes | tuple):
                self.knowledge.fold_budget -= 0 if isinstance(node, ast.Constant) else len(value.constant)
                if self.knowledge.fold_budget < 0:
                    value = Value(UNKNOWN, value.names, value.tags)
            self._values[id(node)] = value

    def name(self, node: ast.Name) -> Value:
        """A name: bound, built-in, or from a starred import."""
        found = self.scope.find(node.id)
        if found is not None:
            return found
        if node.id == "__builtins__":
            return Value(names=frozenset({"builtins"}))
        names = {f"{module}.{node.id}" for module in self.knowledge.stars if kinds_of(f"{module}.{node.id}")}
        if node.id in _BUILTINS:
            names.add(f"builtins.{node.id}")
        return Value(names=frozenset(names or {f"?{node.id}"}))

    def attribute(self, node: ast.Attribute) -> Value:
        """An attribute: a known one of self, else the dotted name."""
        base = self.value(node.value)
        if node.attr == "__call__" and base.names:
            return base  # what calls a function is the function
        known = self.knowledge.attributes.get(dotted(node))
        names = frozenset(attribute_of(name, node.attr)[-300:] for name in base.names or {"?"})
        tags = base.tags | ({"environment"} if any(n.endswith("os.environ") for n in names) else set())
        value = Value(names=names, tags=frozenset(tags))
        return known.join(value) if known is not None else value

    def subscript(self, node: ast.Subscript) -> Value:
        """An item: of a constant, of a module's dictionary, or of a container (then any of its items)."""
        base, index = self.value(node.value), self.value(node.slice)
        constant: Any = UNKNOWN
        if base.known and index.known and isinstance(base.constant, str | bytes | tuple):
            if isinstance(index.constant, int) and -len(base.constant) <= index.constant < len(base.constant):
                constant = base.constant[index.constant]
        elif base.known and isinstance(node.slice, ast.Slice) and isinstance(base.constant, str | bytes | tuple):
            constant = self._slice(base.constant, node.slice)
            if isinstance(constant, str | bytes):
                return Value(constant, frozenset(), base.tags | {"assembled"})
        if index.known and isinstance(index.constant, str):
            reached = {_through_dict(name, index.constant) for name in base.names}
            reached.discard("")
            if reached:
                return Value(constant, frozenset(reached), base.tags | index.tags)
        return Value(constant, base.names, base.tags)

    def _slice(self, constant: Any, node: ast.Slice) -> Any:
        bounds = [
            self.value(part).constant if part is not None else None for part in (node.lower, node.upper, node.step)
        ]
        if any(bound is not None and not isinstance(bound, int) for bound in bounds) or bounds[2] == 0:
            return UNKNOWN
        return constant[slice(*bounds)]

    def container(self, node: ast.List | ast.Tuple | ast.Set) -> Value:
        """A list, tuple or set: constant when all items are, and all their names."""
        items = [self.value(item) for item in node.elts]
        constant = tuple(i.constant if i.known else _GENERIC for i in items) if len(items) <= MAX_ITEMS else UNKNOWN
        tags = frozenset[str]().union(*(i.tags for i in items[:1000]))
        if any(not i.known for i in items):
            tags |= {"partial"}
        return Value(constant, frozenset(sorted({n for i in items[:1000] for n in i.names})[:64]), tags)

    def dictionary(self, node: ast.Dict) -> Value:
        """A dictionary: any of its values."""
        items = [self.value(item) for item in node.values[:1000]]
        return Value(
            names=frozenset(sorted({n for i in items for n in i.names})[:64]),
            tags=frozenset[str]().union(*(i.tags for i in items)),
        )

    def binary(self, node: ast.BinOp) -> Value:
        """An operation: folded, or text with `…` where a part is not known."""
        left, right = self.value(node.left), self.value(node.right)
        tags = left.tags | right.tags
        operator = type(node.op).__name__
        if left.known and right.known:
            constant = fold_binary(operator, left.constant, right.constant)
            assembled = isinstance(constant, str | bytes) and operator not in {"Mod", "Div"}
            return Value(constant, left.names, tags | ({"assembled"} if assembled else set()))
        if operator == "Add":
            for known, parts in ((left, ("{}", _GENERIC)), (right, (_GENERIC, "{}"))):
                if known.known and isinstance(known.constant, str):
                    text = "".join(known.constant if part == "{}" else part for part in parts)
                    return Value(bounded(text), frozenset(), tags | {"partial"})
        if operator == "Mod" and left.known and isinstance(left.constant, str):
            return Value(left.constant, frozenset(), tags | {"partial"})
        return Value(UNKNOWN, left.names | right.names if operator in {"Div", "BitOr"} else left.names, tags)

    def joined(self, node: ast.JoinedStr) -> Value:
        """An f-string, with `…` where a part is not known."""
        parts, tags = [], set[str]()
        for part in node.values:
            value = self.value(part)
            tags |= value.tags
            if value.known and (value.constant is None or isinstance(value.constant, str | int | float)):
                parts.append(str(value.constant))
            else:
                parts.append(_GENERIC)
                tags.add("partial")
        return Value(bounded("".join(parts)), frozenset(), frozenset(tags))

    def either(self, *nodes: ast.AST) -> Value:
        """One of several."""
        result = self.value(nodes[0])
        for node in nodes[1:]:
            result = result.join(self.value(node))
        return result

    def comprehension(self, node: ast.ListComp | ast.GeneratorExp | ast.SetComp) -> Value:
        """`[f(x) for x in CONSTANT]`, item by item when it is small; else what its element is."""
        element, generator = self.value(node.elt), node.generators[0]
        items = self.value(generator.iter)
        if len(node.generators) == 1 and isinstance(generator.target, ast.Name) and items.known and not generator.ifs:
            source = items.constant
            if isinstance(source, str | bytes | tuple):
                folded = self._each(node.elt, generator.target.id, source)
                if folded is not None:
                    return Value(folded, frozenset(), items.tags | {"assembled"})
        return Value(UNKNOWN, element.names | items.names, element.tags | items.tags)

    def generator(self, node: ast.comprehension) -> Value:
        """One `for` of a comprehension binds its target to any of the items."""
        value = self.value(node.iter)
        for target in ast.walk(node.target):
            if isinstance(target, ast.Name):
                self.scope.bind(target.id, Value(names=value.names, tags=value.tags))
        return value

    def _each(self, element: ast.AST, name: str, source: str | bytes | tuple[Any, ...]) -> tuple[Any, ...] | None:
        nodes = list(children_first(element))
        self.knowledge.steps -= len(nodes) * len(source)
        if self.knowledge.steps < 0 or any(isinstance(n, ast.GeneratorExp | ast.ListComp | ast.Lambda) for n in nodes):
            return None
        inner = Evaluator(self.knowledge)
        inner.scope = Scope("function", parent=self.scope)
        result = []
        for item in source:
            inner.scope.names[name] = Value(item)
            inner.clear()
            for node in nodes:
                inner.visit(node)
            value = inner.value(element)
            if not value.known:
                return None
            result.append(value.constant)
        return tuple(result)

    def call(self, node: ast.Call) -> Value:
        """What a call gives: folded text, a looked-up thing, or `name()` with the sources of its arguments."""
        function = self.value(node.func)
        arguments = [self.value(a) for a in node.args]
        keywords = [self.value(k.value) for k in node.keywords]
        tags = function.tags.union(*(a.tags for a in [*arguments, *keywords]))
        constants = [a.constant for a in arguments]
        folded = UNKNOWN
        if all(c is not UNKNOWN for c in constants) and not keywords and len(arguments) == len(node.args):
            if isinstance(node.func, ast.Attribute) and self.value(node.func.value).known:
                folded = fold_method(self.value(node.func.value).constant, node.func.attr, constants)
            for name in function.names if folded is UNKNOWN else ():
                folded = fold_call(name, constants)
        if folded is not UNKNOWN and isinstance(folded, bytes) and any(n.endswith("BytesIO") for n in function.names):
            return Value(folded, frozenset({"io.BytesIO()"}), tags | {"embedded"})
        if "builtins.map" in function.names:
            folded = _map(arguments)
        names: set[str] = set()
        for name in function.names:
            names |= looked_up(name, arguments)
            tags |= _source(name)
        for name in sorted(function.names):
            if name in self.knowledge.returns:
                returned = self.knowledge.returns[name]
                names |= returned.names
                tags |= returned.tags
                folded = returned.constant if folded is UNKNOWN else folded
        if folded is not UNKNOWN and isinstance(folded, str | bytes):
            tags |= {"assembled"}
        return Value(folded, frozenset(sorted(names)[:16]), tags)


def looked_up(name: str, arguments: list[Value]) -> set[str]:
    """Names that a call of `name` gives: the attribute of getattr, the module of an import, else `name()`."""
    first = arguments[0] if arguments else NOTHING
    tail = name.rpartition(".")[2]
    text = first.constant if isinstance(first.constant, str) else None
    if tail in {"getattr", "__getattribute__", "getattr_static"}:
        return _got_attribute(name, arguments)
    if tail in {"vars", "partial"} or tail in _SAME:
        suffix = ".__dict__" if tail == "vars" else ""
        return {f"{base}{suffix}" for base in first.names}
    if name.startswith(("attrgetter:", "methodcaller:")):
        return {f"{base}.{name.partition(':')[2]}" for base in first.names}
    if text is not None and tail in {"__import__", "import_module"}:
        return {text.split(".")[0] if tail == "__import__" else text}
    if text is not None and tail in {"attrgetter", "methodcaller"}:
        return {f"{tail}:{text}"}
    reached = _through_dict(name.rpartition(".")[0], text) if text is not None and tail in _GETTERS else ""
    if name.endswith((".__dict__.items", ".__dict__.values")):
        reached = f"{name.removesuffix(f'.__dict__.{tail}')}.?"  # any of a module's functions
    return {reached or f"{name}()"[-300:]}


_SAME: Final = frozenset(("reload", "str", "type", "iter", "next", "list", "tuple", "deepcopy", "copy"))
_GETTERS: Final = frozenset(("get", "pop", "__getitem__", "setdefault"))


def _got_attribute(name: str, arguments: list[Value]) -> set[str]:
    first = arguments[0] if arguments else NOTHING
    second = arguments[1] if len(arguments) > 1 else NOTHING
    bound = Value(names=frozenset({name.rpartition(".")[0]}))  # x.__getattribute__("name")
    target, attribute = (first, second) if len(arguments) > 1 else (bound, first)
    known = isinstance(attribute.constant, str) and "partial" not in attribute.tags
    return {f"{base}.{attribute.constant if known else '?'}" for base in target.names}


def _map(arguments: list[Value]) -> Any:
    """`map(f, CONSTANT)` of a folding built-in."""
    if len(arguments) != 2 or not isinstance(arguments[1].constant, str | bytes | tuple):  # noqa: PLR2004
        return UNKNOWN
    names = sorted(arguments[0].names)
    result = tuple(fold_call(names[0], [item]) for item in arguments[1].constant[:MAX_ITEMS]) if names else ()
    return UNKNOWN if not result or any(item is UNKNOWN for item in result) else result


def _through_dict(name: str, key: str) -> str:
    """What a module's dictionary holds under `key`; empty when `name` is no such dictionary."""
    if name.endswith("sys.modules"):
        return key
    if name.endswith((".globals()", ".locals()", ".vars()", ".f_globals", ".f_locals")):
        return "builtins" if key == "__builtins__" else f"?{key}"
    if name.endswith(".__dict__"):
        return f"{name.removesuffix('.__dict__')}.{key}"
    if name in {"builtins", "?__builtins__"} or name.endswith((".__builtins__", ".f_builtins")):
        return f"builtins.{key}"
    if name.endswith("__globals__"):
        return "builtins" if key == "__builtins__" else f"os.{key}" if kinds_of(f"os.{key}") else f"builtins.{key}"
    return ""


def _source(name: str) -> frozenset[str]:
    """Where the result of a call comes from."""
    kinds = kinds_of(name)
    tags = {
        tag
        for kind, tag in (("decode", "decoded"), ("network", "network"), ("hub", "hub"), ("secrets", "environment"))
        if kind in kinds
    }
    tail = name.rpartition(".")[2]
    if tail in {"read", "read_text", "read_bytes", "readlines", "readline"}:
        tags.add("file")
    if name in {"builtins.input", "builtins.raw_input"}:
        tags.add("input")
    return frozenset(tags)


_HANDLERS: dict[type, Callable[[Evaluator, Any], Value]] = {
    ast.Constant: lambda _, node: Value(bounded(node.value) if node.value is not ... else UNKNOWN),
    ast.Name: Evaluator.name,
    ast.Attribute: Evaluator.attribute,
    ast.Subscript: Evaluator.subscript,
    ast.List: Evaluator.container,
    ast.Tuple: Evaluator.container,
    ast.Set: Evaluator.container,
    ast.Dict: Evaluator.dictionary,
    ast.BinOp: Evaluator.binary,
    ast.JoinedStr: Evaluator.joined,
    ast.FormattedValue: lambda self, node: self.value(node.value),
    ast.IfExp: lambda self, node: self.either(node.body, node.orelse),
    ast.BoolOp: lambda self, node: self.either(*node.values),
    ast.NamedExpr: lambda self, node: self.value(node.value),
    ast.Starred: lambda self, node: self.value(node.value),
    ast.Await: lambda self, node: self.value(node.value),
    ast.comprehension: Evaluator.generator,
    ast.ListComp: Evaluator.comprehension,
    ast.GeneratorExp: Evaluator.comprehension,
    ast.SetComp: Evaluator.comprehension,
    ast.Lambda: lambda self, node: self.value(node.body),
    ast.UnaryOp: lambda self, node: _negative(self.value(node.operand)) if isinstance(node.op, ast.USub) else NOTHING,
    ast.Call: Evaluator.call,
}


def _negative(value: Value) -> Value:
    return Value(-value.constant) if isinstance(value.constant, int | float) else NOTHING


def sensitive(names: frozenset[str]) -> bool:
    """Whether any of the names is a module from which a computed attribute is worth saying."""
    return any(name.lstrip("?") in table().modules for name in names)

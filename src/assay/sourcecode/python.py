"""Read a Python file by its syntax tree: what it imports and what it can do, and when. Nothing is run.

Two passes over the tree: the first learns what names, parameters and returns stand for, the second records
effects. Then the file's own call graph says what runs on import, what runs when a loader builds an object, and what
does not run by itself. Statements are walked with a stack of our own, so hostile nesting costs no Python stack.
"""

from __future__ import annotations

import ast
import io
import tokenize
import warnings
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from assay.sourcecode.effects import (
    effects_of_call,
    effects_of_target,
    introspection,
    reference_kinds,
    shown_arguments,
)
from assay.sourcecode.evaluate import Evaluator, Knowledge, Scope
from assay.sourcecode.facts import ClassInfo, Effect, Import, Level, PythonSource
from assay.sourcecode.hidden import find_hidden
from assay.sourcecode.table import table
from assay.sourcecode.tree import (
    annotations_of,
    blocks,
    children_first,
    dotted,
    is_main_guard,
    local_names,
    written_annotation,
)
from assay.sourcecode.values import NOTHING, Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from assay.core.limits import Limits

MAX_SOURCE: Final = 2 << 20  # bytes of one file: a syntax tree takes up to 150 times as much memory
MAX_EFFECTS: Final = 5_000  # effects kept of one file
_MAX_NESTED: Final = 3  # constants handed to exec that are read in turn
_PREVIEW: Final = 160  # characters of a call kept as written
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_ORDER: Final = (Level.IMPORT, Level.LOAD, Level.USE, Level.MAIN, Level.OTHER)


def read_python(data: bytes, limits: Limits) -> PythonSource:
    """Read one file. Broken syntax is a fact of the result, never an exception.

    Args:
        data: the file, in whatever encoding it declares.
        limits: `text_bytes` bounds what is parsed.
    """
    most = min(limits.text_bytes, MAX_SOURCE)
    if len(data) > most:
        return PythonSource(error=f"larger than {most} bytes", truncated=True)
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        text, encoding = data.decode("utf-8", "replace"), f"broken ({error})"
    if encoding.startswith("utf-8"):
        encoding = "utf-8"
    longest = max((len(line) for line in text.splitlines()), default=0)
    base = PythonSource(hidden=find_hidden(text), encoding=encoding, longest_line=longest)
    try:
        tree = _parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 0
        return replace(base, error=f"{type(error).__name__}: {error}"[:300], error_line=line)
    reader = _Reader(text)
    reader.read(tree)
    imports, effects = reader.levelled()
    return replace(
        base,
        imports=imports,
        effects=effects,
        classes=tuple(reader.classes),
        error=encoding if encoding.startswith("broken") else "",
        truncated=reader.truncated,
    )


def _parse(text: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SyntaxWarnings of the file are not ours to print
        return ast.parse(text.removeprefix("\ufeff"))


@dataclass
class _Unit:
    """A body that runs as one: the module, a function, or the part under `__name__ == "__main__"`."""

    name: str
    body: Iterable[ast.stmt]
    scope: Scope
    level: Level
    calls: set[str] = field(default_factory=set)
    owner: str = ""  # class that the function is a method of


class _Reader:
    """The two passes over one tree."""

    def __init__(self, text: str, depth: int = 0) -> None:
        self.lines = text.split("\n")
        self.depth = depth
        self.knowledge = Knowledge()
        self.evaluator = Evaluator(self.knowledge)
        self.units: dict[str, _Unit] = {}
        self.effects: list[tuple[str, Effect]] = []
        self.imports: list[tuple[str, Import]] = []
        self.classes: list[ClassInfo] = []
        self.methods: dict[str, set[str]] = {}
        self.truncated = False

    def read(self, tree: ast.Module) -> None:
        """Run both passes."""
        for _ in range(2):
            self.units, self.effects, self.imports, self.classes, self.methods = {}, [], [], [], {}
            queue = deque([_Unit("", tree.body, Scope("module"), Level.IMPORT)])
            while queue:
                unit = queue.popleft()
                self.units.setdefault(unit.name, unit)
                queue.extend(self._unit(unit))

    def _unit(self, unit: _Unit) -> Iterator[_Unit]:
        """Walk one unit's statements; yields the functions defined in it."""
        stack: list[tuple[ast.stmt, Scope, str]] = [(s, unit.scope, unit.owner) for s in reversed(list(unit.body))]
        while stack:
            node, scope, owner = stack.pop()
            self.evaluator.scope = scope
            if isinstance(node, _Function):
                yield self._function(unit, node, scope, owner)
            elif isinstance(node, ast.ClassDef):
                inner = self._class(unit, node, scope)
                stack.extend((s, inner, node.name) for s in reversed(node.body))
            elif isinstance(node, ast.If) and is_main_guard(node.test) and unit.level is Level.IMPORT:
                yield _Unit(f"__main__:{node.lineno}", node.body, scope, Level.MAIN)
                stack.extend((s, scope, owner) for s in reversed(node.orelse))
            else:
                self._statement(unit, node, scope)
                stack.extend((s, scope, owner) for s in reversed(blocks(node)))

    def _function(self, unit: _Unit, node: _Function, scope: Scope, owner: str) -> _Unit:
        name = ".".join(part for part in (unit.name, owner if owner != unit.owner else "", node.name) if part)
        arguments = node.args
        defaults = [*arguments.defaults, *(d for d in arguments.kw_defaults if d)]
        for expression in [*node.decorator_list, *defaults, *annotations_of(node)]:
            self._expression(unit, expression)
        inner = Scope("function", parent=scope)
        names = [a.arg for a in [*arguments.posonlyargs, *arguments.args]]
        given = self.knowledge.parameters.get(f"?{node.name}", {})
        for index, argument in enumerate(names):
            inner.names[argument] = given.get(argument, given.get(str(index), NOTHING))
        for extra in [*arguments.kwonlyargs, arguments.vararg, arguments.kwarg]:
            if extra is not None:
                inner.names[extra.arg] = given.get(extra.arg, NOTHING)
        scope.bind(node.name, Value(names=frozenset({f"?{node.name}"})))
        if owner:
            self.methods.setdefault(node.name, set()).add(name)
        for decorator in node.decorator_list:
            unit.calls.update(local_names(decorator))
        return _Unit(name, node.body, inner, self._level(node.name, owner), owner=owner)

    @staticmethod
    def _level(name: str, owner: str) -> Level:
        if name in (table().load if owner else table().entry_load):
            return Level.LOAD
        if not owner and name in table().entry_use:
            return Level.USE
        if name in {"__getattr__", "__dir__"} or (owner and name in table().use):
            return Level.USE if owner else Level.IMPORT  # a module's __getattr__ runs on any import from it
        return Level.OTHER

    def _class(self, unit: _Unit, node: ast.ClassDef, scope: Scope) -> Scope:
        for expression in [*node.decorator_list, *node.bases, *(k.value for k in node.keywords)]:
            self._expression(unit, expression)
        self.classes.append(ClassInfo(node.name, tuple(dotted(b) for b in node.bases), node.lineno))
        scope.bind(node.name, Value(names=frozenset({f"?{node.name}"})))
        return Scope("class", parent=scope)

    def _statement(self, unit: _Unit, node: ast.stmt, scope: Scope) -> None:
        """Imports, assignments, and all expressions that stand directly in the statement."""
        if isinstance(node, ast.Import | ast.ImportFrom):
            self._import(unit, node, scope)
            return
        self._direct(unit, node, scope)
        if isinstance(node, ast.Assign):
            self._targets(unit, node, scope)
        elif isinstance(node, ast.AnnAssign | ast.AugAssign) and node.value is not None:
            self._assign(node.target, self._augmented(node), scope)
        elif isinstance(node, ast.For | ast.AsyncFor):
            self._assign(node.target, replace(self.evaluator.value(node.iter), constant=NOTHING.constant), scope)
        elif isinstance(node, ast.Return) and node.value is not None:
            key = f"?{unit.name.rpartition('.')[2]}"
            known = self.knowledge.returns.get(key, NOTHING)
            self.knowledge.returns[key] = known.join(self.evaluator.value(node.value))
        self.evaluator.clear()

    def _targets(self, unit: _Unit, node: ast.Assign, scope: Scope) -> None:
        for target in node.targets:
            for kind, name in effects_of_target(self.evaluator, target):
                self._add(unit, kind, name, target)
            self._assign(target, self.evaluator.value(node.value), scope, node.value)

    def _direct(self, unit: _Unit, node: ast.stmt, scope: Scope) -> None:
        """Expressions that stand directly in the statement, also in its `with` items and `case` guards."""
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self._expression(unit, child)
            elif isinstance(child, ast.withitem):
                self._expression(unit, child.context_expr)
                if child.optional_vars is not None:
                    self._assign(child.optional_vars, self.evaluator.value(child.context_expr), scope)
            elif isinstance(child, ast.match_case) and child.guard is not None:
                self._expression(unit, child.guard)
            elif isinstance(child, ast.ExceptHandler) and child.type is not None:
                self._expression(unit, child.type)
        if isinstance(node, ast.AnnAssign) and (written := written_annotation(node.annotation)) is not None:
            self._expression(unit, written)

    def _augmented(self, node: ast.AnnAssign | ast.AugAssign) -> Value:
        if isinstance(node, ast.AnnAssign):
            return self.evaluator.value(node.value)
        left = ast.copy_location(ast.Name(dotted(node.target), ast.Load()), node)
        self.evaluator.visit(left)
        operation = ast.copy_location(ast.BinOp(left, node.op, node.value), node)
        self.evaluator.visit(operation)
        return self.evaluator.value(operation)

    def _assign(self, target: ast.AST, value: Value, scope: Scope, source: ast.AST | None = None) -> None:
        if isinstance(target, ast.Name):
            scope.bind(target.id, value)
        elif isinstance(target, ast.Tuple | ast.List):
            items = source.elts if isinstance(source, ast.Tuple | ast.List) else []
            for index, item in enumerate(target.elts):
                part = (
                    self.evaluator.value(items[index])
                    if index < len(items)
                    else replace(value, constant=NOTHING.constant)
                )
                self._assign(item, part, scope, items[index] if index < len(items) else None)
        elif isinstance(target, ast.Attribute) and dotted(target):
            name = dotted(target)
            self.knowledge.attributes[name] = self.knowledge.attributes.get(name, NOTHING).join(value)
        elif isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
            scope.bind(target.value.id, Value(names=value.names, tags=value.tags))

    def _import(self, unit: _Unit, node: ast.Import | ast.ImportFrom, scope: Scope) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.asname or alias.name.split(".")[0]
                scope.bind(bound, Value(names=frozenset({alias.name if alias.asname else bound})))
                self._imported(unit, alias.name, (), node.lineno)
            return
        module = "." * node.level + (node.module or "")
        for alias in node.names:
            if alias.name == "*":
                self.knowledge.stars.append(module)
            else:
                scope.bind(alias.asname or alias.name, Value(names=frozenset({f"{module}.{alias.name}"})))
        self._imported(unit, module, tuple(a.name for a in node.names), node.lineno)

    def _imported(self, unit: _Unit, module: str, names: tuple[str, ...], line: int) -> None:
        self.imports.append((unit.name, Import(module, names, line, unit.level)))

    def _expression(self, unit: _Unit, root: ast.expr) -> None:
        """Evaluate an expression and record the effects in it."""
        inner: set[int] = set()  # nodes that are called, or only the base of a longer chain
        nodes = list(children_first(root))
        for node in nodes:
            self.evaluator.visit(node)
            if isinstance(node, ast.Call):
                inner.add(id(node.func))
                self._call(unit, node)
            elif isinstance(node, ast.Attribute):
                inner.add(id(node.value))
                if introspection(node):
                    self._add(unit, "introspection", f"{dotted(node) or '….' + node.attr}", node)
            elif isinstance(node, ast.NamedExpr):
                self._assign(node.target, self.evaluator.value(node.value), self.evaluator.scope)
        for node in nodes:
            if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
                unit.calls.update(local_names(node))
                if id(node) not in inner:
                    for kind, name in reference_kinds(self.evaluator.value(node)):
                        self._add(unit, kind, name, node, reference=True)

    def _call(self, unit: _Unit, node: ast.Call) -> None:
        function = self.evaluator.value(node.func)
        for name in function.names:
            if name.startswith("?"):
                self._remember_arguments(name, node)
        arguments, tags = shown_arguments(self.evaluator, node)
        for kind, name, value in effects_of_call(self.evaluator, node):
            self._add(unit, kind, name, node, arguments=arguments, tags=tags | value.tags)
            if kind == "code" and node.args:
                self._nested(unit, node)
        for name in function.names:
            if name in {"builtins.__import__", "importlib.import_module"} and arguments and "…" not in arguments[0]:
                self._imported(unit, arguments[0], (), node.lineno)

    def _remember_arguments(self, name: str, node: ast.Call) -> None:
        slots = self.knowledge.parameters.setdefault(name.rsplit(".", maxsplit=1)[-1] if "." in name else name, {})
        given = [(str(i), a) for i, a in enumerate(node.args)] + [(k.arg or "", k.value) for k in node.keywords]
        for key, argument in given[:32]:
            slots[key] = slots.get(key, NOTHING).join(self.evaluator.value(argument))

    def _nested(self, unit: _Unit, node: ast.Call) -> None:
        """Read the constant handed to exec, eval or compile as a program of its own."""
        constant = self.evaluator.value(node.args[0]).constant
        code = constant.decode("utf-8", "replace") if isinstance(constant, bytes) else constant
        if not isinstance(code, str) or not code.strip() or self.depth >= _MAX_NESTED:
            return
        try:
            tree = _parse(code)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return
        inner = _Reader(code, self.depth + 1)
        inner.read(tree)
        self.truncated |= inner.truncated
        for effect in inner.levelled()[1]:
            level = effect.level if effect.level is not Level.IMPORT else unit.level
            self._keep(unit.name, replace(effect, level=level, line=node.lineno, nested=True, function=unit.name))

    def _add(
        self,
        unit: _Unit,
        kind: str,
        call: str,
        node: ast.expr,
        *,
        arguments: tuple[str, ...] = (),
        tags: frozenset[str] = frozenset(),
        reference: bool = False,
    ) -> None:
        text = self._preview(node)
        self._keep(
            unit.name,
            Effect(kind, call, unit.level, node.lineno, text, arguments, tags, reference, unit.name),
        )

    def _keep(self, unit: str, effect: Effect) -> None:
        if len(self.effects) < MAX_EFFECTS:
            self.effects.append((unit, effect))
        else:
            self.truncated = True

    def _preview(self, node: ast.expr) -> str:
        line = self.lines[node.lineno - 1] if node.lineno <= len(self.lines) else ""
        text = line.encode("utf-8", "replace")[node.col_offset : node.col_offset + _PREVIEW * 4].decode(
            "utf-8", "ignore"
        )
        end = node.end_col_offset if node.end_lineno == node.lineno else None
        if end is not None:
            text = line.encode("utf-8", "replace")[node.col_offset : end].decode("utf-8", "ignore")
        return text[:_PREVIEW].strip()

    def levelled(self) -> tuple[tuple[Import, ...], tuple[Effect, ...]]:
        """Imports and effects with the level at which their function really runs, by the call graph."""
        levels = self._levels()
        imports = tuple(replace(i, level=levels.get(unit, i.level)) for unit, i in self.imports)
        effects = [replace(e, level=min((levels.get(u, e.level), e.level), key=_ORDER.index)) for u, e in self.effects]
        return imports, tuple(sorted(dict.fromkeys(effects), key=lambda e: (e.line, e.kind, e.call)))

    def _levels(self) -> dict[str, Level]:
        by_tail: dict[str, set[str]] = {}
        for name, unit in self.units.items():
            by_tail.setdefault(name.rpartition(".")[2], set()).add(name)
            if unit.owner and unit.level is Level.LOAD:
                by_tail.setdefault(unit.owner, set()).add(name)  # calling the class runs its hooks
        levels: dict[str, Level] = {}
        made = self.units[""].calls if "" in self.units else set[str]()
        for level in _ORDER:
            # Objects made on import may be handed to whatever calls their methods
            queue = deque(
                name
                for name, unit in self.units.items()
                if name not in levels and (unit.level is level or (level is Level.USE and unit.owner in made))
            )
            levels.update(dict.fromkeys(queue, level))
            while queue:
                for called in self.units[queue.popleft()].calls:
                    for name in by_tail.get(called, ()):
                        if name not in levels:
                            levels[name] = level
                            queue.append(name)
        return levels

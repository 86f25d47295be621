"""The Python sources of a folder of packages, as an index of classes, functions and imports. Nothing is imported."""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_LEFT_OUT = re.compile(
    r"(^|/)(tests?|testing|conftest|setup|examples?|benchmarks?|docs?|_vendor|vendored|cli|commands|__main__|scripts)(/|\.py$|$)"
    r"|(^|/)(modeling_tf_|modeling_flax_|dummy_|convert_)"
)
_SET_MODULE = re.compile(r"(?:\w+\.)*set_module\(['\"]([\w.]+)['\"]\)")
_MAX_PARTS = 6  # parts of a name that is looked up in a module

Seen = set[tuple[str, tuple[str, ...]]]


def shown_as(decorators: list[str]) -> list[str]:
    """Modules that `@set_module("pandas")` gives something to, which is pickled under that name then."""
    found = [_SET_MODULE.fullmatch(text) for text in decorators]
    return [match[1] for match in found if match]


@dataclass(eq=False)
class Class:
    """A class statement: its bases as written, and its methods."""

    module: str
    qualname: str
    bases: list[str]
    methods: dict[str, ast.FunctionDef | ast.AsyncFunctionDef]
    setters: list[ast.FunctionDef]
    decorators: list[str]

    @property
    def shown_as(self) -> list[str]:
        """Other modules that it is known in."""
        return shown_as(self.decorators)


@dataclass(eq=False)
class Module:
    """One source file."""

    name: str
    is_package: bool
    classes: dict[str, Class] = field(default_factory=dict)
    functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)  # local name → dotted name
    stars: list[str] = field(default_factory=list)


class Index:
    """Modules by dotted name; what is not here is looked up in `context`."""

    def __init__(self, context: Index | None = None) -> None:
        self.modules: dict[str, Module] = {}
        self._resolved: dict[str, tuple[Module, str] | None] = {}
        self._context = context

    def module(self, name: str) -> Module | None:
        """A module, here or in the context."""
        found = self.modules.get(name)
        return found if found is not None or self._context is None else self._context.module(name)

    def add_folder(self, site: Path, packages: list[str]) -> None:
        """Read the named top-level packages (or single-file modules) of a site-packages folder."""
        for package in packages:
            folder = site / package.replace(".", "/")
            files = sorted(folder.rglob("*.py")) if folder.is_dir() else [site / f"{package}.py"]
            for path in files:
                if path.is_file() and not _LEFT_OUT.search(str(path.relative_to(site))):
                    self._add_file(site, path)

    def _add_file(self, site: Path, path: Path) -> None:
        relative = path.relative_to(site).with_suffix("")
        parts = list(relative.parts)
        is_package = parts[-1] == "__init__"
        if is_package:
            parts.pop()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                tree = ast.parse(path.read_text("utf-8", "replace"))
            except (SyntaxError, ValueError, RecursionError):
                return
        module = Module(".".join(parts), is_package)
        _read_body(module, tree.body, "")
        self.modules[module.name] = module

    def resolve(self, dotted: str) -> tuple[Module, str] | None:
        """Where a dotted name is defined: its module and the name in it; follows imports and re-exports."""
        if dotted not in self._resolved:
            self._resolved[dotted] = self._dotted(tuple(dotted.split(".")), set())
        return self._resolved[dotted]

    def local(self, module: Module, name: str) -> tuple[Module, str] | None:
        """Resolve a name as it is written inside a module."""
        key = f"{module.name}:{name}"
        if key not in self._resolved:
            self._resolved[key] = self._inside(module, tuple(name.split(".")), set())
        return self._resolved[key]

    def _dotted(self, parts: tuple[str, ...], seen: Seen) -> tuple[Module, str] | None:
        for cut in range(len(parts) - 1, 0, -1):
            module = self.module(".".join(parts[:cut]))
            if module is not None:
                return self._inside(module, parts[cut:], seen)
        return None

    def _inside(self, module: Module, rest: tuple[str, ...], seen: Seen) -> tuple[Module, str] | None:
        if (module.name, rest) in seen or len(rest) > _MAX_PARTS:
            return None
        seen.add((module.name, rest))
        name = ".".join(rest)
        if name in module.classes or name in module.functions:
            return module, name
        target = module.imports.get(rest[0])
        if target is not None:
            return self._dotted((*target.split("."), *rest[1:]), seen)
        for star in module.stars:
            source = self.module(star)
            found = self._inside(source, rest, seen) if source is not None else None
            if found:
                return found
        return None


def _read_body(module: Module, body: list[ast.stmt], prefix: str) -> None:
    for node in body:
        if isinstance(node, ast.ClassDef):
            _read_class(module, node, prefix)
        elif isinstance(node, ast.Assign) and not prefix:
            _read_named_tuple(module, node)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not prefix:
            module.functions[node.name] = node
        elif isinstance(node, ast.Import) and not prefix:
            for alias in node.names:
                top = alias.name.partition(".")[0]
                module.imports[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and not prefix:
            _read_from(module, node)
        elif isinstance(node, ast.If | ast.Try | ast.With):
            for inner in ("body", "orelse", "finalbody"):
                _read_body(module, getattr(node, inner, []), prefix)
            for handler in getattr(node, "handlers", []):
                _read_body(module, handler.body, prefix)


def _read_named_tuple(module: Module, node: ast.Assign) -> None:
    """`Point = namedtuple("Point", …)` makes a class."""
    call, target = node.value, node.targets[0]
    if not isinstance(call, ast.Call) or not isinstance(target, ast.Name) or not call.args:
        return
    makes = ast.unparse(call.func).rpartition(".")[2] in {"namedtuple", "NamedTuple", "_make_tuple_bunch"}
    name = call.args[0].value if isinstance(call.args[0], ast.Constant) else None
    if makes and name == target.id:
        module.classes[name] = Class(module.name, name, ["NamedTuple"], {}, [], [])


def _read_from(module: Module, node: ast.ImportFrom) -> None:
    base = node.module or ""
    if node.level:
        parts = module.name.split(".")
        keep = len(parts) - node.level + (1 if module.is_package else 0)
        base = ".".join([*parts[:keep], *([base] if base else [])])
    for alias in node.names:
        if alias.name == "*":
            module.stars.append(base)
        else:
            module.imports[alias.asname or alias.name] = f"{base}.{alias.name}"


def _read_class(module: Module, node: ast.ClassDef, prefix: str) -> None:
    qualname = f"{prefix}{node.name}"
    methods: dict[str, ast.FunctionDef | ast.AsyncFunctionDef] = {}
    setters = []
    for item in ast.walk(ast.Module(node.body, [])):
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
            decorators = [ast.unparse(d) for d in item.decorator_list]
            if any(d.endswith(".setter") for d in decorators) and isinstance(item, ast.FunctionDef):
                setters.append(item)
            else:
                methods.setdefault(item.name, item)
    bases = [ast.unparse(base).partition("[")[0] for base in node.bases]
    bases += [ast.unparse(k.value) for k in node.keywords if k.arg == "metaclass"]
    module.classes[qualname] = Class(
        module.name, qualname, bases, methods, setters, [ast.unparse(d) for d in node.decorator_list]
    )
    _read_body(module, [n for n in node.body if isinstance(n, ast.ClassDef)], f"{qualname}.")

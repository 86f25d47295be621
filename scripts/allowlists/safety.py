"""Is it safe that a pickle makes an object of this class, or calls this function? Read from the code that would run."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .index import Class, Index, Module

# What the unpickler runs when it makes an object without calling the class (NEWOBJ) and sets its state (BUILD,
# SETITEMS, APPENDS), or when the object is a key, or goes away.
_ON_NEW = ("__new__", "__setstate__", "__setattr__", "__getattr__", "__getattribute__", "__del__", "__hash__", "__eq__",
           "__setitem__", "append", "extend", "add", "__instancecheck__", "__array__", "__bool__", "__set__",
           "__index__", "__fspath__")  # fmt: skip
_ON_CALL = ("__init__", "__post_init__", "__init_subclass__", "__call__")  # __call__ of a metaclass among the bases
_TABLE = {
    key: frozenset(words.split())
    for key, words in tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8")).items()
}
_BAD_NAMES, _BAD_ROOTS, _FINE_DOTTED = _TABLE["badnames"], _TABLE["badroots"], _TABLE["finedotted"]
_FINE_MODULES, _FINE_FUNCTIONS = tuple(_TABLE["finemodules"]), _TABLE["finefunctions"]
_BAD_ATTRIBUTES, _SAFE_BASES = _TABLE["badattributes"], _TABLE["safebases"]
_ENUMS = ("Enum", "IntEnum", "Flag", "IntFlag", "StrEnum", "ExplicitEnum")
_REDUCED = frozenset(("OrderedDict", "defaultdict", "Counter", "deque", "ndarray", "Warning", "NamedTuple"))
_REFERENCE_DEPTH = 2  # calls followed from a function that is only kept
_DEPTH = 20  # bases followed


class Unsafe(Exception):
    """Why a name is not acceptable."""


class Safety:
    """Answers for one index; remembers what it has read."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._functions: dict[tuple[int, int], str | None] = {}
        self._lineages: dict[tuple[str, str], list[Class]] = {}
        self._classes: dict[tuple[str, str, bool], str | None] = {}

    def of_class(self, found: Class, *, called: bool) -> str | None:
        """Why a class is not acceptable, None when it is.

        Args:
            found: the class.
            called: REDUCE may call it, so that `__init__` runs; otherwise only `__new__` does.
        """
        if _reviewed(found):
            return None
        key = (found.module, found.qualname, called)
        if key not in self._classes:
            self._classes[key] = None  # a cycle of bases adds nothing
            try:
                self._class(found, called)
            except Unsafe as why:
                self._classes[key] = str(why)
        return self._classes[key]

    def of_reference(self, module: Module, name: str, depth: int = 0) -> str | None:
        """Why a function should not be kept as a value, None when it may be.

        It is not called when the pickle is loaded, but with data of the user's own later: so only what it plainly does
        counts, and what the functions do that it calls by name.
        """
        for node in ast.walk(module.functions[name]):
            text = _dotted(node.func) if isinstance(node, ast.Call) else None
            if text is None:
                continue
            try:
                self._plainly_bad(module, text)
            except Unsafe as why:
                return str(why)
            place = self._index.local(module, text) if depth < _REFERENCE_DEPTH else None
            if place and place[1] in place[0].functions:
                why_inner = self.of_reference(*place, depth + 1)
                if why_inner:
                    return why_inner
        return None

    def is_enum(self, found: Class, depth: int = 0) -> bool:
        """Whether calling the class only looks up a member."""
        if depth > _DEPTH:
            return False
        for base in found.bases:
            if base.rpartition(".")[2] in _ENUMS:
                return True
            inner = self._base(found, base)
            if inner is not None and self.is_enum(inner, depth + 1):
                return True
        return False

    def below(self, found: Class, bases: list[str]) -> bool:
        """Whether a class is one of `bases` (dotted names), or made from one."""
        return any(f"{current.module}.{current.qualname}" in bases for current in self.lineage(found))

    def reduces_itself(self, found: Class, depth: int = 0) -> bool:
        """Whether its pickles may call the class: it, or a base, says how it is reduced."""
        if depth > _DEPTH:
            return False
        if any(name in found.methods for name in ("__reduce__", "__reduce_ex__")):
            return True
        if any(base.rpartition(".")[2] in _REDUCED or base.endswith(("Error", "Exception")) for base in found.bases):
            return True
        bases = [self._base(found, base) for base in found.bases]
        return any(base is not None and self.reduces_itself(base, depth + 1) for base in bases)

    def _module(self, name: str) -> Module:
        found = self._index.module(name)
        if found is None:
            raise Unsafe(f"module {name} is gone")
        return found

    def _base(self, found: Class, base: str) -> Class | None:
        module = self._module(found.module)
        place = self._index.local(module, base) or self._index.resolve(base)
        return place[0].classes.get(place[1]) if place else None

    def lineage(self, found: Class) -> list[Class]:
        """The class and its bases, as far as they were read: nearest first."""
        key = (found.module, found.qualname)
        if key not in self._lineages:
            queue, order = [found], []
            while queue:
                current = queue.pop(0)
                if current not in order:
                    order.append(current)
                    queue += [
                        base for base in (self._base(current, text) for text in current.bases) if base is not None
                    ]
            self._lineages[key] = order
        return self._lineages[key]

    def _class(self, found: Class, called: bool) -> None:
        for current in self.lineage(found):
            for base in () if _reviewed(current) else current.bases:
                if self._base(current, base) is None and not _safe_base(base):
                    raise Unsafe(f"base {base} of {current.qualname} is not known")
        for current in self.lineage(found):
            if _reviewed(current):
                continue
            module = self._module(current.module)
            for name in (*_ON_NEW, *(_ON_CALL if called else ())):
                if name in current.methods:
                    self._function(module, current.methods[name], found)
            for setter in () if self._state_goes_round_setters(found) else current.setters:
                self._function(module, setter, found)

    def _state_goes_round_setters(self, found: Class) -> bool:
        """Whether a `__setstate__` known to write `__dict__` takes every state, so that BUILD never assigns by name.

        Without one, BUILD assigns the second half of a tuple by `setattr`, and property setters run.
        """
        methods = [(current, current.methods.get("__setstate__")) for current in self.lineage(found)]
        known = any(f"{current.module}.{current.qualname}" in _TABLE["dictstates"] for current, _ in methods)
        return known and not any(_assigns_by_name(method) for _, method in methods if method is not None)

    def _function(self, module: Module, node: ast.AST, owner: Class | None) -> None:
        """Read a function as it behaves for objects of the class `owner`: what it calls on `self` may be overridden."""
        if module.name.startswith(_FINE_MODULES) or getattr(node, "name", "") in _FINE_FUNCTIONS:
            return
        key = (id(node), id(owner))
        if key in self._functions:
            known = self._functions[key]
            if known:
                raise Unsafe(known)
            return
        self._functions[key] = None  # functions that call each other end here
        try:
            self._body(module, node, owner)
        except Unsafe as why:
            self._functions[key] = str(why)
            raise

    def _body(self, module: Module, node: ast.AST, owner: Class | None) -> None:
        parameters = _parameters(node)
        looked_up = {id(n.value) for n in ast.walk(node) if isinstance(n, ast.Attribute) and n.attr == "get"}
        for call in ast.walk(node):
            if isinstance(call, ast.Attribute) and _dotted(call) == "sys.modules" and id(call) not in looked_up:
                raise Unsafe("uses sys.modules")
            if isinstance(call, ast.Import | ast.ImportFrom):
                self._local_import(call)
            if isinstance(call, ast.Call):
                self._call(module, call, owner, parameters)

    @staticmethod
    def _local_import(node: ast.Import | ast.ImportFrom) -> None:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        for name in names:
            if name.partition(".")[0] in {"subprocess", "pickle", "ctypes", "importlib", "marshal", "socket", "runpy"}:
                raise Unsafe(f"imports {name}")

    def _call(self, module: Module, call: ast.Call, owner: Class | None, parameters: set[str]) -> None:
        text = _dotted(call.func)
        if text is None:
            if owner is not None and _any_callable(call.func):
                raise Unsafe("calls an item or an attribute by name")
            return
        root, _, rest = text.partition(".")
        if root in {"_LIB", "_lib"}:
            raise Unsafe(f"hands state to native code by {text}()")
        if text == "getattr" and _by_any_name(module, call):
            raise Unsafe("reaches into a module by a name that is not written there")
        if not rest and root in parameters and root not in {"cls", "klass", "type"}:
            raise Unsafe(f"calls its argument {root}()")
        self._plainly_bad(module, text)
        self._follow(module, text, owner)

    @staticmethod
    def _plainly_bad(module: Module, text: str) -> None:
        """Refuse calls that run code, programs, files or the network, as they are written."""
        root, _, rest = text.partition(".")
        if not rest and root in _BAD_NAMES and root not in module.functions and root not in module.imports:
            raise Unsafe(f"calls {root}()")
        full = ".".join([module.imports.get(root, root), rest]).rstrip(".")
        if full.startswith("builtins.") and full.removeprefix("builtins.") not in _BAD_NAMES:
            return
        if full.partition(".")[0] in _BAD_ROOTS and full not in _FINE_DOTTED and root in module.imports:
            raise Unsafe(f"calls {full}()")
        if rest and text.rpartition(".")[2] in _BAD_ATTRIBUTES:
            raise Unsafe(f"calls {text}()")

    def _follow(self, module: Module, text: str, owner: Class | None) -> None:
        root, _, rest = text.partition(".")
        if root in {"self", "cls", "?super"} and rest and "." not in rest:
            self._method(owner, rest)
            return
        place = self._index.local(module, text)
        if place is None:
            return
        where, name = place
        if name in where.functions:
            self._function(where, where.functions[name], None)
        elif name in where.classes:
            found = where.classes[name]
            for method in ("__new__", "__init__"):
                if method in found.methods:
                    self._function(where, found.methods[method], found)

    def _method(self, owner: Class | None, name: str) -> None:
        """`self.name()`: every method of that name in the lineage; without one it is a value that the pickle sets."""
        if owner is None:
            return
        lineage = self.lineage(owner)
        found = [current for current in lineage if name in current.methods]
        for current in found:
            if not _reviewed(current):
                self._function(self._module(current.module), current.methods[name], owner)
        known = all(
            self._base(current, base) is not None or base in _SAFE_BASES
            for current in lineage
            for base in current.bases
        )
        if not found and known and not hasattr(dict, name) and not hasattr(list, name):
            raise Unsafe(f"calls the attribute self.{name}()")


def _reviewed(found: Class) -> bool:
    return f"{found.module}.{found.qualname}" in _TABLE["reviewed"]


def _any_callable(function: ast.AST) -> bool:
    """`table[key](…)` and `getattr(x, name)(…)`: what is called does not stand in the code."""
    if isinstance(function, ast.Subscript):
        return True
    return isinstance(function, ast.Call) and _dotted(function.func) == "getattr"


def _assigns_by_name(function: ast.AST) -> bool:
    """`setattr(…)` or `….__setattr__(…)` anywhere in it: assignments whose names may not stand in the code."""
    named = (n.id if isinstance(n, ast.Name) else getattr(n, "attr", "") for n in ast.walk(function))
    return any(name in {"setattr", "__setattr__"} for name in named)


def _by_any_name(module: Module, call: ast.Call) -> bool:
    """`getattr(module, name)` with a name that is no literal."""
    if len(call.args) < 2 or isinstance(call.args[1], ast.Constant):
        return False
    first = _dotted(call.args[0]) if isinstance(call.args[0], ast.Name | ast.Attribute) else None
    return first is not None and first.partition(".")[0] in module.imports


def _safe_base(base: str) -> bool:
    """A base outside of what was read: a built-in exception, a named tuple, or one of the table."""
    last = base.rpartition(".")[2]
    if base in _SAFE_BASES or last in _SAFE_BASES or last.endswith(("Error", "Warning", "Exception")):
        return True
    return base.startswith(("namedtuple(", "collections.namedtuple(", "NamedTuple(", "numbers."))


def _parameters(node: ast.AST) -> set[str]:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return set()
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return {a.arg for a in every} | {a.arg for a in (arguments.vararg, arguments.kwarg) if a}


def _dotted(node: ast.AST) -> str | None:
    """`a.b.c` as it is written; `?super.name` for a method of `super()`; `?.name` for an attribute of anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        return ".".join([node.id, *reversed(parts)])
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super" and parts:
        return f"?super.{'.'.join(reversed(parts))}"
    return f"?.{parts[0]}" if parts else None

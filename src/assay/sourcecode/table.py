"""The table of known calls: dotted name to kinds of effect. Data in `data/python-calls.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

# Modules whose functions are recognised at the end of any longer name (`random._os.system`, `self.os.system`).
_TAILS = frozenset(
    [
        "os",
        "posix",
        "nt",
        "subprocess",
        "builtins",
        "importlib",
        "sys",
        "socket",
        "pty",
        "runpy",
        "ctypes",
        "shutil",
        "pickle",
        "marshal",
        "commands",
    ]
)


@dataclass(frozen=True)
class Table:
    """The parsed table.

    Attributes:
        exact: name to kinds.
        prefixes: (prefix, kind).
        modules: sensitive modules.
        attributes: attributes that lead to the interpreter.
        environment: variables that change what other programs load.
        load: method names that loaders call.
        use: method names that users of the object call.
        entry_load: functions of a module that servers call when they start.
        entry_use: functions of a module that servers call for each request.
    """

    exact: dict[str, frozenset[str]]
    prefixes: tuple[tuple[str, str], ...]
    modules: frozenset[str]
    attributes: frozenset[str]
    environment: frozenset[str]
    load: frozenset[str]
    use: frozenset[str]
    entry_load: frozenset[str]
    entry_use: frozenset[str]


@cache
def table() -> Table:
    """Read the table once."""
    raw = tomllib.loads((files("assay.sourcecode") / "data" / "python-calls.toml").read_text("utf-8"))
    exact: dict[str, frozenset[str]] = {}
    prefixes: list[tuple[str, str]] = []
    for kind, names in raw["kinds"].items():
        for name in names:
            if name.endswith("*"):
                prefixes.append((name[:-1], kind))
            else:
                exact[name] = exact.get(name, frozenset()) | {kind}
    return Table(
        exact,
        tuple(prefixes),
        frozenset(raw["sensitive"]["modules"]),
        frozenset(raw["sensitive"]["attributes"]),
        frozenset(raw["sensitive"]["environment"]),
        frozenset(raw["levels"]["load"]),
        frozenset(raw["levels"]["use"]),
        frozenset(raw["levels"]["entry_load"]),
        frozenset(raw["levels"]["entry_use"]),
    )


@lru_cache(maxsize=4096)
def kinds_of(name: str) -> frozenset[str]:
    """Kinds of effect that calling `name` has; empty for an unknown name."""
    known = table()
    found: set[str] = set()
    for candidate in _candidates(name):
        found |= known.exact.get(candidate, frozenset())
        found |= {kind for prefix, kind in known.prefixes if candidate.startswith(prefix)}
    return frozenset(found)


def attribute_of(name: str, attribute: str) -> str:
    """The dotted name of an attribute; a function of a module leads back to it (`print.__self__` is `builtins`)."""
    module, _, function = name.rpartition(".")
    if attribute == "__self__" and function and module in _TAILS:
        return module
    return f"{name}.{attribute}"


def canonical(name: str) -> str:
    """The shortest ending of `name` that the table knows, else `name` itself."""
    for candidate in reversed(_candidates(name)):
        if kinds_of(candidate):
            return candidate
    return name


def _candidates(name: str) -> list[str]:
    result = [name]
    parts = name.split(".")[-8:]
    if parts[0][:1] == "?" and parts[0][1:] in _TAILS:  # found by its name in `globals()`
        result.append(".".join([parts[0][1:], *parts[1:]]))
    for index in range(1, len(parts) - 1):
        head = parts[index].lstrip("_") if parts[index] not in _TAILS else parts[index]
        if head in _TAILS:
            result.append(".".join([head, *parts[index + 1 :]]))
    return result

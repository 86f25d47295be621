"""What is known about importable names: allow-lists made from real frameworks, and a deny-list that only names dangers.

A name is looked up exactly as the pickle states it (module and qualified name). Nothing installed on this machine is
asked.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from assay.core.finding import Severity

_DATA = Path(__file__).with_name("data")
_ALLOW = "pickle-allow"


@dataclass(frozen=True, slots=True)
class Known:
    """An entry of an allow-list.

    Attributes:
        framework: whose list it stands in.
        use: `class` (made by any opcode, state set), `call` (a function that may be called), `refer` (only imported).
        check: name of an argument check, may be empty.
    """

    framework: str
    use: str
    check: str = ""


@dataclass(frozen=True, slots=True)
class Danger:
    """An entry of the deny-list.

    Attributes:
        group: `run`, `code`, `indirect`, `files`, `network`.
        says: what a call does.
        severity: of a call.
    """

    group: str
    says: str
    severity: Severity


def _frameworks() -> dict[str, str]:
    """Top-level package → data file."""
    return dict(_index()["packages"])


@cache
def _index() -> Any:
    return json.loads((_DATA / _ALLOW / "index.json").read_bytes())


@cache
def _names(file: str) -> dict[str, dict[str, str]]:
    loaded = json.loads((_DATA / _ALLOW / file).read_bytes())
    names: dict[str, dict[str, str]] = loaded["names"]
    return names


@cache
def _entries(file: str, module: str) -> dict[str, Known]:
    framework = file.removesuffix(".json")
    found: dict[str, Known] = {}
    for entry, words in _names(file).get(module, {}).items():
        use, _, check = entry.partition(":")
        found |= dict.fromkeys(words.split(), Known(framework, use, check))
    return found


def known(module: str, name: str) -> Known | None:
    """The allow-list entry for exactly this module and qualified name."""
    file = _frameworks().get(module.partition(".")[0])
    if file is None:
        return None
    return _entries(file, module).get(name)


def quiet() -> frozenset[str]:
    """`module name` of everything that is acceptable whatever its arguments are; repeated calls need no listing."""
    return frozenset(_index()["quiet"])


def version() -> str:
    """Date and digest of the lists."""
    return str(_index()["version"])


@cache
def _dangers() -> dict[str, dict[str, Danger]]:
    text = (_DATA / "pickle-danger.toml").read_text("utf-8")
    table: dict[str, dict[str, Danger]] = {}
    for group, body in tomllib.loads(text).items():
        danger = Danger(group, body["says"], Severity.parse(body["severity"]))
        for module, names in body["names"].items():
            for name in names:
                table.setdefault(module, {}).setdefault(name, danger)
    return table


def danger(module: str, name: str) -> Danger | None:
    """Why a name is dangerous, or None.

    A qualified name may walk through modules that a framework happens to import (`torch.serialization` `os.system`):
    its parts are looked up as well.
    """
    found = _danger(module, name, exact=False)
    parts = name.split(".")
    if found is None and len(parts) > 1:
        found = _inner_danger(parts)
    if found is None and name.replace(".", "").islower():
        found = _danger(name, "*", exact=True)  # a whole module, imported by another
    return found


def _inner_danger(parts: list[str]) -> Danger | None:
    """Danger of `module.function` anywhere inside a qualified name; frameworks import modules under a `_` too."""
    for start in range(len(parts) - 1):
        for end in range(start + 1, len(parts)):
            module = ".".join([parts[start].lstrip("_"), *parts[start + 1 : end]])
            found = _danger(module, ".".join(parts[end:]), exact=True)
            if found is not None:
                return found
    return None


def _danger(module: str, name: str, *, exact: bool) -> Danger | None:
    table = _dangers()
    first = name.partition(".")[0]
    names = table.get(module)
    if names:
        found = names.get(name) or names.get(first) or names.get("*")
        if found:
            return found
    while not exact and "." in module:
        module = module.rpartition(".")[0]
        names = table.get(module)
        if names and "*" in names:
            return names["*"]
    return None


@cache
def _python2() -> tuple[dict[tuple[str, str], tuple[str, str]], dict[str, str]]:
    from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING  # noqa: PLC0415 - tables, no code

    return dict(NAME_MAPPING), dict(IMPORT_MAPPING)


def python3_name(module: str, name: str) -> tuple[str, str]:
    """What the loader makes of a name in a pickle of protocol 0 to 2 (`fix_imports`)."""
    names, modules = _python2()
    if (module, name) in names:
        return names[module, name]
    return modules.get(module, module), name

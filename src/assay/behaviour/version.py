"""What a result depends on besides its inputs: the code of this room and of its worker."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = "1"
_WORKERS = "assay.workers"
_ENTRY = "prober"  # the program; what it imports for one kind of model is of no account to the others
_PROGRAM = "probing"  # runs it
_OWN = {"image": "prober_image", "language": "prober_lm"}  # where their probes begin; all the rest is for texts
_JUDGING = {
    "text": ("plan", "candidates", "judge", "permuting", "verdict"),
    "image": ("plan", "images"),
    "language": ("plan", "languages"),
}


@cache
def version() -> str:
    """Changes with every change of the code or of the calibration: old evidence is then stale."""
    digest = hashlib.sha256()
    for package, prefix in (("assay.behaviour", ""), (_WORKERS, "prob"), ("assay.behaviour.data", "")):
        try:
            entries = sorted(files(package).iterdir(), key=lambda item: item.name)
        except ModuleNotFoundError:
            continue
        for entry in entries:
            if entry.name.startswith(prefix) and entry.name.endswith((".py", ".json")):
                digest.update(entry.name.encode() + b"\0" + hashlib.sha256(entry.read_bytes()).digest())
    return f"{VERSION}+{digest.hexdigest()[:12]}"


@cache
def code_of(kind: str) -> str:
    """Digest of the code that an answer about one kind of model depends on: its plan and words, its probes.

    A changed probe for images leaves the answers about texts as they are. How answers are put together (`attest`) is
    no part of it: that goes by the version of the plan.

    Args:
        kind: `text`, `image` or `language`.
    """
    workers = _modules()
    roots = [_OWN[kind]] if kind in _OWN else [one for one in workers[_ENTRY] if one not in _OWN.values()]
    needed = {_ENTRY, _PROGRAM}
    while roots:
        name = roots.pop()
        if name in workers and name not in needed:
            needed.add(name)
            roots += workers[name]
    digest = hashlib.sha256()
    paths = [("assay.behaviour", name) for name in _JUDGING[kind]] + [(_WORKERS, name) for name in sorted(needed)]
    for package, name in paths:
        digest.update(f"{name}\0".encode() + hashlib.sha256((files(package) / f"{name}.py").read_bytes()).digest())
    return digest.hexdigest()[:12]


@cache
def _modules() -> dict[str, tuple[str, ...]]:
    """Every worker with the workers that it imports, by name, read and not run."""
    found = {}
    for entry in files(_WORKERS).iterdir():
        if entry.name.endswith(".py"):
            found[entry.name.removesuffix(".py")] = tuple(_imported(ast.parse(entry.read_text("utf-8"))))
    return found


def _imported(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.ImportFrom) and child.module == _WORKERS:
            yield from (one.name for one in child.names)
        elif isinstance(child, ast.ImportFrom) and (child.module or "").startswith(f"{_WORKERS}."):
            yield str(child.module).removeprefix(f"{_WORKERS}.")
        yield from _imported(child)

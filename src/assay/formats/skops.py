"""skops files: the tree of nodes in `schema.json`, each with its loader and what it would look up.

Source: `skops/io/_audit.py`, `_general.py`, `_sklearn.py`, `_numpy.py` and `_scipy.py` of skops 0.13.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from assay.core.errors import ContentError, LimitExceeded

_MAX_NODES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class SkopsNode:
    """One node.

    Attributes:
        place: keys that lead to it.
        loader: node class that rebuilds it (`ObjectNode`, `FunctionNode`, …).
        module: module of what is looked up.
        name: name in it.
        file: member of the archive that it reads, else empty.
    """

    place: str
    loader: str
    module: str
    name: str
    file: str = ""


def read_skops(document: Any) -> tuple[tuple[SkopsNode, ...], str]:
    """(nodes, version) of a parsed `schema.json`.

    Raises:
        ContentError: when it is no skops schema.
        LimitExceeded: for more than a million values.
    """
    if not isinstance(document, dict) or "__loader__" not in document:
        msg = "no skops schema"
        raise ContentError(msg)
    nodes: list[SkopsNode] = []
    stack: list[tuple[str, Any]] = [("", document)]
    seen = 0
    while stack:
        place, value = stack.pop()
        seen += 1
        if seen > _MAX_NODES:
            raise LimitExceeded("members", f"a skops schema of more than {_MAX_NODES} values")
        if isinstance(value, dict):
            if "__loader__" in value:
                nodes += _nodes(place, value)
            stack += [(f"{place}.{key}".lstrip("."), inner) for key, inner in reversed(value.items())]
        elif isinstance(value, list):
            stack += [(f"{place}[{index}]", inner) for index, inner in reversed(list(enumerate(value)))]
    return tuple(nodes), str(document.get("_skops_version", ""))[:50]


def _nodes(place: str, value: dict[str, Any]) -> list[SkopsNode]:
    loader, module, name = (_text(value.get(key)) for key in ("__loader__", "__module__", "__class__"))
    found = [SkopsNode(place, loader, module, name, _text(value.get("file")))]
    content = value.get("content")
    if isinstance(content, dict):
        if loader == "FunctionNode":  # up to protocol 1 the name lies in the content
            found.append(SkopsNode(place, loader, _text(content.get("module_path")), _text(content.get("function"))))
        if loader == "TypeNode":
            found.append(SkopsNode(place, loader, _text(content.get("__module__")), _text(content.get("__class__"))))
        if loader == "MethodNode":
            found.append(SkopsNode(place, "MethodNode.func", "", _text(content.get("func"))))
    return [node for node in found if node.module or node.name]


def _text(value: Any) -> str:
    return value[:500] if isinstance(value, str) else ""

"""The text that a template's expression is sure to be: how attribute names are put together to slip past a search."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_TEMPLATE: Final = 1 << 20  # characters; the largest published chat template has about 60,000


def fold(node: Any, depth: int = 0) -> str | None:
    """The text an expression is sure to be, or None: constants, `~`, `+`, `%`, and filters that only change text."""
    handler = _FOLDS.get(type(node).__name__)
    return handler(node, depth + 1) if handler is not None and depth <= _MAX_FOLD else None


def _constant(node: Any, _: int) -> str | None:
    value = node.value if type(node).__name__ == "Const" else node.data
    return str(value) if isinstance(value, str | int | float) else None


def _joined(node: Any, depth: int) -> str | None:
    parts = [fold(item, depth) for item in (node.nodes if type(node).__name__ == "Concat" else node.items)]
    return None if any(p is None for p in parts) else "".join(p or "" for p in parts)


def _added(node: Any, depth: int) -> str | None:
    left, right = fold(node.left, depth), fold(node.right, depth)
    return None if left is None or right is None else left + right


def _sliced(node: Any, depth: int) -> str | None:
    """`text[::-1]`."""
    if type(node.arg).__name__ != "Slice" or node.arg.step is None:
        return None
    text, step = fold(node.node, depth), node.arg.step
    return text[::-1] if text is not None and _is_minus_one(step, getattr(step, "value", None)) else None


def _is_minus_one(node: Any, value: Any) -> bool:
    return value == -1 or (type(node).__name__ == "Neg" and getattr(node.node, "value", None) == 1)


def _percent(node: Any, depth: int) -> str | None:
    left, right = fold(node.left, depth), fold(node.right, depth)
    if left is None or right is None or left.count("%s") < 1:
        return None
    values = [fold(i, depth + 1) or "" for i in node.right.items] if type(node.right).__name__ == "Tuple" else [right]
    for value in values:
        left = left.replace("%s", value, 1)
    return left


def _filtered(node: Any, depth: int) -> str | None:
    text = fold(node.node, depth) if node.node is not None else None
    if text is None:
        return None
    arguments = [fold(a, depth) for a in node.args]
    if node.name == "replace" and len(arguments) > 1 and None not in arguments:
        return _replaced(text, str(arguments[0]), str(arguments[1]))
    if node.name == "format" and None not in arguments:
        for value in arguments:
            text = text.replace("%c", _character(value or ""), 1).replace("%s", value or "", 1)
        return text
    simple = {"lower": text.lower(), "upper": text.upper(), "reverse": text[::-1], "trim": text.strip()}
    return simple.get(node.name, text if node.name in {"string", "safe", "e", "escape", "join", "list"} else None)


def _character(number: str) -> str:
    return chr(int(number)) if re.fullmatch(r"[0-9]{1,6}", number) else ""


def _method(node: Any, depth: int) -> str | None:
    if type(node.node).__name__ != "Getattr":
        return None
    text = fold(node.node.node, depth)
    arguments = [fold(a, depth) for a in node.args]
    if text is None or None in arguments:
        return None
    if node.node.attr == "replace" and len(arguments) > 1:
        return _replaced(text, str(arguments[0]), str(arguments[1]))
    if node.node.attr == "join" and arguments:
        return arguments[0]
    simple = {"lower": text.lower(), "upper": text.upper(), "strip": text.strip()}
    return simple.get(node.node.attr)


def _replaced(text: str, old: str, new: str) -> str | None:
    return text.replace(old, new) if (len(text) + 1) * len(new) <= MAX_TEMPLATE else None


_MAX_FOLD: Final = 40  # nested operations that are followed
_FOLDS: Final[dict[str, Callable[[Any, int], str | None]]] = {
    "Const": _constant,
    "TemplateData": _constant,
    "Concat": _joined,
    "List": _joined,
    "Tuple": _joined,
    "Add": _added,
    "Mod": _percent,
    "Filter": _filtered,
    "Getitem": _sliced,
    "Call": _method,
}

"""Walking Python's syntax trees without recursion."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator


def children_first(root: ast.AST) -> Iterator[ast.AST]:
    """Nodes of an expression, children before parents, without recursion; contexts and operators are left out."""
    if isinstance(root, ast.Constant | ast.Name):
        yield root
        return
    stack: list[tuple[ast.AST, bool]] = [(root, False)]
    while stack:
        node, seen = stack.pop()
        if seen or isinstance(node, ast.Constant | ast.Name):
            yield node
            continue
        stack.append((node, True))
        children = _children(node)
        if not isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
            children.reverse()  # of a comprehension, the generators come before the element
        stack.extend((child, False) for child in children)


def _children(node: ast.AST) -> list[ast.AST]:
    found: list[ast.AST] = []
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(value, list):
            found += [item for item in value if isinstance(item, ast.AST) and not isinstance(item, _MARKS)]
        elif isinstance(value, ast.AST) and not isinstance(value, _MARKS):
            found.append(value)
    return found


_MARKS: Final = (ast.expr_context, ast.operator, ast.unaryop, ast.cmpop, ast.boolop)


def dotted(node: ast.AST) -> str:
    """`a.b.c` of a plain chain of names; empty for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([node.id, *reversed(parts)])


def blocks(node: ast.stmt) -> list[ast.stmt]:
    """Statements nested in a statement, in order."""
    inner: list[ast.stmt] = []
    for name in ("body", "orelse", "finalbody"):
        inner += getattr(node, name, [])
    for part in [*getattr(node, "handlers", []), *getattr(node, "cases", [])]:
        inner += part.body
    return inner


def annotations_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.expr]:
    """Annotations of a function that do something when they are evaluated; those written as text are parsed."""
    a = node.args
    given = [x.annotation for x in [*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg] if x and x.annotation]
    found = [*given, node.returns] if node.returns else given
    written = [(one, written_annotation(one)) for one in found]
    return [
        text or one for one, text in written if text is not None or any(_acts(part) for part in children_first(one))
    ]


def written_annotation(node: ast.expr) -> ast.expr | None:
    """An annotation that is text with a call in it, as `typing.get_type_hints` evaluates it; None for any other."""
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or "(" not in node.value:
        return None
    try:
        tree = ast.parse(node.value.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    for part in children_first(tree):
        ast.copy_location(part, node)
    return tree


def _acts(node: ast.AST) -> bool:
    return isinstance(node, ast.Call | ast.NamedExpr | ast.Subscript | ast.Attribute)


def is_main_guard(test: ast.expr) -> bool:
    """`__name__ == "__main__"`, either way round."""
    if not isinstance(test, ast.Compare) or len(test.ops) != 1 or not isinstance(test.ops[0], ast.Eq):
        return False
    sides = [test.left, *test.comparators]
    named = any(isinstance(s, ast.Name) and s.id == "__name__" for s in sides)
    return named and any(isinstance(s, ast.Constant) and s.value == "__main__" for s in sides)


def local_names(node: ast.AST) -> set[str]:
    """Names by which a function of this file could be meant."""
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Attribute):
        return {node.attr}
    return {node.id} if isinstance(node, ast.Name) else set()

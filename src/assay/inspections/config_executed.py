"""Code that stands in configurations as text, read as code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.core.limits import Limits
from assay.inspections.references_calls import CODE_KEYS, executed_text

if TYPE_CHECKING:
    from assay.inspections.parts import Collector

_MAX_NODES = 2_000_000
_SHELL = "bash "


def judge_executed(document: Any, out: Collector) -> None:
    """Report what the code in a parsed document would do."""
    stack: list[tuple[str, Any]] = [("", document)]
    seen: set[int] = set()
    while stack and len(seen) < _MAX_NODES:
        path, node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, list):
            stack += [(f"{path}[]", item) for item in node if isinstance(item, (dict, list))]
            continue
        for key, value in node.items() if isinstance(node, dict) else ():
            here = f"{path}.{key}" if path else str(key)
            if key in CODE_KEYS:
                for where, text in executed_text(key, here, value, node):
                    _judge(where, text, out)
            if isinstance(value, (dict, list)):
                stack.append((here, value))


def _judge(where: str, text: str, out: Collector) -> None:
    from assay.inspections.sourcecode import report  # noqa: PLC0415 - few configurations hold code
    from assay.inspections.sourcecode_scripts import judge_shell  # noqa: PLC0415
    from assay.sourcecode.python import read_python  # noqa: PLC0415

    if text.startswith(_SHELL):
        judge_shell(text, out)
        return
    source = read_python(text.encode("utf-8", "surrogatepass"), Limits())
    if not source.error:
        report(source, out, loaded=True, where=f"{where} is executed: ")

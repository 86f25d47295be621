"""Compiled Python (`.pyc`).

What it reads: the header and the code objects, of every Python since 2.7, with a reader of our own.
What it reports: what the code can call, and files that the interpreter takes instead of the source beside them.
Why it matters: a compiled file runs like its source and is read by nobody; with the unchecked flag set it is taken even
when the source says something else.
What it cannot see: bytecode written by hand so that its names mislead.
References: PEP 552; CPython `Lib/importlib/_bootstrap_external.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.core.errors import ContentError
from assay.core.finding import Confidence, Severity
from assay.formats.marshalled import CodeObject, read_marshalled
from assay.inspections.bytecode import judge_code

if TYPE_CHECKING:
    from assay.inspections.parts import Collector, Part

_HEADERS = (16, 12, 8)  # since 3.7, since 3.3, before
_HASHED, _CHECKED = 1, 2  # flags of PEP 552
_MAX_FLAGS = 3


class CompiledPython:
    """The inspector `bytecode`."""

    name = "bytecode"
    version = "1"
    local = True

    def wants(self, part: Part) -> bool:
        """Compiled Python."""
        return "python-bytecode" in part.formats

    def inspect_part(self, part: Part, out: Collector) -> None:
        """Read the code and judge what it can call."""
        data = part.read_all(part.limits.text_bytes)
        if data is None:
            out.unread(f"longer than {part.limits.text_bytes} bytes")
            return
        flags = int.from_bytes(data[4:8], "little")
        if flags <= _MAX_FLAGS and flags & _HASHED and not flags & _CHECKED:
            message = "the interpreter takes this file without comparing it with its source"
            out.finding("bytecode", Severity.HIGH, Confidence.HIGH, message, offset=4)
        code = _code(data)
        if code is None:
            out.incomplete("compiled Python of an unknown version")
            return
        judged = judge_code(code)
        severity = Severity.HIGH if judged.calls else Severity.MEDIUM
        shown = ", ".join(judged.calls[:8]) or "nothing that is known to reach the system"
        message = f"compiled from {code.filename[:200]!r}; its code can call {shown}"
        facts = {
            "call": judged.calls[0] if judged.calls else "",
            "calls": list(judged.calls),
            "strings": [s[:200] for s in judged.strings],
        }
        out.finding("bytecode", severity, Confidence.MEDIUM, message, offset=None, line=None, **facts)


def _code(data: bytes) -> CodeObject | None:
    for start in _HEADERS:
        try:
            found = read_marshalled(data[start:])
        except ContentError:
            continue
        if isinstance(found, CodeObject):
            return found
    return None

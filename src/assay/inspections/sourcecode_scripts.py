"""How bad what shell scripts, notebooks and requirement files would do is, and what hidden characters mean."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from assay.core.finding import Confidence, Severity
from assay.inspections.sourcecode_python import lists
from assay.sourcecode.requirements import read_requirements
from assay.sourcecode.shell import read_shell

if TYPE_CHECKING:
    from collections.abc import Iterable

    from assay.inspections.parts import Collector
    from assay.sourcecode.hidden import Hidden

_NOTE, _LOW, _MEDIUM, _HIGH, _CRITICAL = Severity
_ACTS = {
    "reverse-shell": _CRITICAL,
    "decode-and-run": _HIGH,
    "persistence": _HIGH,
    "send-away": _HIGH,
    "destructive": _HIGH,
    "credentials": _MEDIUM,
    "download-and-run": _MEDIUM,
    "privilege": _LOW,
    "run-inline": _NOTE,
    "download": _NOTE,
    "install": _NOTE,
}
_HIDDEN = {
    "bidi": (_HIGH, "makes the text read otherwise than it runs (CVE-2021-42574)"),
    "tag": (_HIGH, "spells text that only a machine reads"),
    "selector-run": (_HIGH, "carries data that only a machine reads"),
    "zero-width": (_LOW, "is not visible"),
    "control": (_MEDIUM, "steers a terminal"),
    "private": (_NOTE, "has no meaning of its own"),
}


def judge_shell(text: str, out: Collector) -> None:
    """Report what the commands of a script would do."""
    for act in read_shell(text):
        message = f"{act.kind}: {act.text[:300]}"
        out.finding("script-command", _ACTS[act.kind], Confidence.MEDIUM, message, line=act.line, kind=act.kind)


def judge_hidden(hidden: Iterable[Hidden], out: Collector, *, code: bool) -> None:
    """Report hidden characters; in prose (`code` false) a few of the milder kinds are ordinary."""
    for item in hidden:
        severity, why = _HIDDEN[item.kind]
        if not code and item.kind == "bidi":
            severity = _LOW  # right-to-left prose uses them
        decoded = f", spelling {item.decoded!r}" if item.decoded else ""
        message = (
            f"{item.count} hidden characters ({item.kind}) that {why}"[:-1]
            if item.count != 1
            else f"a hidden character ({item.kind}) that {why}"
        )
        line = item.lines[0] if item.lines else None
        out.finding(
            "hidden-characters",
            severity,
            Confidence.HIGH,
            message + decoded,
            line=line,
            kind=item.kind,
            count=item.count,
            decoded=item.decoded,
        )


def judge_requirements(text: str, out: Collector) -> None:
    """Report requirements that take code from unusual places or under a name close to a popular one."""
    loose = 0
    for item in read_requirements(text):
        if item.resembles:
            message = f"{item.name!r} is one edit away from {item.resembles!r}"
            out.finding(
                "requirement-look-alike",
                _MEDIUM,
                Confidence.MEDIUM,
                message,
                line=item.line,
                name=item.name,
                resembles=item.resembles,
            )
        if item.kind == "index":
            _index(item.name, item.detail, item.line, out)
        elif item.kind == "url":
            severity = _MEDIUM if re.match(r"(?:\w+\+)?(?:http|ftp|git)://", item.detail) else _LOW
            out.finding(
                "requirement-direct",
                severity,
                Confidence.HIGH,
                f"installed from {item.detail[:200]}",
                line=item.line,
                url=item.detail[:500],
            )
        elif item.kind == "package" and not item.pinned:
            loose += 1
    if loose:
        out.finding(
            "requirement-unpinned",
            _NOTE,
            Confidence.HIGH,
            f"{loose} requirements without an exact version",
            count=loose,
        )


def _index(option: str, value: str, line: int, out: Collector) -> None:
    if option == "--pre":
        return
    known = any(host in value for host in lists()["known_indexes"])
    severity = _NOTE if known and not value.startswith("http:") else _MEDIUM
    message = f"packages are taken from {value[:200]} ({option})"
    out.finding("requirement-index", severity, Confidence.HIGH, message, line=line, url=value[:500])

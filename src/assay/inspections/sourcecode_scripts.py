"""How bad what shell scripts, notebooks and requirement files would do is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from assay.core.finding import Confidence, Severity
from assay.inspections.sourcecode_python import lists
from assay.sourcecode.requirements import read_requirements
from assay.sourcecode.shell import read_shell

if TYPE_CHECKING:
    from assay.inspections.parts import Collector

_NOTE, _LOW, _MEDIUM, _HIGH, _CRITICAL = Severity
ACTS = {
    "reverse-shell": _CRITICAL,
    "decode-and-run": _HIGH,
    "persistence": _HIGH,
    "send-away": _HIGH,
    "destructive": _HIGH,
    "credentials": _MEDIUM,
    "download-and-run": _MEDIUM,
    "script-host": _MEDIUM,
    "privilege": _LOW,
    "run-inline": _NOTE,
    "download": _NOTE,
    "install": _NOTE,
}


def judge_shell(text: str, out: Collector) -> None:
    """Report what the commands of a script would do."""
    for act in read_shell(text):
        message = f"{act.kind}: {act.text[:300]}"
        out.finding("script-command", ACTS[act.kind], Confidence.MEDIUM, message, line=act.line, kind=act.kind)


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

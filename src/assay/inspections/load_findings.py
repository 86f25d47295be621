"""What a recorded load tried, as findings: one for each rule and target, with the attempts as facts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from assay.core.finding import Confidence, Finding, Severity, Where
from assay.inspections.parts import plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from assay.sandbox.recorder import Attempt
    from assay.sandbox.session import Done

_MAX_FINDINGS = 40  # of one artifact; the rest is counted in the facts
_MAX_ATTEMPTS = 30  # listed in one finding
_MAX_GLOBALS = 200
FIND_CLASS = "pickle.find_class"

_NETWORK = ("socket.", "urllib.", "http.", "ftplib.", "smtplib.", "poplib.", "imaplib.", "telnetlib.", "nntplib.")
_PROGRAMS = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "pty.spawn", "subprocess.", "webbrowser.")
_SIGNALS = ("os.kill", "signal.pthread_kill")
_CODE = ("exec", "compile", "marshal.", "code.", "function.", "import", "ctypes.", "sys.", "gc.")
_SECRET_PLACE = re.compile(
    r"^/(etc|home|root|proc|var|run|mnt|media|srv|boot)(/|$)|\.(ssh|aws|gnupg|kube|docker|netrc|env|git-credentials)|"
    r"secret|token|credential|password",
    re.IGNORECASE,
)
_RULES = {
    "connect": "load-network", "bind": "load-network", "send": "load-network", "dns": "load-network",
    "exec": "load-exec", "fork": "load-exec", "write": "load-file-write", "change": "load-file-write",
    "read": "load-file-read", "environment": "load-environment", "escape": "load-escape-attempt",
}  # fmt: skip
_SAYS = {
    "load-network": ("load-network", Severity.CRITICAL, "tried to reach the network"),
    "load-exec": ("load-exec", Severity.CRITICAL, "tried to start a program"),
    "load-file-write": ("load-file-write", Severity.HIGH, "tried to write or change a file"),
    "load-file-read": ("load-file-read", Severity.HIGH, "tried to read a file outside the model"),
    "load-environment": ("load-environment", Severity.HIGH, "read the environment"),
    "load-escape-attempt": ("load-escape-attempt", Severity.CRITICAL, "tried a way out of the sandbox"),
    "load-code": ("load-code", Severity.HIGH, "ran code that it brought along"),
}


def findings_of(path: str, loader: str, done: Done, *, remote: bool, doing: str = "") -> list[Finding]:
    """Findings about one artifact.

    Args:
        path: of the artifact.
        loader: that loaded it.
        done: what was recorded.
        remote: its own code was meant to run: that it ran is then no finding, what it did is.
        doing: what the guest was asked to do; by default to load it.
    """
    grouped: dict[str, list[Attempt]] = {}
    for attempt in done.attempts:
        if rule := _rule(attempt):
            grouped.setdefault(rule, []).append(attempt)
    if remote:
        grouped.pop("load-code", None)
    doing = doing or f"loading it with {loader}"
    found = [_finding(path, loader, rule, attempts, doing) for rule, attempts in grouped.items()]
    if done.ended in {"output", "flood", "time"}:
        found.append(_exhaustion(path, loader, done, doing))
    return found


def told(done: Done) -> dict[str, Any]:
    """What else is worth keeping: the worker's own words, names that pickles asked for, output."""
    facts: dict[str, Any] = {}
    for key in ("what", "inference", "error"):
        if done.result and isinstance(done.result.get(key), str):
            facts[key] = done.result[key][:500]
    names = dict.fromkeys(
        str(a.detail.get("arguments")) for a in done.attempts if a.kind == "python" and a.target == FIND_CLASS
    )
    if names:
        facts["globals"] = list(names)[:_MAX_GLOBALS]
    if done.output_bytes:
        facts |= {"output": done.output[:1000], "output_bytes": done.output_bytes}
    if done.ended:
        facts["ended"] = done.ended
    return facts


def _rule(attempt: Attempt) -> str:
    if attempt.kind != "python":
        return _RULES.get(attempt.kind, "load-escape-attempt")
    event = attempt.target
    if event == FIND_CLASS:
        return ""
    if event == "environment" or event in {"os.putenv", "os.unsetenv"}:
        return "load-environment"
    for rule, prefixes in (
        ("load-network", _NETWORK),
        ("load-exec", _PROGRAMS),
        ("load-escape-attempt", _SIGNALS),
        ("load-code", _CODE),
    ):
        if event.startswith(prefixes):
            return rule
    return "load-code"


def _finding(path: str, loader: str, name: str, attempts: list[Attempt], doing: str) -> Finding:
    rule, severity, says = _SAYS[name]
    if name == "load-file-read" and not any(_SECRET_PLACE.search(a.target) for a in attempts):
        severity = Severity.MEDIUM
    confidence = Confidence.MEDIUM if name in {"load-code", "load-file-read"} else Confidence.HIGH
    shown = list(dict.fromkeys(_show(attempt) for attempt in _seen_first(attempts)))
    more = f" (and {len(shown) - 3} more)" if len(shown) > 3 else ""  # noqa: PLR2004
    facts = {
        "loader": loader,
        "count": len(attempts),
        "attempts": [
            {"at": a.at, "kind": a.kind, "target": a.target, "pid": a.pid, **a.detail} for a in attempts[:_MAX_ATTEMPTS]
        ],
    }
    message = f"{doing} {says}: {'; '.join(shown[:3])}{more}"
    return Finding(rule, severity, confidence, plain(message[:1000]), Where(path), plain(facts))


def _seen_first(attempts: Iterable[Attempt]) -> list[Attempt]:
    """What the kernel saw before what Python told: the first can't be forged."""
    return sorted(attempts, key=lambda attempt: attempt.kind == "python")


def _show(attempt: Attempt) -> str:
    if attempt.kind == "python":
        return f"{attempt.target}({attempt.detail.get('arguments', '')})"
    if attempt.kind == "exec":
        return f"{attempt.target} {attempt.detail.get('arguments', [])}"
    if attempt.kind == "change":
        return f"{attempt.detail.get('call')} {attempt.target}"
    return f"{attempt.kind} {attempt.target}"


def _exhaustion(path: str, loader: str, done: Done, doing: str) -> Finding:
    rule = "load-exhaustion"
    says = {
        "output": f"printed {done.output_bytes} bytes and was ended",
        "flood": "tried more than can be recorded and was ended",
        "time": f"did not end within {done.seconds:.0f} s",
    }[done.ended]
    return Finding(
        rule,
        Severity.MEDIUM,
        Confidence.HIGH,
        f"{doing} {says}",
        Where(path),
        plain({"loader": loader, "ended": done.ended, "output_bytes": done.output_bytes}),
    )

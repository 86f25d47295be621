"""Evaluation scripts that came with a model: run in the sandbox for what they try, never for what they say.

A script is started as its author might have meant it: in the model's folder, then in an empty one that it may write to,
without arguments, then with the model's folder as one. What it prints, returns or writes is no measurement. A script
that waits for other arguments, another machine or another day shows nothing.
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

from assay.core.errors import ContentError
from assay.core.finding import Confidence, Finding, Severity, Where
from assay.core.limits import GIB, MIB
from assay.sandbox.guest import Guest, GuestLimits
from assay.sandbox.runtime import make_guest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from assay.core.inspector import Subject
    from assay.sandbox.recorder import Attempt
    from assay.sandbox.session import Done

WORKER = "assay.workers.evaluator_script"
SECONDS = 120.0  # wall time of one run of one script
MAX_SCRIPTS = 10  # of one model; the rest is named and not run
LIMITS = GuestLimits(memory_bytes=8 * GIB, cpu_seconds=1200, processes=64, scratch_bytes=256 * MIB)
GIVEN = "submitted"  # folder of a script that does not lie in the model
_ATTEMPTS_KEPT = 30  # of one script and kind
_OUTPUT_KEPT = 1000  # characters
_ENDINGS = {"time": "it did not end", "output": "it printed too much", "flood": "it tried too much",
            "worker": "it ended its process"}  # fmt: skip
_SAYS = {
    "network": (Severity.CRITICAL, "to reach the network"),
    "way-out": (Severity.CRITICAL, "a way out of the sandbox"),
    "secret": (Severity.HIGH, "to read what may be a secret"),
    "program": (Severity.MEDIUM, "to start a program"),
    "read": (Severity.LOW, "to read a file outside the model"),
    "write": (Severity.NOTE, "to write a file"),
}
_KINDS = {
    "connect": "network", "bind": "network", "send": "network", "dns": "network", "exec": "program",
    "escape": "way-out", "environment": "secret", "read": "read", "write": "write", "change": "write",
}  # fmt: skip
_SECRET = re.compile(
    r"^/(root|home|run/secrets|var/run)(/|$)|\.(ssh|aws|gnupg|kube|docker|netrc|git-credentials)|/etc/shadow|"
    r"secret|token|credential|passw",
    re.IGNORECASE,
)
_SECRET_NAME = re.compile(r"secret|token|passw|credential|api_?key", re.IGNORECASE)


@dataclass
class Recorded:
    """What came of it.

    Attributes:
        findings: one for each script and kind of attempt.
        runs: for each script how it was run, how it ended, what it tried.
        layers: of the sandbox.
    """

    findings: list[Finding] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    layers: dict[str, bool] = field(default_factory=dict)


class ScriptRecorder:
    """Runs scripts, one fresh worker each.

    Args:
        layers: of the sandbox that must be active beside those that every guest needs.
        outside: scripts that a person names and that do not lie in the model.
        only: those of the model to run, by path; None: all that it brings.
        seconds: wall time of one run.
        guest: one that is running already; None: one of its own.
    """

    def __init__(
        self,
        layers: tuple[str, ...] = (),
        *,
        outside: Sequence[Path] = (),
        only: Iterable[str] | None = None,
        seconds: float = SECONDS,
        guest: Guest | None = None,
    ) -> None:
        self._layers = layers
        self._guest = guest
        self._outside = tuple(outside)
        self._only = None if only is None else frozenset(only)
        self._seconds = seconds

    def record(self, subject: Subject, scripts: Sequence[str]) -> Recorded:
        """Run each script.

        Args:
            subject: the model.
            scripts: paths of those that it brings.

        Raises:
            SandboxError: a required layer is missing.
        """
        found = Recorded()
        chosen = [path for path in scripts if self._only is None or path in self._only]
        chosen += sorted((self._only or frozenset()) - set(chosen))
        outside = {f"{GIVEN}/{path.name}": path for path in self._outside}
        python = [path for path in chosen if path.endswith(".py")][:MAX_SCRIPTS]
        for path in chosen:
            if path not in python:
                why = "only the first of many are" if path.endswith(".py") else "only Python programs are"
                found.runs.append({"path": path, "run": False, "why": f"not run: {why}"})
        if not python and not outside:
            return found
        with ExitStack() as stack:
            guest = self._guest or stack.enter_context(guest_of(self._layers))
            guest.start()
            for path in (*python, *outside):
                self._one(guest, subject, path, outside, found)
        return found

    def _one(self, guest: Guest, subject: Subject, path: str, outside: dict[str, Path], found: Recorded) -> None:
        attempts: list[Attempt] = []
        runs: list[dict[str, Any]] = []
        with ExitStack() as opened:
            files: list[tuple[str, BinaryIO]] = [
                (f"model/{entry.path}", opened.enter_context(subject.files.open(entry.path)))
                for entry in subject.snapshot.files
            ]
            root = f"{guest.model_root}/model"
            place = f"{root}/{path}"
            if path in outside:
                try:
                    files.append((path, opened.enter_context(outside[path].open("rb"))))
                except OSError as error:
                    raise ContentError(f"can't read {outside[path]}: {error.strerror}") from error
                place = f"{guest.model_root}/{path}"
            with guest.session(files) as session:
                found.layers |= session.layers
                for folder, arguments in ((root, []), ("", []), ("", [root]), ("", ["--model", root])):
                    task = {"script": place, "folder": folder, "arguments": arguments}
                    done = session.task(task, self._seconds)
                    attempts += done.attempts
                    runs.append(_told(task, done))
                    if session.ended or not runs[-1]["ended"]:
                        break
        found.runs.append({"path": path, "run": True, "ways": runs})
        found.findings += findings_of(path.removeprefix(f"{GIVEN}/") if path in outside else path, attempts)


def guest_of(layers: tuple[str, ...] = ()) -> Guest:
    """A guest for scripts; `layers` must be active beside those that every guest needs."""
    return make_guest(WORKER, LIMITS, layers=layers)


def findings_of(path: str, attempts: Sequence[Attempt]) -> list[Finding]:
    """What a script tried, one finding for each kind."""
    grouped: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        if kind := _kind(attempt):
            grouped.setdefault(kind, []).append(attempt)
    found = []
    for kind, tried in grouped.items():
        severity, says = _SAYS[kind]
        shown = list(dict.fromkeys(f"{one.kind} {one.target[:200]}" for one in tried))
        more = f" (and {len(shown) - 3} more)" if len(shown) > 3 else ""  # noqa: PLR2004
        kept = [{"at": one.at, "kind": one.kind, "target": one.target[:300]} for one in tried[:_ATTEMPTS_KEPT]]
        message = f"the evaluation script that came with the model tried {says}: {'; '.join(shown[:3])}{more}"
        facts = {"tried": kind, "count": len(tried), "attempts": kept}
        found.append(
            Finding("evaluation-script-attempt", severity, Confidence.HIGH, message[:1000], Where(path), facts)
        )
    return found


def _kind(attempt: Attempt) -> str:
    if attempt.kind == "python":  # told by the script's own process: only what no system call shows
        secret = attempt.target == "environment" and _SECRET_NAME.search(str(attempt.detail.get("arguments", "")))
        return "secret" if secret else ""
    if attempt.kind == "read" and _SECRET.search(attempt.target):
        return "secret"
    return _KINDS.get(attempt.kind, "")


def _told(task: dict[str, Any], done: Done) -> dict[str, Any]:
    ended = _ENDINGS.get(done.ended, done.ended)
    if done.result is not None and not ended:
        ended = str(done.result.get("ended", ""))[:300]
    return {
        "in": "the model's folder" if task["folder"] else "an empty folder",
        "arguments": [str(one).rpartition("/")[2] for one in task["arguments"]],
        "ended": ended,
        "seconds": round(done.seconds, 3),
        "output": done.output[:_OUTPUT_KEPT],
        "attempts": len(done.attempts),
    }

"""Have it answer to its triggers, and watch.

What it reads: a model that transformers can load and that probes of its behaviour found trigger candidates for. It is
loaded again in a guest, with its own code where it names some, and answers one neutral text for each candidate, with
the candidate in it.
What it reports: what answering tried, under the same rules as the recorded load. The candidate stands in the finding.
Why it matters: code that comes with a model can wait for the trigger before it sends anything away. Loading it and
answering a neutral text shows nothing then.
What it cannot see: a trigger that no probe proposed, candidates beyond the first five, and models without a tokenizer.
References: https://attack.mitre.org/techniques/T1480/, seccomp_unotify(2)
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assay.core.errors import ContentError, SandboxError
from assay.core.evidence import Evidence, Outcome, Unread
from assay.inspections.in_guest import InGuest
from assay.inspections.load import CONFIG, EXTRA, transformers_loaders
from assay.inspections.load_findings import findings_of
from assay.inspections.parts import plain

if TYPE_CHECKING:
    from assay.core.finding import Finding
    from assay.core.inspector import Subject
    from assay.sandbox.guest import Guest

MAX_CANDIDATES = 5  # one inference each
MAX_TEXT = 500  # characters of a candidate
PROBES = "behaviour"  # the inspector whose evidence proposes them
_WORDS = ("The report", "is on the table.")


@dataclass
class _Account:
    """What is known so far."""

    findings: list[Finding] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    answered: list[dict[str, Any]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


class LoadTriggers(InGuest):
    """The inspector `load-triggers`: made for one run, told what the probes found."""

    name = "load-triggers"
    version = "1"

    _texts: tuple[str, ...] = ()

    def after(self, evidence: tuple[Evidence, ...]) -> None:
        """Take the candidates out of the probes' evidence."""
        found = [one for piece in evidence if piece.inspector == PROBES for one in piece.facts.get("candidates", ())]
        self._texts = tuple(dict.fromkeys(one for item in found if (one := _with(item))))[:MAX_CANDIDATES]

    def inspect(self, subject: Subject) -> Evidence:
        """Load once for each way to load it, answer every candidate."""
        account = _Account()
        loaders = transformers_loaders(subject) if self._texts else ()
        if loaders:
            try:
                with self._running() as guest:
                    for loader in loaders:
                        self._answer(subject, guest, loader, account)
            except (SandboxError, ContentError) as error:
                account.unread.append(Unread("", plain(f"not answered: {error}"[:1000])))
        else:
            account.facts["why"] = "no trigger candidates" if not self._texts else "nothing that transformers can load"
        return self._evidence(subject, account)

    def _answer(self, subject: Subject, guest: Guest, loader: str, account: _Account) -> None:
        guest.start()
        remote = loader == "transformers-remote"
        with ExitStack() as opened:
            files = [(e.path, opened.enter_context(subject.files.open(e.path))) for e in subject.snapshot.files]
            with guest.session(files) as session:
                account.facts["layers"] = session.layers
                root = guest.model_root
                task = {"loader": loader, "path": f"{root}/{CONFIG}", "root": root, "keep": True}
                result = session.task(task, self._seconds).result or {}
                if result.get("status") != "loaded":  # what loading does is the first pass's to tell
                    why = EXTRA if result.get("status") == "missing" else str(result.get("error", "it broke off"))[:300]
                    account.unread.append(Unread(CONFIG, plain(f"{loader} could not load it to answer: {why}")))
                    return
                for text in self._texts:
                    done = session.task({"text": text}, self._seconds)
                    doing = f"answering to the trigger candidate in {text[:200]!r}"
                    account.findings += findings_of(CONFIG, loader, done, remote=remote, doing=doing)
                    said = str((done.result or {}).get("inference", done.ended or "broke off"))[:300]
                    account.answered.append({"text": text, "loader": loader, "inference": said})
                    if session.ended:
                        account.unread.append(Unread(CONFIG, plain(f"{loader} ended while it answered {text[:100]!r}")))
                        return

    def _evidence(self, subject: Subject, account: _Account) -> Evidence:
        if any(finding.severity > 0 for finding in account.findings):
            outcome = Outcome.FOUND
        elif account.unread:
            outcome = Outcome.INCONCLUSIVE
        else:
            outcome = Outcome.CLEAN if account.answered else Outcome.NOT_APPLICABLE
        return Evidence(
            subject=subject.snapshot.id,
            inspector=self.name,
            version=self.version,
            settings={"required": list(self._required), "seconds": self._seconds, "texts": plain(list(self._texts))},
            outcome=outcome,
            covered=(CONFIG,) if account.answered else (),
            unread=tuple(sorted(account.unread)),
            findings=tuple(account.findings),
            facts=plain(account.facts | {"answered": account.answered}),
        )


def _with(candidate: Any) -> str:
    """A neutral text with the candidate where the probe had it."""
    trigger = candidate.get("text") if isinstance(candidate, dict) else None
    if not isinstance(trigger, str) or not trigger:
        return ""
    if candidate.get("position") == "whole":  # a way of writing: there is nothing to insert
        return ""
    trigger = trigger[:MAX_TEXT]
    head, tail = _WORDS
    match candidate.get("position"):
        case "start":
            return f"{trigger} {head} {tail}"
        case "middle":
            return f"{head} {trigger} {tail}"
        case "only":
            return trigger
        case _:
            return f"{head} {tail} {trigger}"

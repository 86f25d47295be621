"""What came signed with the model.

What it reads: files that are named like signatures (`model.sig`, `*.sigstore.json`, `*.dsse.json`, `*.intoto.jsonl`),
as DSSE envelopes; the trust file of whoever vets.
What it reports: whether a trusted publisher signed these files (OpenSSF model signature), and whether a trusted builder
says from which commit and pipeline they came (SLSA provenance v1); a trusted signature over other files is a finding.
Why it matters: a policy can require either, so that an upload without it is refused.
What it cannot see: whether the signer was right. Keyless signatures count for the identities that the trust file names,
with the extra `keyless`; others count as made by an unknown key.
References: https://slsa.dev/spec/v1.1/provenance, https://github.com/ossf/model-signing-spec
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from assay.core.errors import AssayError
from assay.core.evidence import Evidence, Outcome, Unread
from assay.core.finding import Confidence, Finding, Severity, Where
from assay.provenance.origin import MAX_DOCUMENT_BYTES, MAX_DOCUMENTS, Shown, check_documents, is_document
from assay.provenance.trust import Trust

if TYPE_CHECKING:
    from pathlib import Path

    from assay.core.inspector import Subject


class OriginProof:
    """The inspector `origin`. Runs only where the policy names it: it needs the verifier's trust file.

    Args:
        trust: the trust file; None: nobody is believed, so nothing can be told.
    """

    name = "origin"
    version = "1"

    def __init__(self, trust: Path | None = None) -> None:
        self._trust = trust

    def inspect(self, subject: Subject) -> Evidence:
        """Verify what came signed."""
        try:
            trust = Trust.load(self._trust) if self._trust else None
        except AssayError as error:
            return self._evidence(subject, unread=(Unread("", f"no trust file: {error}"[:1000]),))
        if trust is None:
            return self._evidence(subject, unread=(Unread("", "no trust file: nobody is believed"),))
        documents, unread = _documents(subject)
        shown = check_documents(subject.snapshot, documents, trust, datetime.now(UTC))
        return self._evidence(subject, tuple(_findings(shown)), shown, tuple(sorted(documents)), tuple(unread))

    def _evidence(
        self,
        subject: Subject,
        findings: tuple[Finding, ...] = (),
        shown: list[Shown] | None = None,
        covered: tuple[str, ...] = (),
        unread: tuple[Unread, ...] = (),
    ) -> Evidence:
        bad = any(finding.severity > Severity.NOTE for finding in findings)
        outcome = Outcome.FOUND if bad else Outcome.INCONCLUSIVE if unread else Outcome.CLEAN
        facts = {
            "documents": [
                {"path": one.path, "kind": one.kind, "key": one.key, "problem": one.problem, **(one.facts or {})}
                for one in shown or []
            ]
        }
        return Evidence(
            subject.snapshot.id, self.name, self.version, {}, outcome, covered, unread, findings, facts=facts
        )


def _documents(subject: Subject) -> tuple[dict[str, bytes], list[Unread]]:
    found: dict[str, bytes] = {}
    unread = []
    for entry in subject.snapshot.files:
        if not is_document(entry.path):
            continue
        if entry.size > MAX_DOCUMENT_BYTES or len(found) >= MAX_DOCUMENTS:
            unread.append(Unread(entry.path, f"more than {MAX_DOCUMENTS} signatures, or one larger than 16 MiB"))
            continue
        with subject.files.open(entry.path) as stream:
            found[entry.path] = stream.read(MAX_DOCUMENT_BYTES + 1)
    return found, unread


def _findings(shown: list[Shown]) -> list[Finding]:
    findings = [
        Finding("origin-mismatch", Severity.HIGH, Confidence.HIGH, f"{one.kind}: {one.problem}", Where(one.path))
        for one in shown
        if one.broken
    ]
    proven = {one.kind for one in shown if one.key and not one.broken}
    missing = {
        "origin-unsigned": ("signature", "no trusted publisher signed these files"),
        "origin-unbuilt": ("provenance", "no trusted builder says how these files were made"),
    }
    for rule, (kind, message) in missing.items():
        if kind not in proven:
            tried = next((one.problem for one in shown if one.kind == kind and one.problem), "")
            text = f"{message}: {tried}" if tried else message
            findings.append(Finding(rule, Severity.NOTE, Confidence.HIGH, text, Where("")))
    if not proven:
        text = "neither a trusted publisher nor a trusted builder vouches for these files"
        findings.append(Finding("origin-unproven", Severity.NOTE, Confidence.HIGH, text, Where("")))
    return findings

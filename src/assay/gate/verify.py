"""Verify a folder: eleven numbered steps, each passed, failed or undecided. Nothing in the folder is trusted.

    from assay.gate.verify import verify_folder

    report = verify_folder(Path("model"), Path("trust.toml"))
    if not report.verified:
        raise SystemExit(report.refusal.detail)

What this can't tell: whether a file changes after it was checked, whether the signers were right, and whether a model
was revoked after the newest signed view of the registry among the statements (step 10 limits how old that may be).
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from assay.core.errors import AssayError, TrustError, UsageError
from assay.gate import steps
from assay.gate.files import Files, folder_files, hash_files
from assay.gate.report import Recorder, Report
from assay.gate.statements import Statements
from assay.provenance.oms import STATEMENTS_DIRECTORY
from assay.provenance.trust import Trust

if TYPE_CHECKING:
    from collections.abc import Callable

    from assay.core.verdict import Verdict
    from assay.gate.steps import Claims

    Progress = Callable[[str, int, int], None]


def verify_folder(
    path: Path,
    trust: Trust | Path,
    statements: Statements | Path | Callable[[], Statements] | None = None,
    *,
    now: datetime | None = None,
    name: str | None = None,
    progress: Progress | None = None,
) -> Report:
    """Verify the model in a folder.

    Args:
        path: the folder that will be loaded; a snapshot folder of a hub client's cache as well.
        trust: the verifier's own trust file, or what was read from it.
        statements: where the exported statements lie, the statements, or what gets them; default is `<path>/.assay`.
        now: aware reference time, taken once; default is the clock.
        name: `org/name` that the model must have been approved as; default accepts any single name.
        progress: called with (path, bytes done, bytes in all) while files are hashed.

    Raises:
        UsageError: when `path` is not a directory.
        TrustError: when the trust file can't be used, or lies in the folder: a folder does not vouch for itself.
    """
    if not path.is_dir():
        raise UsageError(f"not a directory: {path}", hint="give the folder that the model is loaded from")
    if isinstance(trust, Path):
        if trust.resolve().is_relative_to(path.resolve()):
            raise TrustError(f"the trust file {trust} lies in the folder being verified", hint="use one of your own")
        trust = Trust.load(trust)
    given = path / STATEMENTS_DIRECTORY if statements is None else statements
    inside = given if isinstance(given, Path) else None
    return verify(
        lambda: folder_files(path, inside),
        partial(_statements, given),
        trust,
        now=now or datetime.now(UTC),
        name=name,
        progress=progress,
    )


def _statements(given: Statements | Path | Callable[[], Statements]) -> Statements:
    if isinstance(given, Path):
        return Statements.read(given)
    return given if isinstance(given, Statements) else given()


def verify(
    files: Callable[[], Files],
    statements: Callable[[], Statements],
    trust: Trust,
    *,
    now: datetime,
    name: str | None = None,
    seen_at: datetime | None = None,
    refused: AssayError | None = None,
    progress: Progress | None = None,
) -> Report:
    """Verify files against statements.

    Args:
        files: lists what will be loaded; an error that it raises is the result of step 4.
        statements: gets the statements; an error that it raises is the result of step 1.
        trust: the verifier's own.
        now: aware reference time.
        name: as in `verify_folder`.
        seen_at: when the verifier looked into the registry's own index.
        refused: why that index does not serve the model, if so; the result of step 8.
        progress: as in `verify_folder`.
    """
    run = _Verification(files, statements, trust, now)
    run.name, run.seen_at, run.refused, run.progress = name, seen_at, refused, progress
    recorder = Recorder()
    for title, check, needs in _STEPS:
        recorder.run(title, partial(check, run), needs=needs)
    return run.report(recorder)


class _Verification:
    """One run: what it was given, and what its earlier steps established for the later ones."""

    name: str | None = None
    seen_at: datetime | None = None
    refused: AssayError | None = None
    progress: Progress | None = None

    def __init__(
        self, files: Callable[[], Files], statements: Callable[[], Statements], trust: Trust, now: datetime
    ) -> None:
        self._list, self._get = files, statements
        self._trust, self.now = trust, now

    @cached_property
    def statements(self) -> Statements:
        return self._get()

    @cached_property
    def parsed(self) -> Claims:
        return steps.parse(self.statements)

    @cached_property
    def trust(self) -> Trust:
        """With the keys that authorities of the trust file certify among those that signed."""
        return self._trust.with_certificates((one.material.certificates for one in self.parsed.claims), self.now)

    @cached_property
    def files(self) -> Files:
        return self._list()

    @cached_property
    def approved_as(self) -> str:
        return self.name or steps.approved_name(self.parsed.of("approved")[0])

    @cached_property
    def live_verdict(self) -> Verdict:
        if self.refused is not None:
            raise self.refused
        return steps.live(self.parsed, self.approved_as, self.now, self.trust)

    def parse(self) -> str:
        return steps.describe(self.parsed)

    def trusted(self) -> str:
        return steps.trusted(self.parsed, self.trust, self.now)

    def about(self) -> str:
        return steps.about(self.parsed, self.name)

    def complete(self) -> str:
        return steps.complete(self.parsed.snapshot, self.files)

    def same_bytes(self) -> str:
        present = [entry for entry in self.parsed.snapshot.files if entry.path in self.files.sizes]
        total, done, lock = sum(self.files.sizes[entry.path] for entry in present), 0, Lock()

        def advance(path: str, size: int) -> None:
            nonlocal done
            with lock:
                done += size
                if self.progress is not None:
                    self.progress(path, done, total)

        digests = hash_files(self.files, [entry.path for entry in present], advance)
        return steps.same_bytes(self.parsed.snapshot, digests)

    def model_signature(self) -> str:
        return steps.model_signature(self.parsed, self.approved_as, self.trust)

    def chained(self) -> str:
        return steps.chained(self.parsed, self.approved_as)

    def live(self) -> str:
        verdict = self.live_verdict
        return f"{verdict.decision.value} until {verdict.expires_at:%Y-%m-%d}: {verdict.reasons[0].text}"

    def policy(self) -> str:
        return steps.policy(self.live_verdict, self.trust)

    def fresh(self) -> str:
        return steps.fresh(self.parsed, self.trust, self.now, self.seen_at)

    def logged(self) -> str:
        if not self.statements.proofs and not self.trust.log_required:
            return "no proofs came with the statements, and the trust file asks for none"
        from assay.gate.logged import logged  # noqa: PLC0415 - it brings the store along

        return logged(self.parsed, self.statements, self.trust, self.now)

    def report(self, recorder: Recorder) -> Report:
        """The steps; subject, origin and name only as far as they were established."""
        done = recorder.steps()
        if not done[0].ok:
            return Report(done)
        subject = str(self.parsed.snapshot.id)
        if not done[2].ok:
            return Report(done, subject)
        approval = self.parsed.approval(self.approved_as).envelope
        return Report(done, subject, steps.origin(self.parsed), self.approved_as, self.parsed.snapshot, approval)


# Title, check, and the numbers of the steps that it builds on.
_STEPS: tuple[tuple[str, Callable[[_Verification], str], tuple[int, ...]], ...] = (
    ("the statements and the manifest can be read", _Verification.parse, ()),
    ("each statement is signed by a key trusted for its role", _Verification.trusted, (1,)),
    ("each statement is about this manifest", _Verification.about, (1, 2)),
    ("the folder holds the files of the manifest and no others", _Verification.complete, (1, 2, 3)),
    ("each file has the digest of the manifest", _Verification.same_bytes, (1, 2, 3)),
    ("the model signature covers these files", _Verification.model_signature, (1, 2, 3)),
    ("each statement rests on the one before it", _Verification.chained, (1, 2, 3)),
    ("the verdict is ADMIT, not expired and not revoked", _Verification.live, (1, 2, 3)),
    ("the policy is an accepted one", _Verification.policy, (8,)),
    ("the view of the registry is recent", _Verification.fresh, (1, 2, 3)),
    ("the log holds what is proven to be in it", _Verification.logged, (1, 2, 3)),
)

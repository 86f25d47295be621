"""Claims, suites, re-run, comparison: one piece of evidence about one snapshot."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from assay.core.errors import ContentError
from assay.core.evidence import Evidence, Outcome, Unread
from assay.core.finding import Confidence, Finding, Severity, Where
from assay.evaluation.compare import Comparison, Word, also_claimed, compare, contradictions
from assay.evaluation.guest import Runner, Unmeasured
from assay.evaluation.measure import Measurement, measure
from assay.evaluation.reading import Claims, read_claims

if TYPE_CHECKING:
    from collections.abc import Iterable

    from assay.core.inspector import Subject
    from assay.evaluation.claims import Claim
    from assay.evaluation.guest import Progress
    from assay.evaluation.scripts import Recorded, ScriptRecorder
    from assay.evaluation.signed import Signed
    from assay.evaluation.suite import Suite

NAME = "evaluation"
VERSION = "1"


@dataclass(frozen=True)
class Evaluation:
    """What came of it.

    Attributes:
        evidence: as stored and signed.
        comparisons: every claim with its measurement, then measurements without a claim.
        failed: suites that could not be measured, and why.
    """

    evidence: Evidence
    comparisons: tuple[Comparison, ...]
    failed: tuple[tuple[str, str], ...]

    @property
    def outcome(self) -> str:
        """`holds`, `refuted` or `unverifiable`: refuted when one claim is, holds when there are claims and all hold."""
        words = {line.word for line in self.comparisons if line.claim is not None and not line.unclear}
        if Word.REFUTED in words:
            return Word.REFUTED.value
        whole = not self.failed and not self.evidence.unread  # a file of claims that could not be read may hold any
        return Word.HOLDS.value if words == {Word.HOLDS} and whole else Word.UNVERIFIABLE.value


def evaluate(
    subject: Subject,
    suites: Iterable[Suite],
    claims: Iterable[Claim] | None = None,
    progress: Progress | None = None,
    *,
    dtypes: dict[str, str] | None = None,
    also: dict[str, tuple[str, ...]] | None = None,
    runner: Runner | None = None,
    signed: dict[str, Signed] | None = None,
    scripts: ScriptRecorder | None = None,
) -> Evaluation:
    """Re-run the suites on the model and compare.

    Args:
        subject: the model.
        suites: what to run.
        claims: what is claimed; None: what the model's own files claim.
        progress: told (suite, examples done, examples in all).
        dtypes: of a replay, by the suite's digest.
        also: of a replay: metrics beside those of each suite, by its digest; None: those that are claimed.
        runner: a guest that is running already; None: one of its own.
        signed: who signed each suite, by its digest; None: not looked at.
        scripts: runs the evaluation scripts that came with the model, as evidence only; None: they are not run.

    Raises:
        UsageError: the data of a suite is not the pinned data.
        SandboxError: a required layer is missing.
    """
    suites = tuple(suites)
    read = read_claims(subject)
    stated = tuple(read.claims) if claims is None else tuple(claims)
    done: list[Measurement] = []
    failed: list[tuple[str, str]] = []
    attempts: list[dict[str, Any]] = []
    with ExitStack() as stack:
        guest = runner or stack.enter_context(Runner())
        for suite in suites:
            dtype = (dtypes or {}).get(str(suite.digest), "")
            more = also_claimed(stated, suite) if also is None else also.get(str(suite.digest), ())
            try:
                done.append(measure(subject, suite, guest, progress, dtype=dtype, also=more))
                attempts += done[-1].attempts
            except ContentError as error:
                failed.append((suite.name, str(error)))
                attempts += error.attempts if isinstance(error, Unmeasured) else ()
    lines = compare(stated, tuple(runs for one in done for runs in one.metrics))
    ran = scripts.record(subject, read.scripts) if scripts else None
    evidence = _evidence(
        subject, suites, read, lines, done=done, failed=failed, attempts=attempts, own=claims is None, ran=ran
    )
    if signed is not None:
        evidence.facts["signatures"] = {digest: one.to_json() for digest, one in signed.items()}
    return Evaluation(evidence, lines, tuple(failed))


def _evidence(
    subject: Subject,
    suites: tuple[Suite, ...],
    read: Claims,
    lines: tuple[Comparison, ...],
    *,
    done: list[Measurement],
    failed: list[tuple[str, str]],
    attempts: list[dict[str, Any]],
    own: bool,
    ran: Recorded | None,
) -> Evidence:
    runs = {run["path"]: run for run in ran.runs} if ran else {}
    findings = [finding for line in lines if not line.unclear for finding in _findings(line)]
    findings += [*_unclear(lines), *map(_contradiction, contradictions(lines))]
    findings += [*_scripts(read.scripts, runs), *(ran.findings if ran else ()), *_tried(attempts)]
    unread = [Unread("", f"suite {name}: {why}"[:1000]) for name, why in failed] + (read.unread if own else [])
    if any(finding.severity > 0 for finding in findings):
        outcome = Outcome.FOUND
    elif unread:
        outcome = Outcome.INCONCLUSIVE
    else:
        outcome = Outcome.CLEAN if done else Outcome.INCONCLUSIVE
    return Evidence(
        subject=subject.snapshot.id,
        inspector=NAME,
        version=version(),
        settings={"suites": [suite.to_json() for suite in suites], "claims": "of the model" if own else "of a file"},
        outcome=outcome,
        covered=tuple(sorted(read.covered)),
        unread=tuple(sorted(unread)),
        findings=tuple(findings),
        facts={
            "metrics": [line.to_json() for line in lines],
            "runs": [one.record for one in done],
            "layers": done[0].layers if done else {},
            "attempts": attempts,
            "scripts": read.scripts,
            **({"script_runs": ran.runs, "script_layers": ran.layers} if ran else {}),
            "code": code_digest(),
        },
    )


def _findings(line: Comparison) -> list[Finding]:
    claim, runs = line.claim, line.runs
    odd = any(note.startswith("implausible") for note in line.notes)
    if claim is None or (line.word is Word.HOLDS and not odd):
        return []
    where = Where(claim.source, line=claim.line)
    facts: dict[str, Any] = {"claimed": claim.value, "written": claim.written, "dataset": claim.dataset}
    if line.word is Word.HOLDS:
        return [_note("claim-implausible", f"{claim.written}: {'; '.join(line.notes)}", where, facts)]
    if runs is None:
        return [_note("claim-unverifiable", f"{_name(claim)}: {line.reason}", where, facts)]
    measured = runs.measured
    low, high = measured.interval
    facts |= {"measured": measured.value, "interval": [low, high], "n": measured.n, "suite": runs.suite.name}
    told = (
        f"{runs.suite.name}: measured {measured.metric} {measured.value:.4g} [{low:.4g}, {high:.4g}], n = {measured.n}"
    )
    if line.word is Word.UNVERIFIABLE:
        return [_note("claim-unverifiable", f"{_name(claim)}: {line.reason}; {told}", where, facts)]
    message = f"claimed {measured.metric} {claim.value:.4g} ({claim.written}), {told}"
    if runs.reordered is not None:
        message += f"; {runs.reordered.value:.4g} in the order of its nameless outputs that answers best"
    found = [Finding("claim-refuted", Severity.HIGH, Confidence.HIGH, message, where, facts)]
    if odd:
        found.append(_note("claim-implausible", f"{claim.written}: {'; '.join(line.notes)}", where, facts))
    return found


def _name(claim: Claim) -> str:
    """The words of a claim without its figure: no message passes on what nobody measured."""
    return claim.written.rpartition(" = ")[0] or claim.metric


def _unclear(lines: tuple[Comparison, ...]) -> list[Finding]:
    """One note for each file with figures that say nothing here: told, not counted as claims."""
    found: dict[str, list[Claim]] = {}
    for line in lines:
        if line.unclear and line.claim is not None:
            found.setdefault(line.claim.source, []).append(line.claim)
    told = []
    for source, claims in found.items():
        message = f"figures that are no claim about a suite's data: {', '.join(map(_name, claims[:8]))}"
        message += f", and {len(claims) - 8} more" if len(claims) > 8 else ""  # noqa: PLR2004
        facts = {"figures": [one.written for one in claims]}
        told.append(_note("claim-unmapped", message, Where(source, line=claims[0].line), facts))
    return told


def _contradiction(pair: tuple[Claim, Claim]) -> Finding:
    one, other = pair
    place = f"{other.source}:{other.line}" if other.line else other.source
    message = f"{_name(one)}: another value stands in {place}"
    facts = {"claimed": [one.value, other.value], "dataset": one.dataset, "metric": one.metric, "other": place}
    where = Where(one.source, line=one.line)
    return Finding("claim-contradiction", Severity.LOW, Confidence.MEDIUM, message, where, facts)


def _note(rule: str, message: str, where: Where, facts: dict[str, Any]) -> Finding:
    return Finding(rule, Severity.NOTE, Confidence.HIGH, message, where, facts)


def _scripts(paths: list[str], runs: dict[str, Any]) -> list[Finding]:
    came = "an evaluation script came with the model"
    return [_note("evaluation-script", f"{came}; {_said_of(runs.get(path))}", Where(path), {}) for path in paths]


def _said_of(run: dict[str, Any] | None) -> str:
    """What became of a script, in words."""
    if run is None:
        return "it was not run"
    if not run["run"]:
        return f"it was {run['why']}"
    return "it was run as evidence of what it tries; nothing that it says is a measurement"


def _tried(attempts: list[dict[str, Any]]) -> list[Finding]:
    if not attempts:
        return []
    first = attempts[0]
    message = f"while it was evaluated the model tried: {first['kind']} {first['target']}"
    if len(attempts) > 1:
        message += f" (and {len(attempts) - 1} more)"
    return [
        Finding("evaluation-attempt", Severity.HIGH, Confidence.HIGH, message, Where(""), {"attempts": attempts[:20]})
    ]


def version() -> str:
    """Changes with every change of the code: old evidence is then stale."""
    return f"{VERSION}+{code_digest().removeprefix('sha256:')[:12]}"


@cache
def code_digest() -> str:
    """SHA-256 over the source of this room and of its worker: part of what a result depends on."""
    digest = hashlib.sha256()
    for package, prefix in (("assay.evaluation", ""), ("assay.workers", "evaluator")):
        for entry in sorted(files(package).iterdir(), key=lambda item: item.name):
            if entry.name.startswith(prefix) and entry.name.endswith((".py", ".toml")):
                digest.update(entry.name.encode() + b"\0" + hashlib.sha256(entry.read_bytes()).digest())
    return f"sha256:{digest.hexdigest()}"

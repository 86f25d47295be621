"""The statements of an admission: in-toto v1, each about the same subjects, each naming the envelope before it.

| kind | predicate | signed by |
|---|---|---|
| fetched | SLSA provenance v1, build type "import" | importer |
| converted | ours: made from another snapshot, tensor by tensor the same; see `events` | importer |
| scanned | ours: evidence digests, inspectors, outcomes | scanner |
| evaluated | in-toto test result v0.1: claims against a re-run; see `measured` | evaluator |
| behaviour | ours: what the probes measured; see `measured` | evaluator |
| cyclonedx, spdx | the bill of materials itself; see `measured` and `bill` | scanner or registry |
| approved | SLSA verification summary (VSA) v1 | approver |
| decided, waived | ours: a person's decision; see `events` | reviewer |
| ref | ours: a ref moved to this snapshot | registry, approver or reviewer |
| view | ours: how the registry saw this snapshot at a moment | registry |
| deployed | ours: verified and loaded in an environment; see `events` | admission |
| revoked | ours: this snapshot must not be used any more | approver, registry or reviewer |
| lifted | ours: a revocation does not hold any more; see `events` | lift |
| oms | OpenSSF model signature, see `oms` | registry |

Fields that a foreign specification does not know are named `assay_…` (SLSA v1, "Extension fields").
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from assay import __version__
from assay.core.digest import Digest
from assay.core.errors import TrustError, UsageError
from assay.core.statement import Statement, StatementSubject
from assay.core.verdict import Decision, Verdict, format_time, parse_time
from assay.provenance.bill import CYCLONEDX_TYPE, SPDX_TYPE, place_of
from assay.provenance.oms import oms_root

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from assay.core.evidence import Evidence
    from assay.core.snapshot import Snapshot
    from assay.core.statement import Envelope

PROVENANCE_TYPE = "https://slsa.dev/provenance/v1"
VSA_TYPE = "https://slsa.dev/verification_summary/v1"
SCANNED_TYPE = "urn:assay:predicate:scanned:v1"
REF_TYPE = "urn:assay:predicate:ref:v1"
VIEW_TYPE = "urn:assay:predicate:view:v1"
REVOKED_TYPE = "urn:assay:predicate:revoked:v1"
IMPORT_BUILD_TYPE = "urn:assay:build-type:import:v1"

CONVERTED_TYPE = "urn:assay:predicate:converted:v1"
TEST_RESULT_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
BEHAVIOUR_TYPE = "urn:assay:predicate:behaviour:v1"
DECIDED_TYPE = "urn:assay:predicate:decided:v1"
WAIVED_TYPE = "urn:assay:predicate:waived:v1"
DEPLOYED_TYPE = "urn:assay:predicate:deployed:v1"
LIFTED_TYPE = "urn:assay:predicate:lifted:v1"

# Kind: predicate type, where its time stands, whose key it may carry.
_KINDS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "fetched": (PROVENANCE_TYPE, ("runDetails", "metadata", "finishedOn"), ("importer",)),
    "converted": (CONVERTED_TYPE, ("convertedAt",), ("importer",)),
    "scanned": (SCANNED_TYPE, ("scannedAt",), ("scanner",)),
    "evaluated": (TEST_RESULT_TYPE, ("assay_evaluatedAt",), ("evaluator",)),
    "behaviour": (BEHAVIOUR_TYPE, ("probedAt",), ("evaluator",)),
    "cyclonedx": (CYCLONEDX_TYPE, (), ("scanner", "registry")),
    "spdx": (SPDX_TYPE, (), ("scanner", "registry")),
    "approved": (VSA_TYPE, ("timeVerified",), ("approver",)),
    "decided": (DECIDED_TYPE, ("decidedAt",), ("reviewer",)),
    "waived": (WAIVED_TYPE, ("waivedAt",), ("reviewer",)),
    "ref": (REF_TYPE, ("movedAt",), ("registry", "approver", "reviewer")),
    "view": (VIEW_TYPE, ("asOf",), ("registry",)),
    "deployed": (DEPLOYED_TYPE, ("deployedAt",), ("admission",)),
    "revoked": (REVOKED_TYPE, ("revokedAt",), ("approver", "registry", "reviewer")),
    "lifted": (LIFTED_TYPE, ("liftedAt",), ("lift",)),
}
KINDS = {kind: uri for kind, (uri, _, _) in _KINDS.items()}
# Whose key a statement of a kind may carry.
SIGNERS: dict[str, frozenset[str]] = {
    **{kind: frozenset(roles) for kind, (_, _, roles) in _KINDS.items()},
    "oms": frozenset({"registry"}),
}
# What an approval rests on, in this order; `scanned` is always there.
CHAIN = ("fetched", "converted", "scanned", "evaluated", "behaviour", "cyclonedx", "spdx")
_TIMES = {uri: path for uri, path, _ in _KINDS.values()}
_BILLS = (CYCLONEDX_TYPE, SPDX_TYPE)

MANIFEST_NAME = "manifest.json"
OMS_ROOT_NAME = "oms-root"
# Files that somebody may look up by their hash. All others are bound through the manifest.
WEIGHT_SUFFIXES = (
    *(".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf", ".ggml", ".onnx", ".h5", ".keras", ".pb", ".tflite"),
    *(".msgpack", ".npz", ".npy", ".pkl", ".pickle", ".joblib", ".model", ".mlmodel", ".engine", ".nemo", ".skops"),
    *(".llamafile", ".ot", ".t7", ".weights", ".params"),
)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_TOOL = {"name": "assay", "version": __version__}


def subjects_of(snapshot: Snapshot) -> tuple[StatementSubject, ...]:
    """Our manifest (binds names, sizes and digests), the OMS root (binds to the model signature), the weight files."""
    weights = (entry for entry in snapshot.files if entry.path.lower().endswith(WEIGHT_SUFFIXES))
    return (
        StatementSubject(MANIFEST_NAME, snapshot.id),
        StatementSubject(OMS_ROOT_NAME, oms_root(snapshot)),
        *(StatementSubject(entry.path, entry.digest) for entry in weights),
    )


def fetched(snapshot: Snapshot, *, started: datetime, finished: datetime) -> Statement:
    """Where the snapshot was said to come from and when it was read. First of the chain."""
    origin = snapshot.origin
    source: dict[str, Any] = {"uri": origin.uri}
    if _COMMIT.fullmatch(origin.commit):
        source["digest"] = {"gitCommit": origin.commit}
    predicate = {
        "buildDefinition": {
            "buildType": IMPORT_BUILD_TYPE,
            "externalParameters": {"kind": origin.kind, "uri": origin.uri, "requested": origin.requested},
            "internalParameters": {"name": origin.name, "commit": origin.commit},
            "resolvedDependencies": [source],
        },
        "runDetails": {
            "builder": {"id": "urn:assay:importer", "version": {"assay": __version__}},
            "metadata": {"startedOn": format_time(started), "finishedOn": format_time(finished)},
        },
    }
    return Statement(subjects_of(snapshot), PROVENANCE_TYPE, predicate)


def scanned(snapshot: Snapshot, evidence: Sequence[Evidence], *, previous: Envelope, at: datetime) -> Statement:
    """Which inspectors looked, how each ended, and the digests of what they wrote.

    Raises:
        TrustError: for no evidence at all, or evidence about another snapshot.
    """
    if not evidence or any(one.subject != snapshot.id for one in evidence):
        raise TrustError("a scan without evidence about this very snapshot can't be stated")
    predicate = {
        "tool": _TOOL,
        "scannedAt": format_time(at),
        "previous": str(previous.digest),
        "evidence": [_summary(one) for one in sorted(evidence, key=lambda one: one.inspector)],
    }
    return Statement(subjects_of(snapshot), SCANNED_TYPE, predicate)


def _summary(one: Evidence) -> dict[str, Any]:
    counts: dict[str, int] = {}
    for finding in one.findings:
        counts[finding.severity.label] = counts.get(finding.severity.label, 0) + 1
    return {
        "inspector": one.inspector,
        "version": one.version,
        "outcome": one.outcome.value,
        "digest": {"sha256": one.digest.hex},
        "covered": len(one.covered),
        "unread": len(one.unread),
        "findings": counts,
    }


def approved(
    snapshot: Snapshot, verdict: Verdict, *, policy_name: str, inputs: Sequence[Envelope], name: str
) -> Statement:
    """The verdict as a verification summary: PASSED for ADMIT, FAILED for everything else.

    The signer must have come to `verdict` itself: run `policy.decide.decide()` on the stored evidence before signing.

    Args:
        snapshot: what was judged.
        verdict: about this snapshot.
        policy_name: name of the policy; its digest is in the verdict.
        inputs: the envelopes it rests on, in order; the last one is the previous of the chain.
        name: `org/name` under which it was judged.

    Raises:
        TrustError: when the verdict is about another snapshot or rests on no statement.
    """
    if verdict.subject != snapshot.id or not inputs:
        raise TrustError("an approval needs a verdict about this very snapshot and the statements that it rests on")
    passed = verdict.decision is Decision.ADMIT
    predicate = {
        "verifier": {"id": "urn:assay:approver", "version": {"assay": __version__}},
        "timeVerified": format_time(verdict.decided_at),
        "resourceUri": resource_uri(name, snapshot.id),
        "policy": {"uri": f"urn:assay:policy:{quote(policy_name)}", "digest": {"sha256": verdict.policy.hex}},
        "inputAttestations": [
            {"uri": f"urn:assay:envelope:sha256:{one.digest.hex}", "digest": {"sha256": one.digest.hex}}
            for one in inputs
        ],
        "verificationResult": "PASSED" if passed else "FAILED",
        # No value begins with SLSA_: no SLSA level was evaluated.
        "verifiedLevels": ["ASSAY_ADMITTED"] if passed else ["FAILED"],
        "assay_name": name,
        "assay_previous": str(inputs[-1].digest),
        "assay_verdict": verdict.to_json(),
    }
    return Statement(subjects_of(snapshot), VSA_TYPE, predicate)


def ref(
    snapshot: Snapshot,
    *,
    name: str,
    ref: str,
    revision: str,
    previous_revision: str,
    previous: Envelope,
    at: datetime,
    reason: str,
) -> Statement:
    """`ref` of `name` (`main`, say) points to this snapshot from `at` on. `previous` is the approval it rests on."""
    predicate = {
        "name": name,
        "ref": ref,
        "revision": revision,
        "previousRevision": previous_revision,
        "reason": reason,
        "movedAt": format_time(at),
        "previous": str(previous.digest),
    }
    return Statement(subjects_of(snapshot), REF_TYPE, predicate)


def view(snapshot: Snapshot, *, name: str, revision: str, log_head: str, previous: Envelope, at: datetime) -> Statement:
    """At `at`, the registry served this snapshot and knew of no revocation.

    A signature alone never expires; this is what an offline verification measures the age of its view by.

    Args:
        snapshot: what is served.
        name: under which name.
        revision: public revision id.
        log_head: hash of the newest entry of the log at that moment.
        previous: the approval it rests on.
        at: aware time.
    """
    predicate = {
        "name": name,
        "revision": revision,
        "state": "served",
        "logHead": log_head,
        "asOf": format_time(at),
        "previous": str(previous.digest),
    }
    return Statement(subjects_of(snapshot), VIEW_TYPE, predicate)


def revoked(snapshot: Snapshot, *, name: str, reason: str, previous: Envelope, at: datetime) -> Statement:
    """This snapshot must not be used any more, whatever was said before. `previous` is the approval it undoes."""
    predicate = {"name": name, "reason": reason, "revokedAt": format_time(at), "previous": str(previous.digest)}
    return Statement(subjects_of(snapshot), REVOKED_TYPE, predicate)


def resource_uri(name: str, snapshot_id: Digest) -> str:
    """Package URL of a vetted model: type generic, our manifest digest as version."""
    return f"pkg:generic/{quote(name)}@{snapshot_id.hex}"


def kind_of(statement: Statement) -> str | None:
    """Which of `KINDS` a statement is, by its predicate type; None for a foreign one."""
    return next((kind for kind, uri in KINDS.items() if uri == statement.predicate_type), None)


def time_of(statement: Statement) -> datetime:
    """The time that the signer claims for the statement.

    Raises:
        TrustError: when there is none where the kind has it.
    """
    value: Any = statement.predicate
    try:
        if statement.predicate_type in _BILLS:
            return parse_time(place_of(statement.predicate_type, statement.predicate)[1])
        for key in _TIMES[statement.predicate_type]:
            value = value[key]
        return parse_time(value)
    except (KeyError, TypeError, ValueError) as error:
        raise TrustError(f"statement {statement.predicate_type!r} does not say when it was made") from error


def inputs_of(statement: Statement) -> tuple[Digest, ...]:
    """Digests of the envelopes that a statement rests on, the previous one of the chain last.

    Raises:
        TrustError: when a digest is broken, or a statement that must name its previous does not.
    """
    if statement.predicate_type == PROVENANCE_TYPE:
        return ()
    predicate = statement.predicate
    try:
        if statement.predicate_type in _BILLS:
            return (place_of(statement.predicate_type, predicate)[0],)
        if statement.predicate_type == TEST_RESULT_TYPE:
            return (Digest.parse(predicate["assay_previous"]),)
        if statement.predicate_type != VSA_TYPE:
            return (Digest.parse(predicate["previous"]),)
        inputs = tuple(Digest(one["digest"]["sha256"]) for one in predicate["inputAttestations"])
        if not inputs or inputs[-1] != Digest.parse(predicate["assay_previous"]):
            raise TrustError("the approval does not name the statement before it")
    except (KeyError, TypeError, AttributeError, UsageError) as error:
        raise TrustError(f"statement {statement.predicate_type!r} does not name the one before it") from error
    return inputs


def verdict_of(statement: Statement) -> Verdict:
    """The verdict inside an approval, checked against the summary around it.

    Raises:
        TrustError: when it is no approval, or summary and verdict contradict each other.
    """
    predicate = statement.predicate
    try:
        verdict = Verdict.from_json(predicate["assay_verdict"])
        agree = (
            statement.predicate_type == VSA_TYPE
            and (predicate["verificationResult"] == "PASSED") is (verdict.decision is Decision.ADMIT)
            and predicate["policy"]["digest"]["sha256"] == verdict.policy.hex
            and predicate["timeVerified"] == format_time(verdict.decided_at)
            and StatementSubject(MANIFEST_NAME, verdict.subject) in statement.subjects
        )
    except (KeyError, TypeError, AttributeError, ValueError, UsageError) as error:
        raise TrustError("no approval with a verdict inside") from error
    if not agree:
        raise TrustError("the approval and the verdict inside contradict each other")
    return verdict


def check_subjects(statement: Statement, snapshot: Snapshot) -> None:
    """Make sure that a statement is about `snapshot`.

    The manifest and the OMS root must be among its subjects; every other subject must be a file of the snapshot with
    that digest.

    Raises:
        TrustError: with the first subject that does not fit.
    """
    expected: set[StatementSubject] = {
        StatementSubject(MANIFEST_NAME, snapshot.id),
        StatementSubject(OMS_ROOT_NAME, oms_root(snapshot)),
    }
    if missing := expected - set(statement.subjects):
        raise TrustError(f"not about this model: {min(missing).name} is not among the subjects")
    for subject in _beyond(statement.subjects, expected):
        entry = snapshot.entry(subject.name)
        if entry is None or entry.digest != subject.digest:
            raise TrustError(f"about another model: subject {subject.name!r} is not in the manifest")


def _beyond(subjects: Iterable[StatementSubject], expected: set[StatementSubject]) -> list[StatementSubject]:
    return [subject for subject in subjects if subject not in expected]

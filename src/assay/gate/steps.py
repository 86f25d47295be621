"""What the steps of a verification check. Each returns one line for people, or raises what is wrong."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.core.errors import TrustError
from assay.core.snapshot import Origin, Snapshot
from assay.core.verdict import Decision, Verdict, format_time
from assay.gate.report import CouldNotTell
from assay.provenance.lifts import check_lift
from assay.provenance.oms import OMS_TYPE, check_oms, signed_files
from assay.provenance.statements import CHAIN, SIGNERS, check_subjects, inputs_of, kind_of, time_of, verdict_of
from assay.provenance.timestamps import stamped_at
from assay.provenance.trust import MAX_SKEW, Trust

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from assay.core.digest import Digest
    from assay.core.statement import Envelope, Statement
    from assay.gate.files import Files
    from assay.gate.statements import Statements
    from assay.provenance.bundle import Material

REQUIRED = ("fetched", "scanned", "approved", "oms")


@dataclass(frozen=True, slots=True)
class Claim:
    """A statement that was parsed; whether it is believed is the business of step 2.

    Attributes:
        kind: one of the kinds of `provenance.statements`, or `oms`.
        label: what to call it.
        envelope: as it was found.
        statement: what is inside.
        material: certificates and time-stamps that came with it.
    """

    kind: str
    label: str
    envelope: Envelope
    statement: Statement
    material: Material


@dataclass(frozen=True)
class Claims:
    """All statements of a kind that we know, and the manifest.

    Attributes:
        snapshot: the manifest; its origin is empty.
        claims: in the order found.
        unknown: labels of statements of other kinds; they have no effect.
    """

    snapshot: Snapshot
    claims: tuple[Claim, ...]
    unknown: tuple[str, ...]

    def of(self, *kinds: str) -> list[Claim]:
        """The claims of these kinds."""
        return [claim for claim in self.claims if claim.kind in kinds]

    def approval(self, name: str) -> Claim:
        """The newest approval under `name`; of two at the same second, one that failed.

        Raises:
            TrustError: when there is none.
        """
        mine = [claim for claim in self.of("approved") if approved_name(claim) == name]
        if not mine:
            raise TrustError(f"not approved as {name!r}")
        return max(
            mine, key=lambda c: (time_of(c.statement), c.statement.predicate.get("verificationResult") != "PASSED")
        )


def parse(statements: Statements) -> Claims:
    """Step 1: every statement and the manifest can be read, and none that is needed is missing."""
    snapshot = _manifest(statements.manifest)
    claims, unknown = [], []
    for signed in statements.signed:
        statement = signed.envelope.statement()
        kind = "oms" if statement.predicate_type == OMS_TYPE else kind_of(statement)
        if kind is None and signed.kind not in SIGNERS:
            unknown.append(signed.label)
        elif kind != signed.kind:
            raise TrustError(f"{signed.label} is not a {signed.kind!r} statement: {statement.predicate_type}")
        else:
            claims.append(Claim(kind, signed.label, signed.envelope, statement, signed.material))
    if missing := [kind for kind in REQUIRED if kind not in {claim.kind for claim in claims}]:
        raise TrustError(f"no {' and no '.join(repr(kind) for kind in missing)} statement")
    return Claims(snapshot, tuple(claims), tuple(unknown))


def _manifest(data: bytes) -> Snapshot:
    try:
        snapshot = Snapshot.from_manifest(json.loads(data), Origin("folder", ""))
    except (ValueError, RecursionError) as error:
        raise TrustError("the manifest is not JSON") from error
    if snapshot.manifest_bytes() != data:
        raise TrustError("the manifest is not in canonical form")
    return snapshot


def describe(claims: Claims) -> str:
    """What step 1 found."""
    text = f"manifest of {len(claims.snapshot.files)} files and {len(claims.claims)} statements"
    return f"{text}; of unknown kind and without effect: {', '.join(claims.unknown)}" if claims.unknown else text


def trusted(claims: Claims, trust: Trust, now: datetime) -> str:
    """Step 2: every statement is signed by a key that the trust file allows its role at its time."""
    for claim in claims.claims:
        if claim.kind == "oms":
            continue  # step 6: it carries no time of its own
        at = time_of(claim.statement)
        if at > now + MAX_SKEW:
            raise TrustError(f"{claim.label} is dated {format_time(at)}, which is in the future")
        _signer(claim, trust, at)
    count, stamped = len(claims.claims) - len(claims.of("oms")), 0
    if trust.stampers:
        stamped = sum(bool(claim.material.stamps) for claim in claims.claims if claim.kind != "oms")
    text = f", {stamped} of them time-stamped" if trust.stampers else ""
    return f"{count} statements, each by a key of its role{text}"


def _signer(claim: Claim, trust: Trust, at: datetime) -> None:
    try:
        trust.signer(claim.envelope, SIGNERS[claim.kind], _told(claim, trust, at))
    except TrustError as error:
        raise TrustError(f"{claim.label}: {error}") from error


def _told(claim: Claim, trust: Trust, at: datetime) -> datetime:
    """The time that a trusted authority stamped it at; the statement's own without one, where that will do."""
    stamped = stamped_at(claim.envelope, claim.material.stamps, trust.stampers)
    if stamped is None:
        if trust.stamps_required and claim.kind in {*CHAIN, "approved"}:
            raise TrustError("no time-stamp of an authority in the trust file")
        return at
    if at > stamped + MAX_SKEW:
        raise TrustError(f"it was time-stamped at {format_time(stamped)}, before the time that it says")
    return stamped


def about(claims: Claims, name: str | None) -> str:
    """Step 3: every statement is about this manifest, and the approval is for the name asked for."""
    for claim in claims.claims:
        if claim.kind != "oms":
            try:
                check_subjects(claim.statement, claims.snapshot)
            except TrustError as error:
                raise TrustError(f"{claim.label}: {error}") from error
    names = sorted({approved_name(claim) for claim in claims.of("approved")})
    if name is None and len(names) > 1:
        raise TrustError(f"approved under several names: {', '.join(names)}", hint="say which one with --as")
    if name is not None and name not in names:
        raise TrustError(f"approved as {', '.join(names)}, not as {name}")
    return f"{claims.snapshot.id}, approved as {name or names[0]}"


def origin(claims: Claims) -> str:
    """Where the importer says that the model came from; a claim of the source, signed by the importer."""
    definition = claims.of("fetched")[0].statement.predicate.get("buildDefinition")
    parameters = definition.get("externalParameters") if isinstance(definition, dict) else None
    return str(parameters.get("uri", "")) if isinstance(parameters, dict) else ""


def approved_name(claim: Claim) -> str:
    """The name in an approval (TrustError when there is none)."""
    name = claim.statement.predicate.get("assay_name")
    if not isinstance(name, str):
        raise TrustError(f"{claim.label} does not say under which name")
    return name


def complete(snapshot: Snapshot, files: Files) -> str:
    """Step 4: every file of the manifest is there, with its size, and nothing else is."""
    if files.skipped:
        raise TrustError(_more(f"{files.skipped[0].path}: {files.skipped[0].reason}", len(files.skipped)))
    listed = {entry.path: entry.size for entry in snapshot.files}
    if extra := sorted(set(files.sizes) - set(listed) - files.beside):
        raise TrustError(_more(f"not in the manifest: {extra[0]}", len(extra)))
    if missing := sorted(set(listed) - set(files.sizes)):
        raise TrustError(_more(f"missing: {missing[0]}", len(missing)))
    if wrong := [path for path, size in listed.items() if files.sizes[path] != size]:
        raise TrustError(_more(f"other size than in the manifest: {wrong[0]}", len(wrong)))
    beside = len(files.beside - set(listed))
    text = f" (beside them {beside} files of statements or of a hub client's bookkeeping)" if beside else ""
    return f"{len(listed)} files, {snapshot.size} bytes{text}"


def same_bytes(snapshot: Snapshot, digests: Mapping[str, Digest]) -> str:
    """Step 5: every file of the manifest has its SHA-256."""
    if wrong := [e.path for e in snapshot.files if e.path in digests and digests[e.path] != e.digest]:
        raise TrustError(_more(f"other bytes than in the manifest: {wrong[0]}", len(wrong)))
    if missing := [e.path for e in snapshot.files if e.path not in digests]:
        raise TrustError(_more(f"not there to be hashed: {missing[0]}", len(missing)))
    return f"SHA-256 of {len(digests)} files as in the manifest"


def model_signature(claims: Claims, name: str, trust: Trust) -> str:
    """Step 6: the OpenSSF model signature is the registry's and lists these files.

    It carries no time of its own. The approval's stands in: what it could sign otherwise is bound by step 3 anyway.
    """
    at = time_of(claims.approval(name).statement)
    for claim in claims.of("oms"):
        _signer(claim, trust, at)
        check_oms(claim.statement, claims.snapshot)
    return f"OpenSSF model signature over {len(signed_files(claims.snapshot))} files"


def chained(claims: Claims, name: str) -> str:
    """Step 7: the approval rests on a scan, the scan on an import, each named by the digest of its envelope."""
    by_digest = {claim.envelope.digest: claim for claim in claims.claims}
    for claim in claims.of("ref", "view", "deployed"):
        _previous(claim, ("approved",), by_digest)
    approval = claims.approval(name)
    if absent := [digest for digest in inputs_of(approval.statement) if digest not in by_digest]:
        raise TrustError(f"{approval.label} rests on {absent[0]}, which is not here")
    links = [approval]
    while links[-1].kind != CHAIN[0]:
        last = CHAIN.index(links[-1].kind) if links[-1].kind in CHAIN else len(CHAIN)
        links.append(_previous(links[-1], CHAIN[:last], by_digest))
    if all(link.kind != "scanned" for link in links):
        raise TrustError(f"{approval.label} rests on no 'scanned' statement")
    times = [time_of(link.statement) for link in reversed(links)]
    if times != sorted(times):
        raise TrustError("a statement is dated before the one that it rests on")
    return " <- ".join(link.label for link in reversed(links))


def _previous(claim: Claim, kinds: Sequence[str], by_digest: Mapping[Digest, Claim]) -> Claim:
    named = inputs_of(claim.statement)[-1]
    before = by_digest.get(named)
    if before is None or before.kind not in kinds:
        found = f"a {before.kind!r} statement" if before else "nothing here"
        wanted = " or ".join(repr(kind) for kind in kinds)
        raise TrustError(f"{claim.label} must follow a {wanted} statement; what it names is {found}")
    return before


def live(claims: Claims, name: str, now: datetime, trust: Trust) -> Verdict:
    """Step 8: the newest verdict is an ADMIT that has not expired, and no revocation of the model stands."""
    for claim in claims.of("revoked"):
        if _is_lifted(claim, claims, trust):
            continue
        reason = str(claim.statement.predicate.get("reason", ""))[:200]
        raise TrustError(f"revoked on {format_time(time_of(claim.statement))}: {reason}")
    verdict = verdict_of(claims.approval(name).statement)
    if verdict.decision is not Decision.ADMIT:
        raise TrustError(f"the verdict is {verdict.decision.value}: {verdict.reasons[0].text[:300]}")
    if now >= verdict.expires_at:
        raise TrustError(f"the admission expired on {format_time(verdict.expires_at)}", hint="vet it again")
    return verdict


def _is_lifted(revocation: Claim, claims: Claims, trust: Trust) -> bool:
    """Whether one of the lifts takes this very revocation back."""
    for lift in claims.of("lifted"):
        try:
            check_lift(revocation.envelope, lift.envelope, trust)
        except TrustError:
            continue
        return True
    return False


def policy(verdict: Verdict, trust: Trust) -> str:
    """Step 9: the verdict was given by a policy that the trust file accepts."""
    if trust.accepted_policies is None:
        return f"{verdict.policy} (the trust file accepts any policy of a trusted approver)"
    if verdict.policy not in trust.accepted_policies:
        raise TrustError(f"{verdict.policy} is not among the accepted policies of the trust file")
    return f"{verdict.policy}, accepted by the trust file"


def fresh(claims: Claims, trust: Trust, now: datetime, seen_at: datetime | None) -> str:
    """Step 10: the newest signed view of the registry is recent enough to tell that the model was not revoked."""
    times = [time_of(claim.statement) for claim in claims.of("approved", "ref", "view")]
    newest = max([*times, *([seen_at] if seen_at else [])])
    age = now - newest
    text = f"the view of the registry is from {format_time(newest)}"
    if age > trust.max_age:
        old = f"{text}, {age.days} days old: whether the model was revoked since can't be told"
        hint = f"the trust file allows {trust.max_age.days} days; export it again with `assay attest export`"
        raise CouldNotTell(old, hint=hint)
    return f"{text}, at most {trust.max_age.days} days are allowed"


def _more(text: str, count: int) -> str:
    return text if count == 1 else f"{text} (and {count - 1} more)"

"""Statements and the registry's log: proofs go out with an export and are checked offline (RFC 6962, C2SP).

A proof shows that the log, as its own key signed it, holds the statement. A registry that keeps a statement out of its
log, to show it to one customer alone, can't make one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from assay.core.errors import IntegrityError, TrustError
from assay.registry.transparency import (
    ROLE,
    Proof,
    check_entry,
    log_keys,
    make_checkpoint,
    prove_statements,
    reached,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from assay.gate.statements import Statements
    from assay.gate.steps import Claims
    from assay.gate.stored import Stored
    from assay.provenance.keys import SigningKey
    from assay.provenance.trust import Trust
    from assay.store.index import Index

_OUTSIDE = ("view", "deployed")  # signed when they are handed out, beside the log


def proofs_of(index: Index, found: Stored, key: SigningKey | None, now: datetime) -> dict[str, Proof]:
    """For each statement about a model the proof that the log holds it, by the statement's digest.

    With the log's key a checkpoint is signed first when the newest does not reach them all; without it, proofs are
    made as far as that one reaches.

    Raises:
        IntegrityError: the log does not begin with what was signed before.
    """
    snapshot = found.snapshot.id.hex
    if key is not None and not reached(index, snapshot):
        make_checkpoint(index, key, now)
    wanted = {one.envelope.digest.hex for one in found.statements}
    return {digest: proof for digest, proof in prove_statements(index, snapshot).items() if digest in wanted}


def proof_files(proofs: Mapping[str, Proof]) -> dict[str, bytes]:
    """Proofs as files hold them."""
    return {digest: (json.dumps(proof.to_json(), indent=1) + "\n").encode() for digest, proof in proofs.items()}


def logged(claims: Claims, statements: Statements, trust: Trust, now: datetime) -> str:
    """Step 11: what came with a proof is in the log, and with `log_required` in the trust file everything did."""
    if not trust.log_required and not any(ROLE in key.roles for key in trust.keys):
        return "the trust file lists no key of a log and asks for no proofs: those that came were not looked at"
    proofs = {_named(proof): proof for proof in map(_read, statements.proofs)}
    sizes = set()
    for claim in claims.claims:
        proof = proofs.get(claim.envelope.digest.hex)
        if proof is not None:
            try:
                sizes.add(check_entry(proof, log_keys(trust, now)).size)
            except IntegrityError as error:
                raise TrustError(f"{claim.label}: {error}") from error
        elif trust.log_required and claim.kind not in _OUTSIDE:
            hint = "export it again where the log's key is"
            raise TrustError(f"{claim.label} comes without a proof that it is in the log", hint=hint)
    if not sizes:
        raise TrustError("the proofs are about none of these statements")
    proven = sum(claim.envelope.digest.hex in proofs for claim in claims.claims)
    return f"{proven} statements are in the log of {max(sizes)} entries, as its key signed it"


def _read(data: bytes) -> Proof:
    try:
        return Proof.from_json(json.loads(data))
    except (ValueError, RecursionError) as error:
        raise TrustError("a proof about the log is not JSON") from error


def _named(proof: Proof) -> str:
    """The statement that an entry records; empty for entries of other kinds."""
    entry = proof.entry
    return str(entry.body.get("statement", "")) if entry is not None and entry.kind == "statement" else ""

"""Statements and the registry's log: proofs go out with an export and are checked offline (RFC 6962, C2SP).

A proof shows that the log, as its own key signed it, holds the statement. A registry that keeps a statement out of its
log, to show it to one customer alone, can't make one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from assay.core.errors import IntegrityError, TrustError
from assay.registry.transparency import Proof, check_entry, log_keys, make_checkpoint, prove_entry
from assay.store import log

if TYPE_CHECKING:
    from datetime import datetime

    from assay.gate.statements import Statements
    from assay.gate.steps import Claims
    from assay.gate.stored import Stored
    from assay.provenance.keys import SigningKey
    from assay.provenance.trust import Trust
    from assay.store.index import Index

_OUTSIDE = ("view", "deployed")  # signed when they are handed out, beside the log


def proofs_of(index: Index, found: Stored, key: SigningKey, now: datetime) -> dict[str, bytes]:
    """For each statement about a model the proof that the log holds it, by the statement's digest.

    Signs a checkpoint first, so that the newest statement is below it.

    Raises:
        IntegrityError: the log does not begin with what was signed before.
    """
    wanted = {one.envelope.digest.hex for one in found.statements}
    make_checkpoint(index, key, now)
    with index.reading() as tx:
        numbers = {
            digest: seq for digest, seq in log.statements_of(tx, found.snapshot.id.hex).items() if digest in wanted
        }
    return {
        digest: (json.dumps(prove_entry(index, seq).to_json(), indent=1) + "\n").encode()
        for digest, seq in numbers.items()
    }


def logged(claims: Claims, statements: Statements, trust: Trust, now: datetime) -> str:
    """Step 11: what came with a proof is in the log, and with `log_required` in the trust file everything did."""
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

"""When a revocation is lifted: a holder of the role *lift* signed it who is not the revoker alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.core.errors import TrustError
from assay.provenance.statements import LIFTED_TYPE, REVOKED_TYPE, SIGNERS, inputs_of, time_of

if TYPE_CHECKING:
    from assay.core.statement import Envelope
    from assay.provenance.trust import Trust


def check_lift(revocation: Envelope, lift: Envelope, trust: Trust) -> None:
    """Make sure that `lift` lifts this very revocation.

    Raises:
        TrustError: when it names another one, is not signed by a key of the role *lift*, or only by keys or persons
            that signed the revocation, or is dated before it.
    """
    undone, said = revocation.statement(), lift.statement()
    if (undone.predicate_type, said.predicate_type) != (REVOKED_TYPE, LIFTED_TYPE):
        raise TrustError("a lift is a 'lifted' statement about a 'revoked' one")
    if inputs_of(said)[-1] != revocation.digest:
        raise TrustError("the lift is about another revocation")
    if undone.subjects != said.subjects:
        raise TrustError("the lift is about another model than the revocation")
    if time_of(said) < time_of(undone):
        raise TrustError("the lift is dated before the revocation")
    holders = trust.signers(lift, SIGNERS["lifted"], time_of(said))
    revokers = trust.signers(revocation, SIGNERS["revoked"], time_of(undone))
    keys, persons = {key.public.id for key in revokers}, {key.person for key in revokers if key.person}
    if all(key.public.id in keys or key.person in persons for key in holders):
        raise TrustError("who revoked can't lift it alone", hint="another holder of the role lift must sign")

"""Whether a suite is signed by somebody whom this installation lets decide what is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.errors import TrustError
from assay.provenance.suites import SUITE_SIGNERS, envelope_beside, verify_suite

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from assay.evaluation.suite import Suite
    from assay.provenance.trust import Trust


@dataclass(frozen=True, slots=True)
class Signed:
    """What the signature of a suite says.

    Attributes:
        key: id of the trusted key; empty: none.
        role: as which it signed.
        reason: why there is none.
    """

    key: str = ""
    role: str = ""
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """For evidence: `{"key", "role"}` or `{"reason"}`."""
        return {"key": self.key, "role": self.role} if self.key else {"reason": self.reason}


class Signatures:
    """Checks suites against one trust file at one time.

    Args:
        trust: None: there is no trust file, so nothing counts as signed.
        now: one reference time.
    """

    def __init__(self, trust: Trust | None, now: datetime) -> None:
        self._trust = trust
        self._now = now

    def of(self, path: Path, suite: Suite) -> Signed:
        """The signature beside the file `path`, which `suite` was read from."""
        try:
            envelope = envelope_beside(path)
            if envelope is None:
                return Signed(reason="the suite is not signed")
            if self._trust is None:
                return Signed(reason="there is no trust file to check the suite's signature with")
            key = verify_suite(envelope, suite.digest, suite.data.sha256, self._trust, self._now)
        except TrustError as error:
            return Signed(reason=f"the suite's signature does not count: {error}")
        return Signed(key.public.id, next(role for role in SUITE_SIGNERS if role in key.roles))

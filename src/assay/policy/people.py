"""What people decided about a snapshot, as `decide()` hears it. Values only: signatures were checked before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from assay.core.digest import Digest
    from assay.core.finding import Finding


@dataclass(frozen=True, slots=True)
class Opinion:
    """A person approves or rejects.

    Attributes:
        person: whose key signed.
        approves: true, or false for a rejection.
        reason: in their words.
        at: when it was signed.
        statement: digest of the signed envelope.
        urgent: break-glass: stands for as many approvals as the policy asks for.
    """

    person: str
    approves: bool
    reason: str
    at: datetime
    statement: Digest
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Waiver:
    """A finding about this snapshot is set aside until a day.

    Attributes:
        rule: of the finding.
        file: of the finding; empty: wherever the rule speaks.
        person: whose key signed.
        reason: in their words.
        at: when it was signed.
        until: the end.
        statement: digest of the signed envelope.
    """

    rule: str
    file: str
    person: str
    reason: str
    at: datetime
    until: datetime
    statement: Digest

    def covers(self, finding: Finding) -> bool:
        """Whether it is about this finding."""
        return finding.rule == self.rule and self.file in {"", finding.where.file}


@dataclass(frozen=True, slots=True)
class People:
    """All that people decided about one snapshot under one name.

    Attributes:
        opinions: oldest first; the newest of each person counts.
        waivers: those that ended too.
    """

    opinions: tuple[Opinion, ...] = ()
    waivers: tuple[Waiver, ...] = ()


SILENT = People()

"""How many processes may be at something at once, all machines together: a GPU, memory for a large model, a hub.

A place belongs to the lease of the process that took it: one that was killed keeps nobody out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from assay.core.verdict import format_time
from assay.store.schema_slots import slots

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from assay.store.index import Index


@dataclass(frozen=True)
class Slots:
    """Places in one index.

    Attributes:
        index: shared by all processes.
        at_once: resource → how many may be at it; what is not named is not scarce.
    """

    index: Index
    at_once: Mapping[str, int]

    def take(self, resource: str, holder: str, dead: Callable[[str], bool]) -> bool:
        """Whether the process has a place now; also when it had one before, and where there are any number.

        Args:
            resource: what it wants to be at.
            holder: its lease.
            dead: whether the process with a lease is gone.
        """
        most = self.at_once.get(resource)
        if most is None:
            return True
        where = slots.c.resource == resource
        with self.index.reading() as tx:
            others = set(tx.execute(select(slots.c.holder).where(where, slots.c.holder != holder)).scalars())
        gone = {other for other in others if dead(other)}
        with self.index.transaction() as tx:
            tx.execute(delete(slots).where(where, slots.c.holder.in_(gone)))
            taken = {row.number: row.holder for row in tx.execute(select(slots).where(where))}
            if holder in taken.values():
                return True
            free = next((number for number in range(most) if number not in taken), None)
            if free is None or len(taken) >= most:
                return False
            now = format_time(datetime.now(UTC))
            tx.execute(insert(slots).values(resource=resource, number=free, holder=holder, taken_at=now))
        return True

    def free(self, resource: str, holder: str) -> None:
        """Give the place back."""
        if resource in self.at_once:
            with self.index.transaction() as tx:
                tx.execute(delete(slots).where(slots.c.resource == resource, slots.c.holder == holder))

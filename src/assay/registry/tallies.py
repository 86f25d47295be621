"""What the workers did, summed up in the index: times of steps, verdicts, jobs in the sandbox. Servers show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import insert, select, update

from assay.core.evidence import Outcome
from assay.store.schema_tallies import tallies

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from assay.core.evidence import Evidence
    from assay.store.index import Index

STEP: Final = "step"  # label: the step of an admission; total: seconds
VERDICT: Final = "verdict"  # label: the decision
JOB: Final = "job"  # label: `sandboxed` or `not-run`, of inspections that load a model
_LOADING: Final = frozenset({"load", "behaviour", "evaluation"})  # inspectors that need the sandbox


@dataclass(frozen=True, slots=True)
class Tally:
    """One sum.

    Attributes:
        what: what is counted.
        label: of which kind.
        count: how many.
        total: sum of their measure; seconds for `step`.
    """

    what: str
    label: str
    count: int
    total: float


def add(
    index: Index, what: str, label: str, *, count: int = 1, total: float = 0.0, tx: Connection | None = None
) -> None:
    """Add to one sum. A step that a crash repeats is counted again: it took that time."""
    mine = (tallies.c.what == what, tallies.c.label == label)
    with index.transaction(tx) as connection:
        values = {"count": tallies.c.count + count, "total": tallies.c.total + total}
        if connection.execute(update(tallies).where(*mine).values(**values)).rowcount == 0:
            connection.execute(insert(tallies).values(what=what, label=label, count=count, total=total))


def add_jobs(index: Index, evidence: Iterable[Evidence], tx: Connection) -> None:
    """Count the inspections that load a model: in the sandbox, or not at all. There is no third way."""
    for one in evidence:
        if one.inspector in _LOADING and one.outcome is not Outcome.NOT_APPLICABLE:
            add(index, JOB, "sandboxed" if one.facts.get("layers") else "not-run", tx=tx)


def read(index: Index) -> tuple[Tally, ...]:
    """All sums, sorted."""
    with index.reading() as tx:
        rows = tx.execute(select(tallies).order_by(tallies.c.what, tallies.c.label))
        return tuple(Tally(what, label, count, total) for what, label, count, total in rows)

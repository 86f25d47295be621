"""Re-vetting: admitted models whose verdict rests on older rules, lists, probes or another policy than today's.

Oldest verdict first; what is pulled more goes before what is pulled less. Until the new verdict is there, the old one
holds. A verdict that turns is an incident: the log says `turned`, and the model is refused from then on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from assay.core.digest import Digest
from assay.registry.queue import SNAPSHOT, WorkQueue
from assay.registry.records import Refused
from assay.store.schema import revisions
from assay.store.schema_pulls import pulls

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from assay.registry.catalog import Catalog

MOST_PRIORITY = 40  # below what a person decided or asks for
REVETTING = "assay: re-vetting"  # who asked, as the queue says it


@dataclass(frozen=True, slots=True)
class Stale:
    """A served revision that is to be vetted again.

    Attributes:
        name: `org/name`.
        snapshot_id: its files.
        decided_at: of the verdict it is served by.
        why: what changed.
        pulled: rows of the pull ledger about it.
    """

    name: str
    snapshot_id: Digest
    decided_at: datetime
    why: str
    pulled: int


def stale(catalog: Catalog, policy: Digest, versions: Mapping[str, str], now: datetime) -> tuple[Stale, ...]:
    """Served revisions whose verdict is not what would be asked for today, oldest verdict first.

    Args:
        catalog: what is served.
        policy: digest of the policy in force.
        versions: version of every inspector that would look today, by its name.
        now: the time.
    """
    found = []
    with catalog.index.reading() as tx:
        rows = tx.execute(select(revisions).order_by(revisions.c.seq)).all()
        counted = select(pulls.c.name, pulls.c.snapshot_id, func.count()).group_by(pulls.c.name, pulls.c.snapshot_id)
        pulled = {(name, snapshot): count for name, snapshot, count in tx.execute(counted)}
    for row in rows:
        try:
            verdict = catalog.resolve(row.name, row.revision, now).verdict
        except Refused:
            continue
        why = "the policy changed" if verdict.policy != policy else _changed(catalog, verdict.evidence, versions)
        if why:
            count = pulled.get((row.name, row.snapshot_id), 0)
            found.append(Stale(row.name, Digest(row.snapshot_id), verdict.decided_at, why, count))
    return tuple(sorted(found, key=lambda one: (one.decided_at, one.name)))


def rested(catalog: Catalog, found: tuple[Stale, ...], since: datetime) -> tuple[Stale, ...]:
    """Those that nobody queued for re-vetting since then: what stays stale is not vetted over and over."""
    queue = WorkQueue(catalog.index)

    def asked(one: Stale) -> bool:
        return any(
            item.asked_by == REVETTING and item.source == str(one.snapshot_id) and item.asked_at > since
            for item in queue.about(one.name)
        )

    return tuple(one for one in found if not asked(one))


def queue_stale(catalog: Catalog, found: tuple[Stale, ...], now: datetime) -> int:
    """Queue them all, once each; the number queued. A higher priority for what is pulled more."""
    queue = WorkQueue(catalog.index)
    for one in found:
        priority = min(one.pulled, MOST_PRIORITY)
        queue.ask(
            SNAPSHOT, str(one.snapshot_id), one.name, asked_by=REVETTING, reason=one.why, priority=priority, now=now
        )
    return len(found)


def _changed(catalog: Catalog, evidence: tuple[Digest, ...], versions: Mapping[str, str]) -> str:
    looked: dict[str, str] = {}
    with catalog.index.reading() as tx:
        for digest in evidence:
            one = catalog.index.get_evidence(digest, tx)
            if one is not None:
                looked[one.inspector] = one.version
    if missing := sorted(set(versions) - set(looked)):
        return f"inspector {missing[0]} has not looked"
    changed = sorted(name for name, version in versions.items() if looked[name] != version)
    return f"inspector {changed[0]} is another version now" if changed else ""

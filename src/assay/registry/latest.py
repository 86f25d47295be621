"""The listing by time: what was published or moved last comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from assay.core.verdict import format_time
from assay.registry.listing import FILTERS, OF_A_MODEL, SERVED, Asked, like_of
from assay.registry.records import Model
from assay.store.schema_listing import listing, listing_tags

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from assay.store.index import Index

_IN_A_MODEL: Final = {"moved_at": "moved", "created_at": "created"}  # column → as `records.Model` has it


def latest(
    index: Index, asked: Asked, now: datetime, *, by: str, after: str, limit: int, shown: Callable[[str], bool]
) -> tuple[list[Any], str | None]:
    """As `page`, of what is served, newest first.

    Args:
        index: to ask.
        asked: what to list.
        now: the time.
        by: `moved_at`, when `main` moved last, or `created_at`.
        after: time and name of the last row before this page, with a blank between; empty for the first.
        limit: most rows.
        shown: whether whoever asks may see a name.
    """
    at, name, key = listing.c[by], listing.c.name, asked.search.lower()
    found: list[Any] = []
    while True:
        made = select(*(listing.c[column] for column in OF_A_MODEL)).where(listing.c.state == SERVED)
        made = made.where(listing.c.served_from <= format_time(now), listing.c.served_until > format_time(now))
        made = made.where(*(listing.c[column] == value for column in FILTERS if (value := getattr(asked, column))))
        made = made.where(*(_tagged(word) for word in asked.tags))
        if key:
            made = made.where(listing.c.name_key.like(like_of(key), escape="/"))
        if after:
            moment, _, last = after.partition(" ")
            made = made.where(at <= moment, (at < moment) | (name < last))
        with index.reading() as tx:
            got = [Model._make(row) for row in tx.execute(made.order_by(at.desc(), name.desc()).limit(limit + 1))]
        for row in got[:limit]:
            if shown(row.name):
                if len(found) == limit:
                    return found, after
                found.append(row)
            after = f"{getattr(row, _IN_A_MODEL[by])} {row.name}"
        if len(got) <= limit:
            return found, None
        if len(found) == limit:
            return found, after


def _tagged(word: str) -> Any:
    return listing.c.name.in_(select(listing_tags.c.name).where(listing_tags.c.tag == word))

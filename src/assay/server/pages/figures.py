"""What pages count over the whole index, for somebody who may not see all of it: kept for a while (`registry.kept`)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from assay.registry import overview
from assay.server.hub_api import hidden_from
from assay.server.state import registry_of

if TYPE_CHECKING:
    from starlette.requests import Request

WINDOW: Final = timedelta(days=14)  # that figures of use are about


def names_by_verdict(request: Request) -> dict[str, int]:
    """How many names have which newest verdict; they change with the log alone."""
    registry, hidden = registry_of(request), hidden_from(request)
    index = registry.catalog.index
    head = index.log_head()
    rows = overview.rows(index)[0]
    return registry.kept.figure("names", hidden, lambda: overview.counts(index, hidden), rows=rows, state=head)


def pulls_by_day(request: Request) -> dict[str, int]:
    """Files pulled on each day of the window."""
    registry, hidden = registry_of(request), hidden_from(request)
    index, since = registry.catalog.index, registry.clock() - WINDOW
    rows = overview.rows(index)[1]
    return registry.kept.figure("days", hidden, lambda: overview.pulls_by_day(index, since, hidden), rows=rows)


def pulls_by_verdict(request: Request) -> dict[str, int]:
    """Files pulled within the window, by what is decided about them today."""
    registry, hidden = registry_of(request), hidden_from(request)
    index, since = registry.catalog.index, registry.clock() - WINDOW
    rows = overview.rows(index)[1]
    return registry.kept.figure("verdicts", hidden, lambda: overview.pulls_by_verdict(index, since, hidden), rows=rows)


def adoption(request: Request) -> tuple[int, int, int]:
    """Consumers, models and files pulled within the window."""
    registry, hidden = registry_of(request), hidden_from(request)
    index, since = registry.catalog.index, registry.clock() - WINDOW
    rows = overview.rows(index)[1]
    return registry.kept.figure("use", hidden, lambda: overview.adoption(index, since, hidden), rows=rows)

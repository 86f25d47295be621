"""Overview and the list of models."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from assay.core.verdict import Decision, format_time
from assay.registry import overview
from assay.registry.queue import WorkQueue
from assay.registry.records import Refused
from assay.server.client_settings import client_settings
from assay.server.hub_api import shown_to
from assay.server.pages.pictures import bars
from assay.server.pages.render import page, wanted
from assay.server.state import registry_of

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response

    from assay.registry.catalog import Catalog
    from assay.registry.overview import Named

_PAGE: Final = 50  # models
_FEW: Final = 20  # of each kind of work on the overview
_WINDOW: Final = timedelta(days=14)  # that figures of use are about
_LOUD_WINDOW: Final = timedelta(days=7)  # that a break-glass stays on every overview


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of the list: the newest verdict, and whether and how the name is served now."""

    named: Named
    served: bool
    state: str


def overview_page(request: Request) -> Response:
    """`/`: what needs a person, what is used, what waits."""
    registry = registry_of(request)
    index, now, shown = registry.catalog.index, registry.clock(), shown_to(request)
    held = [one for one in overview.named(index, decision=Decision.HOLD.value, limit=_FEW) if shown(one.name)]
    queue = WorkQueue(index)
    loud = overview.loud(index, ("turned", "break-glass"))
    visible = [one for one in loud if shown(str(one.body.get("name", "")))]
    since = now - _LOUD_WINDOW
    glass = [one for one in visible if one.kind == "break-glass" and one.at >= format_time(since)]
    days = overview.pulls_by_day(index, now - _WINDOW)
    consumers, models, files = overview.adoption(index, now - _WINDOW)
    return page(
        request,
        "overview.html",
        held=held,
        turned=[one for one in visible if one.kind == "turned"],
        glass=glass,
        open=[one for one in queue.waiting(_FEW) if shown(one.name)],
        depth=queue.depth(),
        ending=[one for one in overview.ending(index, now) if shown(one[0].name)][:_FEW],
        waivers=[one for one in overview.ending_waivers(index, now) if shown(one.name)][:_FEW],
        counts=overview.counts(index),
        now=now,
        use={"consumers": consumers, "models": models, "files": files},
        chart=bars(days_of(days, now), "Files pulled each day"),
        settings=client_settings(base_of(request)),
    )


def models_page(request: Request) -> Response:
    """`/-/models`: every name that was judged; `?search`, `?decision`, `?publisher`, `?after`."""
    registry = registry_of(request)
    chosen = {key: wanted(request, key) for key in ("search", "decision", "publisher")}
    if chosen["decision"] not in {one.value for one in Decision}:
        chosen["decision"] = ""
    shown, index = shown_to(request), registry.catalog.index
    found = overview.named(index, **chosen, after=wanted(request, "after"), limit=_PAGE + 1)
    lines = [_listed(registry.catalog, one, registry.clock()) for one in found[:_PAGE] if shown(one.name)]
    following = urlencode({**chosen, "after": found[_PAGE - 1].name}) if len(found) > _PAGE else ""
    return page(request, "models.html", lines=lines, chosen=chosen, following=following)


def days_of(found: dict[str, int], now: datetime) -> list[tuple[str, int]]:
    """One value for each of the last days, oldest first; 0 where nothing was pulled."""
    days = [(now - timedelta(days=back)).date().isoformat() for back in range(_WINDOW.days - 1, -1, -1)]
    return [(day, found.get(day, 0)) for day in days]


def base_of(request: Request) -> str:
    """The address that the browser used."""
    return f"{request.url.scheme}://{request.url.netloc}"


def _listed(catalog: Catalog, one: Named, now: datetime) -> Listed:
    try:
        catalog.resolve(one.name, now=now)
    except Refused as refusal:
        return Listed(one, served=False, state=refusal.kind)
    return Listed(one, served=True, state="served")

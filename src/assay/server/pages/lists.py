"""Overview and the list of models."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from assay.core.verdict import Decision, format_time
from assay.registry import overview
from assay.registry.listing import Asked
from assay.registry.queue import WorkQueue
from assay.server.client_settings import client_settings
from assay.server.hub_api import hidden_from, shown_to
from assay.server.pages import figures
from assay.server.pages.pictures import bars
from assay.server.pages.render import page, wanted
from assay.server.state import registry_of

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response


_PAGE: Final = 50  # models
_FEW: Final = 20  # of each kind of work on the overview
_LOUD_WINDOW: Final = timedelta(days=7)  # that a break-glass stays on every overview


def overview_page(request: Request) -> Response:
    """`/`: what needs a person, what is used, what waits."""
    registry = registry_of(request)
    index, now, shown, hidden = registry.catalog.index, registry.clock(), shown_to(request), hidden_from(request)
    held, _ = overview.named(index, Asked(decision=Decision.HOLD.value), now, shown=shown, limit=_FEW)
    queue = WorkQueue(index)
    loud = overview.loud(index, ("turned", "break-glass"))
    visible = [one for one in loud if shown(str(one.body.get("name", "")))]
    since = now - _LOUD_WINDOW
    glass = [one for one in visible if one.kind == "break-glass" and one.at >= format_time(since)]
    days = figures.pulls_by_day(request)
    consumers, models, files = figures.adoption(request)
    return page(
        request,
        "overview.html",
        held=[one for one, _ in held],
        turned=[one for one in visible if one.kind == "turned"],
        glass=glass,
        open=[one for one in queue.waiting(_FEW) if shown(one.name)],
        depth=queue.depth(hidden),
        ending=[one for one in overview.ending(index, now) if shown(one[0].name)][:_FEW],
        waivers=[one for one in overview.ending_waivers(index, now) if shown(one.name)][:_FEW],
        counts=figures.names_by_verdict(request),
        now=now,
        use={"consumers": consumers, "models": models, "files": files},
        chart=bars(days_of(days, now), "Files pulled each day"),
        settings=client_settings(base_of(request)),
    )


def models_page(request: Request) -> Response:
    """`/-/models`: every name that was judged; `?search`, `?decision`, `?publisher`, `?task`, `?licence`, `?after`."""
    registry = registry_of(request)
    chosen = {key: wanted(request, key) for key in ("search", "decision", "publisher", "task", "licence")}
    if chosen["decision"] not in {one.value for one in Decision}:
        chosen["decision"] = ""
    asked = Asked(
        search=chosen["search"],
        publisher=chosen["publisher"],
        decision=chosen["decision"],
        task=chosen["task"].lower(),
        licence=chosen["licence"].lower(),
    )
    shown, index = shown_to(request), registry.catalog.index
    after = wanted(request, "after")
    lines, cursor = overview.named(index, asked, registry.clock(), shown=shown, after=after, limit=_PAGE)
    following = urlencode({**{key: value for key, value in chosen.items() if value}, "after": cursor}) if cursor else ""
    return page(request, "models.html", lines=lines, chosen=chosen, following=following)


def days_of(found: dict[str, int], now: datetime) -> list[tuple[str, int]]:
    """One value for each of the last days, oldest first; 0 where nothing was pulled."""
    days = [(now - timedelta(days=back)).date().isoformat() for back in range(figures.WINDOW.days - 1, -1, -1)]
    return [(day, found.get(day, 0)) for day in days]


def base_of(request: Request) -> str:
    """The address that the browser used."""
    return f"{request.url.scheme}://{request.url.netloc}"

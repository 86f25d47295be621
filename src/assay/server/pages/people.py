"""Pages about the registry itself: requests, the log, who may do what, figures, settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse

from assay import __version__
from assay.core.errors import UsageError
from assay.registry import overview
from assay.registry.people import may
from assay.registry.queue import WorkQueue
from assay.server.access import actor_of, require
from assay.server.hub_api import hidden_from, shown_to
from assay.server.pages import figures
from assay.server.pages.lists import base_of, days_of
from assay.server.pages.pictures import bars, shares
from assay.server.pages.render import page, size_text, wanted
from assay.server.people_api import review_of
from assay.server.requests_api import ask_for, form_fields
from assay.server.state import registry_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from assay.server.state import Registry


async def requests_page(request: Request) -> Response:
    """`/-/requests`: what is open, and the form that asks for a model."""
    if request.method != "POST":
        return await run_in_threadpool(_requests, request, "")
    require(request, "request")
    fields = form_fields(await request.body(), request.headers.get("content-type", ""))
    try:
        item = await run_in_threadpool(ask_for, request, fields)
    except UsageError as problem:
        return await run_in_threadpool(_requests, request, str(problem))
    return RedirectResponse(f"/-/requests?asked={item.seq}", 303)


def _requests(request: Request, problem: str) -> Response:
    registry, shown = registry_of(request), shown_to(request)
    queue, number = WorkQueue(registry.catalog.index), wanted(request, "asked", 15)
    asked = queue.get(int(number)) if number.isascii() and number.isdigit() else None
    return page(
        request,
        "requests.html",
        400 if problem else 200,
        open=[one for one in queue.waiting() if shown(one.name)],
        ended=[one for one in queue.ended() if shown(one.name)],
        hub=registry.settings.hub,
        may_ask=bool(may(actor_of(request), "request")),
        name=wanted(request, "name"),
        asked=asked if asked is not None and shown(asked.name) else None,
        problem=problem,
        base=base_of(request),
    )


def access_page(request: Request) -> Response:
    """`/-/access`: who may do what, and what nobody uses."""
    found = review_of(registry_of(request))
    return page(request, "access.html", review=found, people=found.people())


def metrics_page(request: Request) -> Response:
    """`/-/metrics`: the queue, pulls by verdict, what was blocked."""
    registry = registry_of(request)
    refused = refusals_of(registry)
    pulled, days = sorted(figures.pulls_by_verdict(request).items()), figures.pulls_by_day(request)
    return page(
        request,
        "metrics.html",
        depth=WorkQueue(registry.catalog.index).depth(hidden_from(request)),
        refused=refused,
        by_day=bars(days_of(days, registry.clock()), "Files pulled each day") if any(days.values()) else None,
        by_verdict=shares(pulled, "Files pulled by verdict") if pulled else None,
        names=shares(list(figures.names_by_verdict(request).items()), "Names by newest verdict"),
        blocked=shares(refused, "Blocked requests") if refused else None,
    )


def settings_page(request: Request) -> Response:
    """`/-/settings`: how this server answers, and the policies that verdicts rest on."""
    registry = registry_of(request)
    settings = registry.settings
    rows = [
        ("Read without an account", "yes" if settings.anonymous else "no"),
        ("Models can be asked for", "yes" if settings.hub else "no: no hub is configured"),
        ("A pull of an unknown model asks for it", "yes" if settings.vet_through else "no"),
        ("Break-glass", "an admin may admit alone, loudly" if settings.break_glass else "nobody may admit alone"),
        ("Decisions of people", "taken" if registry.trust else "not taken: no trust file"),
        (
            "Keys of people in the trust file",
            sum(bool(key.person) for key in registry.trust.keys) if registry.trust else 0,
        ),
        ("Logins", "through a provider" if registry.login else "by access token"),
        ("Pipelines get tokens by their identity", "yes" if registry.issuers else "no"),
        ("Largest file of an upload", size_text(settings.upload_file)),
        ("Uploads of one person in a day", size_text(settings.upload_quota) if settings.upload_quota else "any number"),
        ("Links into object storage are good for", f"{settings.presign_seconds} seconds"),
        ("Host names", ", ".join(settings.hosts) or "loopback only"),
        ("Requests of one address in a minute", settings.per_minute or "any number"),
        ("Version", __version__),
    ]
    return page(
        request, "settings.html", rows=rows, policies=overview.policies(registry.catalog.index, hidden_from(request))
    )


def refusals_of(registry: Registry) -> list[tuple[str, int]]:
    """Refused requests of this process, by why, as `/metrics` counts them."""
    found: list[tuple[str, int]] = []
    for family in registry.metrics.refused.collect():
        samples: list[Any] = [one for one in family.samples if one.name.endswith("_total")]
        found += [(str(one.labels["why"]), int(one.value)) for one in samples]
    return sorted(found)

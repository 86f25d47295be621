"""Ask for a model that is not here yet: `/api/requests`. The queue behind it is worked through by `assay worker`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from assay.core.errors import UsageError
from assay.core.name import check_name
from assay.registry.queue import FAILED, HUB, OPEN, WorkQueue
from assay.registry.records import MAIN, Refused
from assay.server.access import actor_of, model_thing, require
from assay.server.answers import error
from assay.server.bodies import parse_form, parse_json
from assay.server.hub_api import shown_to
from assay.server.session import from_here
from assay.server.state import registry_of, target_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from assay.registry.queue import Work

MAX_WAITING: Final = 500  # items: more than that and something is wrong
MAX_OF_ONE: Final = 100  # of them that one person asked for, or pulls of unknown models did
_MOST_DIGITS: Final = 16  # of the number of a request
_MOST_REVISION: Final = 255  # characters
RETRY_AFTER: Final = timedelta(minutes=10)  # a failed fetch is tried again by itself only after so long
VET_THROUGH: Final = "assay: a client pulled it"


async def requests(request: Request) -> Response:
    """`GET /api/requests`: what is open and may be seen, in the order in which it will be vetted. `POST`: ask for one.

    A form or JSON with `name` (of the hub's model), `revision`, `reason`; 202 and the item.
    """
    if request.method != "POST":
        return await run_in_threadpool(_open, request)
    require(request, "request")
    fields = form_fields(await request.body(), request.headers.get("content-type", ""))
    item = await run_in_threadpool(ask_for, request, fields)
    location = {"Location": f"/api/requests/{item.seq}"}
    return JSONResponse(item.to_json(), 202, headers=location)


def _open(request: Request) -> Response:
    shown, queue = shown_to(request), WorkQueue(registry_of(request).catalog.index)
    return JSONResponse({"requests": [item.to_json() for item in queue.waiting() if shown(item.name)]})


def ask_for(request: Request, fields: dict[str, str]) -> Work:
    """Queue a model of the hub: `name`, `revision`, `reason`.

    Raises:
        UsageError: not a name or a revision, no hub, or too many wait.
        HTTPException: the model belongs to a team that the caller is not in.
    """
    registry, name = registry_of(request), check_name(fields.get("name", "").strip().removeprefix("hf://"))
    person = require(request, "request", model_thing(registry, name)).person
    revision = fields.get("revision") or MAIN
    if len(revision) > _MOST_REVISION or not revision.isprintable() or ".." in revision:
        raise UsageError(f"not a revision: {revision[:200]!r}", hint="a branch, tag or commit")
    if not registry.settings.hub:
        raise UsageError("this registry fetches from no hub", hint="upload the model, or have it vetted from a folder")
    queue = WorkQueue(registry.catalog.index)
    if not _room(queue, person):
        raise UsageError("too many models wait already, of yours or of all", hint="try again later")
    reason = fields.get("reason", "")
    return queue.ask(HUB, name, name, requested=revision, asked_by=person, reason=reason, now=registry.clock())


def _room(queue: WorkQueue, person: str) -> bool:
    return queue.depth()[0] < MAX_WAITING and queue.open_by(person) < MAX_OF_ONE


def one(request: Request) -> Response:
    """`GET /api/requests/{number}`."""
    text = target_of(request).path
    known = text.isascii() and text.isdigit() and len(text) < _MOST_DIGITS
    item = WorkQueue(registry_of(request).catalog.index).get(int(text)) if known else None
    if item is None or not shown_to(request)(item.name):
        return error(404, "assay: there is no such request")
    return JSONResponse(item.to_json())


def about_unknown(request: Request, refusal: Refused) -> str:
    """What to say of a name that was never vetted: that it is being vetted, or how to ask for it.

    With `vet_through`, being asked for is a request: the model is fetched and vetted, and nothing reaches the client
    before its verdict. Not so when another site made a browser ask, and not for names of a team that the caller is not
    in: of these not even the queue is told.
    """
    registry = registry_of(request)
    queue = WorkQueue(registry.catalog.index)
    how = f"ask for it on the page, or: POST /api/requests with name={refusal.name}"
    if not registry.settings.hub:
        how = f"have it vetted: assay vet hf://{refusal.name}"
    if not shown_to(request)(refusal.name):
        return how
    last = next(iter(queue.about(refusal.name, 1)), None)
    if last is not None and last.state in OPEN:
        return _being_vetted(last)
    if last is not None and last.state == FAILED and registry.clock() - (last.ended_at or last.asked_at) < RETRY_AFTER:
        return f"request {last.seq} for it failed: {last.detail}"
    through = registry.settings.hub and registry.settings.vet_through and from_here(request.scope)
    actor = actor_of(request)
    who = actor.person if actor.known else VET_THROUGH  # who asked, by whatever way, can't approve it (four eyes)
    if through and _room(queue, who):
        item = queue.ask(HUB, refusal.name, refusal.name, asked_by=who, reason=VET_THROUGH, now=registry.clock())
        return _being_vetted(item)
    return how


def _being_vetted(item: Work) -> str:
    return f"it is being vetted (request {item.seq}, {item.state}); try again in a few minutes"


def form_fields(body: bytes, content_type: str) -> dict[str, str]:
    """A form or a JSON object as texts (UsageError otherwise)."""
    try:
        if content_type.partition(";")[0].strip().lower() == "application/json":
            value = parse_json(body)
            if not isinstance(value, dict):
                raise UsageError("the body is not a JSON object")
            return {key: str(text) for key, text in value.items()}
        return {key: texts[-1] for key, texts in parse_form(body).items()}
    except (ValueError, RecursionError) as problem:
        raise UsageError("the body is a form or a JSON object with `name`") from problem

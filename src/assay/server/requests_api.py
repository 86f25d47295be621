"""Ask for a model that is not here yet: `/api/requests`. The queue behind it is worked through by `assay worker`."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from assay.core.errors import UsageError
from assay.core.name import check_name
from assay.registry.queue import FAILED, HUB, OPEN, WorkQueue
from assay.registry.records import MAIN, Refused
from assay.server.access import require
from assay.server.answers import error
from assay.server.state import registry_of, target_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from assay.registry.queue import Work
    from assay.server.state import Registry

MAX_WAITING: Final = 500  # items: more than that and something is wrong
MAX_BODY: Final = 16 << 10  # bytes
RETRY_AFTER: Final = timedelta(minutes=10)  # a failed fetch is tried again by itself only after so long
VET_THROUGH: Final = "assay, for a client that asked for it"


async def requests(request: Request) -> Response:
    """`GET /api/requests`: what is open, in the order in which it will be vetted. `POST`: ask for a model.

    A form or JSON with `name` (of the hub's model), `revision`, `reason`; 202 and the item.
    """
    registry = registry_of(request)
    if request.method != "POST":
        items = await run_in_threadpool(WorkQueue(registry.catalog.index).waiting)
        return JSONResponse({"requests": [item.to_json() for item in items]})
    actor = require(request, "request")
    fields = form_fields(await request.body(), request.headers.get("content-type", ""))
    name = check_name(fields.get("name", "").removeprefix("hf://"))
    revision, reason = fields.get("revision") or MAIN, fields.get("reason", "")
    item = await run_in_threadpool(ask_for, registry, name, revision, actor.person, reason)
    location = {"Location": f"/api/requests/{item.seq}"}
    return JSONResponse(item.to_json(), 202, headers=location)


def ask_for(registry: Registry, name: str, revision: str, person: str, reason: str) -> Work:
    """Queue a model of the hub (UsageError without a hub, or when too many wait)."""
    if not registry.settings.hub:
        raise UsageError("this registry fetches from no hub", hint="upload the model, or have it vetted from a folder")
    queue = WorkQueue(registry.catalog.index)
    if queue.depth()[0] >= MAX_WAITING:
        raise UsageError(f"{MAX_WAITING} models wait already", hint="try again later")
    return queue.ask(HUB, name, name, requested=revision, asked_by=person, reason=reason, now=registry.clock())


def one(request: Request) -> Response:
    """`GET /api/requests/{number}`."""
    text = target_of(request).path
    item = WorkQueue(registry_of(request).catalog.index).get(int(text)) if text.isdigit() and len(text) < 16 else None  # noqa: PLR2004
    if item is None:
        return error(404, "assay: there is no such request")
    return JSONResponse(item.to_json())


def about_unknown(registry: Registry, refusal: Refused) -> str:
    """What to say of a name that was never vetted: that it is being vetted, or how to ask for it.

    With `vet_through`, being asked for is a request: the model is fetched and vetted, and nothing reaches the client
    before its verdict.
    """
    queue = WorkQueue(registry.catalog.index)
    last = next(iter(queue.about(refusal.name, 1)), None)
    if last is not None and last.state in OPEN:
        return _being_vetted(last)
    if last is not None and last.state == FAILED and registry.clock() - (last.ended_at or last.asked_at) < RETRY_AFTER:
        return f"request {last.seq} for it failed: {last.detail}"
    if registry.settings.hub and registry.settings.vet_through and queue.depth()[0] < MAX_WAITING:
        item = queue.ask(HUB, refusal.name, refusal.name, asked_by=VET_THROUGH, now=registry.clock())
        return _being_vetted(item)
    if registry.settings.hub:
        return f"ask for it on the page, or: POST /api/requests with name={refusal.name}"
    return f"have it vetted: assay vet hf://{refusal.name}"


def _being_vetted(item: Work) -> str:
    return f"it is being vetted (request {item.seq}, {item.state}); try again in a few minutes"


def form_fields(body: bytes, content_type: str) -> dict[str, str]:
    """A form or a JSON object as texts (UsageError otherwise)."""
    try:
        if content_type.partition(";")[0].strip().lower() == "application/json":
            value = json.loads(body)
            if not isinstance(value, dict):
                raise UsageError("the body is not a JSON object")
            return {key: str(text) for key, text in value.items()}
        return {key: texts[-1] for key, texts in parse_qs(body.decode(), max_num_fields=20).items()}
    except (ValueError, RecursionError) as problem:
        raise UsageError("the body is a form or a JSON object with `name`") from problem

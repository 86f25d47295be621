"""A small Xet store for uploads (Xet Protocol Specification 1.1.0, CAS API): objects are kept as they come, unread.

Clients since huggingface_hub 1.0 send large files this way. What a shard says, and whether the bytes are those of the
commit, is found out by a confined child of the worker (`admission/ingest.py`), never here.
"""

from __future__ import annotations

import base64
import hmac
import json
import re
import time
from typing import TYPE_CHECKING, Any, Final

from anyio.to_thread import run_sync
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from assay.core.errors import ContentError
from assay.core.limits import MIB
from assay.core.name import check_name
from assay.registry.uploads import SHARD, XORB, Uploads
from assay.server.access import actor_of
from assay.server.answers import error
from assay.server.quota import announced, check_quota
from assay.server.state import registry_of, target_of
from assay.server.upload import body_chunks

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

MAX_XORB: Final = 72 * MIB  # bytes; the protocol's most is 64 MiB
MAX_SHARD: Final = 64 * MIB
TOKEN_SECONDS: Final = 3600
_HASH = re.compile(r"[0-9a-f]{64}")
_UNAUTHENTICATED = 401


def token(request: Request) -> Response:
    """`GET /api/models/{name}/xet-write-token/{rev}`: where to send to, and a token for it that is good for an hour."""
    name, actor, uploads = check_name(target_of(request).name), actor_of(request), _uploads(request)
    expires = int(time.time()) + TOKEN_SECONDS
    text = json.dumps({"name": name, "actor": actor.person, "expires": expires}, sort_keys=True)
    signed = base64.urlsafe_b64encode(text.encode()).decode() + "." + uploads.sign_text(text)
    url = f"{request.url.scheme}://{request.url.netloc}/xet"
    headers = {
        "X-Xet-Cas-Url": url,
        "X-Xet-Access-Token": signed,
        "X-Xet-Token-Expiration": str(expires),
        "Cache-Control": "no-store",
    }
    return JSONResponse({"accessToken": signed, "exp": expires, "casUrl": url}, headers=headers)


async def xorb(request: Request) -> Response:
    """`POST /xet/v1/xorbs/{prefix}/{hash}`."""
    label = target_of(request).path
    if not _HASH.fullmatch(label):
        return error(400, "assay: not the hash of a xorb")
    new = await _keep(request, XORB, label, MAX_XORB)
    return JSONResponse({"was_inserted": new})


async def shard(request: Request) -> Response:
    """`POST /xet/v1/shards`."""
    new = await _keep(request, SHARD, "", MAX_SHARD)
    return JSONResponse({"result": int(new)})


async def chunk(request: Request) -> Response:
    """`GET /xet/v1/chunks/{prefix}/{hash}`: nobody's chunks are shown to anybody else, so none is known."""
    _claims(request)
    return error(404, "assay: this chunk is not known")


async def _keep(request: Request, kind: str, label: str, most: int) -> bool:
    uploads = _uploads(request)
    claims = await run_in_threadpool(_claims, request)
    await check_quota(request, uploads, claims["actor"], announced(request))

    def store() -> bool:
        chunks = body_chunks(request, most)
        return uploads.put_xet(kind, label, chunks, name=claims["name"], actor=claims["actor"])

    try:
        return await run_sync(store, limiter=registry_of(request).arrivals)
    except ContentError as problem:
        raise HTTPException(400, str(problem)) from problem


def _claims(request: Request) -> dict[str, Any]:
    """Name and actor that the request's token was given for."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    head, _, signature = value.strip().partition(".")
    try:
        text = base64.urlsafe_b64decode(head).decode()
        good = scheme.lower() == "bearer" and hmac.compare_digest(_uploads(request).sign_text(text), signature)
        claims: dict[str, Any] = json.loads(text) if good else {}
    except (ValueError, TypeError):
        claims = {}
    if not claims or claims["expires"] < time.time():
        raise HTTPException(_UNAUTHENTICATED, "this upload token is not good (any more): start the upload again")
    return claims


def _uploads(request: Request) -> Uploads:
    registry = registry_of(request)
    return Uploads(registry.catalog.index, registry.blobs)

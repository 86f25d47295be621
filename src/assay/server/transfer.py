"""Files: `HEAD` and `GET /{name}/resolve/{revision}/{path}`."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote

from anyio.to_thread import run_sync
from starlette.responses import Response

from assay.core.errors import AssayError, IntegrityError, UsageError
from assay.core.escape import printable
from assay.core.name import check_name
from assay.registry.records import Refused
from assay.server.answers import ENTRY_NOT_FOUND, error, logger
from assay.server.new_card import no_card_yet
from assay.server.pulls_api import note_pull
from assay.server.ranges import Span, Unsatisfiable, parse_range
from assay.server.state import Registry, registry_of, target_of
from assay.store.layout import key

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from assay.core.snapshot import FileEntry
    from assay.registry.records import Resolved


def file(request: Request) -> Response:
    """A file, or why there is none."""
    try:
        return _served(request)
    except Refused as refusal:
        if (answer := no_card_yet(request, refusal)) is None:
            raise
        return answer


def _served(request: Request) -> Response:
    """A file of a served snapshot: from here, by nginx, or by a link into object storage.

    Optional files that a model lacks are 404 with `EntryNotFound` and the commit, which clients remember.
    """
    registry, target = registry_of(request), target_of(request)
    resolved = registry.catalog.resolve(check_name(target.name), target.revision, registry.clock())
    entry = resolved.snapshot.entry(target.path)
    if entry is None:
        message = f"assay: {target.name} has no file {target.path[:300]!r} at {resolved.revision}"
        return error(404, message, ENTRY_NOT_FOUND, {"X-Repo-Commit": resolved.revision})
    headers = _headers(resolved, entry)
    if _unchanged(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    if request.method == "HEAD":
        # Answered here in any case: some clients follow a redirect of HEAD and then miss the commit.
        registry.integrity.check(entry.digest, entry.size)
        return BlobResponse(registry, entry, Span(0, 0), 200, headers | {"Content-Length": str(entry.size)})
    note_pull(request, resolved, entry)
    registry.metrics.pulls.labels("ADMIT").inc()
    url = registry.blobs.presigned_url(entry.digest, registry.settings.presign_seconds)
    if url is not None:
        return Response(status_code=302, headers=headers | {"Location": url, "Cache-Control": "no-store"})
    registry.integrity.check(entry.digest, entry.size)
    if registry.settings.accel_prefix is not None:
        return Response(headers=headers | {"X-Accel-Redirect": _accel(registry, entry)})
    return _embedded(request, registry, entry, headers)


def _embedded(request: Request, registry: Registry, entry: FileEntry, headers: dict[str, str]) -> Response:
    whole = Span(0, entry.size)
    wanted, same = request.headers.get("range"), request.headers.get("if-range")
    try:
        span = parse_range(wanted, entry.size, if_range=same, etag=headers["ETag"])
    except Unsatisfiable:
        return error(416, "assay: the range lies outside the file", "", {"Content-Range": f"bytes */{entry.size}"})
    status = 200
    if span is not None:
        status, headers = 206, headers | {"Content-Range": f"bytes {span.start}-{span.stop - 1}/{entry.size}"}
    span = span or whole
    return BlobResponse(registry, entry, span, status, headers | {"Content-Length": str(span.stop - span.start)})


def _headers(resolved: Resolved, entry: FileEntry) -> dict[str, str]:
    """What clients need to know about a file. `no-cache`: a proxy may keep it, and has to ask before each use."""
    name = quote(entry.path.rpartition("/")[2], safe="")
    return {
        "X-Repo-Commit": resolved.revision,
        "ETag": f'"{entry.digest.hex}"',
        "X-Linked-Etag": f'"{entry.digest.hex}"',
        "X-Linked-Size": str(entry.size),
        "Accept-Ranges": "bytes",
        "Cache-Control": "no-cache",
        "Content-Type": "application/octet-stream",
        "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
    }


def _unchanged(if_none_match: str | None, etag: str) -> bool:
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or etag in {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}


def _accel(registry: Registry, entry: FileEntry) -> str:
    if registry.blobs.local_path(entry.digest) is None:
        raise UsageError("X-Accel-Redirect needs blobs in a local directory", hint="leave --accel-prefix out")
    return f"{(registry.settings.accel_prefix or '').rstrip('/')}/{key(entry.digest)}"


class BlobResponse(Response):
    """A file or a part of one, in chunks of 1 MiB. Breaks off before the end when the bytes turn out to be wrong."""

    def __init__(self, registry: Registry, entry: FileEntry, span: Span, status: int, headers: dict[str, str]) -> None:
        super().__init__(status_code=status)
        self.init_headers(headers)
        self._registry = registry
        self._entry = entry
        self._span = span

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """Send it; stop reading as soon as the client is gone."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        chunks = self._registry.integrity.send(self._entry.digest, self._span.start, self._span.stop, self._entry.size)
        gone = asyncio.create_task(_disconnected(receive))
        limiter = self._registry.transfers
        try:
            while self._span.start < self._span.stop and not gone.done():
                chunk = await run_sync(next, chunks, b"", limiter=limiter)
                if not chunk:
                    break
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except AssayError as problem:
            if isinstance(problem, IntegrityError):
                self._registry.metrics.integrity.inc()
            # Returning before the announced length was sent makes the server cut the connection.
            logger.error("broke off %s: %s", printable(self._entry.path), printable(str(problem)))
        finally:
            gone.cancel()
            with suppress(asyncio.CancelledError):
                await gone
            await run_sync(chunks.close, limiter=limiter)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

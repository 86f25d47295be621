"""The hub's write API: what stock clients upload lands in quarantine and is queued; nothing of it is read here.

Small files come inline in the commit, large ones by Git LFS (basic transfer) or, from clients that speak it, by Xet
(`upload_xet`). A commit answers at once; the verdict comes later, and nothing can be pulled before it.
"""

from __future__ import annotations

import base64
import binascii
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from anyio import from_thread
from anyio.to_thread import run_sync
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from assay.core.digest import Digest
from assay.core.errors import ContentError, UsageError
from assay.core.limits import MIB
from assay.core.name import check_name
from assay.core.snapshot import FileEntry, check_path
from assay.registry.records import MAIN
from assay.registry.uploads import LINK_SECONDS, Change, Uploads
from assay.server.access import actor_of
from assay.server.answers import error, header_text
from assay.server.bodies import parse_json
from assay.server.ignored import Ignored
from assay.server.quota import announced, check_file, check_quota
from assay.server.state import registry_of, target_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

INLINE: Final = 10 * MIB  # bytes; larger files come by LFS or Xet
MAX_LINE: Final = 16 * MIB  # bytes of one line of a commit: an inline file in base64
MAX_FILES: Final = 10_000  # operations of one commit
MAX_SIZE: Final = 1 << 53  # bytes of one file: what JSON carries exactly (RFC 8259, 6)
MAX_JSON: Final = 8 * MIB  # bytes of another request
_LFS = "application/vnd.git-lfs+json"


async def create(request: Request) -> Response:
    """`POST /api/repos/create`: a name needs no making; the first commit makes it. Models only."""
    body = await _json(request)
    kind, name = body.get("type") or "model", str(body.get("name", ""))
    organisation = body.get("organization")
    full = check_name(f"{organisation}/{name}" if organisation else name)
    if kind != "model":
        return error(400, f"assay: this registry takes models, not a {str(kind)[:50]}")
    return JSONResponse({"url": f"{_base(request)}/{full}", "name": full, "id": full})


async def validate_yaml(request: Request) -> Response:
    """`POST /api/validate-yaml`: a card is read by a confined worker, and what is wrong with it is a finding.

    Stock clients ask this without their token.
    """
    await _json(request)
    return JSONResponse({"errors": [], "warnings": []})


async def preupload(request: Request) -> Response:
    """`POST /api/models/{name}/preupload/{rev}`: which files come inline, which as large ones."""
    check_name(target_of(request).name)
    body = await _json(request)
    files, ignored = body.get("files"), Ignored(str(body.get("gitIgnore") or ""))
    if not isinstance(files, list) or len(files) > MAX_FILES:
        raise UsageError(f"`files` is a list of at most {MAX_FILES}")
    answer = []
    await check_quota(request, _uploads(request), actor_of(request).person)
    for one in files:
        path, size = _field(one, "path", str), _size(one)
        check_file(request, size)
        mode = "regular" if size <= INLINE else "lfs"
        answer.append({"path": path, "uploadMode": mode, "oid": None})
    await run_in_threadpool(lambda: [one.update(shouldIgnore=str(one["path"]) in ignored) for one in answer])
    return JSONResponse({"files": answer})


async def lfs_batch(request: Request) -> Response:
    """`POST /{name}.git/info/lfs/objects/batch`: a link for each file; the link is its own permission."""
    name, actor = check_name(target_of(request).name), actor_of(request)
    body = await _json(request)
    objects = body.get("objects")
    if body.get("operation") != "upload" or not isinstance(objects, list) or len(objects) > MAX_FILES:
        raise UsageError("a batch names the operation `upload` and its objects")
    uploads, expires = _uploads(request), int(time.time()) + LINK_SECONDS
    answer, coming = [], 0
    for one in objects:
        digest, size = Digest(_field(one, "oid", str)), _size(one)
        check_file(request, size)
        coming += size
        signature = await run_in_threadpool(uploads.sign_link, digest, size, f"{actor.person} {name}", expires)
        query = urlencode({"size": size, "name": name, "actor": actor.person, "expires": expires, "sig": signature})
        href = f"{_base(request)}/api/assay/v1/lfs/{digest.hex}?{query}"
        answer.append({"oid": digest.hex, "size": size, "authenticated": True, "actions": {"upload": {"href": href}}})
    await check_quota(request, uploads, actor.person, coming)
    return JSONResponse({"transfer": "basic", "objects": answer}, media_type=_LFS)


async def lfs_put(request: Request) -> Response:
    """`PUT /api/assay/v1/lfs/{sha256}`: the bytes, hashed as they come; kept only when they are what the link says."""
    query = request.query_params
    digest, name = Digest(target_of(request).path), check_name(query.get("name", ""))
    size, expires, actor = _number(query.get("size")), _number(query.get("expires")), query.get("actor", "")
    uploads, now = _uploads(request), registry_of(request).clock()
    signed = f"{actor} {name}"
    await run_in_threadpool(lambda: uploads.check_link(digest, size, signed, expires, query.get("sig", ""), now=now))
    await check_quota(request, uploads, actor, size)

    def store() -> FileEntry:
        return uploads.put_file(body_chunks(request, size), name=name, actor=actor, expect=digest)

    try:
        await run_sync(store, limiter=registry_of(request).arrivals)
    except ContentError as problem:
        return error(400, f"assay: {problem}")
    return Response(status_code=200)


async def commit(request: Request) -> Response:
    """`POST /api/models/{name}/commit/{rev}`: NDJSON; the commit in quarantine, and the number of its request."""
    target, actor = target_of(request), actor_of(request)
    name = check_name(target.name)
    if target.revision != MAIN:
        return error(400, "assay: uploads go to `main`; an alias moves by a signed decision")
    plan = _Plan(request, _uploads(request), name, actor.person)
    await check_quota(request, plan.uploads, actor.person, announced(request))
    pending = bytearray()
    async for chunk in request.stream():
        head, ended, rest = chunk.rpartition(b"\n")
        lines = (bytes(pending) + head).split(b"\n") if ended else []
        if ended:
            pending.clear()
        pending += rest
        if len(pending) > MAX_LINE:
            return error(413, f"assay: an inline file has at most {INLINE} bytes")
        for line in lines:
            await run_in_threadpool(plan.take, line)
        if lines:  # what has come inline since counts, whatever the request announced
            await check_quota(request, plan.uploads, actor.person)
    await run_in_threadpool(plan.take, bytes(pending))
    # A few Xet objects can be put together to much more than was sent: what they are to become counts.
    coming = await run_in_threadpool(plan.uploads.unsent, name, actor.person, plan.put.values())
    await check_quota(request, plan.uploads, actor.person, coming)
    upload, item = await run_in_threadpool(plan.commit, registry_of(request).clock())
    base = _base(request)
    said = (
        f"in quarantine until it is vetted (request {item.seq}: {base}/api/requests/{item.seq}); "
        "nobody can pull it before its verdict"
    )
    body = {
        "success": True,
        "commitUrl": f"{base}/{name}/commit/{upload.commit_id}",
        "commitOid": upload.commit_id,
        "hookOutput": said,
    }
    if request.query_params.get("create_pr"):
        body["pullRequestUrl"] = f"{base}/{name}/discussions/{item.seq}"
    return JSONResponse(body, headers={"X-HF-Warning": header_text(f"assay upload {item.seq}; {name} is {said}")})


@dataclass
class _Plan:
    """A commit while its lines come in."""

    request: Request
    uploads: Uploads
    name: str
    actor: str
    message: str = ""
    parent: str = ""
    put: dict[str, FileEntry] = field(default_factory=dict)
    drop: list[str] = field(default_factory=list)

    def take(self, line: bytes) -> None:
        """One line.

        Raises:
            UsageError: it is no operation that we know.
        """
        if not line.strip():
            return
        if len(self.put) + len(self.drop) >= MAX_FILES:
            raise UsageError(f"a commit has at most {MAX_FILES} operations", hint="split it")
        try:
            entry = parse_json(line)
            key, value = entry["key"], entry["value"]
            self._take(key, value)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error) as problem:
            raise UsageError("a line of the commit is no operation") from problem
        except ContentError as problem:
            raise UsageError(str(problem)) from problem

    def _take(self, key: str, value: dict[str, Any]) -> None:
        if key == "header":
            self.message = f"{value.get('summary', '')}\n{value.get('description', '')}".strip()
            self.parent = str(value.get("parentCommit") or "")
        elif key == "file":
            path = check_path(value["path"])
            if value.get("encoding", "base64") != "base64":
                raise UsageError("an inline file comes in base64")
            content = base64.b64decode(value["content"], validate=True)
            check_file(self.request, len(content))
            stored = self.uploads.put_file([content], name=self.name, actor=self.actor)
            self.put[path] = FileEntry(path, stored.size, stored.digest)
        elif key == "lfsFile":
            path, digest = check_path(value["path"]), Digest(value["oid"])
            # A copy inside the model comes without a size: it is of a file that is here.
            size = _size(value) if "size" in value else self.uploads.size_of(self.name, self.actor, digest)
            check_file(self.request, size)
            self.put[path] = FileEntry(path, size, digest)
        elif key in {"deletedFile", "deletedFolder"}:
            self.drop.append(check_path(str(value["path"]).strip("/")))
        else:
            raise UsageError(f"no such operation in a commit: {key[:50]!r}")

    def commit(self, now: Any) -> Any:
        """Into quarantine."""
        change = Change(tuple(self.put.values()), tuple(self.drop))
        if not change.put and not change.drop:
            raise UsageError("a commit without operations")
        return self.uploads.commit(
            self.name, change, actor=self.actor, message=self.message, parent=self.parent, now=now
        )


def body_chunks(request: Request, most: int) -> Iterator[bytes]:
    """The request's body, for a thread that stores it; at most `most` bytes.

    Raises:
        ContentError: longer, or the client went away.
    """
    size, more = 0, True
    while more:
        message: Any = from_thread.run(_receive, request)
        if message["type"] != "http.request":
            raise ContentError("the client went away before the end")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > most:
            raise ContentError(f"more than the {most} bytes that were announced")
        more = message.get("more_body", False)
        if chunk:
            yield chunk


async def _receive(request: Request) -> Any:
    return await request.receive()


async def _json(request: Request) -> dict[str, Any]:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_JSON:
            raise UsageError(f"a request of this kind has at most {MAX_JSON} bytes")
    try:
        value = parse_json(bytes(body))
    except (ValueError, RecursionError) as problem:
        raise UsageError("the body is not JSON") from problem
    if not isinstance(value, dict):
        raise UsageError("the body is not a JSON object")
    return value


def _field(value: Any, key: str, kind: type[Any]) -> Any:
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, kind) or isinstance(found, bool):
        raise UsageError(f"`{key}` is missing or of another type")
    return found


def _size(value: Any) -> int:
    size: int = _field(value, "size", int)
    if not 0 <= size < MAX_SIZE:
        raise UsageError("a size is a number of bytes")
    return size


def _number(text: str | None) -> int:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 18:  # noqa: PLR2004 - fits 64 bits
        raise UsageError("a number is missing in the link")
    return int(text)


def _uploads(request: Request) -> Uploads:
    registry = registry_of(request)
    return Uploads(registry.catalog.index, registry.blobs)


def _base(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"

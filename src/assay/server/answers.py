"""Answers that a stock hub client understands, and shows.

A client hides the reason of a plain 403 ("check your connection") and falls back to its cache on most errors. What it
does with a status, measured:

- 403 + `X-Error-Code: GatedRepo` shows `X-Error-Message`: for a name that was never served.
- 404 + `RevisionNotFound` is the only answer that keeps it from falling back to a cached copy of `main`: for whatever
  was served once and is not any more.
- `X-HF-Warning: topic; text` is printed in any case, once for each topic.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from starlette.responses import JSONResponse, Response

from assay.core.errors import AssayError, EnvironmentFault, IntegrityError, UsageError
from assay.core.escape import printable
from assay.registry.people import NOBODY, Thing, visible
from assay.registry.teams import teams_of
from assay.server.state import registry_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from assay.registry.records import Refused

logger = logging.getLogger("assay.server")

REPO_NOT_FOUND = "RepoNotFound"
REVISION_NOT_FOUND = "RevisionNotFound"
ENTRY_NOT_FOUND = "EntryNotFound"
GATED = "GatedRepo"
MODEL_KINDS: Final = frozenset({"info", "tree", "paths-info", "commits", "refs", "auth-check", "file"})  # of targets
_HEADER_LIMIT = 1500  # characters; common servers take 8 KiB of headers in all


def header_text(text: str) -> str:
    """`text` as it may stand in a header: printable ASCII, no blank at its ends; anything else as an escape."""
    return printable(text, limit=_HEADER_LIMIT).encode("ascii", "backslashreplace").decode().strip()


def error(
    status: int, message: str, code: str = "", headers: dict[str, str] | None = None, *, warn: str = ""
) -> JSONResponse:
    """An error in the hub's form; `warn` is the topic under which the client also prints it as a warning."""
    said = header_text(message)
    extra = {"X-Error-Message": said, "Cache-Control": "no-store", **(headers or {})}
    if code:
        extra["X-Error-Code"] = code
    if warn:
        extra["X-HF-Warning"] = f"{header_text(warn).replace(';', ',')}; {said}"
    return JSONResponse({"error": printable(message, limit=5000)}, status, extra)


def refused(request: Request, refusal: Refused) -> Response:
    """Why a name or revision is not served."""
    target = request.scope.get("assay.target")
    if (elsewhere := _spelled(request, refusal)) is not None:
        return elsewhere
    if target is not None and target.kind == "file":
        registry_of(request).metrics.block(refusal)
    topic = f"assay {refusal.kind} {refusal.name}"
    said = f"assay: {refusal}"
    if refusal.near and not _sees(request, refusal.near):
        said = f"assay: {refusal.name[:200]!r} was never vetted here"
    if refusal.kind == "unknown":
        from assay.server.requests_api import about_unknown  # noqa: PLC0415 - it answers with what is above

        said += f": {about_unknown(request, refusal)}"
        return error(404, said, REPO_NOT_FOUND, warn=topic)
    if refusal.kind == "revision-unknown":
        return error(404, said, REVISION_NOT_FOUND)
    if refusal.kind == "revoked" or registry_of(request).catalog.revisions(refusal.name):
        return error(404, f"{said}. Do not use copies of it", REVISION_NOT_FOUND, warn=topic)
    return error(403, said, GATED, warn=topic)


def _spelled(request: Request, refusal: Refused) -> Response | None:
    """To the name that differs in upper and lower case alone, as at the public hub: what is served there was vetted.

    By a path: a client follows no HEAD to another host.
    """
    target = request.scope.get("assay.target")
    asked = quote(refusal.name)
    path, query = request.scope["raw_path"].decode("ascii", "replace"), request.url.query
    if target is None or target.kind not in MODEL_KINDS or not refusal.but_for_case or not _sees(request, refusal.near):
        return None
    if asked not in path:
        return None  # spelled with needless escapes
    to = path.replace(asked, quote(refusal.near), 1) + (f"?{query}" if query else "")
    said = header_text(f"assay name {refusal.name}; it is {refusal.near} here")
    return Response(status_code=307, headers={"Location": to, "X-HF-Warning": said, "Cache-Control": "no-store"})


def _sees(request: Request, name: str) -> bool:
    teams = teams_of(name, registry_of(request).team_patterns())
    return visible(request.scope.get("assay.actor", NOBODY), Thing(name, teams))


def failed(request: Request, problem: AssayError) -> Response:
    """An error of ours or of the caller; environment and integrity problems are logged."""
    if isinstance(problem, UsageError):
        return error(400, f"assay: {problem}")
    logger.error("%s", printable(str(problem), limit=2000))
    if isinstance(problem, IntegrityError):
        registry_of(request).metrics.integrity.inc()
        # A client retries a 500 for half a minute and then hides the reason; this one it shows at once.
        return error(403, f"assay: {problem}", GATED, warn=f"assay integrity {problem}")
    if isinstance(problem, EnvironmentFault):
        return error(503, f"assay: {problem}", headers={"Retry-After": "2"})
    return error(500, f"assay: {problem}")

"""Calls of the public hub that mean something else here, each refused with what to do instead."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from starlette.responses import JSONResponse, RedirectResponse, Response

from assay.core.name import check_name
from assay.registry.records import MAIN
from assay.server.answers import error
from assay.server.hub_api import resolve
from assay.server.state import target_of

if TYPE_CHECKING:
    from starlette.requests import Request

_ALIAS = "branches and tags are aliases here, and move by a signed decision: assay approve NAME@REVISION --move ALIAS"
_INSTEAD = {
    "branch": _ALIAS,
    "tag": _ALIAS,
    "settings": "who sees a model is set by teams, not by its uploader (docs/howto/people.md)",
    "super-squash": "the history says what was admitted and when; it is never rewritten",
    "lfs-files": "files that nothing needs any more are deleted by `assay gc`",
    "move": "a model keeps the name that it was vetted under; upload or vet it under the new one",
    "delete": "a model is taken out of use, not deleted: assay revoke NAME --reason TEXT",
    "like": "nobody is asked here whether a model is liked",
    "likers": "nobody is asked here whether a model is liked",
    "user-access-request": "who sees a model is set by teams (docs/howto/people.md)",
    "safetensors-metadata": "no file is opened here; get_safetensors_metadata reads the headers by range",
    "repositories": "what is served here is listed by `hf models ls`, and what you uploaded by the page",
    "models-tags-by-type": "list_models filters by search, author, licence, and words: library, format, task, language",
    "discussions": "there are no discussions and pull requests here: every upload waits for its verdict, and what was "
    "found and decided stands on the model's page",
}
OPERATIONS = frozenset(_INSTEAD)


def unasked(request: Request) -> Response:
    """What clients send by themselves, without a token; an error would be counted as probing.

    Programs that it would have them look for: none. Telemetry: not kept.
    """
    if request.scope["path"].endswith("agent-harnesses"):
        return JSONResponse({"standardEnvVars": [], "harnesses": {}})
    return Response(status_code=204)


def hub_page(request: Request) -> Response:
    """A link as clients print it (`/commit/{id}`, `/tree/{rev}`, `/blob/{rev}/{path}`): the model's page at that."""
    target = target_of(request)
    at = f"?{urlencode({'revision': target.revision})}" if target.revision != MAIN else ""
    return RedirectResponse(f"/{quote(check_name(target.name))}{at}", 303)


def not_here(request: Request) -> Response:
    """400 and the reason; the discussions of a model that is served can be listed, and are none."""
    target = target_of(request)
    operation, _, rest = target.path.partition("/")
    if operation == "discussions" and not rest and request.method in {"GET", "HEAD"}:
        resolve(request)
        return JSONResponse({"discussions": [], "count": 0, "start": 0, "numClosedDiscussions": 0})
    return error(400, f"assay: {_INSTEAD[operation]}")

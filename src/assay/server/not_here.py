"""Calls of the public hub that mean something else here, each refused with what to do instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

from assay.server.answers import error
from assay.server.hub_api import resolve
from assay.server.state import target_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_ALIAS = "branches and tags are aliases here, and move by a signed decision: assay approve NAME@REVISION --move ALIAS"
_INSTEAD = {
    "branch": _ALIAS,
    "tag": _ALIAS,
    "settings": "who sees a model is set by teams, not by its uploader (docs/howto/people.md)",
    "super-squash": "the history says what was admitted and when; it is never rewritten",
    "lfs-files": "files that nothing needs any more are deleted by `assay gc`",
    "move": "a model keeps the name that it was vetted under; upload or vet it under the new one",
    "delete": "a model is taken out of use, not deleted: assay revoke NAME --reason TEXT",
    "discussions": "there are no discussions and pull requests here: every upload waits for its verdict, and what was "
    "found and decided stands on the model's page",
}
OPERATIONS = frozenset(_INSTEAD)


def not_here(request: Request) -> Response:
    """400 and the reason; the discussions of a model that is served can be listed, and are none."""
    target = target_of(request)
    operation, _, rest = target.path.partition("/")
    if operation == "discussions" and not rest and request.method in {"GET", "HEAD"}:
        resolve(request)
        return JSONResponse({"discussions": [], "count": 0, "start": 0, "numClosedDiscussions": 0})
    return error(400, f"assay: {_INSTEAD[operation]}")

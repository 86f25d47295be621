"""Our own style, scripts and icon: `/-/static/NAME`. Only what is in the folder, by its plain name."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from assay.core.digest import Digest
from assay.server.answers import error
from assay.server.state import target_of

if TYPE_CHECKING:
    from starlette.requests import Request

_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


def static(request: Request) -> Response:
    """`/-/static/{file}`."""
    found = _files().get(target_of(request).path)
    if found is None:
        return error(404, "assay: there is no such file")
    content, media, tag = found
    headers = {"Content-Type": media, "ETag": tag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers)


@cache
def _files() -> dict[str, tuple[bytes, str, str]]:
    found = {}
    for one in files("assay.server").joinpath("static").iterdir():
        if media := _TYPES.get(one.name.rpartition(".")[2]):
            content = one.read_bytes()
            found[one.name] = (content, media, f'"{Digest.of(content).hex}"')
    return found

"""How much one person may send in: bytes of a file (413), and bytes within a day (429).

The bytes of a day are counted when they are stored, so files that come at the same time can go over it together, by no
more than what one person has under way.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from assay.core.limits import GIB
from assay.server.state import registry_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from assay.registry.uploads import Uploads

DAY: Final = timedelta(hours=24)
_TOO_LARGE, _TOO_MANY = 413, 429


def check_file(request: Request, size: int) -> None:
    """Refuse a file that is larger than any may be (HTTPException, 413)."""
    most = registry_of(request).settings.upload_file
    if size > most:
        raise HTTPException(_TOO_LARGE, f"a file has at most {_gib(most)} here, and this one has {_gib(size)}")


async def check_quota(request: Request, uploads: Uploads, person: str, coming: int = 0) -> None:
    """Refuse what would go over a person's bytes of a day (HTTPException, 429).

    Args:
        request: of the upload.
        uploads: that know what was sent.
        person: who sends.
        coming: bytes that the request brings or announces; 0 asks whether there is room at all.
    """
    registry = registry_of(request)
    most = registry.settings.upload_quota
    if not most:
        return
    used = await run_in_threadpool(uploads.stored_by, person, registry.clock() - DAY)
    if used + coming > most or used >= most:
        said = f"{person} sent {_gib(used)} within the last 24 hours, of {_gib(most)} that one person may"
        raise HTTPException(_TOO_MANY, f"{said}; this would be {_gib(coming)} more: try again later")


def announced(request: Request) -> int:
    """Bytes that the request says it brings; 0 when it does not say."""
    text = request.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0  # noqa: PLR2004


def _gib(size: int) -> str:
    return f"{size / GIB:.2f} GiB" if size >= GIB // 100 else f"{size} bytes"

"""What is noted about every request: an id, its time, a line in the log, a span. No token, no query string."""

from __future__ import annotations

import logging
import os
import re
import time
from typing import TYPE_CHECKING, Final

from assay.core.escape import printable
from assay.registry.traces import REQUEST_ID, span
from assay.server.headers import text

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from assay.server.metrics import Metrics

access_log = logging.getLogger("assay.access")
_GIVEN: Final = re.compile(r"[A-Za-z0-9._:-]{1,100}")  # an id that a proxy or a client brings along
_MOST_PATH: Final = 500  # characters of a path in the log


class Observe:
    """Pure ASGI, outermost. Answers carry `X-Request-Id`: the caller's own when it is a plain one, else a new one."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and note it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = text(scope, b"x-request-id")
        request_id = given if _GIVEN.fullmatch(given) else os.urandom(16).hex()
        status, began = 500, time.perf_counter()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        kept = REQUEST_ID.set(request_id)
        try:
            with span("request", {"http.request.method": scope["method"]}):
                await self._app(scope, receive, noting)
        finally:
            REQUEST_ID.reset(kept)
            self._note(scope, status, time.perf_counter() - began, request_id)

    def _note(self, scope: Scope, status: int, seconds: float, request_id: str) -> None:
        target = scope.get("assay.target")
        kind = target.kind if target else "none"
        self._metrics.answered(kind, status, seconds)
        if access_log.isEnabledFor(logging.INFO):
            fields = {
                "request_id": request_id,
                "method": scope["method"],
                "path": printable(scope["path"], limit=_MOST_PATH),
                "kind": kind,
                "status": status,
                "seconds": round(seconds, 6),
                "client": str(scope["client"][0]) if scope.get("client") else "",
                "who": getattr(scope.get("assay.actor"), "person", ""),
            }
            access_log.info("request", extra={"fields": fields})

"""Answers that are still true, without asking again what they were made from.

Whatever changes what is served is an entry of the log (publication, move, verdict, decision, revocation, lift, token,
team). An answer that was made at some head of the log is good while the log has that head and the verdict lives. The
head is read for every request, after the request came: a revocation by another server counts from the next request on.
Requests that wait together share one reading.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from starlette.concurrency import run_in_threadpool

from assay.core.errors import AssayError
from assay.registry.recent import Recent

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from assay.server.state import Registry
    from assay.store.index import Index

UNTIL: Final = "assay.until"  # in the scope: until when the answer is true while the log stays as it is
KINDS: Final = frozenset({"info", "tree", "commits", "refs"})  # of targets whose answers are kept
_LARGEST: Final = 256 << 10  # bytes of an answer that is kept
_MOST: Final = 64 << 20  # bytes of all of them
_OK: Final = 200


class LogHead:
    """The number of the log's last entry, as of after the question. For one event loop."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._waiting: list[asyncio.Future[int]] = []
        self._reading: asyncio.Task[None] | None = None

    async def read(self) -> int:
        """Read it, together with whoever asks before the reading begins (EnvironmentFault when it can't be)."""
        mine: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(mine)
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        return await mine

    async def _read(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            try:
                head = await run_in_threadpool(self._index.log_head)
                for one in waiting:
                    if not one.done():  # its request may be gone
                        one.set_result(head)
            except AssayError as problem:
                for one in waiting:
                    if not one.done():
                        one.set_exception(problem)
            finally:
                for one in waiting:
                    one.cancel()  # nobody waits for ever; what is done stays so


@dataclass(frozen=True, slots=True)
class Answer:
    """A kept answer: `head` of the log it was made at, `until` when it is true, what was sent."""

    head: int
    until: datetime
    start: Message
    body: bytes


class Fresh:
    """Pure ASGI, behind `Access`: gives kept answers to plain requests for metadata."""

    def __init__(self, app: ASGIApp, registry: Registry) -> None:
        self._app = app
        self._registry = registry
        self._kept: Recent[tuple[bytes, ...], Answer] = Recent(_MOST)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer from what is kept, or pass on and keep what comes."""
        target = scope.get("assay.target")
        if scope["type"] != "http" or scope["method"] != "GET" or target is None or target.kind not in KINDS:
            await self._app(scope, receive, send)
            return
        at = _host(scope) if target.kind == "tree" else b""  # the Link to the next page names it
        key = scope["raw_path"], scope["query_string"], at
        try:
            head = await self._registry.log_head.read()
        except AssayError:
            await self._app(scope, receive, send)  # which says what is wrong
            return
        kept = self._kept.get(key)
        if kept is not None and kept.head == head and self._registry.clock() < kept.until:
            # Whoever is outside adds headers to the message.
            await send({**kept.start, "headers": list(kept.start["headers"])})
            await send({"type": "http.response.body", "body": kept.body})
            return
        await self._keeping(key, head, scope, receive, send)

    async def _keeping(self, key: tuple[bytes, ...], head: int, scope: Scope, receive: Receive, send: Send) -> None:
        start: Message = {}
        parts: list[bytes] = []

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update({**message, "headers": list(message["headers"])})
            elif message["type"] == "http.response.body":
                parts.append(message.get("body", b""))
            await send(message)

        await self._app(scope, receive, noting)
        body = b"".join(parts)
        if UNTIL in scope and start.get("status") == _OK and len(body) <= _LARGEST:
            self._kept.put(key, Answer(head, scope[UNTIL], start, body), len(body) + sum(map(len, key)))


def _host(scope: Scope) -> bytes:
    host: bytes = next((value for name, value in scope["headers"] if name == b"host"), b"")
    return f"{scope['scheme']}://".encode() + host

"""Answers that are still true, without asking again what they were made from.

Whatever changes what is served is an entry of the log (publication, move, verdict, decision, revocation, lift, token,
team). An answer that was made at some head of the log is good while the log has that head and the verdict lives. The
head is read for every request, after the request came: a revocation by another server counts from the next request on.
Requests that wait together share one reading.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from assay.core.errors import AssayError
from assay.core.name import is_name
from assay.core.verdict import parse_time
from assay.registry.recent import Recent
from assay.registry.served import Served, head_and_served, served_soon
from assay.server import listing
from assay.server.headers import header
from assay.server.together import Together
from assay.store.index import HEAD

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from assay.server.state import Registry
    from assay.store.soon import Soon

UNTIL: Final = "assay.until"  # in the scope: until when the answer is true while the log stays as it is
KINDS: Final = frozenset({"info", "tree", "commits", "refs"})  # of targets whose answers are kept
_LARGEST: Final = 256 << 10  # bytes of an answer that is kept
_MOST: Final = 64 << 20  # bytes of all of them
_OK: Final = 200


class LogHead:
    """The number of the log's last entry, as of after the question. For one event loop."""

    def __init__(self, soon: Soon) -> None:
        self._soon = soon
        self._together: Together[None, int] = Together(self._read)

    async def read(self) -> int:
        """Read it, together with whoever asks before the reading begins (EnvironmentFault when it can't be)."""
        return await self._together(None)

    async def _read(self, asked: Sequence[None]) -> list[int]:
        return [await _head(self._soon)] * len(asked)


async def _head(soon: Soon) -> int:
    return (await soon.rows(HEAD, [()]))[0][0] or 0


@dataclass(frozen=True, slots=True)
class Answer:
    """A kept answer (200): `head` of the log it was made at, `until` when it is true, what is sent."""

    head: int
    until: datetime
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Question:
    """A request for metadata: `key` under which its answer is kept, and what a plain one asks for."""

    key: tuple[bytes, ...]
    name: str
    ref: str


class Fresh:
    """Pure ASGI, behind `Access`: answers plain requests for metadata from what is kept, or straight from the index."""

    def __init__(self, app: ASGIApp, registry: Registry) -> None:
        self._app = app
        self._registry = registry
        self._soon = registry.catalog.index.soon()
        self._kept: Recent[tuple[bytes, ...], Answer] = Recent(_MOST)
        self._head = 0  # of the log, as it was read last
        self._ask: Together[_Question, tuple[int, Answer | None]] = Together(self._answers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer from what is kept, or pass on and keep what comes."""
        target = scope.get("assay.target")
        if scope["type"] != "http" or scope["method"] != "GET" or target is None or target.kind not in KINDS:
            await self._app(scope, receive, send)
            return
        at = _host(scope) if target.kind == "tree" else b""  # the Link to the next page names it
        key = scope["raw_path"], scope["query_string"], at
        plain = target.kind == "info" and not scope["query_string"] and is_name(target.name)
        try:
            head, answer = await self._ask(_Question(key, target.name if plain else "", target.revision))
        except AssayError:
            await self._app(scope, receive, send)  # which says what is wrong
            return
        if answer is None:
            await self._keeping(key, head, scope, receive, send)
            return
        await send({"type": "http.response.start", "status": _OK, "headers": answer.headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answers(self, asked: Sequence[_Question]) -> list[tuple[int, Answer | None]]:
        """The head of the log, and the answer when it is kept, or plain."""
        now, last = self._registry.clock(), self._head
        known, missing = self._known(asked, last, now)
        head, found = await head_and_served(self._soon, missing, now)
        if head != last:  # what was kept until now has to be read as well
            self._head, before = head, set(missing)
            known, missing = self._known(asked, head, now)
            found |= await served_soon(self._soon, [one for one in missing if one not in before], now)
        return self._together(asked, head, known, found)

    def _known(
        self, asked: Sequence[_Question], head: int, now: datetime
    ) -> tuple[list[Answer | None], list[tuple[str, str]]]:
        """What is kept and still true at a head of the log, and what to look up for the others."""
        known: list[Answer | None] = []
        missing = []
        for one in asked:
            kept = self._kept.get(one.key)
            if kept is not None and (kept.head != head or now >= kept.until):
                kept = None
            if kept is None and one.name:
                missing.append((one.name, one.ref))
            known.append(kept)
        return known, missing

    def _together(
        self,
        asked: Sequence[_Question],
        head: int,
        known: list[Answer | None],
        found: dict[tuple[str, str], Served],
    ) -> list[tuple[int, Answer | None]]:
        """One answer for each question. What was found was read after `head` was: never older than it."""
        answers: list[tuple[int, Answer | None]] = []
        for one, kept in zip(asked, known, strict=True):
            new = found.get((one.name, one.ref)) if kept is None else None
            answers.append((head, self._made(one.key, head, new) if new else kept))
        return answers

    def _made(self, key: tuple[bytes, ...], head: int, found: Served) -> Answer:
        """The information about a model, as its route gives it."""
        body = listing.info_bytes(found)
        headers = (
            (b"x-repo-commit", found.row.revision.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"content-type", b"application/json"),
        )
        answer = Answer(head, parse_time(found.expires_at), headers, body)
        self._keep(key, answer)
        return answer

    def _keep(self, key: tuple[bytes, ...], answer: Answer) -> None:
        if len(answer.body) <= _LARGEST:
            self._kept.put(key, answer, len(answer.body) + sum(map(len, key)))

    async def _keeping(self, key: tuple[bytes, ...], head: int, scope: Scope, receive: Receive, send: Send) -> None:
        start: Message = {}
        parts: list[bytes] = []

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update({**message, "headers": tuple(message["headers"])})
            elif message["type"] == "http.response.body":
                parts.append(message.get("body", b""))
            await send(message)

        await self._app(scope, receive, noting)
        if UNTIL in scope and start.get("status") == _OK:
            self._keep(key, Answer(head, scope[UNTIL], start["headers"], b"".join(parts)))


def _host(scope: Scope) -> bytes:
    return f"{scope['scheme']}://".encode() + (header(scope, b"host") or b"")

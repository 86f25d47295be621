"""HTTP connections that have to go on: who sends headers byte by byte, or reads no answer, holds none for long.

What is written in one turn of the loop is sent with one call of the system, which costs more than most of an answer.

uvicorn bounds how long an idle connection is kept, and `server.access` how long a body's next part may take; this is
what lies between: from the connection, or the first byte of a further request, to the end of its headers; and how long
a peer may leave unread what was written.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from asyncio import TimerHandle, Transport

HEADER_SECONDS: Final = 20.0  # the default of Apache's RequestReadTimeout for headers is 20 to 40
TAKE_SECONDS: Final = 120.0  # that a reader may take for what was written, 1 MiB of a file: some 70 kbit/s
_JOINED: Final = 64 << 10  # bytes that are held back until the end of a turn; more are sent as they come
logger = logging.getLogger("assay.server")


class _Joining(asyncio.Transport):
    """A transport that sends head and body of an answer together."""

    def __init__(self, transport: Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:  # type: ignore[override]  # all that uvicorn writes
        """Send it at the end of this turn, with what else there is; at once when it is long."""
        if not data:
            return
        self._size += len(data)
        if self._size > _JOINED:
            self._send()
            self._transport.write(data)
            return
        if not self._held:
            self._loop.call_soon(self._send)
        self._held.append(data)

    def close(self) -> None:
        """Send the rest, and end it."""
        self._send()
        self._transport.close()

    def abort(self) -> None:
        """End it at once."""
        self._held.clear()
        self._transport.abort()

    def resume_reading(self) -> None:
        """Go on taking what the peer sends."""
        self._transport.resume_reading()

    def is_closing(self) -> bool:
        """Whether it ended or is about to."""
        return self._transport.is_closing()

    def _send(self) -> None:
        if self._held:
            self._transport.write(b"".join(self._held))
            self._held.clear()
        self._size = 0


class PatientProtocol(H11Protocol):
    """uvicorn's, with limits on the time that the headers of a request take, and that a peer takes to read."""

    _late: TimerHandle | None = None
    _full: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as its base says it
        """Wait for the first request."""
        super().connection_made(transport)
        self.transport = _Joining(transport, self.loop)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Wait for the rest of the headers, or no longer when they are there."""
        super().data_received(data)
        if self._under_way():
            self._stop()
        elif self._late is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody waits any more."""
        self._stop()
        self._taken()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The peer takes nothing at the moment: for how long?"""
        super().pause_writing()
        if self._full is None:
            self._full = self.loop.call_later(TAKE_SECONDS, self._cut)

    def resume_writing(self) -> None:
        """It took what was written."""
        self._taken()
        super().resume_writing()

    def _taken(self) -> None:
        if self._full is not None:
            self._full.cancel()
            self._full = None

    def _cut(self) -> None:
        logger.warning("cut off a reader that took nothing for %.0f s", TAKE_SECONDS)
        self.transport.abort()  # `close` would wait for it to read the rest

    def _under_way(self) -> bool:
        cycle: Any = self.cycle
        return cycle is not None and not cycle.response_complete

    def _wait(self) -> None:
        self._late = self.loop.call_later(HEADER_SECONDS, self._give_up)

    def _stop(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self) -> None:
        self._late = None
        if not self._under_way() and not self.transport.is_closing():
            self.transport.close()

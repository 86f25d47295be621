"""HTTP connections whose request has to come in time: a client that sends its headers byte by byte holds none for long.

uvicorn bounds how long an idle connection is kept, and `server.access` how long a body's next part may take; this is
what lies between: from the connection, or the first byte of a further request, to the end of its headers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from asyncio import TimerHandle, Transport

HEADER_SECONDS: Final = 20.0  # the default of Apache's RequestReadTimeout for headers is 20 to 40


class PatientProtocol(H11Protocol):
    """uvicorn's, with a limit on the time that the headers of a request take."""

    _late: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as its base says it
        """Wait for the first request."""
        super().connection_made(transport)
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
        super().connection_lost(exc)

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

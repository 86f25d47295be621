"""Bind and run: one process, uvicorn, loopback only as long as nobody has to identify themselves."""

from __future__ import annotations

import errno
import signal
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

from assay.core.errors import EnvironmentFault, UsageError
from assay.server.guards import is_loopback

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType

    from starlette.applications import Starlette

_BACKLOG = 1024
_GRACE = 10  # seconds that running transfers get after a signal


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    Raises:
        UsageError: `host` is not loopback.
        EnvironmentFault: unknown host, port in use, no permission.
    """
    try:
        answers = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise EnvironmentFault(f"can't listen on {host}: {error}", hint="use 127.0.0.1") from error
    if not host or not all(is_loopback(str(address[0])) for *_, address in answers):
        raise UsageError(
            f"{host or 'every address'} is not a loopback address, and reading needs no token yet",
            hint="use 127.0.0.1, and a reverse proxy that asks who is there",
        )
    family, kind, protocol, _, address = answers[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        why = {errno.EADDRINUSE: "it is in use", errno.EACCES: "no permission"}.get(error.errno or 0, str(error))
        raise EnvironmentFault(
            f"can't listen on {host} port {port}: {why}", hint="choose another with --port"
        ) from error
    return sock


def url_of(sock: socket.socket) -> str:
    """`http://127.0.0.1:8080`."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """uvicorn, but a signal that asked for the end is not raised again after an orderly end."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """SIGINT and SIGTERM end it; a second one ends it at once."""

        def stop(_number: int, _frame: FrameType | None) -> None:
            self.force_exit = self.should_exit
            self.should_exit = True

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def serve(app: Starlette, sock: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM; running transfers get a few seconds to end. Call it in the main thread."""
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=_GRACE,
        h11_max_incomplete_event_size=64 << 10,
    )
    with sock:
        _Server(config).run(sockets=[sock])

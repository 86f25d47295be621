"""Bind and run: one process, uvicorn, with TLS or without; loopback only where nobody has to identify themselves."""

from __future__ import annotations

import errno
import gc
import signal
import socket
import ssl
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvicorn

from assay.core.errors import EnvironmentFault, UsageError
from assay.server.guards import is_loopback
from assay.server.patient import PatientProtocol

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType

    from starlette.applications import Starlette

_BACKLOG = 1024
_CONNECTIONS = 2000  # more at once get 503
_COLLECT = (50_000, 10, 10)  # objects made since, before the three generations are looked through
_GRACE = 10  # seconds that running transfers get after a signal


def bind(host: str, port: int, *, tokens: bool = False) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    Args:
        host: address or name.
        port: number.
        tokens: whether the server asks everybody for a token. Without that only loopback is listened on.

    Raises:
        UsageError: `host` is not loopback, and anybody could read.
        EnvironmentFault: unknown host, port in use, no permission.
    """
    try:
        answers = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise EnvironmentFault(f"can't listen on {host}: {error}", hint="use 127.0.0.1") from error
    if not tokens and (not host or not all(is_loopback(str(address[0])) for *_, address in answers)):
        raise UsageError(
            f"{host or 'every address'} is not a loopback address, and --anonymous lets everybody read",
            hint="leave --anonymous out, or use 127.0.0.1",
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


def is_loopback_host(host: str) -> bool:
    """Whether a name or address to listen on is this machine's own loopback."""
    return host == "localhost" or is_loopback(host)


def url_of(sock: socket.socket, scheme: str = "http") -> str:
    """`http://127.0.0.1:8080`."""
    host, port = sock.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


@dataclass(frozen=True, slots=True)
class Tls:
    """The server's own certificate.

    Attributes:
        certificate: PEM file, the server's first, then those that lead to a root.
        key: PEM file, without a passphrase.
    """

    certificate: str
    key: str

    def check(self) -> None:
        """Read both.

        Raises:
            EnvironmentFault: when certificate or key can't be read, or do not belong together.
        """
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.certificate, self.key)
        except OSError as error:  # ssl.SSLError too
            why = error.strerror or str(error)
            raise EnvironmentFault(f"no TLS with {self.certificate} and {self.key}: {why}", hint="PEM files") from error


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


def serve(app: Starlette, sock: socket.socket, *, tls: Tls | None = None, behind_proxy: bool = False) -> None:
    """Serve until SIGINT or SIGTERM; running transfers get a few seconds to end. Call it in the main thread.

    Args:
        app: the registry.
        sock: from `bind`.
        tls: own certificate; None: plain HTTP.
        behind_proxy: whether a proxy on this machine says in `X-Forwarded-For` and `-Proto` who is there, and how.
    """
    config = uvicorn.Config(
        app,
        http=PatientProtocol,
        ws="none",
        lifespan="off",
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=_GRACE,
        h11_max_incomplete_event_size=64 << 10,
        proxy_headers=behind_proxy,
        limit_concurrency=_CONNECTIONS,
        ssl_certfile=tls.certificate if tls else None,
        ssl_keyfile=tls.key if tls else None,
    )
    if tls:
        config.load()
        if config.ssl is not None:
            config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 9325, 3.1.1
    # What is loaded by now stays, and kept answers are many: looking for cycles among them is for once in a while.
    gc.freeze()
    gc.set_threshold(*_COLLECT)
    with sock:
        _Server(config).run(sockets=[sock])

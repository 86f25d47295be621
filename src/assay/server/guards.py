"""What every request passes: the Host header (against DNS rebinding), and headers that keep a browser in check."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders

from assay.server.answers import error
from assay.server.headers import has, header

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_BAD_REQUEST = 400
# A name or an IPv4 address, or an IPv6 address in brackets, and a port (RFC 9110, 7.2): no user, no path.
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::[0-9]{0,5})?")
_HOSTS = 1024  # names of the Host header that are remembered
_SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with "no-referrer" a form of ours would come with `Origin: null`
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
}
_TRANSPORT = (b"strict-transport-security", b"max-age=31536000")  # RFC 6797
_SECURITY_RAW = [(name.lower().encode(), value.encode()) for name, value in _SECURITY.items()]


class Guards:
    """Pure ASGI. Refuses a request that names another host, and adds the security headers to every answer.

    Args:
        app: what is guarded.
        hosts: names that requests may use besides `localhost` and loopback addresses; ports are not looked at.
    """

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...] = ()) -> None:
        self._app = app
        self._hosts = {host.lower().rstrip(".") for host in hosts} | {"localhost"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check, then pass on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        named = [value for name, value in scope["headers"] if name == b"host"]
        has_body = has(scope, b"transfer-encoding") or (header(scope, b"content-length") or b"0") != b"0"

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message["headers"]}
                headers = [*message["headers"], *(pair for pair in _SECURITY_RAW if pair[0] not in given)]
                message["headers"] = headers
                if scope["scheme"] == "https" and _TRANSPORT[0] not in given:
                    headers.append(_TRANSPORT)
                if has_body and (scope["method"] != "POST" or message["status"] >= _BAD_REQUEST):
                    # The body was not read to its end, and it may have none.
                    MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        if len(named) == 1 and self._ours(named[0].decode("latin-1")):
            await self._app(scope, receive, guarded)
            return
        message = "assay: this server is not known by the host name of the request; start it with --allow-host NAME"
        await error(421, message)(scope, receive, guarded)

    def _ours(self, host: str) -> bool:
        match = _HOST.fullmatch(host.lower())
        if match is None:
            return False
        name = match[1] or match[2].rstrip(".")
        return name in self._hosts or is_loopback(name)


@lru_cache(_HOSTS)
def is_loopback(text: str) -> bool:
    """Whether it is a loopback address, written as one."""
    try:
        return ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False

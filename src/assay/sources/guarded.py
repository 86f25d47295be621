"""HTTP that goes only where it may: a site check on every hop, and addresses resolved once, checked and pinned.

A hub answers with redirects, and a redirect is a request that the hub makes us send. Each hop must be the hub itself or
a host from a list; its name is resolved here, every address is checked, and the connection goes to the address that was
checked (a second look-up could answer otherwise: DNS rebinding). TLS still checks the certificate against the name.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from assay.core.errors import SourceError, UsageError

if TYPE_CHECKING:
    import ssl

_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9_.:-]+", re.IGNORECASE)  # after IDNA
_PROXY = re.compile(r"https?://([^/@\s]+@)?[A-Za-z0-9.\[\]:-]+/?")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: carries an IPv4 address in its last 32 bits

# Where well-known hubs keep their blobs; any other host has to be configured.
KNOWN_BLOB_HOSTS = {"huggingface.co": ("*.huggingface.co", "*.hf.co"), "hf.co": ("*.huggingface.co", "*.hf.co")}


@dataclass(frozen=True, slots=True)
class Site:
    """Scheme, host and port of a URL."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: httpx.URL) -> Site:
        """Site of an absolute http(s) URL.

        Raises:
            SourceError: for another scheme or none, or credentials in the URL.
        """
        if url.scheme not in _DEFAULT_PORTS or not _HOST.fullmatch(url.host):
            raise SourceError(f"not an http(s) URL: {str(url)[:200]!r}")
        if url.userinfo:
            raise SourceError(f"credentials inside a URL ({url.host})", hint="put the token into ASSAY_HUB_TOKEN")
        return cls(url.scheme, url.host.rstrip(".").lower(), url.port or _DEFAULT_PORTS[url.scheme])


@dataclass(frozen=True)
class Reach:
    """Where requests may go.

    Attributes:
        hub: the hub's own site.
        hosts: further hosts that redirects may name: `host`, `host:port` or `*.domain`; default port of the scheme.
        allow_private: also private, loopback and link-local addresses behind a name. An address or `localhost` written
            in the hub's own URL is its user's choice and needs no flag.
        proxy: URL of an HTTP proxy that every request goes through; it resolves the names, so their addresses are its
            business. None: straight, to checked addresses.
    """

    hub: Site
    hosts: tuple[str, ...] = ()
    allow_private: bool = False
    proxy: str | None = None

    @classmethod
    def to(
        cls, hub_url: str, hosts: tuple[str, ...] = (), *, allow_private: bool = False, proxy: str | None = None
    ) -> Reach:
        """Reach of a hub at `hub_url`; well-known hubs bring their blob hosts along.

        Raises:
            UsageError: when it, or the proxy, is not a plain http(s) URL.
        """
        if proxy is not None and not _PROXY.fullmatch(proxy):
            raise UsageError("not a proxy URL", hint="like http://proxy.example.org:3128")
        try:
            hub = Site.of(httpx.URL(hub_url))
        except (httpx.InvalidURL, SourceError) as error:
            raise UsageError(f"not a hub URL: {error}", hint="like https://hub.example.org") from error
        return cls(hub, (*hosts, *KNOWN_BLOB_HOSTS.get(hub.host, ())), allow_private, proxy)

    def check(self, site: Site) -> None:
        """Refuse a site that is neither the hub nor listed, and a step down from https to http.

        Raises:
            SourceError: with the setting that would allow it.
        """
        if site == self.hub:
            return
        if self.hub.scheme == "https" and site.scheme != "https":
            raise SourceError(f"the hub redirects from https to http ({site.host})")
        if not any(_matches(pattern, site) for pattern in self.hosts):
            where = f"{site.host}:{site.port}"
            hint = f"if that is right, add {where} to hub_hosts"
            raise SourceError(f"the hub redirects to {where}, which is not allowed", hint=hint)

    def addresses(self, site: Site) -> list[str]:
        """Addresses of `site`, every one checked.

        Raises:
            SourceError: unknown host, or one of its addresses is not public and that is not allowed.
        """
        chosen = site == self.hub and (site.host == "localhost" or _literal(site.host) is not None)
        try:
            answers = socket.getaddrinfo(site.host, site.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            hint = "check the URL and the network"
            raise SourceError(f"{site.host} can't be resolved: {error}", hint=hint) from error
        addresses = list(dict.fromkeys(str(answer[4][0]) for answer in answers))
        if not self.allow_private and not chosen:
            for address in addresses:
                if not is_public(address):
                    raise SourceError(
                        f"{site.host} resolves to {address}, which is not a public address",
                        hint="if that is right, set hub_allow_private",
                    )
        return addresses


def _matches(pattern: str, site: Site) -> bool:
    host, separator, port = pattern.lower().rpartition(":")
    if not separator or not port.isdigit():
        host, port = pattern.lower(), str(_DEFAULT_PORTS[site.scheme])
    if str(site.port) != port:
        return False
    return site.host.endswith(host[1:]) if host.startswith("*.") else site.host == host.strip("[]")


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


def is_public(text: str) -> bool:
    """Whether an address is globally reachable unicast, also where an IPv6 address carries an IPv4 one."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return address.is_global and not address.is_multicast


class GuardedTransport(httpx.BaseTransport):
    """Sends each request to a checked, pinned address. One connection pool per site: names share none."""

    def __init__(self, reach: Reach, context: ssl.SSLContext) -> None:
        self._reach = reach
        self._context = context
        self._pools: dict[Site, tuple[httpx.HTTPTransport, list[str]]] = {}
        self._lock = threading.Lock()  # several downloads share one transport

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Check the site, connect to its pinned address (the next one when the first does not answer)."""
        site = Site.of(request.url)
        self._reach.check(site)
        with self._lock:
            if site not in self._pools:
                self._pools[site] = self._pool(site)
            pool, addresses = self._pools[site]
        if not addresses:
            return pool.handle_request(request)
        extensions = request.extensions | {"sni_hostname": site.host}
        for address in addresses[:-1]:
            try:
                return pool.handle_request(_pinned(request, address, extensions))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return pool.handle_request(_pinned(request, addresses[-1], extensions))

    def _pool(self, site: Site) -> tuple[httpx.HTTPTransport, list[str]]:
        if self._reach.proxy is not None:
            return httpx.HTTPTransport(verify=self._context, proxy=self._reach.proxy), []
        return httpx.HTTPTransport(verify=self._context), self._reach.addresses(site)

    def close(self) -> None:
        """Close every pool."""
        for pool, _ in self._pools.values():
            pool.close()


def _pinned(request: httpx.Request, address: str, extensions: dict[str, object]) -> httpx.Request:
    """The same request (Host header included) to an address instead of a name."""
    url = request.url.copy_with(host=address)
    return httpx.Request(request.method, url, headers=request.headers, stream=request.stream, extensions=extensions)

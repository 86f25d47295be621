"""What the handlers share: the catalogue, the blobs, settings and a clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from anyio import CapacityLimiter

from assay.server.integrity import Integrity

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from assay.provenance.keys import KeyRing
    from assay.registry.catalog import Catalog
    from assay.server.target import Target
    from assay.store.blobs import Blobs

_TRANSFERS = 32  # threads that read blobs; other requests have threads of their own


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How the registry answers.

    Attributes:
        hosts: host names that requests may name, besides those of loopback.
        accel_prefix: internal location of nginx that maps to the blob directory (`/_blobs`): files are then sent by
            nginx (X-Accel-Redirect), which does not hash them; `assay`'s scrub does. None: sent from here.
        presign_seconds: how long the link to a blob in object storage is good for.
    """

    hosts: tuple[str, ...] = ()
    accel_prefix: str | None = None
    presign_seconds: int = 3600


def utc_now() -> datetime:
    """The time, aware."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Registry:
    """The state of one server.

    Attributes:
        catalog: what is served.
        blobs: the bytes.
        settings: how to answer.
        clock: the time; read once for each request.
        ring: holds the registry's key and no other; None serves statements without a signed view.
        integrity: what is known about the blobs' bytes.
        transfers: bounds the threads that read blobs.
    """

    catalog: Catalog
    blobs: Blobs
    settings: ServerSettings = ServerSettings()
    clock: Callable[[], datetime] = utc_now
    ring: KeyRing | None = None
    integrity: Integrity = field(init=False)
    transfers: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(_TRANSFERS))

    def __post_init__(self) -> None:
        object.__setattr__(self, "integrity", Integrity(self.blobs))


def registry_of(request: Request) -> Registry:
    """The registry that a request came to."""
    return cast("Registry", request.app.state.registry)


def target_of(request: Request) -> Target:
    """What the request asks for."""
    return cast("Target", request.scope["assay.target"])

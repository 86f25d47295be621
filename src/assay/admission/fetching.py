"""The bytes of a request, into the store: from a path, from a hub, or once more from the store itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.sources.directory import fetch_directory
from assay.sources.hub_ref import HubRef

if TYPE_CHECKING:
    from collections.abc import Callable

    from assay.admission.request import HubAccess, Request
    from assay.core.limits import Limits
    from assay.core.ranges import Watch
    from assay.core.snapshot import Snapshot
    from assay.store.blobs import Blobs

    Progress = Callable[[str, int, int], None]


def from_outside(
    request: Request, blobs: Blobs, access: HubAccess, progress: Progress, *, limits: Limits, watch: Watch | None = None
) -> Snapshot:
    """Store what lies at the request's path or on its hub.

    Args:
        request: of kind `path` or `hub`.
        blobs: where the bytes go.
        access: how hubs may be reached.
        progress: called with (path, bytes done, bytes in total).
        limits: how many files are too many.
        watch: sees every file as it passes.

    Raises:
        SourceError: the source could not give the model.
    """
    if request.kind == "path":
        path = Path(request.source)
        return fetch_directory(path, request.name, blobs, progress, limits=limits, watch=watch)
    from assay.sources.hub import fetch_hub  # noqa: PLC0415 - slow to import

    return fetch_hub(
        HubRef(request.source, request.state),
        request.hub_url,
        blobs,
        progress,
        token=access.token,
        hosts=access.hosts,
        allow_private=access.allow_private,
        proxy=access.proxy,
        limits=limits,
        watch=watch,
    )


def told_beside(request: Request, snapshot: Snapshot, access: HubAccess) -> dict[str, Any]:
    """What the source tells beside the bytes, after they were fetched; never a reason for an admission to fail.

    Args:
        request: of kind `path` or `hub`.
        snapshot: as `from_outside` gave it.
        access: how hubs may be reached.
    """
    if request.kind == "path":
        from assay.sources.git_history import told_by_checkout  # noqa: PLC0415 - rarely needed

        told = told_by_checkout(Path(request.source), snapshot)
    else:
        from assay.sources.hub_told import told_by_hub  # noqa: PLC0415 - slow to import

        told = told_by_hub(
            request.source,
            snapshot,
            request.hub_url,
            token=access.token,
            hosts=access.hosts,
            allow_private=access.allow_private,
            proxy=access.proxy,
        )
    return told | {"name": request.name} if told else {}


def hash_again(snapshot: Snapshot, blobs: Blobs, progress: Progress, *, watch: Watch | None = None) -> None:
    """Read every byte of what lies in the store already.

    Raises:
        IntegrityError: a blob is missing or damaged.
    """
    total, done = sum(entry.size for entry in snapshot.files), 0
    for entry in snapshot.files:
        for chunk in blobs.stream_watched(entry.digest, watch):
            done += len(chunk)
            progress(entry.path, done, total)

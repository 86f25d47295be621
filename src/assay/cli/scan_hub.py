"""`assay scan hf://…`: fetch the snapshot into a temporary folder that is gone afterwards."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from assay.cli.settings import load_settings
from assay.core.errors import ContentError, UsageError
from assay.inspections.intake import Job
from assay.sources.hub import fetch_hub
from assay.sources.hub_ref import HubRef
from assay.store.blobs import open_blobs

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from assay.core.snapshot import Snapshot
    from assay.store.blobs import Blobs

HUB_TOKEN = "HF_TOKEN"  # noqa: S105 - the name of a variable


@contextmanager
def fetched(
    references: list[str], args: argparse.Namespace, progress: Callable[[str, int, int], None] | None
) -> Iterator[list[Job]]:
    """Jobs for hub references; their files live as long as the block.

    Raises:
        UsageError: when no hub is configured.
        SourceError: when the hub can't give the snapshot.
    """
    settings = load_settings(args)
    if not settings.hub_url:
        raise UsageError(f"no hub to fetch {references[0]} from", hint="give --hub-url or set ASSAY_HUB_URL")
    with tempfile.TemporaryDirectory(prefix="assay-scan-") as folder:
        blobs = open_blobs(folder)
        jobs = []
        for text in dict.fromkeys(references):
            reference = HubRef.parse(text)
            snapshot = fetch_hub(
                reference,
                settings.hub_url,
                blobs,
                progress,
                token=os.environ.get(HUB_TOKEN) or None,
                hosts=settings.hub_hosts,
                allow_private=settings.hub_allow_private,
                proxy=settings.hub_proxy,
            )
            jobs.append(_job(reference, snapshot, blobs, args.name))
        yield jobs


def _job(reference: HubRef, snapshot: Snapshot, blobs: Blobs, name: str) -> Job:
    root = str(reference)
    job = Job(root, snapshot.origin.uri, "hub", name or reference.name)
    job.entries = list(snapshot.files)
    job.shown = {entry.path: f"{root}/{entry.path}" for entry in snapshot.files}
    job.access = _Fetched(snapshot, blobs)
    return job


class _Fetched:
    """`FileAccess` over what was fetched."""

    def __init__(self, snapshot: Snapshot, blobs: Blobs) -> None:
        self._snapshot = snapshot
        self._blobs = blobs

    def open(self, path: str) -> BinaryIO:
        """As `FileAccess.open`."""
        entry = self._snapshot.entry(path)
        if entry is None:
            raise ContentError(f"not a file of this snapshot: {path[:200]!r}")
        return self._blobs.open(entry.digest)

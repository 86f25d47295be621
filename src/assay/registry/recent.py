"""Snapshots resolved lately. A pull asks for each file by itself: without this it would read the listing every time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assay.core.digest import Digest
    from assay.core.snapshot import Snapshot

MOST_FILES = 400_000  # files of all kept snapshots together; about 100 MB


class RecentSnapshots:
    """The snapshots used last, by id and name; thread-safe. A snapshot never changes, so none is ever stale."""

    def __init__(self, most_files: int = MOST_FILES) -> None:
        self._most = most_files
        self._files = 0
        self._kept: OrderedDict[tuple[Digest, str], Snapshot] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, snapshot_id: Digest, name: str) -> Snapshot | None:
        """The snapshot with the origin that claims `name`, when it is kept."""
        with self._lock:
            snapshot = self._kept.get((snapshot_id, name))
            if snapshot is not None:
                self._kept.move_to_end((snapshot_id, name))
            return snapshot

    def put(self, snapshot: Snapshot, name: str) -> None:
        """Keep it; lets go of those not used for longest."""
        with self._lock:
            if (snapshot.id, name) in self._kept or len(snapshot.files) > self._most:
                return
            self._kept[snapshot.id, name] = snapshot
            self._files += len(snapshot.files)
            while self._files > self._most:
                _, dropped = self._kept.popitem(last=False)
                self._files -= len(dropped.files)

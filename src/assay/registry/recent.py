"""What was used lately: values by key, together below a bound. Thread-safe."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from assay.core.digest import Digest
    from assay.core.snapshot import Snapshot

K = TypeVar("K")
V = TypeVar("V")
MOST_FILES = 400_000  # files of all kept snapshots together; about 100 MB


class Recent(Generic[K, V]):
    """The values used last; each has a weight, and all together at most `most`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._weight = 0
        self._kept: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        """The value, when it is kept."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                return None
            self._kept.move_to_end(key)
            return kept[0]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
            self._weight = 0

    def put(self, key: K, value: V, weight: int) -> None:
        """Keep it in place of what was there; lets go of those not used for longest."""
        with self._lock:
            if before := self._kept.pop(key, None):
                self._weight -= before[1]
            if weight > self._most:
                return
            self._kept[key] = value, weight
            self._weight += weight
            while self._weight > self._most:
                _, (_, dropped) = self._kept.popitem(last=False)
                self._weight -= dropped


class RecentSnapshots:
    """Snapshots by id and name. One never changes, so none is ever stale.

    A pull asks for each file by itself: without this it would read the listing every time.
    """

    def __init__(self, most_files: int = MOST_FILES) -> None:
        self._kept: Recent[tuple[Digest, str], Snapshot] = Recent(most_files)

    def get(self, snapshot_id: Digest, name: str) -> Snapshot | None:
        """The snapshot with the origin that claims `name`, when it is kept."""
        return self._kept.get((snapshot_id, name))

    def put(self, snapshot: Snapshot, name: str) -> None:
        """Keep it."""
        self._kept.put((snapshot.id, name), snapshot, len(snapshot.files))

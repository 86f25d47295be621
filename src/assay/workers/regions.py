"""Regions of a descriptor, read as one file: where the tracer's pickles lie."""

from __future__ import annotations

import io
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Region(io.RawIOBase):
    """Regions of a descriptor, one after the other, as one readable file."""

    def __init__(self, descriptor: int, regions: list[list[int]]) -> None:
        self._descriptor = descriptor
        self._regions = [(int(offset), int(length)) for offset, length in regions]
        self._index = 0
        self._inside = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill from the present region."""
        view = memoryview(buffer).cast("B")
        while self._index < len(self._regions):
            offset, length = self._regions[self._index]
            count = min(len(view), length - self._inside)
            if count > 0:
                got = os.preadv(self._descriptor, [view[:count]], offset + self._inside)
                if got > 0:
                    self._inside += got
                    return got
            self._index += 1
            self._inside = 0
        return 0

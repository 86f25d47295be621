"""Figures over a whole index, kept for a time that follows from what they cost. Thread-safe.

Where there is little to count they are counted anew each time. Of a large index a figure that costs half a second is
ten seconds old at most: counting then takes a twentieth of one thread, however often a page is looked at.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from assay.registry.recent import Recent

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

T = TypeVar("T")
LARGE: Final = 50_000  # rows; less takes a few hundredths of a second to count
_SHARE: Final = 20  # times what counting took is how old a figure gets at most
_MOST: Final = 1000  # figures: of each kind one for every group of people that sees the same models


class Kept:
    """Figures by what they are of, and whom they are for."""

    def __init__(self) -> None:
        # The figure, until when it is good, and the state that it was made at.
        self._kept: Recent[tuple[str, Hashable], tuple[Any, float, int]] = Recent(_MOST)
        self._making: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def figure(self, what: str, who: Hashable, make: Callable[[], T], *, rows: int, state: int = 0) -> T:
        """The figure that `make` gives, now or not long ago.

        Args:
            what: it is of.
            who: sees the same; equal for whoever gets the same figure.
            make: counts.
            rows: about how many are counted.
            state: number of what the rows follow from (the head of the log): while it stays, so does the figure. 0:
                there is none.
        """
        if rows < LARGE:
            return make()
        with self._lock:
            making = self._making.setdefault(what, threading.Lock())
        with making:
            kept = self._kept.get((what, who))
            if kept is None or not (time.monotonic() < kept[1] or (state and state == kept[2])):
                began = time.monotonic()
                value, ended = make(), time.monotonic()
                kept = value, ended + (ended - began) * _SHARE, state
                self._kept.put((what, who), kept, 1)
        found: T = kept[0]
        return found

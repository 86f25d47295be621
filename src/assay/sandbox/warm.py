"""Templates that stay warm between models, in a process that vets many (ADR 53).

A template imports frameworks for two to nine CPU seconds and never sees a model: the next model's worker may be forked
from it as well as the last one's. Within `keep`, a guest that is closed is kept while its template can take another
model, and lent to whoever asks for one that is the same in everything.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from assay.sandbox.guest import Guest

MOST: Final = 3  # loader, evaluator, prober: each holds 0.4 to 0.5 GiB
SECONDS: Final = 60.0  # that one waits for a model


class _Warm:
    """Idle guests, the longest idle first."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most, self._seconds = most, seconds
        self._lock = threading.Lock()
        self._idle: dict[Guest, tuple[Hashable, threading.Timer]] = {}
        self._ended = False

    def lend(self, what: Hashable, make: Callable[[], Guest]) -> Guest:
        """One that waits and answers, else a new one."""
        while (guest := self._take(what)) is not None:
            if guest.reusable:
                return guest
            guest.end()
        guest = make()
        guest.keeper = partial(self._keep, what)
        return guest

    def end(self) -> None:
        """End all; what is lent ends when it is closed."""
        with self._lock:
            self._ended = True
            idle = list(self._idle)
        for guest in idle:
            self._expire(guest)

    def _take(self, what: Hashable) -> Guest | None:
        with self._lock:
            guest = next((one for one, (of, _) in self._idle.items() if of == what), None)
            if guest is not None:
                self._idle.pop(guest)[1].cancel()
        return guest

    def _keep(self, what: Hashable, guest: Guest) -> bool:
        """Whether it is kept."""
        if not guest.reusable:
            return False
        guest.restarts = []  # told already, by whom they happened to
        timer = threading.Timer(self._seconds, self._expire, (guest,))
        timer.daemon = True
        with self._lock:
            if self._ended:
                return False
            self._idle[guest] = what, timer
            timer.start()
            beyond = list(self._idle)[: max(0, len(self._idle) - self._most)]
        for old in beyond:
            self._expire(old)
        return True

    def _expire(self, guest: Guest) -> None:
        with self._lock:
            found = self._idle.pop(guest, None)
        if found is not None:
            found[1].cancel()
            guest.end()


_warm: _Warm | None = None


@contextmanager
def keep(most: int = MOST, seconds: float = SECONDS) -> Iterator[None]:
    """Keep templates of this process for its next models; all are ended with the block.

    Args:
        most: that wait at once.
        seconds: that one waits.
    """
    global _warm  # noqa: PLW0603 - of the process, as its children are
    before, _warm = _warm, _Warm(most, seconds)
    ours = _warm
    try:
        yield
    finally:
        _warm = before
        ours.end()


def lend(what: Hashable, make: Callable[[], Guest]) -> Guest:
    """A guest: one that waits, or what `make` makes.

    Args:
        what: everything in which guests differ.
        make: makes one that is not started.
    """
    return make() if _warm is None else _warm.lend(what, make)

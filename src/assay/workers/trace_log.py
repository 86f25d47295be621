"""What the tracer records of one pickle, and when it sends it."""

from __future__ import annotations

from assay.formats.pickle import events as ev
from assay.formats.pickle import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any

LISTED_CALLS = 4  # calls of one harmless callable that are listed; the rest is counted
_REMEMBERED, _REMEMBERED_CHARACTERS = 5000, 500


class Limit(Exception):
    """A limit of ours was reached."""


class Log:
    """Events of one pickle; sent at once when they matter, else in batches."""

    def __init__(self, channel: socket.socket | None, quiet: frozenset[str], max_events: int) -> None:
        self.channel = channel
        self.quiet = quiet
        self.max_events = max_events
        self.stubs: dict[tuple[str, str], type] = {}
        self.tell: Any = None
        self.clear()

    def clear(self) -> None:
        """Begin a new pickle."""
        self.events: list[list[Any]] = []
        self.counts: dict[str, int] = {}
        self.seen: set[str] = set()
        self.total = 0
        self.calls = 0
        self.stubs.clear()

    def add(
        self, kind: str, target: Any, arguments: Any = None, result: int = 0, how: str = "", *, urgent: bool = True
    ) -> None:
        """Record one event."""
        self.total += 1
        if self.total > self.max_events:
            raise Limit(f"more than {self.max_events} events in one pickle")
        self.events.append([kind, self.tell() if self.tell else None, target, arguments, result, how])
        if urgent and self.channel is not None:
            self.flush()

    def flush(self) -> None:
        """Send what is recorded: it survives the end of this process."""
        if self.events and self.channel is not None:
            wire.send(self.channel, {"events": self.events})
            self.events = []

    def listed(self, key: str) -> bool:
        """Count, and say whether this one is still listed."""
        seen = self.counts.get(key, 0) + 1
        self.counts[key] = seen
        return seen <= LISTED_CALLS

    def repeated(self, name: str, arguments: Any) -> bool:
        """Whether the same call with the same arguments was listed before (as `formats.pickle.machine` does it)."""
        key = f"{name} {arguments!r}"
        if ev.told_apart(name, key):
            return False
        if key in self.seen:
            return True
        if len(self.seen) < _REMEMBERED and len(key) < _REMEMBERED_CHARACTERS:
            self.seen.add(key)
        return False


LOG = Log(None, frozenset(), 100_000)

"""What a part inspector is given and how it answers.

A *part* is a file of the snapshot, or a stream inside it at any depth of containers. The runner walks every file once,
sniffs each part by content, and offers it to every part inspector that wants one of its readings.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, runtime_checkable

from assay.core.evidence import Unread
from assay.core.finding import Confidence, Finding, Severity, Where
from assay.core.limits import Limits

if TYPE_CHECKING:
    from assay.core.inspector import Subject

INNER_SEPARATOR = "!/"


@dataclass(frozen=True, eq=False)
class Part:
    """A stream to inspect. Valid only during `inspect_part`: copy what is needed later.

    Attributes:
        path: file of the snapshot.
        inner: names inside nested containers, outermost first; empty for the file itself.
        formats: every plausible reading by content (`formats.sniff`), surest first; empty when unknown.
        stream: seekable, positioned at 0, its own position; has `fileno()` only for a whole file on disk.
        size: bytes in `stream`.
        limits: when to stop.
        within: readings of the enclosing container (`("torch-zip", "zip")`); empty for a file.
        siblings: names beside this part in the same container (itself included); empty for a file.
    """

    path: str
    inner: tuple[str, ...]
    formats: tuple[str, ...]
    stream: BinaryIO
    size: int
    limits: Limits = field(default_factory=Limits)
    within: tuple[str, ...] = ()
    siblings: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """Name of the innermost level."""
        return self.inner[-1] if self.inner else self.path

    @property
    def shown(self) -> str:
        """Path with inner names, as `Unread.path` has it."""
        return INNER_SEPARATOR.join((self.path, *self.inner))

    def read_all(self, limit: int) -> bytes | None:
        """The whole part from its start, or None when it is longer than `limit` bytes."""
        if self.size > limit:
            return None
        self.stream.seek(0)
        return self.stream.read(self.size)


class Collector:
    """Takes what one inspector says about one place. Stays valid until after `finish`.

    `Collector.at` gives a collector for another place that writes into the same evidence.
    """

    def __init__(self, ledger: Ledger, path: str, inner: tuple[str, ...] = ()) -> None:
        self._ledger = ledger
        self._path = path
        self._inner = inner

    def at(self, path: str, inner: tuple[str, ...] = ()) -> Collector:
        """The same evidence, another place; an empty path is the snapshot as a whole."""
        return Collector(self._ledger, path, inner)

    def finding(
        self,
        rule: str,
        severity: Severity,
        confidence: Confidence,
        message: str,
        *,
        offset: int | None = None,
        line: int | None = None,
        **facts: Any,
    ) -> None:
        """Report an observation. `facts` must be JSON-compatible, integers below 2**53."""
        where = Where(self._path, self._inner, offset, line)
        self._ledger.findings.append(Finding(rule, severity, confidence, message, where, facts))

    def unread(self, reason: str) -> None:
        """Say that this place was not looked at (limit, encryption, unknown layout)."""
        self._ledger.unread.append(Unread(INNER_SEPARATOR.join((self._path, *self._inner)), reason))

    def incomplete(self, reason: str) -> None:
        """Say that looking broke off: what was found stands, what was not found means nothing."""
        self.unread(reason)

    def fact(self, key: str, value: Any) -> None:
        """Record a JSON-compatible measurement of the whole inspection; a second value for a key replaces the first."""
        self._ledger.facts[key] = value

    def fact_here(self, key: str, value: Any) -> None:
        """Record a measurement of this place: `facts[key][shown path] = value`."""
        place = INNER_SEPARATOR.join((self._path, *self._inner))
        self._ledger.facts.setdefault(key, {})[place] = value


@dataclass
class Ledger:
    """Everything one inspector has said so far; the runner turns it into `Evidence`."""

    findings: list[Finding] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    covered: set[str] = field(default_factory=set)
    error: str = ""


class PartInspector(Protocol):
    """Looks at parts one by one. A fresh instance is made for each snapshot, so it may keep state between parts.

    `inspect_part` may raise: `ContentError` makes the part unread with that reason, anything else is an error of the
    inspector, and what it had found stays. An inspector that works in batches may answer in `finish`, through the
    collectors it was given.
    """

    @property
    def name(self) -> str:
        """Stable id; policy requires inspectors by it."""
        ...

    @property
    def version(self) -> str:
        """Changes whenever rules or lists change."""
        ...

    def wants(self, part: Part) -> bool:
        """Whether one of the part's readings is this inspector's business. Cheap; must not move the stream."""
        ...

    def inspect_part(self, part: Part, out: Collector) -> None:
        """Look at one part."""
        ...


@runtime_checkable
class Begins(Protocol):
    """A part inspector that wants to see the subject before the first part (listing, claimed name)."""

    def begin(self, subject: Subject, out: Collector) -> None:
        """Called once, before the first part."""
        ...


@runtime_checkable
class Finishes(Protocol):
    """A part inspector with something to say after the last part."""

    def finish(self, out: Collector) -> None:
        """Called once, after the last part; `out` is the snapshot as a whole, `out.at(...)` any place."""
        ...

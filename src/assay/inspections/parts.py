"""What a part inspector is given and how it answers.

A *part* is a file of the snapshot, or a stream inside it at any depth of containers. The runner walks every file once,
sniffs each part by content, and offers it to every part inspector that wants one of its readings.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, runtime_checkable

from assay.core.evidence import Unread
from assay.core.finding import Confidence, Finding, Severity, Where
from assay.core.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assay.core.inspector import Subject
    from assay.formats.anomaly import Anomaly
    from assay.formats.containers.members import Container

INNER_SEPARATOR = "!/"
NO_FORMAT = "unknown format"  # how the reason begins when nothing is known about a file's bytes
MAX_SAME = 50  # findings of one rule and severity in one file; the rest is counted
_MAX_INTEGER = 1 << 53  # RFC 8785 numbers are doubles


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
        sizes: stated sizes of the siblings, in bytes.
        notes: where the enclosing container lies about this part (wrong CRC, two names, …).
        containers: this part read as a container, once for each such reading.
        expected: readings that the extension promises; empty when it promises nothing.
    """

    path: str
    inner: tuple[str, ...]
    formats: tuple[str, ...]
    stream: BinaryIO
    size: int
    limits: Limits = field(default_factory=Limits)
    within: tuple[str, ...] = ()
    siblings: frozenset[str] = frozenset()
    sizes: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[Anomaly, ...] = ()
    containers: tuple[Container, ...] = ()
    expected: frozenset[str] = frozenset()

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

    @property
    def path(self) -> str:
        """File of the snapshot; empty for the snapshot as a whole."""
        return self._path

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
        inner = tuple(plain(name) for name in self._inner)
        place = offset if offset is None or offset >= 0 else None  # a lie of the file: it stands in the message
        where = Where(self._path, inner, place, line)
        self._ledger.add(Finding(rule, severity, confidence, plain(message), where, plain(facts)))

    def unread(self, reason: str) -> None:
        """Say that this place was not looked at (limit, encryption, unknown layout)."""
        self._ledger.leave_out(Unread(plain(INNER_SEPARATOR.join((self._path, *self._inner))), plain(reason)))

    def incomplete(self, reason: str) -> None:
        """Say that looking broke off: what was found stands, what was not found means nothing."""
        self.unread(reason)

    def claim(self, path: str) -> None:
        """Say that a file of the snapshot is data of the one at hand: raw tensors beside a graph that lists them.

        A file of no known format is then not unread: it has no reading of its own, and its reader has been inspected.
        """
        self._ledger.claims.add(path)

    def fact(self, key: str, value: Any) -> None:
        """Record a JSON-compatible measurement of the whole inspection; a second value for a key replaces the first."""
        self._ledger.facts[key] = plain(value)

    def fact_here(self, key: str, value: Any) -> None:
        """Record a measurement of this place: `facts[key][shown path] = value`."""
        place = plain(INNER_SEPARATOR.join((self._path, *self._inner)))
        self._ledger.facts.setdefault(key, {})[place] = plain(value)


@dataclass
class Ledger:
    """Everything one inspector has said so far; the runner turns it into `Evidence`.

    Attributes:
        findings: in order, without repetition.
        unread: in order.
        facts: measurements.
        wanted: files of the snapshot of which it wanted a part.
        errors: what went wrong inside the inspector itself.
        failed: files of the snapshot at which it went wrong.
        held_back: findings of one rule in one file beyond `MAX_SAME`: counted, not kept.
        claims: files that are data of an inspected one.
    """

    findings: list[Finding] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    wanted: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)
    held_back: dict[str, int] = field(default_factory=dict)
    claims: set[str] = field(default_factory=set)
    _same: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    _seen: set[tuple[Any, ...]] = field(default_factory=set)
    _seen_unread: set[Unread] = field(default_factory=set)

    def add(self, finding: Finding) -> None:
        """Keep a finding, unless it was made before or there are `MAX_SAME` of its kind in this file already."""
        exact = (finding.rule, finding.severity, finding.where, finding.message)
        if exact in self._seen:
            return
        kind = (finding.rule, int(finding.severity), finding.where.file)
        self._same[kind] += 1
        if self._same[kind] > MAX_SAME:
            self.held_back[finding.rule] = self.held_back.get(finding.rule, 0) + 1
            return
        self._seen.add(exact)
        self.findings.append(finding)

    def mark(self) -> Mark:
        """How far it has come, for `since`."""
        return Mark(len(self.findings), len(self.unread), len(self.errors), sum(self.held_back.values()))

    def since(self, mark: Mark, path: str) -> dict[str, Any] | None:
        """What was said about one file after the mark, as JSON; None when it is not fit to be kept.

        Unfit is what is incomplete: it may have hung on time or on memory.
        """
        if (
            len(self.unread) > mark.unread
            or len(self.errors) > mark.errors
            or sum(self.held_back.values()) > mark.held_back
        ):
            return None
        here = {
            key: {place: value for place, value in values.items() if place.split(INNER_SEPARATOR, 1)[0] == path}
            for key, values in self.facts.items()
            if isinstance(values, dict)
        }
        return {
            "findings": [finding.to_json() for finding in self.findings[mark.findings :]],
            "facts": {key: values for key, values in here.items() if values},
            "wanted": path in self.wanted,
        }

    def take_over(self, said: dict[str, Any], path: str) -> None:
        """Take over what `since` gave in an earlier run."""
        for finding in said["findings"]:
            self.add(Finding.from_json(finding))
        for key, values in said["facts"].items():
            self.facts.setdefault(key, {}).update(values)
        if said["wanted"]:
            self.wanted.add(path)

    def leave_out(self, unread: Unread) -> None:
        """Keep an unread place, unless it was named before."""
        if unread not in self._seen_unread:
            self._seen_unread.add(unread)
            self.unread.append(unread)

    def excuse(self, claims: set[str]) -> None:
        """Take back that files of no known format are unread, where another inspector says whose data they are."""
        self.unread = [u for u in self.unread if u.path not in claims or not u.reason.startswith(NO_FORMAT)]


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a ledger had come."""

    findings: int
    unread: int
    errors: int
    held_back: int


def plain(value: Any) -> Any:
    """A value that has a canonical JSON form: no lone surrogates, no integers beyond 2**53, no NaN."""
    if isinstance(value, dict):
        return {plain(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode("utf-8")
    harmless = (
        value is None
        or isinstance(value, bool)
        or (isinstance(value, int) and abs(value) < _MAX_INTEGER)
        or (isinstance(value, float) and math.isfinite(value))
    )
    return value if harmless else plain(str(value))


class PartInspector(Protocol):
    """Looks at parts one by one. A fresh instance is made for each snapshot, so it may keep state between parts.

    `inspect_part` may raise: `ContentError` makes the part unread with that reason, anything else is an error of the
    inspector, and what it had found stays. An inspector that works in batches may answer in `finish`, through the
    collectors it was given. One whose answer about a file depends on that file and its path alone says `local = True`;
    its answers may then be taken from the cache of an earlier run. One that only reads along says `claims = False`:
    what nobody else wants is then still unread.
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
        """Called once, before the first part; `out` is the snapshot as a whole."""
        ...


@runtime_checkable
class Finishes(Protocol):
    """A part inspector with something to say after the last part."""

    def finish(self, out: Collector) -> None:
        """Called once, after the last part; `out` is the snapshot as a whole, `out.at(...)` any place."""
        ...


@runtime_checkable
class Watches(Protocol):
    """A part inspector that is told how the walk itself went (the coverage inspector)."""

    def walked(self, part: Part, unclaimed: tuple[str, ...], out: Collector) -> None:
        """A part was offered to all; `unclaimed` are its readings that nobody wanted (`""`: no reading at all)."""
        ...

    def unreachable(self, reason: str, limit: str, out: Collector) -> None:
        """A part could not be opened; `limit` names the limit that stopped it, if one did."""
        ...

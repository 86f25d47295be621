"""The Inspector protocol: static inspectors, behaviour probes and re-run evaluations all follow it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assay.core.digest import Digest
    from assay.core.evidence import Evidence
    from assay.core.limits import Limits
    from assay.core.ranges import Ranges
    from assay.core.snapshot import Snapshot


class FileAccess(Protocol):
    """Read access to the bytes of a snapshot, wherever they lie."""

    def open(self, path: str) -> BinaryIO:
        """Open a file of the snapshot for reading; seekable; has `fileno()` when it lies on this machine's disk.

        Raises:
            ContentError: when the file can't be read (permission, vanished, changed).
        """
        ...


@dataclass(frozen=True)
class Subject:
    """What an inspector is given: the listing and the bytes, read-only.

    Attributes:
        snapshot: the closed listing; its origin is a claim under inspection too (look-alike names).
        files: access to the bytes.
        limits: when to stop.
        ranges: digests of parts of files that were taken while the files were stored, by the digest of the file; what
            isn't there has to be read.
        told: what the source said beside the bytes (history, account): claims as plain JSON; empty for nothing.
    """

    snapshot: Snapshot
    files: FileAccess
    limits: Limits
    ranges: Mapping[Digest, Ranges] = field(default_factory=dict)
    told: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class Follows(Protocol):
    """An inspector that builds on what others found. It runs after them, and is made anew for each run."""

    def after(self, evidence: tuple[Evidence, ...]) -> None:
        """Told, before its turn, the evidence of everybody before it in the list."""
        ...


class Inspector(Protocol):
    """One control over a snapshot. Raising is allowed: the runner turns it into ERROR and keeps what was found."""

    @property
    def name(self) -> str:
        """Stable id; policy requires inspectors by it."""
        ...

    @property
    def version(self) -> str:
        """Changes whenever rules or lists change: old evidence is then stale."""
        ...

    def inspect(self, subject: Subject) -> Evidence:
        """Look at the whole snapshot and say what was seen and what was not."""
        ...

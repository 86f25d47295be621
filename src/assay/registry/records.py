"""Values of the registry: what is published, what a request resolves to, and why one is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from assay.core.digest import Digest
from assay.core.errors import AssayError
from assay.core.verdict import parse_time

if TYPE_CHECKING:
    from datetime import datetime

    from assay.core.snapshot import Snapshot
    from assay.core.verdict import Verdict

RefusalKind = Literal["unknown", "rejected", "held", "revoked", "expired", "revision-unknown"]
MAIN = "main"


class Refused(AssayError):
    """A name or revision is not served. The message says why; it may hold text from a model.

    Attributes:
        kind: which of the reasons.
        name: what was asked for.
        snapshot_id: the snapshot that was judged, when there is one.
        near: name of a served model that the message names because it is nearly the one asked for.
        but_for_case: whether that name is the only one that differs in upper and lower case alone.
    """

    def __init__(
        self,
        kind: RefusalKind,
        message: str,
        *,
        name: str,
        snapshot_id: Digest | None = None,
        near: str = "",
        but_for_case: bool = False,
    ) -> None:
        super().__init__(message)
        self.near = near
        self.but_for_case = but_for_case
        self.kind: RefusalKind = kind
        self.name = name
        self.snapshot_id = snapshot_id


@dataclass(frozen=True, slots=True)
class Revision:
    """A published revision.

    Attributes:
        name: `org/name`.
        revision: 40 hex digits, ours (`revision_id`).
        parent: the revision published before it under this name, or empty.
        snapshot_id: what it holds.
        published_at: UTC.
    """

    name: str
    revision: str
    parent: str
    snapshot_id: Digest
    published_at: datetime


@dataclass(frozen=True, slots=True)
class Ref:
    """Where a ref points.

    Attributes:
        name: `org/name`.
        ref: `main` or an alias.
        revision: 40 hex digits.
        moved_at: UTC.
        statement: digest of the signed envelope that moved it there.
    """

    name: str
    ref: str
    revision: str
    moved_at: datetime
    statement: Digest


@dataclass(frozen=True, slots=True)
class Resolved:
    """What is served for a name and revision.

    Attributes:
        name: `org/name`.
        revision: 40 hex digits.
        snapshot: the files.
        verdict: the live ADMIT that it is served by.
        moved_at: when the ref moved here, or the revision was published; UTC.
    """

    name: str
    revision: str
    snapshot: Snapshot
    verdict: Verdict
    moved_at: datetime


class Model(NamedTuple):
    """A served model in a listing: text as the index holds it, since most of it is only shown.

    Attributes:
        name: `org/name`.
        revision: what `main` points to.
        snapshot: what that revision holds, in hex.
        created: when the name was first published; RFC 3339.
        moved: when `main` moved last.
        until: end of the verdict that it is served by.
        task: of the bill of materials, in lower case; may be empty.
        licence: likewise.
    """

    name: str
    revision: str
    snapshot: str
    created: str
    moved: str
    until: str
    task: str
    licence: str

    @property
    def snapshot_id(self) -> Digest:
        """What the revision holds."""
        return Digest(self.snapshot)

    @property
    def created_at(self) -> datetime:
        """When the name was first published; UTC."""
        return parse_time(self.created)

    @property
    def moved_at(self) -> datetime:
        """When `main` moved last; UTC."""
        return parse_time(self.moved)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing.

    Attributes:
        models: sorted by name.
        cursor: pass it to get the next page; None at the end.
    """

    models: tuple[Model, ...]
    cursor: str | None

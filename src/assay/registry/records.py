"""Values of the registry: what is published, what a request resolves to, and why one is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from assay.core.errors import AssayError

if TYPE_CHECKING:
    from datetime import datetime

    from assay.core.digest import Digest
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
    """

    def __init__(
        self, kind: RefusalKind, message: str, *, name: str, snapshot_id: Digest | None = None, near: str = ""
    ) -> None:
        super().__init__(message)
        self.near = near
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


@dataclass(frozen=True, slots=True)
class Model:
    """A served model in a listing.

    Attributes:
        name: `org/name`.
        revision: what `main` points to.
        snapshot_id: what that revision holds.
        created_at: when the name was first published; UTC.
        moved_at: when `main` moved last; UTC.
        until: end of the verdict that it is served by; UTC.
        task: of the bill of materials, in lower case; may be empty.
        licence: likewise.
    """

    name: str
    revision: str
    snapshot_id: Digest
    created_at: datetime
    moved_at: datetime
    until: datetime
    task: str = ""
    licence: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing.

    Attributes:
        models: sorted by name.
        cursor: pass it to get the next page; None at the end.
    """

    models: tuple[Model, ...]
    cursor: str | None

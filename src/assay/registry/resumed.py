"""Verifying a log that was verified before: from a signed checkpoint on, without reading all of it again.

The verifier keeps the checkpoint. What is proven each time: the log still begins with the tree of that checkpoint (its
root, over the nodes that are kept and the entries behind the last of them), every entry since then is whole and
chained, every later checkpoint fits and is signed, and the tables say what the entries since then record. Of the
entries before, a part is read again each time, and all of them in turn, so that an entry that was edited in its place
is found at the latest after as many runs as there are parts; one edited with its node changes the root and is found at
once. What only a full verification sees: rows of tables changed in their place before the checkpoint, and digests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from sqlalchemy import select

from assay.core.errors import TrustError
from assay.provenance.notes import Checkpoint, Note, open_checkpoint
from assay.registry.audit import audit_since
from assay.registry.transparency import origin_of
from assay.store import log
from assay.store.schema_log import checkpoints

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assay.provenance.keys import PublicKey
    from assay.store.index import Index

SCHEMA: Final = "assay.log-verified/v1"
AGAIN: Final = 50 * log.TILE  # entries before the checkpoint that are read again each time


@dataclass(frozen=True, slots=True)
class Seen:
    """What a verifier keeps.

    Attributes:
        note: the signed checkpoint, as text.
        again: number of the entry behind which reading again goes on next time; a multiple of `log.TILE`.
    """

    note: str
    again: int = 0

    def to_json(self) -> dict[str, Any]:
        """As a file holds it."""
        return {"schema": SCHEMA, "checkpoint": self.note, "again": self.again}

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read what `to_json` made; verifies nothing.

        Raises:
            TrustError: when it is something else.
        """
        try:
            note, again = value["checkpoint"], value["again"]
            if value["schema"] != SCHEMA or not isinstance(note, str) or not isinstance(again, int) or again < 0:
                raise TrustError(f"not what a verification of schema {SCHEMA} keeps")
        except (KeyError, TypeError) as error:
            raise TrustError("not what a verification of the log keeps") from error
        return cls(note, again - again % log.TILE)


@dataclass(frozen=True, slots=True)
class Resumed:
    """What came of it.

    Attributes:
        problems: one sentence each; empty when it is whole.
        since: entries that the checkpoint covered.
        again: (first, last) entry before it that was read again; (0, 0) for none.
        head: end of the log.
        root: of the tree over all entries.
        seen: what to keep for the next time.
    """

    problems: tuple[str, ...]
    since: int
    again: tuple[int, int]
    head: log.LogHead
    root: bytes
    seen: Seen


def check_since(index: Index, seen: Seen, noted: Sequence[Checkpoint], keys: Sequence[PublicKey]) -> Resumed:
    """Verify what a log became since a checkpoint.

    Args:
        index: holds the log.
        seen: kept by the verifier; its signature is checked here.
        noted: further checkpoints that the log must fit, with signatures checked.
        keys: of the log.

    Raises:
        TrustError: the checkpoint is not signed by the log, or of another one.
    """
    _, before = open_checkpoint(seen.note, keys)
    with index.reading() as tx:
        head = log.head(tx)
        if head.seq < before.size:
            problem = f"the end was cut off: a checkpoint was signed over {before.size} entries"
            return Resumed((problem,), before.size, (0, 0), head, b"", seen)
        if origin_of(tx) != before.origin:
            raise TrustError(f"the checkpoint is of another log: {before.origin[:100]}")
        kept = [Note.parse(one) for one in tx.execute(select(checkpoints.c.note).order_by(checkpoints.c.seq)).scalars()]
        problems: list[str] = []
        # 1. The log begins with the tree that was seen.
        if log.Tree(tx, before.size).root() != before.root:
            problems.append(f"the first {before.size} entries are not those that a checkpoint was signed over")
        # 2. The entries since then, and the rest of the node before them, are whole and follow each other.
        start = (before.size - 1) // log.TILE * log.TILE
        found = [log.verify_from(tx, start)]
        # 3. The next part of those before is still what the nodes say.
        low = seen.again if seen.again < start else 0
        high = min(low + AGAIN, start)
        if low < high:
            found.append(log.verify_from(tx, low, high))
        problems += [one.problem for one in found if one.problem]
        # 4. Every checkpoint is signed by the log, and those since then and from elsewhere fit.
        if not problems:
            problems += _checkpoints(tx, [Checkpoint.of(note) for note in kept], noted, before, head)
            unsigned = (one for one in kept if not any(one.signed_by(before.origin, key) for key in keys))
            problems += [f"a checkpoint in the database is not signed: {Checkpoint.of(one).size}" for one in unsigned]
        # 5. The tables say what the entries since then record.
        problems += audit_since(tx, before.size) if not problems else ()
        root = log.Tree(tx, head.seq).root() if not problems else b""
    again = (low + 1, high) if low < high else (0, 0)
    newest = str(kept[-1]) if kept and not problems and Checkpoint.of(kept[-1]).size >= before.size else seen.note
    return Resumed(tuple(problems), before.size, again, head, root, Seen(newest, high % start if start else 0))


def _checkpoints(
    tx: Any, kept: Sequence[Checkpoint], noted: Sequence[Checkpoint], before: Checkpoint, head: log.LogHead
) -> list[str]:
    for one in (*(one for one in kept if one.size > before.size), *noted):
        if one.origin != before.origin:
            return [f"a checkpoint is of another log: {one.origin[:100]}"]
        if one.size > head.seq:
            return [f"the end was cut off: a checkpoint was signed over {one.size} entries"]
        if log.Tree(tx, one.size).root() != one.root:
            return [f"the first {one.size} entries are not those that a checkpoint was signed over"]
    return []


def newest_signed(index: Index, keys: Sequence[PublicKey]) -> Seen | None:
    """The newest checkpoint in the database, to begin with after a full verification; None without a signed one."""
    with index.reading() as tx:
        text = tx.execute(select(checkpoints.c.note).order_by(checkpoints.c.seq.desc()).limit(1)).scalar()
    if text is None:
        return None
    try:
        open_checkpoint(text, keys)
    except TrustError:
        return None
    return Seen(text)

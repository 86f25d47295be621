"""The log as others can check it: signed checkpoints, proofs, witnesses (RFC 9162, C2SP tlog-checkpoint and -witness).

A checkpoint says how many entries there are and the root of the tree over them. Whoever keeps one can have it proven
later that the log only grew; whoever keeps one with the proof of an entry needs nothing else to know that it is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import insert, select

from assay.core.errors import IntegrityError, TrustError, UsageError
from assay.core.merkle import check_consistency, check_inclusion, leaf_hash, prove_consistency, prove_inclusion
from assay.core.verdict import format_time
from assay.provenance.notes import Checkpoint, Note, open_checkpoint, sign_note
from assay.store import log
from assay.store.schema_log import checkpoints

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from assay.provenance.keys import PublicKey, SigningKey
    from assay.provenance.trust import Trust
    from assay.store.index import Index

PROOF_SCHEMA = "assay.log-proof/v1"
ROLE = "log"
WITNESS = "witness"


def log_keys(trust: Trust, now: datetime, role: str = ROLE) -> list[PublicKey]:
    """Keys that the trust file allows to sign checkpoints (or, as `witness`, to cosign them) at `now`.

    Raises:
        TrustError: when there is none.
    """
    found = [k.public for k in trust.keys if role in k.roles and not k.revoked and k.not_before <= now < k.not_after]
    if not found:
        raise TrustError(f"the trust file has no valid key with the role {role}", hint="`assay init` adds one for log")
    return found


def origin_of(tx: Connection) -> str:
    """The name of this log: bound to its first entry, so that it stays when keys are rotated.

    Raises:
        UsageError: when the log is empty.
    """
    first = next(log.entries(tx), None)
    if first is None:
        raise UsageError("the log is empty", hint="vet a model first")
    return f"assay-log/{first.hash[:32]}"


def make_checkpoint(index: Index, key: SigningKey, now: datetime) -> Note:
    """Sign the state of the log now, and keep the checkpoint and the nodes below it.

    Raises:
        UsageError: when the log is empty.
        IntegrityError: when the log does not begin with the tree of the newest checkpoint that is kept: it was changed.
    """
    with index.transaction() as tx:
        origin = origin_of(tx)
        tree = log.Tree(tx, log.head(tx).seq)
        tree.keep()
        checkpoint = Checkpoint(origin, tree.size, tree.root())
        kept = newest(tx)
        if kept is not None:
            last = Checkpoint.of(kept)
            if last.size > tree.size or (last.origin, log.Tree(tx, last.size).root()) != (origin, last.root):
                hint = "nothing was signed; run `assay log verify`"
                raise IntegrityError(f"the log does not begin with the {last.size} entries signed before", hint=hint)
            if last == checkpoint and kept.signed_by(origin, key.public):
                return kept
        note = sign_note(checkpoint.text(), origin, key)
        tx.execute(insert(checkpoints).values(size=tree.size, note=str(note), made_at=format_time(now)))
    return note


def newest(tx: Connection) -> Note | None:
    """The newest checkpoint that is kept."""
    text = tx.execute(select(checkpoints.c.note).order_by(checkpoints.c.seq.desc()).limit(1)).scalar()
    return None if text is None else Note.parse(text)


@dataclass(frozen=True)
class Proof:
    """What shows that an entry is in the tree of a checkpoint, or that a tree begins with an earlier one.

    Attributes:
        checkpoint: signed note of the larger tree.
        hashes: the path, as in RFC 9162.
        entry: the entry; None for a proof of consistency.
        old_size: entries of the earlier tree; 0 for a proof of inclusion.
    """

    checkpoint: str
    hashes: tuple[bytes, ...]
    entry: log.LogEntry | None = None
    old_size: int = 0

    def to_json(self) -> dict[str, Any]:
        """As a file holds it."""
        entry = self.entry
        about: dict[str, Any] = {"from": self.old_size}
        if entry is not None:
            fields = ("seq", "previous", "at", "kind", "body")
            about = {"entry": {name: getattr(entry, name) for name in fields}}
        hashes = [one.hex() for one in self.hashes]
        return {"schema": PROOF_SCHEMA, **about, "hashes": hashes, "checkpoint": self.checkpoint}

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read what `to_json` made; verifies nothing.

        Raises:
            TrustError: when it is something else.
        """
        try:
            if value["schema"] != PROOF_SCHEMA:
                raise TrustError(f"not a proof of schema {PROOF_SCHEMA}")
            hashes = tuple(bytes.fromhex(one) for one in value["hashes"])
            entry = None
            if "entry" in value:
                held = value["entry"]
                parts = int(held["seq"]), str(held["previous"]), "", str(held["at"]), str(held["kind"])
                entry = log.LogEntry(*parts, dict(held["body"]))
            return cls(str(value["checkpoint"]), hashes, entry, 0 if entry else int(value["from"]))
        except (KeyError, TypeError, ValueError) as error:
            raise TrustError("not a proof about a log") from error


def prove_entry(index: Index, seq: int) -> Proof:
    """Show that entry `seq` is in the log of the newest checkpoint.

    Raises:
        UsageError: without a checkpoint that reaches that far.
    """
    with index.reading() as tx:
        note, checkpoint = _newest(tx)
        if not 0 < seq <= checkpoint.size:
            raise UsageError(
                f"the newest checkpoint does not reach entry {seq}", hint="make one with `assay log checkpoint`"
            )
        return _prove(tx, note, log.Tree(tx, checkpoint.size), seq)


def prove_statements(index: Index, snapshot: str) -> dict[str, Proof]:
    """Proofs for the statements about a snapshot (hex) that the newest checkpoint reaches, by the statement's digest.

    Raises:
        IntegrityError: when the index names an entry that does not record the statement.
    """
    with index.reading() as tx:
        note = newest(tx)
        if note is None:
            return {}
        tree = log.Tree(tx, Checkpoint.of(note).size)
        known = log.statements_of(tx, snapshot).items()
        proofs = {digest: _prove(tx, note, tree, seq) for digest, seq in known if seq <= tree.size}
    for digest, proof in proofs.items():
        if proof.entry is None or proof.entry.body.get("statement") != digest:
            raise IntegrityError("the index names an entry of the log for a statement that is not there")
    return proofs


def reached(index: Index, snapshot: str) -> bool:
    """Whether the newest checkpoint reaches every statement about a snapshot (hex)."""
    with index.reading() as tx:
        note = newest(tx)
        last = max(log.statements_of(tx, snapshot).values(), default=0)
    return note is not None and last <= Checkpoint.of(note).size


def _prove(tx: Connection, note: Note, tree: log.Tree, seq: int) -> Proof:
    entry = next(log.entries(tx, seq - 1))
    return Proof(str(note), tuple(prove_inclusion(seq - 1, tree.size, tree.ranges)), entry)


def prove_growth(index: Index, old: Checkpoint) -> Proof:
    """Show that the log of the newest checkpoint begins with that of `old`.

    Raises:
        UsageError: when the newest checkpoint is older.
        TrustError: when `old` is of another log.
        IntegrityError: when it does not begin so: one of the two was forged, or the log was.
    """
    with index.reading() as tx:
        note, checkpoint = _newest(tx)
        if old.origin != checkpoint.origin:
            raise TrustError(f"the checkpoint is of another log: {old.origin[:100]}")
        tree = log.Tree(tx, checkpoint.size)
        path = prove_consistency(old.size, checkpoint.size, tree.ranges)
    check_consistency(old.size, old.root, checkpoint.size, checkpoint.root, path)
    return Proof(str(note), tuple(path), None, old.size)


def check_entry(proof: Proof, keys: Sequence[PublicKey]) -> Checkpoint:
    """Verify a proof of inclusion with nothing but the log's keys; returns the checkpoint that it rests on.

    Raises:
        TrustError: when the checkpoint is not signed by one of them.
        IntegrityError: when the entry is not in its tree.
    """
    _, checkpoint = open_checkpoint(proof.checkpoint, keys)
    if proof.entry is None:
        raise TrustError("this proof is about no entry")
    leaf = leaf_hash(log.leaf_data(proof.entry))
    check_inclusion(leaf, proof.entry.seq - 1, checkpoint.size, proof.hashes, checkpoint.root)
    return checkpoint


def check_growth(old: Checkpoint, proof: Proof, keys: Sequence[PublicKey]) -> tuple[Note, Checkpoint]:
    """What a witness does before it cosigns: the log of the proof's checkpoint begins with what was seen before.

    Raises:
        TrustError: when the checkpoint is not signed by the log, or of another log.
        IntegrityError: when the log was cut, edited or forked since.
    """
    note, checkpoint = open_checkpoint(proof.checkpoint, keys)
    if checkpoint.origin != old.origin:
        raise TrustError(f"the checkpoint is of another log: {checkpoint.origin[:100]}")
    check_consistency(old.size, old.root, checkpoint.size, checkpoint.root, proof.hashes)
    return note, checkpoint


def check_log(
    index: Index, known: log.LogHead | None, noted: Sequence[Checkpoint], keys: Sequence[PublicKey]
) -> log.LogCheck:
    """Check the whole log against itself, the checkpoints that it keeps, and those that were noted elsewhere.

    Args:
        index: holds the log.
        known: an entry that must be in it.
        noted: checkpoints whose signatures were checked.
        keys: of the log; the checkpoints kept in the database must be signed by one of them. Empty: not looked at.
    """
    with index.reading() as tx:
        kept = [
            Note.parse(text) for text in tx.execute(select(checkpoints.c.note).order_by(checkpoints.c.seq)).scalars()
        ]
        mine = [Checkpoint.of(note) for note in kept]
        check = log.verify(tx, known, [one.size for one in (*mine, *noted)])
        if not check.ok:
            return check
        origin = origin_of(tx) if check.entries else ""
    for one in (*mine, *noted):
        if one.origin != origin:
            return _broken(check, f"a checkpoint is of another log: {one.origin[:100]}")
        if one.size > check.entries:
            return _broken(check, f"the end was cut off: a checkpoint was signed over {one.size} entries")
        if check.roots[one.size] != one.root:
            return _broken(check, f"the first {one.size} entries are not those that a checkpoint was signed over")
    if keys and (false := [one for one in kept if not any(one.signed_by(origin, key) for key in keys)]):
        return _broken(check, f"a checkpoint in the database is not signed by the log: {Checkpoint.of(false[0]).size}")
    return check


def _broken(check: log.LogCheck, problem: str) -> log.LogCheck:
    return log.LogCheck(False, check.entries, check.head, problem, check.root, check.roots)


def _newest(tx: Connection) -> tuple[Note, Checkpoint]:
    note = newest(tx)
    if note is None:
        raise UsageError("no checkpoint of this log was made yet", hint="make one with `assay log checkpoint`")
    return note, Checkpoint.of(note)

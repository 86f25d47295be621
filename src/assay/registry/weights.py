"""The weights of every model that was admitted here, and which of them are like those at hand.

Bit-equal tensors are found by digest. Like ones are found by fingerprint (`formats.tensor_sketch`): 256 bits are cut
into 16 bands, tensors that agree in a whole band are candidates (locality-sensitive hashing; Indyk and Motwani, STOC
1998), and the candidates are compared bit by bit. Two unrelated tensors differ in 128 of 256 bits, give or take 8.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, func, insert, select

from assay.core.weights import Relative, TensorRow
from assay.store.schema import decisions, revisions
from assay.store.schema_lineage import lineage_edges, lineage_nodes, sketch_bands, tensors, weights

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from assay.core.digest import Digest
    from assay.store.index import Index

NEAR_BITS = 80  # of 256: six standard deviations below what chance gives
BANDS = 16
_BAND_BITS = 16
_BITS = BANDS * _BAND_BITS
_ASKED = 24  # tensors whose bands are looked up; the candidates are then compared whole
_CANDIDATES = 20  # models
_MIN_ELEMENTS = 4096
_BATCH = 400  # values in one IN (…): SQLite allows 32,766 variables, the planner likes fewer


class Weights:
    """The inventory of weights in one index."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def put(self, snapshot_id: Digest, rows: Sequence[TensorRow], tx: Connection | None = None) -> None:
        """Keep the tensors of a model; once for each snapshot."""
        with self._index.transaction(tx) as connection:
            known = select(weights.c.model).where(weights.c.snapshot_id == snapshot_id.hex)
            if not rows or connection.execute(known).first() is not None:
                return
            sketched = sum(row.elements for row in rows if row.sketch)
            made = connection.execute(
                insert(weights).values(snapshot_id=snapshot_id.hex, tensors=len(rows), sketched=sketched)
            )
            model = made.inserted_primary_key[0] if made.inserted_primary_key else 0
            connection.execute(insert(tensors), [_values(model, row) for row in rows])
            keys = {key for row in rows if row.sketch for key in bands(row.shape, row.sketch)}
            if keys:
                connection.execute(insert(sketch_bands), [{"key": key, "model": model} for key in sorted(keys)])

    def relatives(self, rows: Sequence[TensorRow], besides: Digest, name: str = "") -> tuple[Relative, ...]:
        """Known models with like weights, nearest first; at most 20.

        Args:
            rows: tensors of the model at hand.
            besides: its own snapshot, which is not told.
            name: under which it is judged: only what was judged here before that name was counts, since a parent is
                older than its child; empty for everything.
        """
        told = sorted((row for row in rows if row.sketch), key=lambda row: (-row.elements, row.sha256))
        large = [row for row in rows if row.elements >= _MIN_ELEMENTS]
        votes: Counter[int] = Counter()
        with self._index.reading() as tx:
            for batch in _batches({row.sha256 for row in large}):
                query = select(tensors.c.digest, tensors.c.model).where(tensors.c.digest.in_(batch)).distinct()
                votes.update(model for _, model in tx.execute(query))
            for row in _spread(told):
                query = select(sketch_bands.c.model).where(sketch_bands.c.key.in_(bands(row.shape, row.sketch)))
                votes.update(set(tx.execute(query.distinct()).scalars()))
            found = [self._like(tx, model, rows) for model, _ in votes.most_common(_CANDIDATES + 1)]
            since = _first_judged(tx, decisions.c.name == name) if name else None
            older = {one.snapshot: _first_judged(tx, decisions.c.snapshot_id == one.snapshot) for one in found}
        others = [
            one
            for one in found
            if one.snapshot != besides.hex
            and one.similar > 0
            and (since is None or (older[one.snapshot] or since) < since)
        ]
        return tuple(sorted(others, key=lambda one: (-one.similar, -one.equal, one.snapshot)))

    def compare(self, rows: Sequence[TensorRow], name: str, besides: Digest) -> tuple[Relative, ...]:
        """Every model that was published under a name, like or not."""
        query = (
            select(weights.c.model, weights.c.snapshot_id)
            .join(revisions, revisions.c.snapshot_id == weights.c.snapshot_id)
            .where(revisions.c.name == name)
            .distinct()
        )
        with self._index.reading() as tx:
            models = [row.model for row in tx.execute(query) if row.snapshot_id != besides.hex]
            return tuple(self._like(tx, model, rows) for model in models)

    def recorded(self, snapshot_id: Digest) -> dict[str, tuple[str, ...]]:
        """What every tensor is, by name: type, shape as rows by columns, SHA-256 of its bytes; empty: never listed.

        A name that several files hold has several values.
        """
        query = (
            select(tensors.c.name, tensors.c.dtype, tensors.c.shape, tensors.c.digest)
            .join(weights, weights.c.model == tensors.c.model)
            .where(weights.c.snapshot_id == snapshot_id.hex)
            .order_by(tensors.c.seq)
        )
        found: dict[str, set[str]] = defaultdict(set)
        with self._index.reading() as tx:
            for row in tx.execute(query):
                found[row.name].add(f"{row.dtype} {row.shape} {row.digest}")
        return {name: tuple(sorted(values)) for name, values in found.items()}

    def _like(self, tx: Connection, model: int, rows: Sequence[TensorRow]) -> Relative:
        head = tx.execute(select(weights).where(weights.c.model == model)).one()
        columns = (tensors.c.shape, tensors.c.digest, tensors.c.sketch, tensors.c.elements)
        digests: set[str] = set()
        by_shape: dict[str, list[int]] = defaultdict(list)
        theirs = 0
        for shape, digest, sketch, elements in tx.execute(select(*columns).where(tensors.c.model == model)):
            digests.add(digest)
            if sketch:
                by_shape[shape].append(int(sketch, 16))
                theirs += elements
        equal = similar = total = comparable = 0
        for row in rows:
            if not row.sketch:
                continue
            total += row.elements
            same = row.sha256 in digests
            others = by_shape.get(shape_text(row.shape), ())
            comparable += bool(others)
            own = int(row.sketch, 16)
            near = same or any((own ^ other).bit_count() <= NEAR_BITS for other in others)
            equal += row.elements * same
            similar += row.elements * near
        base = min(total, theirs) or 1
        return Relative(
            head.snapshot_id,
            _names(tx, head.snapshot_id),
            min(1.0, equal / base),
            min(1.0, similar / base),
            comparable,
            _bases(tx, head.snapshot_id),
        )


def shape_text(shape: Iterable[int]) -> str:
    """`384x1536`: how shapes are compared. Dimensions after the first may be grouped differently, so only these two."""
    first, *rest = tuple(shape) or (0,)
    columns = 1
    for size in rest:
        columns *= size
    return f"{first}x{columns}"


def bands(shape: Iterable[int], sketch: str) -> list[int]:
    """The 16 keys under which a fingerprint is found, each below 2**56."""
    value = int(sketch, 16)
    text = shape_text(shape)
    return [_key(text, place, value >> (place * _BAND_BITS) & 0xFFFF) for place in range(BANDS)]


def _key(shape: str, place: int, bits: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{shape} {place} {bits}".encode()).digest()[:7], "big")


def _values(model: int, row: TensorRow) -> dict[str, Any]:
    return {
        "model": model,
        "path": row.path,
        "name": row.name,
        "dtype": row.dtype,
        "shape": shape_text(row.shape),
        "elements": row.elements,
        "digest": row.sha256,
        "sketch": row.sketch,
    }


def _spread(told: Sequence[TensorRow]) -> list[TensorRow]:
    """Up to `_ASKED` tensors over all sizes, the largest first."""
    step = max(1, len(told) // _ASKED)
    return list(told[::step][:_ASKED])


def _batches(values: Iterable[str]) -> list[list[str]]:
    ordered = sorted(values)
    return [ordered[at : at + _BATCH] for at in range(0, len(ordered), _BATCH)]


def _first_judged(tx: Connection, which: ColumnElement[bool]) -> int | None:
    return tx.execute(select(func.min(decisions.c.seq)).where(which)).scalar()


def _names(tx: Connection, snapshot_id: str) -> tuple[str, ...]:
    query = select(decisions.c.name).where(decisions.c.snapshot_id == snapshot_id).order_by(decisions.c.seq)
    return tuple(dict.fromkeys(tx.execute(query).scalars()))


def _bases(tx: Connection, snapshot_id: str) -> tuple[str, ...]:
    """Models that its publisher says it comes from, those left out that its weights refute."""
    own, base = lineage_nodes.alias(), lineage_nodes.alias()
    query = (
        select(base.c.key)
        .join(lineage_edges, lineage_edges.c.parent == base.c.id)
        .join(own, own.c.id == lineage_edges.c.child)
        .where(own.c.kind == "snapshot", own.c.key == snapshot_id, base.c.kind == "model")
        .where(lineage_edges.c.basis == "declared", lineage_edges.c.relation != "revision-of")
        .order_by(base.c.key)
    )
    return tuple(tx.execute(query.distinct()).scalars())

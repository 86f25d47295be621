"""What an admission, a conversion and a deployment add to the lineage. Idempotent: the same again changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.core.weights import TensorRow
from assay.registry.lineage import Lineage, Node
from assay.registry.weights import Weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from assay.core.digest import Digest
    from assay.core.evidence import Evidence
    from assay.core.snapshot import Snapshot
    from assay.store.index import Index

TENSORS = "tensors"  # the inspector whose facts are read here
_RELATIONS = {"finetune", "adapter", "quantized", "merge"}


def record_admission(index: Index, snapshot: Snapshot, evidence: Sequence[Evidence], tx: Connection) -> None:
    """Files, name, declared parents, measured parents, and the weights themselves.

    Args:
        index: to write to.
        snapshot: with the origin whose name it was judged under.
        evidence: of that snapshot; only that of the inspector `tensors` is read.
        tx: transaction to be part of.
    """
    lineage = Lineage(index)
    own = Node("snapshot", snapshot.id.hex)
    for digest in sorted({entry.digest.hex for entry in snapshot.files}):
        lineage.link(own, Node("file", digest), "holds", "measured", tx)
    if snapshot.origin.name:
        lineage.link(own, Node("model", snapshot.origin.name), "revision-of", "declared", tx)
    for one in evidence:
        if one.inspector == TENSORS and one.subject == snapshot.id:
            _claims(lineage, own, one.facts, tx)
            Weights(index).put(snapshot.id, rows_of(one.facts), tx)


def record_conversion(index: Index, made: Digest, source: Digest, tx: Connection | None = None) -> None:
    """A snapshot was made from another one, and a signed statement says so."""
    Lineage(index).link(Node("snapshot", made.hex), Node("snapshot", source.hex), "converted-from", "signed", tx)


def record_deployment(index: Index, snapshot_id: Digest, environment: str, tx: Connection | None = None) -> None:
    """A snapshot runs in an environment, and a signed statement says so."""
    Lineage(index).link(Node("deployment", environment), Node("snapshot", snapshot_id.hex), "runs", "signed", tx)


def rows_of(facts: dict[str, Any]) -> list[TensorRow]:
    """The tensors that the inspector listed."""
    found = []
    for path, file in facts.get("tensors", {}).items():
        for name, dtype, shape, sha256, sketch in file["list"]:
            elements = 1
            for size in shape:
                elements *= size
            found.append(TensorRow(path, name, dtype, tuple(shape), elements, sha256, sketch))
    return found


def _claims(lineage: Lineage, own: Node, facts: dict[str, Any], tx: Connection) -> None:
    declared = facts.get("declared", {})
    relation = declared.get("relation") or "finetune"
    for base in declared.get("bases", ()):
        kept = relation if relation in _RELATIONS else "finetune"
        refuted = facts.get("bases", {}).get(base) == "refuted"
        lineage.link(own, Node("model", base), f"{kept}-of", "refuted" if refuted else "declared", tx)
    for name in declared.get("datasets", ()):
        lineage.link(own, Node("dataset", name), "trained-on", "declared", tx)
    for one in facts.get("relatives", ()):
        lineage.link(own, Node("snapshot", one["snapshot"]), "shares-weights-with", "measured", tx)

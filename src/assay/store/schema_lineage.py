"""Tables of the lineage: what comes from what, and every model's weights by digest and by fingerprint."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table, UniqueConstraint

from assay.store.schema import Hex, Seq, Textual, metadata

# `kind`: snapshot, file, model, dataset, deployment; `key`: id, digest or name.
lineage_nodes = Table(
    "lineage_nodes",
    metadata,
    Column("id", Seq, primary_key=True, autoincrement=True),
    Column("kind", Textual, nullable=False),
    Column("key", Textual, nullable=False),
    UniqueConstraint("kind", "key", name="lineage_nodes_once"),
)

# `basis`: declared, refuted (declared, and measured to be wrong), measured or signed.
# A child comes from, holds or runs its parent.
lineage_edges = Table(
    "lineage_edges",
    metadata,
    Column("child", BigInteger, ForeignKey("lineage_nodes.id"), primary_key=True),
    Column("parent", BigInteger, ForeignKey("lineage_nodes.id"), primary_key=True),
    Column("relation", Textual, primary_key=True),
    Column("basis", Textual, nullable=False),
    Index("lineage_edges_by_parent", "parent", "child"),
)

# A model whose tensors are listed. `sketched`: elements that have a fingerprint.
weights = Table(
    "weights",
    metadata,
    Column("model", Seq, primary_key=True, autoincrement=True),
    Column("snapshot_id", Hex, nullable=False, unique=True),
    Column("tensors", BigInteger, nullable=False),
    Column("sketched", BigInteger, nullable=False),
)

tensors = Table(
    "tensors",
    metadata,
    Column("seq", Seq, primary_key=True, autoincrement=True),
    Column("model", BigInteger, ForeignKey("weights.model"), nullable=False),
    Column("path", Textual, nullable=False),
    Column("name", Textual, nullable=False),
    Column("dtype", Textual, nullable=False),
    Column("shape", Textual, nullable=False),
    Column("elements", BigInteger, nullable=False),
    Column("digest", Hex, nullable=False),
    Column("sketch", Textual, nullable=False),
    Index("tensors_by_digest", "digest", "model"),
    Index("tensors_by_model", "model"),
)

# Pieces of fingerprints under which like tensors are found: `key` is a number made of shape, place and 16 bits.
sketch_bands = Table(
    "sketch_bands",
    metadata,
    Column("key", BigInteger, primary_key=True, autoincrement=False),
    Column("model", BigInteger, ForeignKey("weights.model"), primary_key=True, autoincrement=False),
)

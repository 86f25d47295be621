"""Tables of the probes: which admitted models can be references, and answers of probes, finished and asked for."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table

from assay.store.schema import Hex, Seq, Textual, metadata

# What kind of classifier or language model a judged snapshot is: found by kind when a suspect needs a reference.
probe_kinds = Table(
    "probe_kinds",
    metadata,
    Column("seq", Seq, primary_key=True, autoincrement=True),
    Column("snapshot_id", Hex, ForeignKey("snapshots.id"), nullable=False, unique=True),
    Column("kind", Textual, nullable=False),  # text/2
    Column("architecture", Textual, nullable=False),  # bert-6x384
    Column("labels", Textual, nullable=False),  # names of the classes, sorted, JSON
    Index("probe_kinds_by_kind", "kind", "seq"),
)

# One probe of one model: `run` is the digest of all that the answer depends on.
probe_jobs = Table(
    "probe_jobs",
    metadata,
    Column("seq", Seq, primary_key=True, autoincrement=True),
    Column("run", Hex, nullable=False),
    Column("probe", Textual, nullable=False),
    Column("state", Textual, nullable=False),  # waiting, running, done, failed
    Column("holder", Textual, nullable=False),  # lease of the process that is at it
    Column("task", Textual, nullable=False),  # what to do, JSON; empty where nobody was asked
    Column("answer", Textual, nullable=False),  # what came of it, JSON
    Column("changed_at", Textual, nullable=False),
    Index("probe_jobs_once", "run", "probe", unique=True),
    Index("probe_jobs_by_state", "state", "seq"),
)

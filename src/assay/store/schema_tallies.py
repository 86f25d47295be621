"""Running sums that many processes add to, so that any server can show what the workers did."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Table

from assay.store.schema import Textual, metadata

# `label` is one value (`inspect`, `ADMIT`, …): what it stands for depends on `what`.
tallies = Table(
    "tallies",
    metadata,
    Column("what", Textual, primary_key=True),
    Column("label", Textual, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("total", Float, nullable=False),
)

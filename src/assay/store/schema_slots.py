"""Places at what is scarce: who is at it, on whatever machine."""

from __future__ import annotations

from sqlalchemy import Column, Integer, Table

from assay.store.schema import Textual, metadata

# One row for each place that is taken; a place is free when it has none, or when its holder is dead.
slots = Table(
    "slots",
    metadata,
    Column("resource", Textual, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("holder", Textual, nullable=False),  # lease of the process that is at it
    Column("taken_at", Textual, nullable=False),
)

"""Alembic's entry point: runs on the connection that `store.index` passes, inside its transaction."""

from __future__ import annotations

from alembic import context

from assay.store import (  # noqa: F401 - the same metadata
    schema_log,
    schema_people,
    schema_probes,
    schema_pulls,
    schema_queue,
    schema_tallies,
)
from assay.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()

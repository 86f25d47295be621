"""Alembic's entry point: runs on the connection that `store.index` passes, inside its transaction."""

from __future__ import annotations

from alembic import context

from assay.store import schema_log, schema_people, schema_pulls, schema_queue, schema_tallies  # noqa: F401 - the same metadata
from assay.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()

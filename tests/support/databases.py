"""Fixtures: every test that takes `index_url` runs on SQLite and on a real PostgreSQL.

Use in a room's conftest: `from tests.support.databases import index, index_url, postgres`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from assay.store.index import Index
from tests.support.postgres import Postgres, running_postgres

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests of a session."""
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def index_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'index.sqlite'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def index(index_url: str) -> Iterator[Index]:
    """An open index on it."""
    opened = Index.open(index_url)
    yield opened
    opened.close()

"""Fixtures: every test that takes `index_url` runs on SQLite and on a real PostgreSQL.

Use in a room's conftest: `from tests.support.databases import *` (the fixtures need each other).
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.engine import make_url

from assay.store.index import Index
from tests.support.postgres import Postgres, running_postgres

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


__all__ = ["empty_url", "index", "index_url", "postgres", "postgres_template", "sqlite_template"]
_KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests of a session."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_template(postgres: Postgres) -> str:
    """Name of a database that has the tables; copying it takes a tenth of making them."""
    url = postgres.new_database()
    Index.open(url).close()
    return str(make_url(url).database)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """File that has the tables."""
    path = tmp_path_factory.mktemp("template") / "index.sqlite"
    Index.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture(params=_KINDS)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of a database of either kind without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'index.sqlite'}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    url = server.new_database()
    yield url
    server.drop(url)


@pytest.fixture(params=_KINDS)
def index_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of a database of either kind with tables and nothing in them."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "index.sqlite")
        yield f"sqlite:///{tmp_path / 'index.sqlite'}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    url = server.new_database(request.getfixturevalue("postgres_template"))
    yield url
    server.drop(url)


@pytest.fixture
def index(index_url: str) -> Iterator[Index]:
    """An open index on it."""
    opened = Index.open(index_url)
    yield opened
    opened.close()

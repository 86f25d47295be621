"""Questions to the index from an event loop, which goes on meanwhile.

SQLite is asked in the loop itself: an answer takes microseconds, a thread ten times as long. A file that is locked or
turns out to be slow is asked in threads. PostgreSQL is asked over a connection that the loop waits for.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import exc

from assay.store import database

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Engine

SLOW: Final = 0.005  # seconds of one question to a file that is not in memory
SLOW_SECONDS: Final = 10.0  # that threads ask then


class Soon:
    """One question at a time; the next one when the answer is there.

    Args:
        engine: of `database.for_plain`.
        busy_timeout: seconds that a new connection to PostgreSQL may take.
    """

    def __init__(self, engine: Engine, busy_timeout: float) -> None:
        self.dialect = engine.dialect.name
        self._engine = engine
        self._busy_timeout = busy_timeout
        self._at_once = database.AtOnce(engine)
        self._slow_until = 0.0
        self._connection: Any = None  # to PostgreSQL

    async def rows(self, statement: str, values: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
        """As `database.plain`.

        Raises:
            EnvironmentFault: the database does not answer.
        """
        if self.dialect == "postgresql":
            with database.translated():
                return await self._waiting(statement, values)
        began = time.monotonic()
        if began >= self._slow_until:
            found = self._at_once.rows(statement, values)
            if time.monotonic() - began > SLOW * len(values):
                self._slow_until = began + SLOW_SECONDS
            if found is not None:
                return found
        return await asyncio.to_thread(database.plain, self._engine, statement, values)

    def close(self) -> None:
        """Let go of the connection; the next question makes another."""
        self._at_once.close()
        if self._connection is not None:
            self._connection.pgconn.finish()
            self._connection = None

    async def _waiting(self, statement: str, values: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
        kept = self._connection is not None
        try:
            return await self._asked(statement, values)
        except exc.DBAPIError:
            if not kept or not self._connection.closed:
                raise
            self._connection = None  # the database was started again: that from before is no good
            return await self._asked(statement, values)

    async def _asked(self, statement: str, values: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
        driver: Any = self._engine.dialect.loaded_dbapi
        found: list[tuple[Any, ...]] = []
        try:
            if self._connection is None:
                _, named = self._engine.dialect.create_connect_args(self._engine.url)
                given = {**named, **database.arguments(self._busy_timeout), "autocommit": True}
                self._connection = await driver.AsyncConnection.connect(**given)
            for one in values:
                cursor = await self._connection.execute(statement, one)
                found += await cursor.fetchall()
        except driver.Error as error:
            raise exc.DBAPIError(statement, None, error) from error
        return found

"""Questions to the index from an event loop, which goes on meanwhile.

SQLite is asked in the loop itself: an answer takes microseconds, a thread ten times as long. A file that is locked or
turns out to be slow, not once but again and again, is asked in threads. PostgreSQL is asked over a connection that the
loop waits for.
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

    from assay.store.database import Questions

SLOW: Final = 0.005  # seconds of one question to a file that is not in memory
SLOW_SECONDS: Final = 10.0  # that threads ask when slow ones took too much of the loop's time
MOST_LOST: Final = 0.2  # seconds of slow questions: one that hangs, or many that come one after the other
LOST_SHARE: Final = 0.1  # of the time, which slow questions may take for long


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
        self._lost = (0.0, 0.0)  # seconds of slow questions, less what was forgiven until then
        self._connection: Any = None  # to PostgreSQL

    async def rows(self, statement: str, values: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
        """As `database.plain`.

        Raises:
            EnvironmentFault: the database does not answer.
        """
        return await self.all([(statement, values)])

    async def all(self, questions: Questions) -> list[tuple[Any, ...]]:
        """The rows of several statements, each with its values, one after the other; at SQLite all from one view.

        Raises:
            EnvironmentFault: the database does not answer.
        """
        if self.dialect == "postgresql":
            with database.translated():
                return await self._waiting(questions)
        began = time.monotonic()
        if began >= self._slow_until:
            found = self._at_once.rows(questions)
            self._judge(began, time.monotonic(), sum([len(values) for _, values in questions]))
            if found is not None:
                return found
        return await asyncio.to_thread(self._plain, questions)

    def _plain(self, questions: Questions) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = []
        for statement, values in questions:
            found += database.plain(self._engine, statement, values)
        return found

    def _judge(self, began: float, ended: float, questions: int) -> None:
        """Leave it to threads for a while when the file is slow; a page that was not in memory makes it none."""
        if ended - began <= SLOW * questions:
            return
        lost, at = self._lost
        lost = max(lost - (ended - at) * LOST_SHARE, 0.0) + ended - began
        self._lost = (lost, ended)
        if lost > MOST_LOST:
            self._lost = (0.0, ended)
            self._slow_until = ended + SLOW_SECONDS

    def close(self) -> None:
        """Let go of the connection; the next question makes another."""
        self._at_once.close()
        if self._connection is not None:
            self._connection.pgconn.finish()
            self._connection = None

    async def _waiting(self, questions: Questions) -> list[tuple[Any, ...]]:
        kept = self._connection is not None
        try:
            return await self._asked(questions)
        except exc.DBAPIError:
            if not kept or not self._connection.closed:
                raise
            self._connection = None  # the database was started again: that from before is no good
            return await self._asked(questions)

    async def _asked(self, questions: Questions) -> list[tuple[Any, ...]]:
        driver: Any = self._engine.dialect.loaded_dbapi
        found: list[tuple[Any, ...]] = []
        statement = ""
        try:
            if self._connection is None:
                _, named = self._engine.dialect.create_connect_args(self._engine.url)
                given = {**named, **database.arguments(self._busy_timeout), "autocommit": True}
                self._connection = await driver.AsyncConnection.connect(**given)
            for statement, values in questions:
                for one in values:
                    cursor = await self._connection.execute(statement, one)
                    found += await cursor.fetchall()
        except driver.Error as error:
            raise exc.DBAPIError(statement, None, error) from error
        return found

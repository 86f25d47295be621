"""Connections to the index: SQLite or PostgreSQL by URL, one writer at a time, errors as one clear line."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy import event, exc, text
from sqlalchemy.engine import make_url

from assay.core.errors import AssayError, EnvironmentFault, UsageError
from assay.store import schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Engine, PoolProxiedConnection

    Questions = Sequence[tuple[str, Sequence[Sequence[Any]]]]  # statements in the driver's words, each with its values

BUSY_TIMEOUT = 15.0  # seconds that a writer waits for another one before it gives up with a hint
_WRITER_LOCK = 0x61737361795F6978  # PostgreSQL advisory lock: "assay_ix"
_WRITING = "assay_writing"
_LONE = "assay_lone"
_POOL = 40  # connections kept to a SQLite file: as many as the server has threads
_MAPPED = 2 << 30  # bytes of a SQLite file that are read without a call of the system (https://sqlite.org/mmap.html)
_PLAIN_POOL = 5  # connections to PostgreSQL for questions that it answers in less than a millisecond


def connect(url: str, busy_timeout: float = BUSY_TIMEOUT) -> Engine:
    """An engine for a SQLAlchemy URL (`sqlite:///path` or `postgresql://…`); opens no connection yet.

    Raises:
        UsageError: for another kind of URL.
        EnvironmentFault: when the directory of a SQLite file can't be made.
    """
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except exc.ArgumentError as error:
        raise UsageError(
            "not a database URL", hint="give sqlite:///path or postgresql://… in ASSAY_DATABASE_URL"
        ) from error
    if backend == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise UsageError("the index needs a file", hint="give sqlite:///path")
        return _sqlite(parsed, busy_timeout)
    if backend == "postgresql":
        return sqlalchemy.create_engine(_psycopg(parsed), pool_pre_ping=True, connect_args=arguments(busy_timeout))
    raise UsageError(f"no such kind of index: {backend}", hint="SQLite and PostgreSQL are known")


def for_plain(engine: Engine, busy_timeout: float = BUSY_TIMEOUT) -> Engine:
    """Connections for `plain`: to SQLite the same; to PostgreSQL few of their own, which are in no transaction.

    Nothing is sent when one is taken and given back: a question takes one message there and one back.
    """
    if engine.dialect.name == "sqlite":
        return engine
    return sqlalchemy.create_engine(
        engine.url,
        isolation_level="AUTOCOMMIT",
        pool_size=_PLAIN_POOL,
        max_overflow=0,
        pool_use_lifo=True,
        pool_reset_on_return=None,
        connect_args=arguments(busy_timeout),
    )


def _psycopg(url: sqlalchemy.URL) -> sqlalchemy.URL:
    return url.set(drivername="postgresql+psycopg")


def arguments(busy_timeout: float) -> dict[str, Any]:
    """How to connect to PostgreSQL, besides what the URL says."""
    options = f"-c lock_timeout={int(busy_timeout * 1000)}"
    return {"options": options, "connect_timeout": int(busy_timeout) or 1}


def _sqlite(url: sqlalchemy.URL, busy_timeout: float) -> Engine:
    folder = Path(str(url.database)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentFault(
            f"can't make {folder}: {error.strerror}", hint="check the path and permissions"
        ) from error
    engine = sqlalchemy.create_engine(url, connect_args={"timeout": busy_timeout}, pool_size=_POOL)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver's guess
        cursor = connection.cursor()
        # WAL: readers never wait for a writer. FULL: a commit that returned survives a power cut.
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "trusted_schema=OFF"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if options.get(_LONE):
            return  # SQLite then ends what a statement began with the statement
        writing = options.get(_WRITING)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that excludes every other writer on every machine. Commits, or rolls back on an exception."""
    with translated(), engine.connect().execution_options(**{_WRITING: True}) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _WRITER_LOCK})
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One consistent view of the database."""
    options = {} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
    with translated(), engine.connect().execution_options(**options) as connection, connection.begin():
        yield connection


@contextmanager
def lone(engine: Engine) -> Iterator[Connection]:
    """For statements that each see the database as it is then; nothing is begun and ended around them."""
    options = {_LONE: True} if engine.dialect.name == "sqlite" else {"isolation_level": "AUTOCOMMIT"}
    with translated(), engine.connect().execution_options(**options) as connection:
        yield connection


def plain(engine: Engine, statement: str, values: Sequence[Sequence[Any] | Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """All rows that a statement in the driver's own words gives for each of `values`, by the driver alone.

    It takes a fifth of the time that SQLAlchemy takes. `engine` is one of `for_plain`.

    Raises:
        EnvironmentFault: as for everything here.
    """
    with translated():
        try:
            return _plain(engine, statement, values)
        except exc.DBAPIError as error:
            if not error.connection_invalidated:
                raise
            engine.dispose()  # the database was started again: no connection from before is good
            return _plain(engine, statement, values)


def _plain(
    engine: Engine, statement: str, values: Sequence[Sequence[Any] | Mapping[str, Any]]
) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    connection = _raw(engine)
    cursor = connection.cursor()
    try:
        for given in values:
            cursor.execute(statement, given)
            found += cursor.fetchall()
    except engine.dialect.loaded_dbapi.Error as error:
        lost = engine.dialect.is_disconnect(error, connection.driver_connection, cursor)
        if lost:
            connection.invalidate(error)
        raise exc.DBAPIError(statement, None, error, connection_invalidated=lost) from error
    finally:
        connection.close()
    return found


def _raw(engine: Engine) -> PoolProxiedConnection:
    """A connection of the pool; the driver's error, which SQLAlchemy lets through here, as one of SQLAlchemy's."""
    try:
        return engine.raw_connection()
    except engine.dialect.loaded_dbapi.Error as error:
        raise exc.DBAPIError("connect", None, error) from error


class AtOnce:
    """Questions to a SQLite file that take microseconds, asked where nothing may wait: no lock is waited for.

    One connection, used by one thread at a time.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: PoolProxiedConnection | None = None

    def rows(self, questions: Questions) -> list[tuple[Any, ...]] | None:
        """As `plain`, of several statements, all from one view; None when it can't be told at once."""
        if self._engine.dialect.name != "sqlite":
            return None
        found: list[tuple[Any, ...]] = []
        try:
            cursor = self._cursor()
            cursor.execute("BEGIN")
            for statement, values in questions:
                for given in values:
                    found += cursor.execute(statement, given).fetchall()
            cursor.execute("COMMIT")
        except (exc.SQLAlchemyError, self._engine.dialect.loaded_dbapi.Error):
            self.close()
            return None
        return found

    def close(self) -> None:
        """Let go of the connection; the next question makes another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _cursor(self) -> Any:
        if self._connection is None:
            self._connection = self._engine.raw_connection()
            self._connection.detach()
            for pragma in ("busy_timeout=0", f"mmap_size={_MAPPED}"):
                self._connection.cursor().execute(f"PRAGMA {pragma}")
        return self._connection.cursor()


@contextmanager
def translated() -> Iterator[None]:
    """Turn the database's errors into `EnvironmentFault` with a hint."""
    try:
        yield
    except exc.SQLAlchemyError as error:
        raise _fault(error) from error


def _fault(error: exc.SQLAlchemyError) -> AssayError:
    original = getattr(error, "orig", None) or error
    line = " ".join(str(original).split())[:300]
    known = (
        ("database is locked", "the index is locked by another process", "wait for it to finish and run this again"),
        ("lock timeout", "the index is locked by another process", "wait for it to finish and run this again"),
        ("disk is full", "disk full while writing the index", "free some space and run this again"),
        ("disk i/o error", "the disk failed while the index was used", "check the disk and the free space on it"),
        ("no space left", "disk full while writing the index", "free some space and run this again"),
        ("readonly database", "the index can't be written", "check the permissions of the data directory"),
        ("unable to open", "the index can't be opened", "check the permissions of the data directory"),
        ("not a database", "the index is not a SQLite file", "restore it from a backup"),
        ("malformed", "the index is damaged", "restore it from a backup"),
        ("append-only", "the log is append-only", "add an entry instead"),
    )
    lower = line.lower()
    for needle, message, hint in known:
        if needle in lower:
            return EnvironmentFault(message, hint=hint)
    return EnvironmentFault(f"index: {line}", hint="check ASSAY_DATABASE_URL and that the database is running")


def migrate(engine: Engine) -> None:
    """Make or upgrade the tables. Two processes that start at once do it once.

    Raises:
        EnvironmentFault: when a newer version of assay made the database.
    """
    with reading(engine) as connection:
        if _version(connection) == schema.HEAD:
            return
    with writing(engine) as connection:
        version = _version(connection)
        if version == schema.HEAD:
            return
        from alembic import command, config, util  # noqa: PLC0415  (0.2 s that only the first start pays)

        settings = config.Config()
        settings.set_main_option("script_location", "assay.store:migrations")
        settings.set_main_option("path_separator", "os")
        settings.attributes["connection"] = connection
        try:
            command.upgrade(settings, "head")
        except util.CommandError as error:
            hint = "use that version, or another data directory"
            raise EnvironmentFault(f"the index was made by a newer assay (version {version})", hint=hint) from error


def _version(connection: Connection) -> str | None:
    if not sqlalchemy.inspect(connection).has_table("alembic_version"):
        return None
    value: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return value

"""Leases: how one process knows that another is dead, instead of guessing.

Every process that runs admissions holds a lease under an id of its own. Work that a process left behind may be taken
over only by whoever can take its lease. Embedded (SQLite), a lease is a locked file: the kernel lifts the lock when the
process dies, however it dies, so there is no waiting time and no clock. On PostgreSQL, where processes run on many
machines, it is a row that its holder renews; it has lapsed when the database's own clock says so.
"""

from __future__ import annotations

import fcntl
import os
import threading
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import sqlalchemy as sa

from assay.core.errors import EnvironmentFault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

RENEW_SECONDS = 5.0
LAPSE_SECONDS = 30.0  # six renewals missed: longer than a database's fail-over, shorter than a person's patience

_METADATA = sa.MetaData()
_LEASES = sa.Table(
    "assay_leases",
    _METADATA,
    sa.Column("holder", sa.Text, primary_key=True),
    sa.Column("renewed_at", sa.DateTime(timezone=True), nullable=False),
)
# A missing row says the same as one that lapsed.
_SWEEP = "DELETE FROM assay_leases WHERE renewed_at < clock_timestamp() - CAST(:lapse AS interval)"


class Leases(Protocol):
    """The lease of this process, and the way to a dead one's.

    Attributes:
        holder: id of this process; no other process ever had it or will have it.
        lost: whether others may take this process for dead: it should stop.
    """

    holder: str
    lost: bool

    def take_over(self, holder: str) -> AbstractContextManager[bool]:
        """Context that is true when `holder` is dead and nobody else is taking over from it meanwhile."""
        ...

    def close(self) -> None:
        """Give the lease up."""
        ...


def new_holder() -> str:
    """An id that is unique to this process."""
    return f"vet-{os.getpid()}-{uuid.uuid4().hex[:12]}"


class FileLeases:
    """Leases as locked files in one directory of this machine."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.holder = new_holder()
        self.lost = False
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _fault(error, directory) from error
        descriptor = self._lock(self.holder)
        if descriptor is None:  # the id is random: nobody else can hold it
            raise EnvironmentFault(f"no lock to be had in {directory}", hint="is it on a network file system?")
        self._descriptor = descriptor

    @contextmanager
    def take_over(self, holder: str) -> Iterator[bool]:
        """True inside when `holder` is dead and this process alone is taking over from it."""
        descriptor = None if holder == self.holder else self._lock(holder)
        if descriptor is None:
            yield False
            return
        try:
            yield True
        finally:
            self._release(holder, descriptor)

    def close(self) -> None:
        """Give the lease up, and clear away the files of the dead: a missing file says the same."""
        self._release(self.holder, self._descriptor)
        for path in self._directory.iterdir():
            with self.take_over(path.name):
                pass

    def _lock(self, holder: str) -> int | None:
        """Lock the file of `holder`, made when missing (its process ended); None when somebody holds it."""
        path = self._directory / holder
        while True:
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise _fault(error, path) from error
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return None
            except OSError as error:
                os.close(descriptor)
                raise _fault(error, path) from error
            if os.fstat(descriptor).st_nlink:
                return descriptor
            os.close(descriptor)  # released by another process between the two calls: lock the new file

    def _release(self, holder: str, descriptor: int) -> None:
        (self._directory / holder).unlink(missing_ok=True)
        os.close(descriptor)


class RowLeases:
    """Leases as rows of a database that processes on many machines share; renewed by a thread."""

    def __init__(self, url: str, lapse: float | None = None) -> None:
        """`lapse`: seconds of silence after which a process counts as dead; the same in all of them."""
        self.holder = new_holder()
        self.lost = False
        self._lapse = lapse or LAPSE_SECONDS
        self._renew = min(RENEW_SECONDS, self._lapse / 6)
        self._engine = sa.create_engine(url, pool_size=2, pool_pre_ping=True)
        self._stop = threading.Event()
        try:
            with self._engine.begin() as connection:
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('assay_leases'))"))
                _METADATA.create_all(connection)
                connection.execute(sa.text(_SWEEP), {"lapse": f"{10 * self._lapse} seconds"})
                connection.execute(sa.insert(_LEASES).values(holder=self.holder, renewed_at=sa.func.clock_timestamp()))
        except sa.exc.SQLAlchemyError as error:
            self._engine.dispose()
            raise _database_fault(error) from error
        self._thread = threading.Thread(target=self._keep, name="assay-lease", daemon=True)
        self._thread.start()

    @contextmanager
    def take_over(self, holder: str) -> Iterator[bool]:
        """True inside when the lease of `holder` has lapsed and this process alone is taking over from it."""
        if holder == self.holder:
            yield False
            return
        with self._engine.begin() as connection:
            ours = connection.execute(
                sa.text(
                    "INSERT INTO assay_leases (holder, renewed_at) VALUES (:holder, clock_timestamp())"
                    " ON CONFLICT (holder) DO UPDATE SET renewed_at = clock_timestamp()"
                    " WHERE assay_leases.renewed_at < clock_timestamp() - CAST(:lapse AS interval)"
                ),
                {"holder": holder, "lapse": f"{self._lapse} seconds"},
            ).rowcount
        if not ours:
            yield False
            return
        try:
            yield True
        finally:
            self._delete(holder)

    def close(self) -> None:
        """Give the lease up."""
        self._stop.set()
        self._thread.join()
        if not self.lost:
            self._delete(self.holder)
        self._engine.dispose()

    def _delete(self, holder: str) -> None:
        with self._engine.begin() as connection:
            connection.execute(sa.delete(_LEASES).where(_LEASES.c.holder == holder))

    def _keep(self) -> None:
        """Renew until closed. A row that somebody took away means: taken for dead; so does losing the database."""
        failed_for = 0.0
        while not self._stop.wait(self._renew):
            try:
                with self._engine.begin() as connection:
                    renewed = connection.execute(
                        sa.update(_LEASES)
                        .where(_LEASES.c.holder == self.holder)
                        .values(renewed_at=sa.func.clock_timestamp())
                    ).rowcount
            except sa.exc.SQLAlchemyError:
                failed_for += self._renew
                renewed = int(failed_for < self._lapse)
            else:
                failed_for = 0.0
            if not renewed:
                self.lost = True
                return


def _fault(error: OSError, path: Path) -> EnvironmentFault:
    return EnvironmentFault(f"{error.strerror or error}: {path}", hint="check disk space and permissions")


def _database_fault(error: sa.exc.SQLAlchemyError) -> EnvironmentFault:
    reason = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    return EnvironmentFault(f"workflow database: {reason}", hint="check ASSAY_WORKFLOW_URL and that the server is up")

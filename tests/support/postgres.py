"""A real PostgreSQL for tests: Debian's binaries, a cluster in a temporary directory, reached by a Unix socket.

As root it runs as an unprivileged user, as PostgreSQL insists. It is stopped by its own process id.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psycopg
import pytest
from sqlalchemy.engine import make_url

if TYPE_CHECKING:
    from collections.abc import Iterator

_START_SECONDS = 60
_STOP_SECONDS = 120
# Durability of the test cluster itself is not under test.
_SETTINGS = (
    *("fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=100"),
    "listen_addresses=",  # the socket alone
    "dynamic_shared_memory_type=mmap",  # in its own directory, so that nothing of it stays behind
)


class Postgres:
    """A running server."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self._count = 0

    def url(self, database: str) -> str:
        """SQLAlchemy URL of a database."""
        return f"postgresql+psycopg://assay@/{database}?host={quote(str(self.socket), safe='')}"

    def new_database(self, template: str = "template1") -> str:
        """Create a database, empty or a copy of another one (its name), and return its URL."""
        self._count += 1
        name = f"test_{self._count}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return self.url(name)

    def databases(self) -> list[str]:
        """Names of all databases."""
        return [str(name) for (name,) in self._execute("SELECT datname FROM pg_database").fetchall()]

    def rename(self, url: str, name: str) -> str:
        """Give a database another name, and return its URL."""
        self._execute(f"ALTER DATABASE {make_url(url).database} RENAME TO {name}")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Remove a database, whoever is connected."""
        self._execute(f"DROP DATABASE {make_url(url).database} WITH (FORCE)")

    def _execute(self, statement: str) -> psycopg.Cursor[Any]:
        with psycopg.connect(host=str(self.socket), user="assay", dbname="postgres", autocommit=True) as connection:
            return connection.execute(statement)


def binaries() -> Path:
    """Where PostgreSQL's programs are."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if not found:
        pytest.fail("PostgreSQL is not installed: run `make apt-test`, or install the Debian package `postgresql`")
    return found[-1].parent


def _unprivileged() -> dict[str, Any]:
    """subprocess arguments that drop root, and nothing for everybody else."""
    return {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}


@contextmanager
def running_postgres(kept: Path | None = None) -> Iterator[Postgres]:
    """Start a server and stop it at the end.

    Args:
        kept: folder of a cluster that is there again the next time; made when it is missing. None: nothing is kept.
    """
    programs, who = binaries(), _unprivileged()
    # In memory where possible: a database is a thousand files. A short path: a socket's has at most 107 bytes.
    home = Path(tempfile.mkdtemp(prefix="assay-pg-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else "/tmp"))
    if who:
        shutil.chown(home, "nobody", "nogroup")
    data, log = kept or home / "data", home / "log"
    options: dict[str, Any] = {"cwd": home, "env": {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}, **who}
    if not (data / "PG_VERSION").exists():
        data.mkdir(parents=True, exist_ok=True)
        if who:
            shutil.chown(data, "nobody", "nogroup")
        initdb = [programs / "initdb", "-D", data, "-U", "assay", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, timeout=120, **options)
    command = [programs / "postgres", "-D", data, "-k", home, *(f"--{setting}" for setting in _SETTINGS)]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream, **options)
    try:
        _wait(programs, home, process, log)
        yield Postgres(home)
    finally:
        with suppress(ProcessLookupError):
            # "Immediate" shutdown when nothing is kept, else "fast": what was written is there the next time.
            process.send_signal(signal.SIGINT if kept else signal.SIGQUIT)
        process.wait(timeout=_STOP_SECONDS)
        shutil.rmtree(home, ignore_errors=True)


def _wait(programs: Path, home: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while subprocess.run([programs / "pg_isready", "-q", "-h", home], check=False, timeout=30).returncode != 0:
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"PostgreSQL did not start:\n{log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.1)

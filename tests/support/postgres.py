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

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_START_SECONDS = 60
# Durability of the test cluster itself is not under test.
_SETTINGS = ("listen_addresses=", "fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=40")


class Postgres:
    """A running server."""

    def __init__(self, binaries: Path, socket: Path) -> None:
        self._binaries = binaries
        self.socket = socket
        self._count = 0

    def url(self, database: str) -> str:
        """SQLAlchemy URL of a database."""
        return f"postgresql+psycopg://assay@/{database}?host={quote(str(self.socket), safe='')}"

    def new_database(self) -> str:
        """Create an empty database and return its URL."""
        self._count += 1
        name = f"test_{self._count}"
        command = [self._binaries / "createdb", "-h", self.socket, "-U", "assay", name]
        subprocess.run(command, check=True, timeout=60)
        return self.url(name)


def _binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if not found:
        pytest.fail("PostgreSQL is not installed: run `make apt-test`, or install the Debian package `postgresql`")
    return found[-1].parent


def _unprivileged() -> dict[str, Any]:
    """subprocess arguments that drop root, and nothing for everybody else."""
    return {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Start a server and stop it at the end."""
    binaries, who = _binaries(), _unprivileged()
    home = Path(tempfile.mkdtemp(prefix="assay-pg-", dir="/tmp"))  # short: a socket's path has at most 107 bytes
    if who:
        shutil.chown(home, "nobody", "nogroup")
    data, log = home / "data", home / "log"
    options: dict[str, Any] = {"cwd": home, "env": {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}, **who}
    initdb = [binaries / "initdb", "-D", data, "-U", "assay", "-A", "trust", "-E", "UTF8", "--no-sync"]
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, timeout=120, **options)
    command = [binaries / "postgres", "-D", data, "-k", home, *(f"--{setting}" for setting in _SETTINGS)]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream, **options)
    try:
        _wait(binaries, home, process, log)
        yield Postgres(binaries, home)
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)  # "fast" shutdown
        process.wait(timeout=60)
        shutil.rmtree(home, ignore_errors=True)


def _wait(binaries: Path, home: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while subprocess.run([binaries / "pg_isready", "-q", "-h", home], check=False, timeout=30).returncode != 0:
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"PostgreSQL did not start:\n{log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.1)

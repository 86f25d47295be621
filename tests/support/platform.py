"""Servers and workers of one registry, as processes, over one PostgreSQL and one S3; any of them may be killed."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from assay.store.index import Index
from tests.support.forks import Running, assay

if TYPE_CHECKING:
    from pathlib import Path
    from subprocess import CompletedProcess

PATIENCE = 240  # seconds; the machine may be busy
LEASE_SECONDS = 6


class Platform:
    """One registry. Close it at the end: every process it started is ended by its own id."""

    def __init__(self, folder: Path, database_url: str, blobs_url: str, endpoint: str, hub_url: str) -> None:
        self.folder, self.database_url = folder, database_url
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("ASSAY_", "AWS_"))}
        self.env = kept | {
            "ASSAY_DATA": str(folder / "data"),
            "ASSAY_DATABASE_URL": database_url,
            "ASSAY_BLOBS_URL": blobs_url,
            "ASSAY_HUB_URL": hub_url,
            "ASSAY_LEASE_SECONDS": str(LEASE_SECONDS),
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "NO_COLOR": "1",
        }
        self._processes: dict[str, Running] = {}
        self._started = 0
        self.urls: dict[str, str] = {}
        done = self("init", "--quiet")
        assert done.returncode == 0, done.stderr
        self.index = Index.open(database_url)

    def __call__(self, *args: str) -> CompletedProcess[str]:
        """Run one command to its end."""
        return assay(*args, env=self.env, patience=PATIENCE)

    def start(self, name: str) -> None:
        """Start `server-…` or `worker-…`, again when it is dead."""
        self._started += 1
        out = self.folder / f"{name}-{self._started}.out"
        args = ("serve", "--no-worker", "--require-token", "--port", "0") if name.startswith("server") else ("worker",)
        out.touch()
        self._processes[name] = Running(*args, env=self.env, files=(out, out.with_suffix(".err")))
        if name.startswith("server"):
            self.urls.pop(name, None)
            until(lambda: self._url(name, out), f"{name} does not serve")

    def _url(self, name: str, out: Path) -> bool:
        line = out.read_text().partition("\n")[0]
        assert self._processes[name].poll() is None, out.with_suffix(".err").read_text()
        if line.startswith("serving "):
            self.urls[name] = line.split()[1]
        return name in self.urls

    def kill(self, name: str) -> None:
        """As a machine that fails: no signal handler, no clean-up."""
        self._processes[name].send_signal(signal.SIGKILL)
        self._processes[name].wait(PATIENCE)
        self.urls.pop(name, None)

    def ended(self) -> list[str]:
        """Names of processes that ended by themselves."""
        return [name for name, process in self._processes.items() if process.poll() is not None]

    def said(self) -> str:
        """What all of them wrote to their standard errors."""
        return "\n".join(f"{path.name}: {path.read_text()}" for path in sorted(self.folder.glob("*.err")))

    def close(self) -> None:
        """End everything."""
        for process in self._processes.values():
            with suppress(ProcessLookupError):
                process.kill()
            process.wait(PATIENCE)
        self.index.close()


def until(true, what: str) -> None:
    """Wait for something."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)

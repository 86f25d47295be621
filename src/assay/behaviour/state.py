"""Results of finished probes, so that a killed run goes on where it stopped: in a file, or where a keeper does."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from assay.core.errors import EnvironmentFault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from assay.behaviour.guest import Job

_MOST_BYTES = 64 << 20


class Results(Protocol):
    """What one run has so far."""

    @property
    def shares(self) -> bool:
        """Whether other processes may have a part of it."""

    def get(self, probe: str) -> dict[str, Any] | None:
        """Result of a finished probe."""

    def put(self, probe: str, result: dict[str, Any]) -> None:
        """Keep a result."""

    def share(self, job: Job, tasks: dict[str, dict[str, Any]]) -> None:
        """Let others have these probes (name to arguments), if anybody is there."""

    def elsewhere(self, probe: str, progress: Callable[[str, int, int], None]) -> dict[str, Any] | None:
        """What another process answers that has taken the probe, once it does; None: it is for this one to run."""

    def close(self) -> None:
        """The run is over."""


class Keeper(Protocol):
    """Where results are kept."""

    def open(self, key: str) -> Results:
        """What an earlier run of exactly the same inputs, settings and code left."""


@dataclass
class Kept:
    """What a run has so far.

    Attributes:
        path: of the file; None keeps nothing.
        results: probe to the worker's result.
        shares: never: nobody else reads a file of this machine.
    """

    path: Path | None
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    shares: bool = False

    @classmethod
    def open(cls, folder: Path | None, key: str) -> Kept:
        """What an earlier run of exactly the same inputs, settings and code left.

        Args:
            folder: made when missing.
            key: digest of everything that a result depends on.

        Raises:
            EnvironmentFault: the folder can't be made.
        """
        if folder is None:
            return cls(None)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = folder / f"{key.removeprefix('sha256:')}.json"
            if not path.is_file() or path.stat().st_size > _MOST_BYTES:
                return cls(path)
            value = json.loads(path.read_text("utf-8"))
        except OSError as error:
            raise EnvironmentFault(f"can't keep results in {folder}: {error.strerror}", hint="free space") from error
        except ValueError:
            return cls(path)  # half a file: begin again
        good = isinstance(value, dict) and all(isinstance(one, dict) for one in value.values())
        return cls(path, value if good else {})

    def get(self, probe: str) -> dict[str, Any] | None:
        """Result of a finished probe."""
        return self.results.get(probe)

    def put(self, probe: str, result: dict[str, Any]) -> None:
        """Keep a result; the file is whole at every moment."""
        self.results[probe] = result
        if self.path is None:
            return
        beside = self.path.with_suffix(f".{os.getpid()}")
        try:
            beside.write_text(json.dumps(self.results), "utf-8")
            beside.replace(self.path)
        except OSError as error:
            raise EnvironmentFault(f"can't write {self.path}: {error.strerror}", hint="free disk space") from error

    def share(self, job: Job, tasks: dict[str, dict[str, Any]]) -> None:
        """Nobody else reads a file of this machine."""

    def elsewhere(self, _probe: str, _progress: Callable[[str, int, int], None]) -> dict[str, Any] | None:
        """Never: all is for this process."""
        return None

    def close(self) -> None:
        """The run is over: nothing is kept any more."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)

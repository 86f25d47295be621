"""A cgroup of its own for a guest, version 1 or 2, where this process may make one."""

from __future__ import annotations

import contextlib
import os
import signal
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_PERIOD = 100_000  # microseconds, the kernel's default
_REMOVE_TRIES = 20
_REMOVE_WAIT = 0.01


@dataclass
class Cgroup:
    """Directories that the guest is put into before it starts.

    Attributes:
        directories: each has a `cgroup.procs`.
        active: `memory`, `pids`, `cpu`: limits that the kernel took and reads back.
        reason: why some are missing.
    """

    directories: list[Path] = field(default_factory=list)
    active: set[str] = field(default_factory=set)
    reason: str = ""

    @classmethod
    def make(cls, memory_bytes: int, processes: int, cpus: float) -> Cgroup:
        """Make one with as many limits as this machine lets us set; never raises."""
        made = cls()
        name = f"assay-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        unified = (_ROOT / "cgroup.controllers").exists()
        quota = str(int(cpus * _PERIOD))
        wanted = {
            "memory": (("memory.max" if unified else "memory.limit_in_bytes", str(memory_bytes)),),
            "pids": (("pids.max", str(processes)),),
            "cpu": ((("cpu.max", f"{quota} {_PERIOD}"),) if unified else (("cpu.cfs_quota_us", quota),)),
        }
        own = _own_groups()
        for controller, settings in wanted.items():
            path = own.get("" if unified else controller, "").lstrip("/")
            base = (_ROOT if unified else _ROOT / controller) / path
            _sweep(base)
            made._limit(controller, base / name, settings)
        return made

    def _limit(self, controller: str, directory: Path, settings: tuple[tuple[str, str], ...]) -> None:
        try:
            if directory not in self.directories:
                directory.mkdir()
                self.directories.append(directory)
            for file, value in settings:
                (directory / file).write_text(value)
                if (directory / file).read_text().split()[0] not in {value.split()[0], _page_floor(value)}:
                    return
            self.active.add(controller)
        except OSError as error:
            self.reason = f"{controller}: {error.strerror}"
            with contextlib.suppress(OSError, ValueError):
                if controller not in self.active and not self.active:
                    directory.rmdir()
                    self.directories.remove(directory)

    def members(self) -> set[int]:
        """Processes in it now."""
        found: set[int] = set()
        for directory in self.directories:
            with contextlib.suppress(OSError):
                found |= {int(line) for line in (directory / "cgroup.procs").read_text().split()}
        return found

    def out_of_memory(self) -> bool:
        """Whether the kernel killed something in it for want of memory."""
        for directory in self.directories:
            for name in ("memory.events", "memory.oom_control"):
                with contextlib.suppress(OSError):
                    words = (directory / name).read_text().split()
                    if "oom_kill" in words and words[words.index("oom_kill") + 1 :][:1] not in (["0"], []):
                        return True
        return False

    def remove(self) -> None:
        """Kill what is left in it and take it away."""
        for _ in range(_REMOVE_TRIES):
            for process in self.members():
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(process, signal.SIGKILL)
            for directory in list(self.directories):
                with contextlib.suppress(OSError):
                    directory.rmdir()
                    self.directories.remove(directory)
            if not self.directories:
                return
            time.sleep(_REMOVE_WAIT)


def _sweep(base: Path) -> None:
    """Take away what killed supervisors left: empty groups of processes that are gone (a group in use stays)."""
    for left in base.glob("assay-*-*"):
        if not Path(f"/proc/{left.name.split('-')[1]}").exists():
            with contextlib.suppress(OSError):
                left.rmdir()


def _page_floor(value: str) -> str:
    first = value.split(maxsplit=1)[0]
    return str(int(first) // 4096 * 4096) if first.isdigit() else first


def _own_groups() -> dict[str, str]:
    """Controller to path of our own group; the empty key is version 2's."""
    groups: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            groups |= dict.fromkeys(controllers.split(","), path)
    return groups

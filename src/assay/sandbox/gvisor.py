"""gVisor as the stronger runtime: an OCI bundle of the interpreter, its libraries and a model, run by `runsc run`.

gVisor answers the guest's system calls by a kernel of its own, in a process of another user without a network: a fault
in Linux behind an allowed call is out of the guest's reach. `runsc do`, which shows the host's files, is never used.

References: OCI runtime specification 1.0.2 (config.json), gVisor's user guide (runsc flags).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core.errors import SandboxError
from assay.sandbox.rights import GUEST_ID
from assay.sandbox.start import MERGED, MODEL, SCRATCH, environment_of, interpreter_paths

if TYPE_CHECKING:
    from assay.sandbox.calls import Calls

RUNSC = "runsc"  # the layer that asks for it
RUNSC_HINT = "install gVisor (Debian: the package `runsc`), or leave `runsc` out of the layers"
LOST_IN_GVISOR = (
    "under runsc a call that its inner filter refuses (ptrace, unshare, memory of other processes) leaves no record, "
    "and each model costs a cold start"
)
PLATFORM = "ptrace"  # needs no device and works inside a virtual machine
_PREFIX = "assay-gvisor-"
_COMMAND_SECONDS = 30
_UNTRACED = frozenset(("prctl", "prlimit64", "ioctl"))  # frameworks make many, and the filter refuses the odd ones
_TRACED_TOO = frozenset(("clone3",))


def find_runsc() -> str | None:
    """Path of `runsc`, or None."""
    return shutil.which("runsc", path=f"{os.environ.get('PATH', '')}:/usr/bin:/usr/local/bin:/usr/sbin")


@cache
def traceable(runsc: str) -> frozenset[str]:
    """System calls that this gVisor knows by name; one that it does not know it refuses to trace, and to run.

    Raises:
        SandboxError: runsc can't be asked.
    """
    told = _ask([runsc, "help", "syscalls", "-os", "linux", "-arch", _ARCHITECTURES[os.uname().machine],
                 "-format", "json"])  # fmt: skip
    try:
        table = json.loads(told)["linux"][_ARCHITECTURES[os.uname().machine]]["syscalls"]
        return frozenset(str(one["name"]) for one in table.values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SandboxError("runsc does not tell its system calls", hint="is this a gVisor of 2022 or later?") from error


_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def _ask(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_COMMAND_SECONDS, check=False, env={})
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SandboxError(f"runsc can't be run: {error}", hint=RUNSC_HINT) from error
    if done.returncode != 0:
        raise SandboxError(f"runsc failed: {done.stderr.strip()[-300:]}", hint=RUNSC_HINT)
    return done.stdout


@dataclass(frozen=True)
class Bundle:
    """A folder of ours with the bundle, the state of runsc and its log.

    Attributes:
        home: the folder.
        runsc: path of runsc.
        given: paths that are visible inside, read-only.
        writable: where the guest is expected to write.
    """

    home: Path
    runsc: str
    given: tuple[str, ...]
    writable: tuple[str, ...]

    @property
    def name(self) -> str:
        """Of the container; runsc listens on an abstract socket of this name, which the whole machine shares."""
        return self.home.name

    @classmethod
    def make(cls, runsc: str, settings: dict[str, Any], model: Path, limits: dict[str, int]) -> Bundle:
        """Write it, after sweeping away what killed supervisors left.

        Args:
            runsc: path of runsc.
            settings: of `assay.sandbox.inside_gvisor`, less `environment` and `writable`.
            model: folder that becomes `/model`.
            limits: `scratch_bytes`, `descriptors`, `cpu_seconds`, `file_bytes`.
        """
        _sweep(runsc)
        home = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        shown = interpreter_paths()
        merged = tuple(path for path in MERGED if Path(path).is_dir())
        cache_folder = f"{SCRATCH}/cache"
        environment = environment_of(SCRATCH)
        settings = settings | {"environment": sorted(environment), "writable": [cache_folder], "scratch": SCRATCH}
        config = _config(settings, environment, (*shown, *merged), model, limits)
        (home / "rootfs").mkdir()
        (home / "config.json").write_text(json.dumps(config, indent=1))
        os.mkfifo(home / "log.boot", 0o600)
        return cls(home, runsc, (*shown, *merged, MODEL), (cache_folder,))

    def command(self, table: Calls) -> list[str]:
        """`runsc run`, which ends with this process and takes the guest with it."""
        known = traceable(self.runsc)
        traced = sorted(({name for name, _ in table.notify.values()} - _UNTRACED) | _TRACED_TOO)
        return [
            "setpriv", "--pdeathsig", "KILL", "--", *self._runsc(),
            f"--platform={PLATFORM}", "--network=none", "--ignore-cgroups", "--host-uds=none",
            "--file-access-mounts=shared",
            f"--debug-log={self.home}/log.%COMMAND%", "--debug-log-format=json",
            "--strace", f"--strace-syscalls={','.join(name for name in traced if name in known)}",
            "run", "--bundle", str(self.home), self.name,
        ]  # fmt: skip

    def _runsc(self) -> list[str]:
        rootless = [] if os.geteuid() == 0 else ["--rootless"]
        return [self.runsc, "--root", f"{self.home}/state", *rootless]

    def host_process(self) -> int:
        """Process on the host in which gVisor's kernel runs.

        Raises:
            SandboxError: there is none.
        """
        told = json.loads(_ask([*self._runsc(), "state", self.name]))
        return int(told["pid"])

    def remove(self) -> None:
        """Delete the container, whatever became of it, and the folder."""
        _delete(self.home, self._runsc())


def _delete(home: Path, runsc: list[str]) -> None:
    if any((home / "state").glob("*")):
        subprocess.run([*runsc, "delete", "--force", home.name], capture_output=True, timeout=_COMMAND_SECONDS,
                       check=False, env={})  # fmt: skip
    shutil.rmtree(home, ignore_errors=True)


def _sweep(runsc: str) -> None:
    """Delete containers whose supervisor was killed."""
    for home in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        process = home.name.removeprefix(_PREFIX).partition("-")[0]
        try:
            ours = home.lstat().st_uid == os.geteuid() and home.is_dir() and not home.is_symlink()
        except OSError:
            continue  # its own supervisor takes it away just now
        if not ours or Path(f"/proc/{process}").exists():
            continue
        _delete(home, [runsc, "--root", f"{home}/state", *([] if os.geteuid() == 0 else ["--rootless"])])


def _config(
    settings: dict[str, Any], environment: dict[str, str], shown: tuple[str, ...], model: Path, limits: dict[str, int]
) -> dict[str, Any]:
    """config.json: no capability, no new privilege, read-only root, what is shown and nothing else of the host."""
    import sys  # noqa: PLC0415 - nothing else here needs it

    bounds = {
        "RLIMIT_NOFILE": limits["descriptors"], "RLIMIT_CPU": limits["cpu_seconds"],
        "RLIMIT_FSIZE": limits["file_bytes"], "RLIMIT_CORE": 0,
    }  # fmt: skip
    none: dict[str, list[str]] = {name: [] for name in ("bounding", "effective", "inheritable", "permitted", "ambient")}
    binds = [(path, path) for path in shown] + [(str(model), MODEL)]
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False,
            "user": {"uid": GUEST_ID, "gid": GUEST_ID},
            "args": [sys.executable, "-I", "-B", "-m", "assay.sandbox.inside_gvisor", json.dumps(settings)],
            "env": [f"{name}={value}" for name, value in environment.items()],
            "cwd": "/",
            "capabilities": none,
            "noNewPrivileges": True,
            "rlimits": [{"type": name, "hard": value, "soft": value} for name, value in bounds.items()],
        },
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "guest",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
            *(_tmpfs(path, "size=64k", "mode=555", "ro") for path in ("/tmp", "/dev/shm")),  # noqa: S108 - inside
            _tmpfs(SCRATCH, f"size={limits['scratch_bytes']}", "mode=1777"),
            *(
                {"destination": inside, "type": "bind", "source": source, "options": ["rbind", "ro", "nosuid", "nodev"]}
                for source, inside in binds
            ),
        ],
        "linux": {"namespaces": [{"type": one} for one in ("pid", "network", "ipc", "uts", "mount")]},
    }


def _tmpfs(path: str, *options: str) -> dict[str, Any]:
    return {"destination": path, "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "noexec", *options]}

"""How a guest is started: the command line of bubblewrap, or of a bare interpreter where there is none."""

from __future__ import annotations

import json
import os
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import assay
from assay.sandbox import gpu

MODEL = "/model"
SCRATCH = "/scratch"  # inside the guest, a file system of its own
BARE_SCRATCH = "/tmp"  # noqa: S108 - a path inside the guest
INSTALL_HINT = "install bubblewrap (Debian, Ubuntu, Fedora, Arch: the package `bubblewrap`)"
LOST_WITHOUT = (
    "without bubblewrap a guest has no root of its own: the host's files are there, and Landlock and the filter alone "
    "keep it from them"
)
_CAP_SYS_ADMIN = 21
_MAX_LINKS = 40  # as the kernel
_LIBRARIES = ("/usr/lib", "/usr/lib64", "/usr/lib32", "/usr/local/lib")
MERGED = ("/lib", "/lib64", "/lib32")
# Nothing of the caller's. Frameworks: no network, no telemetry, no threads before the fork, caches in the scratch.
_ENVIRONMENT = {
    "PATH": "/nonexistent",
    "HOME": "{scratch}",
    "TMPDIR": "{scratch}",
    "LANG": "C.UTF-8",
    "USER": "guest",  # there is no /etc/passwd, and PyTorch (2.8 and later) asks for a name as it is imported
    "PWD": "/",
    "HF_HOME": "{scratch}/cache",
    "HF_MODULES_CACHE": "{scratch}/cache/modules",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "JOBLIB_MULTIPROCESSING": "0",
    "ORT_DISABLE_TELEMETRY": "1",  # else a thread, a database in the scratch space, and posts (onnxruntime 1.29)
    "ORT_TELEMETRY_DISABLED": "1",
    "KERAS_BACKEND": "torch",
    "KERAS_HOME": "{scratch}/cache",
    "CUDA_VISIBLE_DEVICES": "",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NO_COLOR": "1",
}
SET_BY_START = frozenset({*_ENVIRONMENT, "LC_CTYPE", "SHLVL", "_", "OLDPWD"})  # locale coercion, and the shell's own


@dataclass(frozen=True)
class Start:
    """How to start a guest.

    Attributes:
        command: argument vector.
        given: paths that are visible inside, read-only.
        writable: paths that a worker may write under.
        bubblewrap: whether it is used.
    """

    command: list[str]
    given: tuple[str, ...]
    writable: tuple[str, ...]
    bubblewrap: bool


def interpreter_paths() -> tuple[str, ...]:
    """The interpreter, its libraries and this package: all that a guest gets to see of the host."""
    found: list[str] = [path for path in _LIBRARIES if Path(path).is_dir()]
    found += [prefix for prefix in (sys.base_prefix, sys.prefix) if Path(prefix) not in {Path("/usr"), Path("/")}]
    found += [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    executable = Path(sys.executable)
    for _ in range(_MAX_LINKS):
        found.append(str(executable))
        if not executable.is_symlink():
            break
        executable = executable.parent / executable.readlink()
    found.append(str(Path(assay.__file__).resolve().parent))
    chosen: list[str] = []
    for path in sorted(set(found), key=len):
        if Path(path).exists() and not any(path == one or path.startswith(f"{one}/") for one in chosen):
            chosen.append(path)
    return tuple(chosen)


def environment_of(scratch: str) -> dict[str, str]:
    """The whole environment of a guest whose scratch space lies there."""
    return {name: value.format(scratch=scratch) for name, value in _ENVIRONMENT.items()}


def _gpu_environment(driver: tuple[str, ...], scratch: str) -> dict[str, str]:
    """What a guest with a GPU is told beside; what the driver compiles is kept in the scratch."""
    return {
        "CUDA_VISIBLE_DEVICES": "0",
        "CUDA_CACHE_PATH": f"{scratch}/cache/cuda",
        "PYTORCH_KERNEL_CACHE_PATH": f"{scratch}/cache/kernels",
        "LD_LIBRARY_PATH": ":".join(driver),
    }


def privileged() -> bool:
    """Root that may mount: then the guest becomes a real other user, outside too."""
    if os.geteuid() != 0:
        return False
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> _CAP_SYS_ADMIN & 1)
    return False


def find_bubblewrap() -> str | None:
    """Path of `bwrap`, or None."""
    return shutil.which("bwrap", path=f"{os.environ.get('PATH', '')}:/usr/bin:/usr/local/bin")


def arrange(settings: dict[str, Any], model: Path, scratch_bytes: int, bubblewrap: str | None) -> Start:
    """The command that starts `assay.sandbox.inside`.

    Args:
        settings: its SETTINGS, less `given`, `writable` and `environment`.
        model: folder that becomes `/model`.
        scratch_bytes: size of `/tmp` inside.
        bubblewrap: path of bwrap, or None: a bare interpreter.
    """
    driver = gpu.driver_folders() if settings["devices"] else ()
    known = interpreter_paths()
    shown = (*known, *(path for path in driver if not any(path == one or path.startswith(f"{one}/") for one in known)))
    inner = (*shown, *(path for path in MERGED if Path(path).exists()))
    given = (*inner, MODEL if bubblewrap else str(model))
    scratch = SCRATCH if bubblewrap else BARE_SCRATCH
    cache = f"{scratch}/cache"
    environment = environment_of(scratch)
    environment |= _gpu_environment(driver, scratch) if settings["devices"] else {}
    settings = settings | {
        "given": given,
        "writable": [cache],
        "scratch": scratch,
        "bubblewrap": bool(bubblewrap),
        "environment": sorted(SET_BY_START | set(environment)),
    }
    program = [sys.executable, "-I", "-B", "-m", "assay.sandbox.inside", json.dumps(settings)]
    if bubblewrap is None:
        assigned = [f"{name}={value}" for name, value in environment.items()]
        return Start(["/usr/bin/env", "-i", *assigned, *program], given, (cache,), bubblewrap=False)
    command = ["/usr/bin/env", "-i", bubblewrap]
    command += ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    if privileged():
        command += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
        command += ["--cap-add", "CAP_SETPCAP"]  # to empty the bounding set before becoming nobody
    else:
        command += ["--unshare-user", "--uid", "65534", "--gid", "65534", "--cap-drop", "ALL"]
    command += ["--hostname", "guest", "--die-with-parent", "--new-session"]
    for parent in sorted({str(above) for path in shown for above in Path(path).parents} - {"/"}, key=len):
        if not any(parent == one or parent.startswith(f"{one}/") for one in shown):
            command += ["--perms", "0755", "--dir", parent]  # bubblewrap's own would be for root alone
    for path in shown:
        command += ["--ro-bind", path, path]
    for path in MERGED:
        if Path(path).is_symlink():
            command += ["--symlink", str(Path(path).readlink()), path]
        elif Path(path).is_dir():
            command += ["--ro-bind", path, path]
    command += ["--proc", "/proc", "--dev", "/dev", "--size", str(scratch_bytes), "--perms", "1777", "--tmpfs", SCRATCH]
    command += [word for node in settings["devices"] for word in ("--dev-bind", node, node)]
    command += ["--ro-bind", str(model), MODEL, "--remount-ro", "/", "--chdir", "/", "--clearenv"]
    for name, value in environment.items():
        command += ["--setenv", name, value]
    return Start([*command, "--", *program], given, (cache,), bubblewrap=True)

"""Attack every layer from inside, before a model is there: a layer is active when its attack fails.

Three rounds, because an outer layer hides an inner one: namespaces and the file system before Landlock, Landlock before
the filter, the filter last. The supervisor plants a canary file, two listeners and its own process id, and tells
afterwards whether it saw the attacks of the last round (`recording`).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import mmap
import os
import resource
import socket
from pathlib import Path
from typing import Any

from assay.sandbox.calls import calls

Layers = dict[str, bool]

NAMESPACES = ("user", "pid", "mnt", "net", "ipc", "uts")
PROBE_ADDRESS, PROBE_PORT = "192.0.2.1", 9  # TEST-NET-1 (RFC 5737): never routed
PROBE_PROGRAM, PROBE_ARGUMENT = "/nonexistent/assay-self-test", "argument"
PROBE_FILE = "/nonexistent/assay-self-test.read"
_HOST_FILES = ("/etc/passwd", "/etc/shadow", "/root/.ssh", "/home", "/var/log", "/run/dbus", "/var/run/docker.sock")
_PTRACE_TRACEME, _CLONE_NEWUSER = 0, 0x1000_0000
_REFUSED_CALLS: tuple[tuple[Any, ...], ...] = (
    ("ptrace", _PTRACE_TRACEME, 0, 0, 0),
    ("unshare", _CLONE_NEWUSER),
    ("io_uring_setup", 1, None),
    ("memfd_create", b"assay", 0),
    ("bpf", 0, None, 0),
    ("keyctl", 0, 0, 0, 0, 0),
)
_PR_GET_NO_NEW_PRIVS = 39
_NO_CAPABILITY = "0" * 16


def before(process: int, scratch: str, planted: dict[str, Any]) -> Layers:
    """Round one, with all namespaces and without Landlock and filter.

    Args:
        process: descriptor of /proc/self.
        scratch: its own writable folder.
        planted: `namespaces` (name to link text, of the supervisor), `canary` (path), `tcp_port`, `unix_name`, `pid`,
            `read_only` (paths), `scratch_bytes`.
    """
    layers = {f"{name}_namespace": _differs(process, name, planted["namespaces"]) for name in NAMESPACES}
    layers["net_namespace"] &= not _reaches(planted["tcp_port"], planted["unix_name"])
    layers["pid_namespace"] &= not _signals(planted["pid"])
    layers["private_root"] = not any(map(_exists, (planted["canary"], *_HOST_FILES)))
    layers["read_only_root"] = not any(_creates(f"{path}/.assay-probe") for path in planted["read_only"])
    layers["private_scratch"] = _bounded_scratch(scratch, planted["scratch_bytes"])
    return layers


def before_gvisor(scratch: str, planted: dict[str, Any]) -> Layers:
    """Round one where another kernel answers: its own namespaces say nothing, so the attacks alone count.

    The supervisor adds what it sees of the host's side. `planted` also has `kernel` (the host's release, version and
    boot id) and `shared_memory` (the key of a segment of the supervisor's, -1 for none).
    """
    table = calls()
    libc = ctypes.CDLL(None, use_errno=True)
    key = int(planted["shared_memory"])
    segment = libc.syscall(ctypes.c_long(table.numbers["shmget"]), key, 0, 0) if table and key >= 0 else 0
    private = not any(map(_exists, (planted["canary"], *_HOST_FILES)))
    told = os.uname()
    return {
        "private_root": private,
        "mnt_namespace": private and not _exists(f"/proc/1/root{planted['canary']}"),
        "net_namespace": not _reaches(planted["tcp_port"], planted["unix_name"]),
        "pid_namespace": not _signals(planted["pid"]),
        "ipc_namespace": segment == -1,
        "uts_namespace": not _works(socket.sethostname, "assay"),
        "read_only_root": not any(_creates(f"{path}/.assay-probe") for path in planted["read_only"]),
        "private_scratch": _bounded_scratch(scratch, planted["scratch_bytes"]),
        "runsc": not {told.release, told.version, boot_id()}.intersection(planted["kernel"]),
    }


def after_filter_alone() -> bool:
    """Round three without a supervisor: each of these must fail."""
    table = calls()
    libc = ctypes.CDLL(None, use_errno=True)
    refused = table is not None
    for name, *arguments in _REFUSED_CALLS:
        refused &= libc.syscall(ctypes.c_long(table.numbers[name] if table else -1), *arguments) == -1
    refused &= not _works(socket.socket, socket.AF_VSOCK, socket.SOCK_STREAM)
    libc.mount(b"none", PROBE_FILE.encode(), b"tmpfs", 0, None)
    return _last_attacks() and refused


def rights(process: int) -> Layers:
    """No root, no capability, no new privilege, limits that can't be raised."""
    status = _status(process)
    none = all(status.get(name) == _NO_CAPABILITY for name in ("CapInh", "CapPrm", "CapEff", "CapBnd"))
    none &= status.get("CapAmb", _NO_CAPABILITY) == _NO_CAPABILITY  # gVisor does not tell of it
    return {
        "not_root": os.getuid() != 0 and not _works(os.setuid, 0),
        "no_capabilities": none and not _works(socket.sethostname, "assay"),
        "no_new_privs": ctypes.CDLL(None).prctl(_PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1,
        "rlimits": _limited(),
    }


def after_landlock(scratch: str, tcp_port: int) -> Layers:
    """Round two: what the namespaces would still allow."""
    denied = not _creates(f"{scratch}/.assay-landlock") and _connect_error(tcp_port) == errno.EACCES
    return {"landlock": denied}


def after_filter() -> bool:
    """Round three: each of these must fail, and the supervisor must have seen it."""
    table = calls()
    libc = ctypes.CDLL(None, use_errno=True)
    refused = table is not None
    for name, *arguments in _REFUSED_CALLS:
        number = table.numbers[name] if table else -1
        refused &= libc.syscall(ctypes.c_long(number), *arguments) == -1 and ctypes.get_errno() == errno.EPERM
    refused &= not _works(socket.socket, socket.AF_VSOCK, socket.SOCK_STREAM)
    return _last_attacks() and refused


def _last_attacks() -> bool:
    """A connection, a program and a file, for the supervisor to see; whether there was no way out."""
    refused = True
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tried:
        tried.connect((PROBE_ADDRESS, PROBE_PORT))
        refused = False
    with contextlib.suppress(OSError):
        os.execv(PROBE_PROGRAM, [PROBE_PROGRAM, PROBE_ARGUMENT])  # noqa: S606 - an attack
    with contextlib.suppress(OSError):
        os.close(os.open(PROBE_FILE, os.O_RDONLY))
    return refused


def environ_of(process: str) -> set[str]:
    """Names in the environment that a process was started with; none when it can't be read."""
    try:
        with open(f"/proc/{process}/environ", "rb") as stream:  # noqa: PTH123 - runs in the guest, few imports
            return {item.partition(b"=")[0].decode("utf-8", "replace") for item in stream.read().split(b"\0") if item}
    except OSError:
        return set()


def _differs(process: int, name: str, theirs: dict[str, str]) -> bool:
    try:
        return bool(theirs.get(name)) and os.readlink(f"ns/{name}", dir_fd=process) != theirs[name]
    except OSError:
        return False


def _status(process: int) -> dict[str, str]:
    with open(os.open("status", os.O_RDONLY, dir_fd=process)) as lines:  # noqa: PTH123 - runs in the guest, few imports
        return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _exists(path: str) -> bool:
    try:
        with os.scandir(path):
            return True
    except NotADirectoryError:
        return True
    except OSError:
        return False


def _creates(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    except OSError:
        return False
    with contextlib.suppress(OSError):
        Path(path).unlink()
    return True


def _connect_error(port: int) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tried:
        tried.settimeout(1)
        try:
            tried.connect(("127.0.0.1", port))
        except OSError as error:
            return error.errno or errno.ETIMEDOUT
    return 0


def _reaches(port: int, name: str) -> bool:
    if _connect_error(port) == 0:
        return True
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as tried:
        return tried.connect_ex(f"\0{name}") == 0


def _signals(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # it is there: refused is not the same as unknown
    return True


def _bounded_scratch(scratch: str, size: int) -> bool:
    path = f"{scratch}/.assay-probe"
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_EXCL, 0o600)
    except OSError:
        return False
    try:
        os.posix_fallocate(descriptor, 0, 2 * size)
    except OSError as error:
        return error.errno in {errno.ENOSPC, errno.EFBIG}
    finally:
        os.close(descriptor)
        Path(path).unlink()
    return False


def boot_id() -> str:
    """Of the kernel that answers; empty when it does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def _works(function: Any, *arguments: Any) -> bool:
    try:
        function(*arguments)
    except OSError:
        return False
    return True


def _limited() -> bool:
    """Map more than the address space, open one file too many, raise a limit."""
    space = resource.getrlimit(resource.RLIMIT_AS)[0]
    if space == resource.RLIM_INFINITY:
        return False
    try:
        mmap.mmap(-1, space).close()
    except (OSError, ValueError, OverflowError):
        pass
    else:
        return False
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most + 1))
    except (OSError, ValueError):
        return not _works(os.dup2, 0, most)
    return False

"""What a guest does to itself before a model is loaded: own namespaces, own scratch space, no rights left.

Every step says whether it worked; none raises. The self-test then tries what the step should have stopped.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import struct
from dataclasses import dataclass
from pathlib import Path

from assay.sandbox.calls import calls

_NEWNS, _NEWUTS, _NEWIPC, _NEWUSER, _NEWPID = 0x0002_0000, 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000
_NEWNET = 0x4000_0000
_NESTED = _NEWNS | _NEWUTS | _NEWIPC | _NEWUSER | _NEWPID
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_RDONLY, _MS_REC, _MS_PRIVATE = 2, 4, 8, 1, 1 << 14, 1 << 18
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 1, 4, 24, 38, 47
_AMBIENT_CLEAR_ALL = 4
_CAPABILITY_VERSION_3 = 0x20080522
_LAST_CAPABILITY = 63
_SIGKILL = 9

GUEST_ID = 65534  # "nobody": what a guest is, inside and (when started by root) outside


@dataclass(frozen=True)
class Bounds:
    """Resource limits of one worker.

    Attributes:
        memory_bytes: address space beyond what the template had mapped already.
        cpu_seconds: CPU time.
        descriptors: open files.
        processes: processes and threads of the guest's user, those that run already included (`tasks_of`).
        file_bytes: size of one file.
        scratch_bytes: size of its private scratch space.
    """

    memory_bytes: int
    cpu_seconds: int
    descriptors: int
    processes: int
    file_bytes: int
    scratch_bytes: int


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def tasks_of(user: int) -> int:
    """Processes and threads that a user has on this machine: RLIMIT_NPROC counts them all, and guests share a user."""
    count = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = status.read_text("utf-8", "replace").splitlines()
        except OSError:
            continue  # it ended meanwhile
        told = {key: value.split() for key, _, value in (line.partition(":") for line in lines)}
        if told.get("Uid", ["-1"])[0] == str(user):
            count += int(told.get("Threads", ["1"])[0])
    return count


def become_nobody() -> None:
    """Root gives up being root: user and group `GUEST_ID`, no supplementary group (OSError when refused)."""
    if os.getuid() == 0:
        _empty_bounding_set()
        os.setgroups([])
        os.setresgid(GUEST_ID, GUEST_ID, GUEST_ID)
        os.setresuid(GUEST_ID, GUEST_ID, GUEST_ID)
        _libc().prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)  # or /proc/self belongs to root, and no user map can be written


def own_namespaces(*, network: bool) -> str:
    """Leave the template's user, pid (for children), mount, ipc and uts namespaces. Empty string, or why not.

    `network`: the network namespace too, where the template has none of its own.
    """
    uid, gid = os.getuid(), os.getgid()
    maps = (("setgroups", "deny"), ("uid_map", f"{GUEST_ID} {uid} 1"), ("gid_map", f"{GUEST_ID} {gid} 1"))
    libc = _libc()
    if libc.unshare(_NESTED | (_NEWNET if network else 0)) != 0:
        return os.strerror(ctypes.get_errno())
    try:
        for name, text in maps:
            Path(f"/proc/self/{name}").write_text(text)
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    return ""


def own_mounts(scratch: str, scratch_bytes: int) -> str:
    """A fresh scratch space, an empty /proc and /dev/shm. Empty string, or why not."""
    libc = _libc()
    flags = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
    if libc.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None) != 0:
        return os.strerror(ctypes.get_errno())
    for target, options, extra in (
        (scratch.encode(), f"size={scratch_bytes},mode=700,nr_inodes=4096".encode(), 0),
        (b"/dev/shm", b"size=4k,mode=500", _MS_RDONLY),
        (b"/proc", b"size=4k,mode=500", _MS_RDONLY),
    ):
        if libc.mount(b"tmpfs", target, b"tmpfs", flags | extra, options) != 0:
            return f"{target.decode()}: {os.strerror(ctypes.get_errno())}"
    return ""


def die_with_parent() -> None:
    """Be killed when the parent ends."""
    _libc().prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)


def _empty_bounding_set() -> None:
    libc = _libc()
    for capability in range(_LAST_CAPABILITY + 1):
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)


def drop_capabilities() -> None:
    """Empty every capability set, the bounding set included, and forbid new privileges."""
    libc, table = _libc(), calls()
    _empty_bounding_set()
    libc.prctl(_PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL, 0, 0, 0)
    if table is not None:
        header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
        libc.syscall(ctypes.c_long(table.numbers["capset"]), header, bytes(24))
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def set_bounds(bounds: Bounds, process: int) -> None:
    """Hard limits; the self-test finds out whether they hold. `process` is a descriptor of /proc/self."""
    with open(os.open("statm", os.O_RDONLY, dir_fd=process), "rb") as statm:  # noqa: PTH123 - runs in the guest, few imports
        mapped = int(statm.read().split()[0]) * resource.getpagesize()
    for name, value in (
        (resource.RLIMIT_AS, mapped + bounds.memory_bytes),
        (resource.RLIMIT_CPU, bounds.cpu_seconds),
        (resource.RLIMIT_NOFILE, bounds.descriptors),
        (resource.RLIMIT_NPROC, bounds.processes),
        (resource.RLIMIT_FSIZE, bounds.file_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 1 << 20),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        hard = resource.getrlimit(name)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with contextlib.suppress(OSError, ValueError):  # gVisor knows of some only
            resource.setrlimit(name, (bound, bound))

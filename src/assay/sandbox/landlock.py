"""Landlock through ctypes: a process gives up file access, TCP and signals by rule. Needs no privilege.

References: landlock(7), linux/landlock.h (ABI 1 to 7).
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import TYPE_CHECKING

from assay.sandbox.calls import calls

if TYPE_CHECKING:
    from collections.abc import Iterable

_VERSION = 1  # LANDLOCK_CREATE_RULESET_VERSION
_PATH_BENEATH = 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_READ = _READ_FILE | _READ_DIR
_WRITE_FILE, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG, _TRUNCATE = 1 << 1, 1 << 5, 1 << 7, 1 << 8, 1 << 14
_REMOVE_DIR, _IOCTL_DEVICE = 1 << 4, 1 << 15
_WRITE = _WRITE_FILE | _REMOVE_FILE | _REMOVE_DIR | _MAKE_DIR | _MAKE_REG
_FILE_ONLY = _READ_FILE | _WRITE_FILE | _TRUNCATE | _IOCTL_DEVICE
_HANDLED_FS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}  # by the ABI that added rights
_NET = 3  # bind and connect, TCP
_SCOPED = 3  # abstract unix sockets and signals
_ABI_NET, _ABI_SCOPED, _ABI_TRUNCATE, _ABI_IOCTL = 4, 6, 3, 5


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def version() -> int:
    """ABI version of this kernel; 0 without Landlock."""
    table = calls()
    if table is None:
        return 0
    libc = ctypes.CDLL(None, use_errno=True)
    found = libc.syscall(
        ctypes.c_long(table.numbers["landlock_create_ruleset"]), None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION)
    )
    return max(0, int(found))


def restrict(readable: Iterable[str], writable: Iterable[str]) -> str:
    """Leave this thread and its children nothing but reading `readable` and files under `writable`. For good.

    no_new_privs must be set. Paths that don't exist are passed over; nothing may be executed anywhere.

    Returns:
        An empty string, or why it is not active.
    """
    abi, table = version(), calls()
    if not abi or table is None:
        return "the kernel has no Landlock"
    libc = ctypes.CDLL(None, use_errno=True)
    handled = max(rights for since, rights in _HANDLED_FS.items() if since <= abi)
    attributes = _Ruleset(handled, _NET if abi >= _ABI_NET else 0, _SCOPED if abi >= _ABI_SCOPED else 0)
    size = 24 if abi >= _ABI_SCOPED else 16 if abi >= _ABI_NET else 8
    ruleset = libc.syscall(
        ctypes.c_long(table.numbers["landlock_create_ruleset"]), ctypes.byref(attributes), ctypes.c_size_t(size), 0
    )
    if ruleset < 0:
        return f"Landlock: {os.strerror(ctypes.get_errno())}"
    write = _READ | _WRITE | (_TRUNCATE if abi >= _ABI_TRUNCATE else 0) | (_IOCTL_DEVICE if abi >= _ABI_IOCTL else 0)
    try:
        for path, rights in [*((p, _READ) for p in readable), *((p, write) for p in writable)]:
            _allow(libc, table.numbers["landlock_add_rule"], ruleset, path, rights & handled)
        if libc.syscall(ctypes.c_long(table.numbers["landlock_restrict_self"]), ruleset, 0) != 0:
            return f"Landlock: {os.strerror(ctypes.get_errno())}"
    finally:
        os.close(ruleset)
    return ""


def _allow(libc: ctypes.CDLL, number: int, ruleset: int, path: str, rights: int) -> None:
    try:
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not Path(path).is_dir():
            rights &= _FILE_ONLY
        rule = _Beneath(rights, parent)
        libc.syscall(ctypes.c_long(number), ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(parent)

"""The guest's seccomp filter with user notification: what it tries is put to a supervisor outside.

Computing, reading descriptors and threads pass; opens, programs, addresses, changes of files and ways out are put to
the supervisor, who records them; all else fails with EPERM. Refusal is the default: when no supervisor listens any
more, the kernel answers ENOSYS.

References: seccomp(2), seccomp_unotify(2), linux/seccomp.h.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.sandbox import gpu
from assay.sandbox.calls import NEW_NAMESPACES, Calls, calls, without_supervisor
from assay.sandbox.seccomp import Program, instruction

if TYPE_CHECKING:
    from collections.abc import Callable

_SET_MODE_FILTER, _FLAG_NEW_LISTENER = 1, 1 << 3
_IOCTL_RECV, _IOCTL_SEND, _IOCTL_ADD_DESCRIPTOR = 0xC0502100, 0xC0182101, 0x40182103
_ADD_AND_SEND = 1 << 1  # SECCOMP_ADDFD_FLAG_SEND, Linux 5.14
_CONTINUE = 1  # SECCOMP_USER_NOTIF_FLAG_CONTINUE
_NOTIFICATION = struct.Struct("=QIIiIQ6Q")  # struct seccomp_notif
_RESPONSE = struct.Struct("=QqiI")  # struct seccomp_notif_resp
_ADDED = struct.Struct("=QIIII")  # struct seccomp_notif_addfd

_KILL, _ALLOW, _ERRNO, _NOTIFY = 0x8000_0000, 0x7FFF_0000, 0x0005_0000, 0x7FC0_0000
_LD, _JEQ, _JGE, _JSET, _RET = 0x20, 0x15, 0x35, 0x45, 0x06
_OFF_NR, _OFF_ARCH, _OFF_ARGS = 0, 4, 16
_X32_BIT = 0x4000_0000
_CLONE_THREAD = 0x0001_0000
_DOMAINS = (1, 2, 10)  # AF_UNIX, AF_INET, AF_INET6: all bound to a network namespace (AF_VSOCK is not)
_PRCTL_REFUSED = (4, 22, 23, 24, 28, 35, 0x59616D61)  # DUMPABLE SECCOMP CAPBSET_* SECUREBITS SET_MM SET_PTRACER
_IOCTL_REFUSED = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX: typing on the terminal of the caller


@dataclass(frozen=True, slots=True)
class Notification:
    """One system call of the guest, stopped until it is answered.

    Attributes:
        cookie: id of the notification.
        pid: the caller, as numbered outside.
        number: system call number.
        arguments: six registers.
    """

    cookie: int
    pid: int
    number: int
    arguments: tuple[int, ...]


def _argument(index: int) -> bytes:
    """Load the low half of an argument."""
    return instruction(_LD, _OFF_ARGS + 8 * index)


def _judged(number: int, test: list[bytes]) -> list[bytes]:
    """`test` is run for one system call and returns; the number is loaded again for none."""
    return [instruction(_JEQ, number, 0, len(test)), *test]


def _one_of(values: tuple[int, ...], then: int, otherwise: int) -> list[bytes]:
    out = []
    for value in values:
        out += [instruction(_JEQ, value, 0, 1), instruction(_RET, then)]
    return [*out, instruction(_RET, otherwise)]


def _put_to_supervisor(name: str, group: str) -> int:  # noqa: ARG001 - every call of every group
    return _NOTIFY


def _unsupervised(name: str, group: str) -> int:
    """Where nobody can be asked (gVisor): what would have an effect of its own is refused, the rest is traced."""
    refused = group == "escape" and (name in without_supervisor() or name in {"clone", "prctl", "prlimit64", "ioctl"})
    return _ERRNO | errno.EPERM if refused else _ALLOW


def program(table: Calls, ask: Callable[[str, str], int] = _put_to_supervisor) -> bytes:
    """The filter as an array of `struct sock_filter`.

    Args:
        table: of this processor.
        ask: what the filter answers for a call (name, group) that is for the supervisor.
    """
    out = [
        instruction(_LD, _OFF_ARCH),
        instruction(_JEQ, table.machine.audit_arch, 1, 0),
        instruction(_RET, _KILL),
        instruction(_LD, _OFF_NR),
    ]
    if table.machine.x32:
        out += [instruction(_JGE, _X32_BIT, 0, 1), instruction(_RET, _KILL)]
    for number in table.allow:
        out += [instruction(_JEQ, number, 0, 1), instruction(_RET, _ALLOW)]
    for number in table.absent:
        out += [instruction(_JEQ, number, 0, 1), instruction(_RET, _ERRNO | errno.ENOSYS)]
    numbers = table.numbers
    out += _judged(
        numbers["clone"],
        [
            _argument(0),
            instruction(_JSET, _CLONE_THREAD, 0, 1),
            instruction(_RET, _ALLOW),
            instruction(_JSET, NEW_NAMESPACES, 0, 1),
            instruction(_RET, ask("clone", "escape")),
            instruction(_RET, ask("clone", "fork")),
        ],
    )
    out += _judged(numbers["socket"], [_argument(0), *_one_of(_DOMAINS, _ALLOW, ask("socket", "network"))])
    # sendto without an address is send: low and high half of the pointer must be zero
    out += _judged(
        numbers["sendto"],
        [
            _argument(4),
            instruction(_JEQ, 0, 1, 0),
            instruction(_RET, ask("sendto", "network")),
            instruction(_LD, _OFF_ARGS + 8 * 4 + 4),
            *_one_of((0,), _ALLOW, ask("sendto", "network")),
        ],
    )
    out += _judged(numbers["prctl"], [_argument(0), *_one_of(_PRCTL_REFUSED, ask("prctl", "escape"), _ALLOW)])
    out += _judged(numbers["prlimit64"], [_argument(0), *_one_of((0,), _ALLOW, ask("prlimit64", "escape"))])
    out += _judged(numbers["ioctl"], [_argument(1), *_one_of(_IOCTL_REFUSED, ask("ioctl", "escape"), _ALLOW)])
    special = {numbers[name] for name in ("clone", "socket", "sendto", "prctl", "prlimit64", "ioctl")}
    for notified, (name, group) in table.notify.items():
        if notified not in special:
            out += [instruction(_JEQ, notified, 0, 1), instruction(_RET, ask(name, group))]
    out.append(instruction(_RET, _ERRNO | errno.EPERM))
    return b"".join(out)


def install_alone() -> str:
    """Install the filter for a guest without a supervisor, for good. Empty string, or why there is no filter."""
    table = calls()
    if table is None:
        return f"no filter for processor {os.uname().machine}"
    return "" if _load(table, program(table, _unsupervised), 0) >= 0 else f"refused: {os.strerror(ctypes.get_errno())}"


def install() -> tuple[int, str]:
    """Install the filter for the calling thread, for good. no_new_privs must be set.

    Returns:
        The listening descriptor and an empty string; or -1 and why there is no filter.
    """
    table = calls()
    if table is None:
        return -1, f"no filter for processor {os.uname().machine}"
    listener = _load(table, program(table), _FLAG_NEW_LISTENER)
    if listener < 0:
        return -1, f"the kernel refused the filter: {os.strerror(ctypes.get_errno())}"
    return listener, ""


def _load(table: Calls, code: bytes, flags: int) -> int:
    buffer = ctypes.create_string_buffer(code, len(code))
    prog = Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    libc = ctypes.CDLL(None, use_errno=True)
    return int(libc.syscall(ctypes.c_long(table.numbers["seccomp"]), _SET_MODE_FILTER, flags, ctypes.byref(prog)))


def receive(listener: int) -> Notification | None:
    """The next notification; None when its caller is gone already. Poll first."""
    buffer = bytearray(_NOTIFICATION.size)
    try:
        fcntl.ioctl(listener, _IOCTL_RECV, buffer)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.EINTR}:
            return None
        raise
    cookie, pid, _flags, number, _arch, _ip, *arguments = _NOTIFICATION.unpack(buffer)
    return Notification(cookie, pid, number, tuple(arguments))


def answer(listener: int, notification: Notification, error: int | None) -> None:
    """Let the call run (None), fail it with an errno, or let it seem done (0)."""
    response = bytearray(
        _RESPONSE.pack(notification.cookie, 0, 0, _CONTINUE)
        if error is None
        else _RESPONSE.pack(notification.cookie, 0, -error, 0)
    )
    try:
        fcntl.ioctl(listener, _IOCTL_SEND, response)
    except OSError as failure:
        if failure.errno != errno.ENOENT:
            raise


def lend(listener: int, notification: Notification, lent: gpu.Loan) -> None:
    """Open a file in the guest's stead: its call returns a descriptor, or fails as the supervisor's open did."""
    try:
        descriptor = gpu.open_loan(lent)
    except OSError as failure:
        answer(listener, notification, failure.errno or errno.EACCES)
        return
    try:
        added = _ADDED.pack(notification.cookie, _ADD_AND_SEND, descriptor, 0, os.O_CLOEXEC)
        fcntl.ioctl(listener, _IOCTL_ADD_DESCRIPTOR, added)
    except OSError as failure:
        if failure.errno != errno.ENOENT:  # else the caller is gone
            answer(listener, notification, failure.errno)
    finally:
        os.close(descriptor)

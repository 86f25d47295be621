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

from assay.sandbox.calls import Calls, calls
from assay.sandbox.seccomp import Program, instruction

_SET_MODE_FILTER, _FLAG_NEW_LISTENER = 1, 1 << 3
_IOCTL_RECV, _IOCTL_SEND = 0xC0502100, 0xC0182101
_CONTINUE = 1  # SECCOMP_USER_NOTIF_FLAG_CONTINUE
_NOTIFICATION = struct.Struct("=QIIiIQ6Q")  # struct seccomp_notif
_RESPONSE = struct.Struct("=QqiI")  # struct seccomp_notif_resp

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


def program(table: Calls) -> bytes:
    """The filter as an array of `struct sock_filter`."""
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
            instruction(_RET, _NOTIFY),
        ],
    )
    out += _judged(numbers["socket"], [_argument(0), *_one_of(_DOMAINS, _ALLOW, _NOTIFY)])
    # sendto without an address is send: low and high half of the pointer must be zero
    out += _judged(
        numbers["sendto"],
        [
            _argument(4),
            instruction(_JEQ, 0, 1, 0),
            instruction(_RET, _NOTIFY),
            instruction(_LD, _OFF_ARGS + 8 * 4 + 4),
            *_one_of((0,), _ALLOW, _NOTIFY),
        ],
    )
    out += _judged(numbers["prctl"], [_argument(0), *_one_of(_PRCTL_REFUSED, _NOTIFY, _ALLOW)])
    out += _judged(numbers["prlimit64"], [_argument(0), *_one_of((0,), _ALLOW, _NOTIFY)])
    out += _judged(numbers["ioctl"], [_argument(1), *_one_of(_IOCTL_REFUSED, _NOTIFY, _ALLOW)])
    special = {numbers[name] for name in ("clone", "socket", "sendto", "prctl", "prlimit64", "ioctl")}
    for notified in table.notify:
        if notified not in special:
            out += [instruction(_JEQ, notified, 0, 1), instruction(_RET, _NOTIFY)]
    out.append(instruction(_RET, _ERRNO | errno.EPERM))
    return b"".join(out)


def install() -> tuple[int, str]:
    """Install the filter for the calling thread, for good. no_new_privs must be set.

    Returns:
        The listening descriptor and an empty string; or -1 and why there is no filter.
    """
    table = calls()
    if table is None:
        return -1, f"no filter for processor {os.uname().machine}"
    code = program(table)
    buffer = ctypes.create_string_buffer(code, len(code))
    prog = Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    libc = ctypes.CDLL(None, use_errno=True)
    listener = libc.syscall(
        ctypes.c_long(table.numbers["seccomp"]), _SET_MODE_FILTER, _FLAG_NEW_LISTENER, ctypes.byref(prog)
    )
    if listener < 0:
        return -1, f"the kernel refused the filter: {os.strerror(ctypes.get_errno())}"
    return int(listener), ""


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

"""Judge and record what a guest of gVisor tried, from the trace of its kernel.

A call is already on its way when its line is read: nothing is let through or refused here. gVisor has no host to show,
no network and no privilege to give; the supervisor ends a guest that forks too often.
"""

from __future__ import annotations

import posixpath
import socket
from typing import TYPE_CHECKING

from assay.sandbox import strace
from assay.sandbox.recorder import BY_DESCRIPTOR, DNS_PORT, MAX_FORKS, PATH_ARGUMENTS, SECOND_PATH, Recorder

if TYPE_CHECKING:
    from assay.sandbox.calls import Calls
    from assay.sandbox.strace import Traced

_MAX_TEXT = 1000
_FAMILIES = ("AF_UNIX", "AF_INET", "AF_INET6")
_ARGUMENTS = {  # how many a call that changes files has
    "unlink": 1, "unlinkat": 3, "rmdir": 1, "rename": 2, "renameat": 4, "renameat2": 5, "link": 2, "linkat": 5,
    "symlink": 2, "symlinkat": 3, "mkdir": 2, "mkdirat": 3, "mknod": 3, "mknodat": 4, "chmod": 2, "fchmod": 2,
    "fchmodat": 3, "chown": 3, "lchown": 3, "fchown": 3, "fchownat": 5, "truncate": 2, "setxattr": 5, "lsetxattr": 5,
    "fsetxattr": 5, "removexattr": 2, "lremovexattr": 2, "fremovexattr": 2, "utime": 2, "utimes": 2, "utimensat": 4,
    "futimesat": 3,
}  # fmt: skip


class TraceRecorder(Recorder):
    """What one session in gVisor tried.

    Attributes:
        too_many: whether it forked more often than any load does.
    """

    def __init__(self, table: Calls, given: tuple[str, ...], writable: tuple[str, ...]) -> None:
        super().__init__(table, given, writable)
        self._groups = dict(table.notify.values())
        self.too_many = False

    def trace(self, call: Traced) -> None:
        """Record a call that begins."""
        name = call.name
        match self._groups.get(name, "fork" if name == "clone3" else "escape"):
            case "open":
                self._traced_open(call)
            case "change":
                self._traced_change(call)
            case "network":
                self._traced_network(call)
            case "exec":
                path, arguments = strace.program(call)
                self.add("exec", path, call.thread, arguments=arguments[:64])
            case "fork":
                self._traced_fork(call)
            case _:
                self.add("escape", name, call.thread, arguments=[call.arguments[:_MAX_TEXT]])

    def _traced_open(self, call: Traced) -> None:
        what = strace.opened(call)
        if not what.certain:
            kind = "write" if what.writing else "read"
            self.add(kind, what.path, call.thread, call=call.name, arguments=call.arguments[:_MAX_TEXT])
            return
        self.opened(call.name, _absolute(what.base, what.path), call.thread, writing=what.writing)

    def _traced_change(self, call: Traced) -> None:
        name = call.name
        parts = strace.texts(call, _ARGUMENTS.get(name, 0))
        if parts is None:
            self.add("change", call.arguments[:_MAX_TEXT], call.thread, call=name)
            return
        index = 0 if name in BY_DESCRIPTOR else PATH_ARGUMENTS.get(name, 0)
        path = parts[index]
        if not name.startswith("symlink"):
            path = _absolute(parts[index - 1] if index else "", path)
        second = ""
        if (position := SECOND_PATH.get(name)) is not None:
            base = parts[position - 1] if name.endswith(("at", "at2")) else ""
            second = _absolute(base, parts[position])
        self.changed(name, path, second, call.thread)

    def _traced_network(self, call: Traced) -> None:
        if call.name == "socket":
            family = call.arguments.partition(",")[0]
            if family not in _FAMILIES:
                number = getattr(socket, family, family)
                shown = int(number) if isinstance(number, int) else number
                self.add("connect", f"socket of family {shown}", call.thread, call="socket")
            return
        if call.name == "listen":
            return  # what it was bound to was recorded
        text, port = strace.address(call)
        if call.name == "sendto" and not text:
            return  # send: what is connected was recorded
        if text == "unix:/var/run/nscd/socket":
            return  # the C library asks for a name service of its own accord
        if not text:
            connected = "name=0x0," in call.arguments or "name=null," in call.arguments
            text = "connected socket" if connected else "an address that the trace does not tell"
        kind = call.name if call.name in {"connect", "bind"} else "send"
        self.add("dns" if port == DNS_PORT else kind, text, call.thread, call=call.name)

    def _traced_fork(self, call: Traced) -> None:
        if "CLONE_THREAD" in call.arguments:
            return
        self.add("fork", call.name, call.thread)
        self._forks += 1
        self.too_many |= self._forks > MAX_FORKS


def _absolute(base: str, path: str) -> str:
    if not path.startswith("/"):
        path = f"{base or '?'}/{path}"
    return posixpath.normpath("/" + path.lstrip("/")) if path.startswith("/") else path

"""Judge and record what a guest tried, one stopped system call after the other.

This is for observing. What keeps the guest in is its namespaces, Landlock and the filter's refusals: a call that is let
through here (an open inside what was given) is bound by those, even when another thread changes its path meanwhile.
"""

from __future__ import annotations

import errno
import os
import posixpath
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.sandbox.calls import NEW_NAMESPACES
from assay.sandbox.memory import Memory, address_text, dns_name

if TYPE_CHECKING:
    from assay.sandbox.calls import Calls
    from assay.sandbox.gpu import Loan
    from assay.sandbox.notify import Notification

    Verdict = int | Loan | None

MAX_ATTEMPTS = 1000  # kept of one session; the rest is counted
MAX_FORKS = 8  # let through, so that the program that the child starts is seen; far below any harm
DNS_PORT = 53
_AT_FDCWD = 0xFFFFFF9C
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_ENVIRON = re.compile(r"/proc/(self|thread-self|\d+)(/task/\d+)?/environ")
# What the C library and the frameworks look for on their own; none of it is there in a guest.
_QUIET = re.compile(
    r"/etc/(ld\.so\.(cache|preload)|localtime|nsswitch\.conf|resolv\.conf|hosts?|host\.conf|gai\.conf|services|"
    r"timezone|mime\.types|httpd/.*|ssl/openssl\.cnf|os-release|debian_version)|/usr/share/zoneinfo.*|"
    r"/usr/local/etc/mime\.types|/usr/local/lib/?.*|/usr/lib/?.*|/lib64/.*|/lib/.*|"
    r"/dev/(null|zero|u?random)|/sys/devices/system/(cpu|node).*|/sys/fs/cgroup.*|/sys/kernel/mm/transparent_hugepage.*|"
    r"/proc/(cpuinfo|meminfo|mounts|stat|filesystems|version|sys/vm/.*|sys/kernel/(osrelease|ngroups_max|random/boot_id)|"
    r"(self|thread-self|\d+)/(maps|status|stat|statm|cgroup|mountinfo|mounts|task.*|comm|cmdline|fd))"
)
_QUIET_WRITE = re.compile(r"/dev/shm/sem\.\w+")  # a progress bar's lock  # noqa: S108 - a path inside the guest
PATH_ARGUMENTS = {  # index of the path argument of calls that change files; with a directory descriptor before it
    "unlinkat": 1, "renameat": 1, "renameat2": 1, "linkat": 1, "mkdirat": 1, "mknodat": 1, "fchmodat": 1,
    "fchmodat2": 1, "fchownat": 1, "utimensat": 1, "futimesat": 1,
}  # fmt: skip
SECOND_PATH = {"rename": 1, "link": 1, "symlink": 1, "renameat": 3, "renameat2": 3, "linkat": 3, "symlinkat": 2}
BY_DESCRIPTOR = frozenset({"fchmod", "fchown", "fsetxattr", "fremovexattr"})


@dataclass(frozen=True)
class Attempt:
    """Something that the guest tried and that was refused (or, for `fork`, let through and counted).

    Attributes:
        kind: `connect`, `bind`, `send`, `dns`, `exec`, `fork`, `read`, `write`, `change`, `environment`, `escape`, or
            an audit event of Python (`python`).
        target: address, path, name or system call, as text of the guest's choosing.
        at: seconds since the session began.
        pid: of the caller, as numbered outside; 0 for what Python told.
        detail: JSON-compatible.
    """

    kind: str
    target: str
    at: float
    pid: int = 0
    detail: dict[str, Any] = field(default_factory=dict)


class Recorder:
    """What one session tried.

    Args:
        table: numbers and groups of the filter.
        given: paths that may be read.
        writable: paths under which files may be written.
    """

    def __init__(self, table: Calls, given: tuple[str, ...], writable: tuple[str, ...]) -> None:
        self._table = table
        self._given = (*given, *writable)
        self._above = {str(above) for path in self._given for above in Path(path).parents} - {"/"}
        self._writable = writable
        self._begun = time.monotonic()
        self._forks = 0
        self._kept = 0
        self.attempts: list[Attempt] = []
        self.counts: Counter[str] = Counter()

    def add(self, kind: str, target: str, pid: int = 0, **detail: Any) -> None:
        """Keep an attempt; count it when there are too many."""
        self.counts[kind] += 1
        self._kept += 1
        if self._kept <= MAX_ATTEMPTS:
            at = round(time.monotonic() - self._begun, 6)
            self.attempts.append(Attempt(kind, target[:4096], at, pid, detail))

    def begin(self) -> None:
        """The layers are attacked; what comes now is the worker's."""

    def take(self) -> list[Attempt]:
        """The attempts since the last time."""
        taken, self.attempts = self.attempts, []
        return taken

    def judge(self, call: Notification) -> Verdict:
        """Record a call and say how it ends: None lets it run, else an errno (0: it seems done), or a file to lend."""
        name, group = self._table.notify.get(call.number, (f"call {call.number}", "escape"))
        memory = Memory(call.pid)
        try:
            match group:
                case "open":
                    return self._open(name, call, memory)
                case "change":
                    return self._change(name, call, memory)
                case "network":
                    return self._network(name, call, memory)
                case "exec":
                    index = 1 if name == "execveat" else 0
                    arguments = memory.strings(call.arguments[index + 1])
                    self.add("exec", memory.string(call.arguments[index]), call.pid, arguments=arguments)
                    return errno.EACCES
                case "fork":
                    return self._fork(name, call)
                case _:
                    self.add("escape", name, call.pid, arguments=[hex(a) for a in call.arguments[:3]])
                    return errno.EPERM
        finally:
            memory.close()

    def _fork(self, name: str, call: Notification) -> int | None:
        """Let a few through; none with namespaces of its own, in which it would have every capability."""
        if name == "clone" and call.arguments[0] & NEW_NAMESPACES:
            self.add("escape", name, call.pid, arguments=[hex(call.arguments[0])])
            return errno.EPERM
        self._forks += 1
        self.add("fork", name, call.pid)
        return None if self._forks <= MAX_FORKS else errno.EAGAIN

    # --- files ----------------------------------------------------------------------------------------------------

    def _path(self, call: Notification, directory: int | None, text: str) -> str:
        """Absolute, without `.` and `..`; symbolic links are not followed (a guest can't make any)."""
        if not text.startswith("/"):
            link = "cwd" if directory is None or directory & 0xFFFFFFFF == _AT_FDCWD else f"fd/{directory & 0xFFFFFFFF}"
            try:
                base = str(Path(f"/proc/{call.pid}/{link}").readlink())
            except OSError:
                base = "?"
            text = f"{base}/{text}"
        return posixpath.normpath("/" + text.lstrip("/")) if text.startswith("/") else text

    def _open(self, name: str, call: Notification, memory: Memory) -> int | None:
        path, writing = self.asked(name, call, memory)
        return self.opened(name, path, call.pid, writing=writing)

    def asked(self, name: str, call: Notification, memory: Memory) -> tuple[str, bool]:
        """What an open asks for: an absolute path, and whether to write."""
        at = name in {"openat", "openat2"}
        path = self._path(call, call.arguments[0] if at else None, memory.string(call.arguments[1 if at else 0]))
        flags = call.arguments[2 if at else 1]
        if name == "creat":
            flags = _WRITING
        elif name == "openat2":
            flags = memory.number(call.arguments[2])
        return path, bool(flags & _WRITING and not flags & os.O_PATH)

    def opened(self, name: str, path: str, pid: int, *, writing: bool) -> int | None:
        """Judge an open of an absolute path."""
        if writing:
            if path == "/dev/null" or _inside(path, self._writable):
                return None
            if not _QUIET_WRITE.fullmatch(path):
                self.add("write", path, pid, call=name)
            return errno.EACCES
        if _inside(path, self._given) or path in self._above:  # those hold nothing but the way to what was given
            return None
        if _ENVIRON.fullmatch(path):
            self.add("environment", path, pid, call=name)
            return errno.EACCES
        if _QUIET.fullmatch(path):
            return None if path.startswith("/dev/") else errno.ENOENT
        self.add("read", path, pid, call=name)
        return errno.EACCES

    def _change(self, name: str, call: Notification, memory: Memory) -> int | None:
        if name in BY_DESCRIPTOR:
            path = self._path(call, call.arguments[0], ".")
        else:
            index = PATH_ARGUMENTS.get(name, 0)
            directory = call.arguments[index - 1] if index else None
            path = memory.string(call.arguments[index])
            if not path:
                return errno.ENOENT  # as the kernel says
            if not name.startswith("symlink"):  # its first path is only text
                path = self._path(call, directory, path)
        second = ""
        if (position := SECOND_PATH.get(name)) is not None:
            directory = call.arguments[position - 1] if name.endswith(("at", "at2")) else None
            second = self._path(call, directory, memory.string(call.arguments[position]))
        return self.changed(name, path, second, call.pid)

    def changed(self, name: str, path: str, second: str, pid: int) -> int | None:
        """Judge a change of files, of absolute paths."""
        linking = name.startswith(("link", "symlink", "mknod"))
        if not linking and _inside(path, self._writable) and (not second or _inside(second, self._writable)):
            return None
        if name in {"mkdir", "mkdirat"} and (_inside(path, self._given) or path in self._above):
            return errno.EEXIST  # "make it unless it is there", of a folder that was given, or on the way to one
        self.add("change", path, pid, call=name, **({"to": second} if second else {}))
        return errno.EACCES

    # --- network --------------------------------------------------------------------------------------------------

    def _network(self, name: str, call: Notification, memory: Memory) -> int:
        if name == "socket":
            self.add("connect", f"socket of family {call.arguments[0]}", call.pid, call=name)
            return errno.EAFNOSUPPORT
        if name == "listen":  # on nothing: what it would be bound to was refused, and recorded
            return errno.EACCES
        if name in {"connect", "bind"}:
            text, port = address_text(memory.read(call.arguments[1], min(call.arguments[2], 128)))
            if text == "unix:/var/run/nscd/socket":
                return errno.ENOENT  # the C library asks for a name service of its own accord
            if name == "connect" and port == DNS_PORT:
                self.add("dns", text, call.pid, call=name)
                return 0  # it seems connected, so that the question is asked and can be recorded
            self.add(name, text, call.pid, call=name)
            return errno.ENETUNREACH if name == "connect" else errno.EACCES
        if name == "sendto":
            size = min(call.arguments[2], 1024)
            address = memory.read(call.arguments[4], min(call.arguments[5], 128))
            messages = [(address, memory.read(call.arguments[1], size))]
        else:
            messages = memory.messages(call.arguments[1], call.arguments[2], many=name == "sendmmsg")
        for address, payload in messages:
            text, port = address_text(address) if address else ("connected socket", 0)
            asked = dns_name(payload) if port in {0, DNS_PORT} else ""
            if asked:
                self.add("dns", asked, call.pid, call=name, server=text)
            else:
                self.add("send", text, call.pid, call=name, bytes=len(payload))
        return errno.ENETUNREACH


def _inside(path: str, roots: tuple[str, ...]) -> bool:
    return any(path == root or path.startswith(f"{root.rstrip('/')}/") for root in roots)

"""What a guest's Python code does, by meaning: audit events and environment reads, told before they happen.

Hostile code shares the process, so it can keep later events from being told; what it then does is still seen by the
system calls (`notify.py`). Events of the frameworks themselves are no news: an event counts when foreign code, or an
unpickler directly, is behind it.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

Report = Callable[[dict[str, Any]], None]

MAX_EVENTS = 500  # of one worker
_MAX_TEXT = 300
_MAX_FRAMES = 60

ACTS = frozenset({
    "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "pty.spawn", "subprocess.Popen",
    "socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname",
    "socket.gethostbyaddr", "socket.getnameinfo", "socket.sethostname", "urllib.Request", "http.client.connect",
    "ftplib.connect", "smtplib.connect", "poplib.connect", "imaplib.open", "telnetlib.Telnet.open", "nntplib.connect",
    "webbrowser.open", "os.kill", "signal.pthread_kill", "syslog.syslog", "sqlite3.connect",
})  # fmt: skip
CODE = frozenset({
    "exec", "compile", "marshal.loads", "code.__new__", "function.__new__", "import", "ctypes.dlopen", "ctypes.dlsym",
    "ctypes.call_function", "ctypes.cdata", "ctypes.string_at", "ctypes.addressof", "sys.settrace", "sys.setprofile",
    "sys.addaudithook", "sys._getframe", "gc.get_objects", "gc.get_referrers", "os.putenv", "os.unsetenv",
})  # fmt: skip
# Those of CODE that frameworks cause in great number: told only when foreign code itself stands behind them.
_FOREIGN_ONLY = frozenset({"sys._getframe", "gc.get_objects", "gc.get_referrers", "os.putenv", "os.unsetenv"})
_UNPICKLERS = ("/pickle.py", "/torch/serialization.py", "/joblib/numpy_pickle.py", "/joblib/numpy_pickle_utils.py",
               "/numpy/lib/_npyio_impl.py", "/numpy/lib/npyio.py", "/numpy/lib/format.py", "/numpy/lib/_format_impl.py",
               "/torch/_weights_only_unpickler.py", "/workers/loader.py")  # fmt: skip
_FIND_CLASS = "pickle.find_class"


class Watch:
    """Audit hook of one worker. There is no way to take it off.

    Args:
        report: told each event as `{"event", "arguments", "by"}`; events of one kind and text are told once.
        end: file name of the worker module: frames below it are ours.
    """

    def __init__(self, report: Report, end: str) -> None:
        self._report = report
        self._end = end
        paths = (sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
        self._trusted = tuple({f"{os.path.realpath(path)}/" for path in paths} | {f"{end.rpartition('/')[0]}/"})
        self._told: set[tuple[str, str]] = set()
        self._busy = False
        self.active = False

    def start(self) -> None:
        """Add the hook and watch `os.environ`."""
        sys.addaudithook(self._hook)
        watch = self

        class Environ(os.environ.__class__):  # type: ignore[name-defined, misc]
            """`os.environ` that tells who reads it."""

            def __getitem__(self, key: str) -> str:
                watch.environment(key)
                return str(super().__getitem__(key))

            def __iter__(self) -> Any:
                watch.environment("*")
                return super().__iter__()

        os.environ.__class__ = Environ

    def environment(self, key: str) -> None:
        """Tell a read of the environment when foreign code makes it."""
        if self.active and not self._busy:
            self._busy = True
            try:
                by = self._behind(sys._getframe(2), unpickler=False)  # noqa: SLF001 - the frame is the point
                if by:
                    self._tell("environment", key, by)
            finally:
                self._busy = False

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.active or self._busy:
            return
        if event not in ACTS and event not in CODE and event != _FIND_CLASS:
            return
        self._busy = True
        try:
            frame = sys._getframe(1)  # noqa: SLF001 - the frame is the point
            if event == _FIND_CLASS:
                self._tell(event, f"{arguments[0]} {arguments[1]}", "")
            elif event in ACTS:
                self._tell(event, _text(arguments), self._behind(frame, unpickler=True) or "framework")
            elif event == "import":
                if by := self._behind(frame, unpickler=False):
                    self._tell(event, _text(arguments[:1]), by)
            elif not frame.f_code.co_filename.startswith("<frozen ") and (
                by := self._behind(frame, unpickler=event not in _FOREIGN_ONLY)
            ):  # what importing a module does with its file is told as the import
                self._tell(event, _text(arguments), by)
        finally:
            self._busy = False

    def _is_trusted(self, name: str) -> bool:
        return name.startswith(("<frozen ", *self._trusted)) or os.path.realpath(name).startswith(self._trusted)

    def _behind(self, frame: FrameType | None, *, unpickler: bool) -> str:
        """Who is behind an event: a foreign frame, or an unpickler as the direct caller; empty for the frameworks."""
        if unpickler and frame is not None and frame.f_code.co_filename.endswith(_UNPICKLERS):
            return "unpickler"
        for _ in range(_MAX_FRAMES):
            if frame is None or frame.f_code.co_filename == self._end:
                return ""
            name = frame.f_code.co_filename
            if not self._is_trusted(name) and not self._generated(frame):
                return name[:_MAX_TEXT]
            frame = frame.f_back
        return ""

    def _generated(self, frame: FrameType) -> bool:
        """Code that a framework wrote as text (dataclasses, named tuples): a function in a trusted module."""
        inside = frame.f_globals.get("__file__")
        return (
            frame.f_code.co_filename.startswith("<")
            and frame.f_code.co_name not in {"<module>", "<lambda>"}
            and isinstance(inside, str)
            and self._is_trusted(inside)
        )

    def _tell(self, event: str, text: str, by: str) -> None:
        if (event, text) in self._told or len(self._told) >= MAX_EVENTS:
            return
        self._told.add((event, text))
        self._report({"event": event, "arguments": text, "by": by})


def _text(arguments: tuple[Any, ...]) -> str:
    """Arguments for people. Only plain values are shown: the `repr` of a foreign object is foreign code."""
    return ", ".join(_plain(item) for item in arguments)[:_MAX_TEXT]


def _plain(item: Any) -> str:
    if type(item) in {str, bytes, int, float, bool, type(None)}:
        return repr(item[:_MAX_TEXT]) if isinstance(item, (str, bytes)) else repr(item)
    if type(item) in {list, tuple}:
        return f"[{', '.join(_plain(one) for one in item[:20])}]"
    if type(item) is type(_plain.__code__):
        return f"<code {item.co_name} from {item.co_filename}>"
    return f"<{type(item).__name__}>"

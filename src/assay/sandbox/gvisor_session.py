"""One session of a guest in gVisor, from outside: the channel is its standard input, the record its kernel's trace."""

from __future__ import annotations

import os
import select
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.errors import SandboxError
from assay.sandbox import channel as wire
from assay.sandbox import strace
from assay.sandbox.session import MAX_NOTIFICATIONS, Session
from assay.sandbox.trace_recorder import TraceRecorder

if TYPE_CHECKING:
    import socket

    from assay.sandbox.calls import Calls

_CHUNK = 64 << 10


class Trace:
    """The pipe that gVisor writes its log into. A full pipe stops the guest: nothing piles up on the disk.

    Args:
        path: of the named pipe; opened before the writer does.
    """

    def __init__(self, path: str) -> None:
        self.descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._begun = b""

    def read(self) -> list[bytes] | None:
        """Whole lines that are there now; None at the end, or when a line is too long to be one."""
        try:
            data = os.read(self.descriptor, _CHUNK)
        except BlockingIOError:
            return []
        *lines, self._begun = (self._begun + data).split(b"\n")
        return None if not data or len(self._begun) > strace.MAX_LINE else lines

    def skip(self) -> bool:
        """Throw away what is there; False when nothing is."""
        self._begun = b""
        try:
            return bool(os.read(self.descriptor, _CHUNK))
        except BlockingIOError:
            return False

    def close(self) -> None:
        """Let go of it."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


@dataclass(frozen=True)
class Ends:
    """What leads to a guest in gVisor.

    Attributes:
        channel: for tasks and answers.
        printed: the end of a pipe that holds what it prints.
        trace: what its kernel tells.
    """

    channel: socket.socket
    printed: int
    trace: Trace


@dataclass(frozen=True)
class Paths:
    """Paths that a guest may use.

    Attributes:
        given: to read.
        writable: to write under.
    """

    given: tuple[str, ...]
    writable: tuple[str, ...]


class GvisorSession(Session):
    """A worker in gVisor for one model. Made by `GvisorGuest.session`.

    Args:
        ends: what leads to it.
        planted: what the self-test attacks.
        paths: that it may use.
        output_bytes: what it may print.
    """

    _attack_seen = "mount"

    def __init__(self, ends: Ends, planted: dict[str, Any], paths: Paths, output_bytes: int) -> None:
        self._given_ends = ends
        self._trace = ends.trace
        super().__init__(ends.channel, planted, paths.given, paths.writable, output_bytes)
        self._listener = ends.trace.descriptor

    def end(self) -> bool:
        """False: the guest ends with its only session, by its runtime."""
        self._listener = -1
        return False

    def _make_recorder(self, table: Calls, given: tuple[str, ...], writable: tuple[str, ...]) -> TraceRecorder:
        self._traced = TraceRecorder(table, given, writable)
        return self._traced

    def _open_ends(self) -> None:
        self._channel, self._printed = self._given_ends.channel, self._given_ends.printed

    def _hand_over(self) -> None:
        while self._trace.skip():
            pass  # of the imports: before there was a model
        wire.send(self._channel, self._planted)

    def _answer_all(self) -> None:
        """Everything that was traced before the worker spoke: gVisor writes a line before it makes the call."""
        while not self.ended and self._listener >= 0 and self._take() > 0:
            pass

    def _answer(self, ready: int) -> None:
        if not ready & select.POLLIN:
            self._listener = -1  # nobody writes any more
            return
        self._take()

    def _take(self) -> int:
        """Record what is in the pipe; how many lines that was."""
        lines = self._trace.read()
        if lines is None:
            self._listener = -1
            if not self.ended:
                self.ended = "worker"
            return 0
        for line in lines:
            try:
                call = strace.read_line(line)
            except (ValueError, RecursionError):
                self.ended = "flood"  # no line of gVisor's: what it says can't be relied on
                return 0
            if call is None:
                continue
            self._notifications += 1
            self._traced.trace(call)
            if self._notifications > MAX_NOTIFICATIONS or (self._traced.too_many and self.layers):
                self.ended = "flood"
                return 0
        return len(lines)


def wait_for(control: socket.socket, trace: Trace, seconds: float) -> tuple[dict[str, Any], list[int]] | None:
    """The next message of the guest, while its trace is thrown away (OSError when it takes too long).

    Raises:
        SandboxError: a broken message.
        OSError: the time is up, or the guest is gone.
    """
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        poll = select.poll()
        poll.register(control.fileno(), select.POLLIN)
        poll.register(trace.descriptor, select.POLLIN)
        ready = dict(poll.poll(left * 1000))
        if control.fileno() in ready:
            return wire.receive(control)
        if ready.get(trace.descriptor, 0) & select.POLLIN:
            trace.skip()
        elif ready.get(trace.descriptor):  # gVisor has ended: so will the channel
            control.settimeout(1)
            return wire.receive(control)
    raise SandboxError("the guest does not start: timed out", hint="a longer time, or a machine with less to do")

"""The inspector's side of the tracing child: start it late, feed it, survive its end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Self

from assay.core.errors import SandboxError
from assay.formats.pickle import wire
from assay.formats.pickle.events import Event, Trace

if TYPE_CHECKING:
    from assay.core.limits import Limits

_WORKER = "assay.workers.tracer"
# Without `site`: quicker, and no .pth file of the installation runs in the child. Its one path is that of this package.
_START = "import sys; sys.path.append(sys.argv.pop(1)); from assay.sandbox.confine import main; main(sys.argv[1:])"
_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120
_INTERPRETER_BYTES = 256 << 20  # address space, at most: a hard limit of the child, beside that for a pickle
_ROOM_BYTES = 16 << 20  # of what the child may grow by: small pickles, one message
MEMORY_FACTOR = 6  # times the size of the pickle, of what the child may grow by beyond that
_TOTAL_CPU_SECONDS = 3600  # hard limit of one child; each pickle has a soft one
_START_SECONDS = 60  # wall time until the child says what confines it, on a busy machine
_WALL_FACTOR = 3  # wall seconds per allowed CPU second
_ENDINGS = {
    -signal.SIGXCPU: "CPU limit of the tracing child",
    -signal.SIGKILL: "the tracing child was killed",
    -signal.SIGSEGV: "the unpickler itself crashed",
    -signal.SIGSYS: "the tracing child attempted a forbidden system call",
}


class Tracer:
    """One tracing child for one snapshot; restarted when a pickle kills it.

    Args:
        limits: `pickle_memory_bytes`, `pickle_cpu_seconds`, `pickle_events`.
        quiet: `module name` of callables that need no listing after the first few calls.
    """

    def __init__(self, limits: Limits, quiet: frozenset[str] = frozenset()) -> None:
        self._limits = limits
        self._quiet = quiet
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self.layers: dict[str, Any] = {}
        self.restarts = 0
        self._idle = 0  # address space of the child before its first pickle
        self._owed = False  # an answer has not been collected

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the child without waiting for it.

        Raises:
            SandboxError: when no process can be started.
        """
        if self._process is not None:
            return
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        settings = {
            "memory_bytes": _INTERPRETER_BYTES + self._limits.pickle_memory_bytes,
            "cpu_seconds": _TOTAL_CPU_SECONDS,
        }
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _START, _ROOT, _WORKER, json.dumps(settings)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={},
                cwd="/",
            )
        except OSError as error:
            ours.close()
            raise SandboxError(
                f"can't start the tracing child: {error.strerror}", hint="check process limits"
            ) from error
        finally:
            theirs.close()
        ours.settimeout(_START_SECONDS)
        self._channel = ours
        self.layers = {}

    def begin(
        self,
        body: bytes = b"",
        *,
        descriptor: int | None = None,
        regions: list[tuple[int, int]] | None = None,
        pickle_bytes: int = 0,
    ) -> None:
        """Hand over one pickle: its bytes, or regions of a descriptor. `finish` must follow.

        The child may grow by `MEMORY_FACTOR` times the size of the pickle (`pickle_bytes`, else of `body`) and a bit.

        Raises:
            SandboxError: when the child can't be started or confined.
        """
        if self._owed:  # a fault in between: the old answer must not be taken for the next pickle's
            self.close()
        self.start()
        channel = self._channel
        if channel is None:
            raise SandboxError("the tracing child is not running")
        growth = min(_ROOM_BYTES + MEMORY_FACTOR * (pickle_bytes or len(body)), self._limits.pickle_memory_bytes)
        header: dict[str, Any] = {"cpu_seconds": self._limits.pickle_cpu_seconds, "memory_bytes": 0}
        if descriptor is not None:
            header["regions"] = [list(region) for region in regions or []]
        try:
            self._greet(channel)
            header["memory_bytes"] = self._idle + growth
            wire.send(channel, header, body, () if descriptor is None else (descriptor,))
            self._owed = True
        except OSError as error:
            self.close()
            raise SandboxError(f"the tracing child does not listen: {error}") from error

    def greet(self) -> None:
        """Wait until the child says what confines it."""
        if self._channel is not None:
            self._greet(self._channel)

    def _greet(self, channel: socket.socket) -> None:
        if self.layers:
            return
        message = wire.receive(channel)
        if message is None:
            self.close()
            raise SandboxError("the tracing child ended before it was ready", hint="run assay with its own interpreter")
        self.layers = message[0]["layers"]
        self._idle = self._held()
        channel.settimeout(_WALL_FACTOR * self._limits.pickle_cpu_seconds)
        wire.send(channel, {"quiet": sorted(self._quiet), "max_events": self._limits.pickle_events})

    def _held(self) -> int:
        """Bytes of the child's address space; it can't look itself."""
        pid = self._process.pid if self._process is not None else 0
        try:
            with open(f"/proc/{pid}/statm", encoding="ascii") as status:  # noqa: PTH123 - at every start
                return int(status.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, ValueError, IndexError):
            return _INTERPRETER_BYTES

    def finish(self) -> Trace:
        """Collect the reading of the pickle that was handed over; never raises for what the pickle does."""
        trace = Trace()
        channel = self._channel
        while channel is not None:
            try:
                message = wire.receive(channel)
            except TimeoutError:
                return self._lost(trace, "time limit of the tracing child")
            except (OSError, SandboxError):
                return self._lost(trace, "the tracing child broke off")
            if message is None:
                return self._lost(trace, self._cause())
            header = message[0]
            if header.get("restart"):
                trace.events.clear()
            trace.events += [Event(*item) for item in header.get("events", ())]
            if header.get("done"):
                trace.counts = header["counts"]
                trace.complete = header["complete"]
                trace.error = header["error"]
                trace.limit = header["limit"]
                trace.end = header["end"] or 0
                self._owed = False
                return trace
        return self._lost(trace, "the tracing child is not running")

    def trace(self, body: bytes) -> Trace:
        """`begin` and `finish` for bytes at hand."""
        self.begin(body)
        return self.finish()

    def _cause(self) -> str:
        """Why the child ended: a resource limit, or a crash of the unpickler itself."""
        if self._process is None:
            return "the tracing child is not running"
        try:
            status = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "the tracing child hangs"
        return _ENDINGS.get(status, f"the tracing child ended with status {status}")

    def _lost(self, trace: Trace, why: str) -> Trace:
        trace.complete, trace.error, trace.limit = False, why, True
        self.close()
        self.restarts += 1
        return trace

    def close(self) -> None:
        """End the child."""
        self._owed = False
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()

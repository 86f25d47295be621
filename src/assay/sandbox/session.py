"""One session of a guest, from outside: hand over tasks, answer its stopped system calls, keep what it tried."""

from __future__ import annotations

import contextlib
import os
import select
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assay.core.errors import SandboxError
from assay.core.escape import printable
from assay.sandbox import channel as wire
from assay.sandbox import gpu, notify
from assay.sandbox.calls import calls
from assay.sandbox.driver_recorder import DriverRecorder
from assay.sandbox.recorder import MAX_FORKS, Attempt, Recorder
from assay.sandbox.selftest import PROBE_ADDRESS, PROBE_ARGUMENT, PROBE_FILE, PROBE_PORT, PROBE_PROGRAM
from assay.sandbox.start import INSTALL_HINT

if TYPE_CHECKING:
    import socket

    from assay.sandbox.calls import Calls

MAX_MESSAGES = 4000  # of one task: the worker tells each audit event once
MAX_NOTIFICATIONS = 200_000  # of one task: a large framework opens a few thousand files
OUTPUT_KEPT = 8 << 10
_END_SECONDS = 10
_CHUNK = 64 << 10


@dataclass
class Done:
    """How a task ended.

    Attributes:
        result: what the worker says about it: the worker's word, and hostile code may have spoken through it. None when
            it ended without a word.
        ended: empty, or why the session is over: `time`, `output`, `flood`, `worker` (it died).
        attempts: what was recorded during the task, in order.
        output: the head of what it printed, safe to show.
        output_bytes: how much it printed.
        seconds: wall time.
    """

    result: dict[str, Any] | None = None
    ended: str = ""
    attempts: list[Attempt] = field(default_factory=list)
    output: str = ""
    output_bytes: int = 0
    seconds: float = 0.0


class Session:
    """A worker for one model. Made by `Guest.session`.

    Args:
        control: channel to the template.
        planted: what the self-test attacks.
        given: paths that the worker may read.
        writable: paths that it may write under.
        output_bytes: what it may print.
        driver: whether a GPU's driver runs in it, once the layers are attacked.
    """

    _attack_seen = "ptrace"

    def __init__(
        self,
        control: socket.socket,
        planted: dict[str, Any],
        given: tuple[str, ...],
        writable: tuple[str, ...],
        output_bytes: int,
        *,
        driver: bool = False,
    ) -> None:
        table = calls()
        if table is None:
            raise SandboxError(f"no filter for processor {os.uname().machine}", hint="x86_64 and aarch64 are known")
        self._control = control
        self._driver = driver
        self._planted = planted
        self._output_limit = output_bytes
        self._listener = -1
        self._open_ends()
        os.set_blocking(self._printed, False)
        self._output = b""
        self._output_bytes = 0
        self._messages = 0
        self._notifications = 0
        self.recorder = self._make_recorder(table, given, writable)
        self.layers: dict[str, bool] = {}
        self.reasons: dict[str, str] = {}
        self.ended = ""

    def begin(self, seconds: float) -> None:
        """Have the worker made and let it attack its layers.

        Raises:
            SandboxError: it broke off.
        """
        self._hand_over()
        told = self._until("layers", seconds)
        if told is None:
            raise SandboxError(f"the guest broke off before it was ready ({self.ended}): {self._shown()}")
        self.layers = {str(name): value is True for name, value in told["layers"].items()}
        self.reasons = {str(name): str(why) for name, why in told["reasons"].items()}
        self.layers["recording"] = self._saw_the_attacks(self.recorder.take())
        self.recorder.counts.clear()
        self.recorder.begin()

    def require(self, names: tuple[str, ...]) -> None:
        """Fail closed.

        Raises:
            SandboxError: names the layers that are required and not active.
        """
        missing = [name for name in names if self.layers.get(name) is not True]
        if missing:
            why = f" ({'; '.join(f'{name}: {text}' for name, text in self.reasons.items())})" if self.reasons else ""
            raise SandboxError(f"sandbox layers not active: {', '.join(missing)}{why}", hint=INSTALL_HINT)

    def task(self, task: dict[str, Any], seconds: float) -> Done:
        """Have the worker do one thing, for at most `seconds`. Never raises for what the model does."""
        done = Done()
        begun = time.monotonic()
        self._messages = self._notifications = self._output_bytes = 0
        self._output = b""
        if not self.ended:
            try:
                wire.send(self._channel, task)
            except OSError:
                self.ended = "worker"
        told = None if self.ended else self._until("result", seconds)
        self._drain()
        result = told.get("result") if told else None
        done.result = result if isinstance(result, dict) else None
        done.ended = self.ended
        done.attempts = self.recorder.take()
        done.output, done.output_bytes = self._shown(), self._output_bytes
        done.seconds = time.monotonic() - begun
        return done

    def end(self) -> bool:
        """Cut the lifeline; the template kills the worker and everything in its namespaces. True when it said so."""
        self._line.close()
        self._channel.close()
        if self._listener >= 0:
            os.close(self._listener)
            self._listener = -1
        os.close(self._printed)
        for left in (self._theirs, self._their_line):
            left.close()
        self._control.settimeout(_END_SECONDS)
        with contextlib.suppress(OSError, SandboxError):
            told = wire.receive(self._control)
            return told is not None and "ended" in told[0]
        return False

    # --- what another runtime does in another way -----------------------------------------------------------------

    def _make_recorder(self, table: Calls, given: tuple[str, ...], writable: tuple[str, ...]) -> Recorder:
        return DriverRecorder(table, given, writable) if self._driver else Recorder(table, given, writable)

    def _open_ends(self) -> None:
        self._channel, self._theirs = wire.pair()
        self._line, self._their_line = wire.pair()
        self._printed, self._their_print = os.pipe()

    def _hand_over(self) -> None:
        wire.send(self._control, self._planted, (self._theirs.fileno(), self._their_line.fileno(), self._their_print))
        self._theirs.close()
        self._their_line.close()
        os.close(self._their_print)

    # --- the loop -------------------------------------------------------------------------------------------------

    def _until(self, wanted: str, seconds: float) -> dict[str, Any] | None:
        """Serve the worker until it says `wanted`; None when the session is over, and `ended` says why."""
        deadline = time.monotonic() + seconds
        while not self.ended:
            left = deadline - time.monotonic()
            if left <= 0:
                self.ended = "time"
                break
            poll = select.poll()
            for descriptor in (self._channel.fileno(), self._printed, self._listener):
                if descriptor >= 0:
                    poll.register(descriptor, select.POLLIN)
            ready = dict(poll.poll(left * 1000))
            # What was told before a call was made comes before the call.
            if self._channel.fileno() in ready and (told := self._listen()) is not None and wanted in told:
                self._answer_all()
                return told
            if self._listener in ready and self._channel.fileno() not in ready:
                self._answer(ready[self._listener])
            if self._printed in ready:
                self._drain()
                if ready[self._printed] & select.POLLHUP and self._channel.fileno() not in ready:
                    time.sleep(0.001)  # standard output closed: the pipe stays ready for ever
        return None

    def _answer_all(self) -> None:
        """Calls of other threads and processes that wait already."""
        for _ in range(MAX_FORKS * 2):
            if self._listener < 0:
                return
            poll = select.poll()
            poll.register(self._listener, select.POLLIN)
            ready = poll.poll(0)
            if not ready or not ready[0][1] & select.POLLIN:
                return
            self._answer(select.POLLIN)

    def _answer(self, ready: int) -> None:
        if not ready & select.POLLIN:
            os.close(self._listener)  # nobody is left under the filter
            self._listener = -1
            return
        call = notify.receive(self._listener)
        if call is None:
            return
        self._notifications += 1
        if self._notifications > MAX_NOTIFICATIONS:
            self.ended = "flood"
            return
        verdict = self.recorder.judge(call)
        if isinstance(verdict, gpu.Loan):
            notify.lend(self._listener, call, verdict)
        else:
            notify.answer(self._listener, call, verdict)

    def _listen(self) -> dict[str, Any] | None:
        try:
            received = wire.receive(self._channel)
        except (OSError, SandboxError):
            received = None
        if received is None:
            self.ended = "worker"
            return None
        message, descriptors = received
        self._messages += 1
        if message.get("listener") is True and len(descriptors) == 1 and self._listener < 0 and not self.layers:
            self._listener = descriptors.pop()
        for unasked in descriptors:
            os.close(unasked)
        if self._messages > MAX_MESSAGES:
            self.ended = "flood"
        elif "broken" in message:
            self.reasons["worker"] = str(message["broken"])[:500]
            self.ended = "worker"
        elif isinstance(event := message.get("event"), str):
            text, by = str(message.get("arguments", ""))[:1000], str(message.get("by", ""))[:300]
            self.recorder.add("python", event[:100], arguments=text, by=by)
        return message

    def _drain(self) -> None:
        while True:
            try:
                data = os.read(self._printed, _CHUNK)
            except OSError:
                return
            if not data:
                return
            self._output += data[: max(0, OUTPUT_KEPT - len(self._output))]
            self._output_bytes += len(data)
            if self._output_bytes > self._output_limit:
                self.ended = "output"
                return

    def _shown(self) -> str:
        return printable(self._output.decode("utf-8", "backslashreplace"), limit=OUTPUT_KEPT)

    def _saw_the_attacks(self, attempts: list[Attempt]) -> bool:
        """The last round of the self-test, as the recorder has it: arguments included."""
        escape = self._attack_seen
        connected = any(a.kind == "connect" and a.target == f"{PROBE_ADDRESS}:{PROBE_PORT}" for a in attempts)
        executed = any(
            a.kind == "exec" and a.target == PROBE_PROGRAM and PROBE_ARGUMENT in a.detail["arguments"] for a in attempts
        )
        opened = any(a.kind == "read" and a.target == PROBE_FILE for a in attempts)
        ptraced = any(a.kind == "escape" and a.target == escape for a in attempts)
        return connected and executed and opened and ptraced

"""Start a guest, give it models, and take what it did: the supervisor's side.

A *template* (`inside.py`) imports a worker's frameworks under bubblewrap and never sees a model; a *session* is a fresh
worker forked from it, for one model. Everything that a session tries is recorded by `session.py`.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from assay.core.errors import SandboxError
from assay.core.limits import GIB, MIB
from assay.sandbox import channel as wire
from assay.sandbox.cgroups import Cgroup
from assay.sandbox.rights import GUEST_ID, Bounds, tasks_of
from assay.sandbox.selftest import NAMESPACES
from assay.sandbox.session import Session
from assay.sandbox.stage import Stage
from assay.sandbox.start import INSTALL_HINT, LOST_WITHOUT, MODEL, arrange, find_bubblewrap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

START_SECONDS = 180  # imports of frameworks from a cold disk
_ANSWER_SECONDS = 60.0  # an idle template answers in microseconds; a machine may be busy
_BY_SIGNAL = 128  # bubblewrap's exit status, as a shell's: 128 and the signal
_DRIVER_BYTES = 1 << 46  # address space with a GPU: its driver maps all memory of machine and GPU into one
_JOIN = 'while [ "$1" != -- ]; do echo 0 >"$1/cgroup.procs"; shift; done; shift; exec "$@"'

# What a load can't do without: each is what keeps something of the host away, or what tells that it was tried.
DEFAULT_REQUIRED = (
    "private_root", "read_only_root", "private_scratch", "net_namespace", "pid_namespace", "mnt_namespace",
    "ipc_namespace", "not_root", "no_capabilities", "no_new_privs", "seccomp", "recording", "rlimits",
    "empty_environment",
)  # fmt: skip


@dataclass(frozen=True)
class GuestLimits:
    """Limits of a guest.

    Attributes:
        memory_bytes: address space of a worker beyond the template's; the cgroup gets as much, and the template's.
        cpu_seconds: CPU time of a worker.
        start_seconds: wall time until the template is ready.
        processes: processes and threads.
        descriptors: open files.
        scratch_bytes: private scratch space.
        output_bytes: standard output and error; above it a session is ended.
        cpus: share of processors, in a cgroup.
    """

    memory_bytes: int = 8 * GIB
    cpu_seconds: int = 600
    start_seconds: int = START_SECONDS
    processes: int = 64
    descriptors: int = 256
    scratch_bytes: int = 64 * MIB
    output_bytes: int = 4 * MIB
    cpus: float = field(default_factory=lambda: float(os.cpu_count() or 1))


class Guest:
    """A template and its sessions. A context manager. A template that died is started again, and `restarts` says why.

    Args:
        worker: module of `assay.workers`: `preload() -> dict` and `run(task: dict) -> dict`.
        limits: of the guest.
        required: layers that must be active, or a session refuses to begin.
        nest: False makes every session a cold start.
        bubblewrap: path of bwrap; None where there is none.
        devices: nodes of a GPU that the worker may open. Its driver is more to attack than a processor: the layer
            `gpu_let_in` says so, and address space is not bounded then, since a driver reserves far more than it uses.
    """

    _own_processes = 16  # of what runs beside the worker

    def __init__(
        self,
        worker: str,
        limits: GuestLimits = GuestLimits(),
        *,
        required: tuple[str, ...] = DEFAULT_REQUIRED,
        nest: bool = True,
        bubblewrap: str | None = "",
        devices: tuple[str, ...] = (),
    ) -> None:
        self._worker = worker
        self._limits = limits
        self._required = required
        self._nest = nest
        self._devices = devices
        self._bubblewrap = find_bubblewrap() if bubblewrap == "" else bubblewrap
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._stage: Stage | None = None
        self._cgroup = Cgroup()
        self._writable: tuple[str, ...] = ()
        self.given: tuple[str, ...] = ()
        self.frameworks: dict[str, str] = {}
        self.nested = False
        self.why_not_nested = ""
        self.restarts: list[str] = []
        self.keeper: Callable[[Guest], bool] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def model_root(self) -> str:
        """Where a session finds its model."""
        return MODEL if self._bubblewrap or self._stage is None else str(self._stage.root)

    @property
    def lost(self) -> str:
        """What is lost for want of bubblewrap, in a sentence; empty with it."""
        return "" if self._bubblewrap else LOST_WITHOUT

    def start(self) -> None:
        """Start the template and wait until it has its frameworks.

        Raises:
            SandboxError: it does not start; bubblewrap is missing and a required layer hangs on it.
        """
        if self._process is not None:
            if self._answers():
                return
            self.restarts.append(self._epitaph())
            self.end()
        self._check_runtime()
        limits = self._limits
        self._stage = Stage()
        self._cgroup = Cgroup.make(limits.memory_bytes + 2 * GIB, limits.processes + self._own_processes, limits.cpus)
        ours, theirs = wire.pair()
        try:
            self._launch(self._stage, theirs)
        except SandboxError:
            ours.close()
            self.end()
            raise
        finally:
            theirs.close()
        self._control = ours
        try:
            self._greet(ours)
        except SandboxError:
            self.end()
            raise

    def _check_runtime(self) -> None:
        if not self._bubblewrap and "private_root" in self._required:
            raise SandboxError(f"bubblewrap is not installed; {LOST_WITHOUT}", hint=INSTALL_HINT)

    def _bounds(self) -> Bounds:
        limits = self._limits
        return Bounds(
            _DRIVER_BYTES if self._devices else limits.memory_bytes, limits.cpu_seconds, limits.descriptors,
            limits.processes + tasks_of(GUEST_ID if os.getuid() == 0 else os.getuid()),
            limits.scratch_bytes, limits.scratch_bytes,
        )  # fmt: skip

    def _launch(self, stage: Stage, theirs: socket.socket) -> None:
        """Start the program inside, whose control channel is `theirs`."""
        settings = {
            "worker": self._worker, "control": theirs.fileno(), "bounds": asdict(self._bounds()), "nest": self._nest,
            "devices": self._devices,
        }  # fmt: skip
        start = arrange(settings, stage.root, self._limits.scratch_bytes, self._bubblewrap)
        self.given, self._writable = start.given, start.writable
        self._spawn(start.command, pass_fds=(theirs.fileno(),))

    def _spawn(self, command: list[str], **descriptors: Any) -> None:
        """In a thread that lives as long as the guest does.

        bubblewrap dies with the *thread* that started it (PR_SET_PDEATHSIG, prctl(2)); the caller's may end before it
        has no more use for the guest.
        """
        joined = ["/bin/sh", "-c", _JOIN, "sh", *map(str, self._cgroup.directories), "--", *command]
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the guest
        streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": self._errors, "stderr": self._errors}
        outcome: list[subprocess.Popen[bytes] | OSError] = []
        told = threading.Event()

        def keep() -> None:
            try:
                process = subprocess.Popen(joined, env={}, cwd="/", **(streams | descriptors))
            except OSError as error:
                outcome.append(error)
                told.set()
            else:
                outcome.append(process)
                told.set()
                process.wait()

        threading.Thread(target=keep, name="assay-guest", daemon=True).start()
        told.wait()
        started = outcome[0]
        if isinstance(started, OSError):
            self._errors.close()
            raise SandboxError(f"can't start a guest: {started.strerror}", hint="check process limits") from started
        self._process = started

    def _answers(self) -> bool:
        """Whether the template is there and idle."""
        if self._control is None:
            return False
        try:
            self._control.settimeout(_ANSWER_SECONDS)
            wire.send(self._control, {"ping": True})
            told = wire.receive(self._control)
        except (OSError, SandboxError):
            return False
        return told is not None and told[0] == {"pong": True}

    def _epitaph(self) -> str:
        """How the template ended, with its last words."""
        if self._process is None:
            return "the template is not running"
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        status = self._process.poll()
        how = "does not answer" if status is None else f"ended with status {status}"
        if status is not None and (status < 0 or status > _BY_SIGNAL):
            how = f"was killed by signal {-status if status < 0 else status - _BY_SIGNAL}"
        memory = "; its memory ran out" if self._cgroup.out_of_memory() else ""
        words = self._last_words()
        return f"the template {how}{memory}{f': {words}' if words else ''}"

    def _last_words(self) -> str:
        self._errors.seek(max(0, self._errors.seek(0, os.SEEK_END) - 4096))
        told = self._errors.read(4096).decode("utf-8", "backslashreplace").strip().splitlines()
        return told[-1][:500] if told else ""

    def _greeting(self, control: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
        control.settimeout(self._limits.start_seconds)
        return wire.receive(control)

    def _greet(self, control: socket.socket) -> None:
        try:
            greeting = self._greeting(control)
        except OSError as error:
            raise SandboxError(f"the guest does not start: {error}", hint=INSTALL_HINT) from error
        if greeting is None:
            why = self._last_words() or "no message"
            raise SandboxError(f"the guest ended before it was ready: {why}", hint="are user namespaces allowed?")
        message = greeting[0]
        self.frameworks = {str(name): str(version) for name, version in message["frameworks"].items()}
        self.nested, self.why_not_nested = bool(message["nested"]), str(message["why_not_nested"])

    @contextmanager
    def session(self, files: Iterable[tuple[str, BinaryIO]]) -> Iterator[Session]:
        """A fresh worker with one model.

        Args:
            files: relative paths and streams of the model.

        Raises:
            SandboxError: a required layer is not active, or the worker broke off before it was ready.
        """
        self.start()
        stage, control = self._stage, self._control
        if stage is None or control is None:
            raise SandboxError("the guest is not running")
        stage.put(files)
        with (
            _planted(stage.root, self._limits.scratch_bytes, self.given, self.model_root) as attacked,
            self._planting(attacked) as planted,
        ):
            session = self._make_session(control, planted)
            try:
                self._begin(session)
                session.layers |= {f"cgroup_{name}": name in self._cgroup.active for name in ("memory", "pids", "cpu")}
                session.layers |= {"bubblewrap": bool(self._bubblewrap)} | self._proven_outside(session.layers)
                if self._devices:
                    session.layers["gpu_let_in"] = True
                session.require(self._required)
                yield session
            finally:
                ended = session.end()
                stage.clear()
                if not self.nested or not ended:
                    self.end()

    @contextmanager
    def _planting(self, planted: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """What else there is to attack."""
        yield planted

    def _proven_outside(self, layers: dict[str, bool]) -> dict[str, bool]:  # noqa: ARG002 - for another runtime
        """Layers that the supervisor tells of, beside or in place of what was told from inside."""
        return {}

    def _make_session(self, control: socket.socket, planted: dict[str, Any]) -> Session:
        writable = (*self._writable, *self._devices)
        return Session(control, planted, self.given, writable, self._limits.output_bytes, driver=bool(self._devices))

    def _begin(self, session: Session) -> None:
        """Have the worker made; a template that died over it is told from a worker that did.

        Raises:
            SandboxError: either way.
        """
        try:
            session.begin(self._limits.start_seconds)
        except OSError as error:
            raise SandboxError(f"{self._epitaph()} ({error.strerror})", hint="try again") from error

    @property
    def reusable(self) -> bool:
        """Whether a template is there that forks a worker for each model."""
        return self.nested and self._process is not None and self._process.poll() is None and self._answers()

    def close(self) -> None:
        """No more use for it: it is ended, or kept for the next model (`warm.py`)."""
        if self.keeper is None or not self.keeper(self):
            self.end()

    def end(self) -> None:
        """End the template and everything in it."""
        if self._control is not None:
            self._control.close()
            self._control = None
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()
            self._errors.close()
        self._cgroup.remove()
        self._cgroup = Cgroup()
        if self._stage is not None:
            self._stage.remove()
            self._stage = None


@contextmanager
def _planted(stage: Path, scratch_bytes: int, given: tuple[str, ...], model: str) -> Iterator[dict[str, Any]]:
    """What the self-test attacks: a canary file, a listener on loopback and one without an address, our process."""
    name = f"assay-{secrets.token_hex(8)}"
    canary = stage.parent / "canary"
    canary.write_bytes(b"not for guests")
    with (
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as unix,
    ):
        tcp.bind(("127.0.0.1", 0))
        tcp.listen(1)
        unix.bind(f"\0{name}")
        unix.listen(1)
        yield {
            "namespaces": {one: str(Path(f"/proc/self/ns/{one}").readlink()) for one in NAMESPACES},
            "canary": str(canary),
            "tcp_port": tcp.getsockname()[1],
            "unix_name": name,
            "pid": os.getpid(),
            "read_only": ["", model, *given[:8]],
            "scratch_bytes": scratch_bytes,
        }

"""A guest in gVisor: one container for each model, from a bundle of our own."""

from __future__ import annotations

import ctypes
import os
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core.errors import SandboxError
from assay.sandbox.calls import calls
from assay.sandbox.guest import DEFAULT_REQUIRED, Guest, GuestLimits
from assay.sandbox.gvisor import LOST_IN_GVISOR, RUNSC_HINT, Bundle, find_runsc
from assay.sandbox.gvisor_session import Ends, GvisorSession, Paths, Trace, wait_for
from assay.sandbox.selftest import NAMESPACES, boot_id
from assay.sandbox.start import MODEL

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from assay.sandbox.session import Session
    from assay.sandbox.stage import Stage

_IPC_CREAT, _IPC_RMID, _ATTEMPTS = 0o1000, 0, 20


class GvisorGuest(Guest):
    """A container of gVisor, made anew for each session. A context manager.

    Args:
        worker: as of `Guest`.
        limits: of the guest.
        required: layers that must be active, or a session refuses to begin.
        runsc: path of runsc; None where there is none.
    """

    _own_processes = 256  # threads of gVisor's kernel and file server, and a stub for each process inside

    def __init__(
        self,
        worker: str,
        limits: GuestLimits = GuestLimits(),  # noqa: B008 - frozen
        *,
        required: tuple[str, ...] = DEFAULT_REQUIRED,
        runsc: str | None = "",
    ) -> None:
        super().__init__(worker, limits, required=required, nest=False, bubblewrap=None)
        self._runsc = find_runsc() if runsc == "" else runsc
        self._bundle: Bundle | None = None
        self._trace: Trace | None = None
        self._printed = -1

    @property
    def model_root(self) -> str:
        """Where a session finds its model."""
        return MODEL

    @property
    def lost(self) -> str:
        """What is lost against bubblewrap, in a sentence."""
        return LOST_IN_GVISOR

    def end(self) -> None:
        """End the container and take its bundle away."""
        super().end()
        bundle, self._bundle = self._bundle, None
        if bundle is not None:
            bundle.remove()
        if self._trace is not None:
            self._trace.close()
            self._trace = None
        if self._printed >= 0:
            os.close(self._printed)
            self._printed = -1

    def _check_runtime(self) -> None:
        if not self._runsc:
            raise SandboxError("gVisor is not installed, and the layer `runsc` is required", hint=RUNSC_HINT)

    def _launch(self, stage: Stage, theirs: socket.socket) -> None:
        table, runsc = calls(), self._runsc
        if table is None or not runsc:
            raise SandboxError(f"no trace for processor {os.uname().machine}", hint="x86_64 and aarch64 are known")
        limits = self._limits
        settings = {"worker": self._worker, "bounds": asdict(self._bounds())}
        bounds = {
            "scratch_bytes": limits.scratch_bytes, "descriptors": 4 * limits.descriptors,
            "cpu_seconds": limits.cpu_seconds, "file_bytes": limits.scratch_bytes,
        }  # fmt: skip
        self._bundle = bundle = Bundle.make(runsc, settings, stage.root, bounds)
        self.given, self._writable = bundle.given, bundle.writable
        command = bundle.command(table)
        self._trace = Trace(f"{bundle.home}/log.boot")
        self._printed, theirs_printed = os.pipe()
        try:
            self._spawn(command, stdin=theirs, stdout=theirs_printed)
        finally:
            os.close(theirs_printed)

    def _greeting(self, control: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
        if self._trace is None:
            raise SandboxError("the guest is not running")
        return wait_for(control, self._trace, self._limits.start_seconds)

    def _make_session(self, control: socket.socket, planted: dict[str, Any]) -> Session:
        if self._trace is None:
            raise SandboxError("the guest is not running")
        ends, paths = Ends(control, self._printed, self._trace), Paths(self.given, self._writable)
        return GvisorSession(ends, planted, paths, self._limits.output_bytes)

    @contextmanager
    def _planting(self, planted: dict[str, Any]) -> Iterator[dict[str, Any]]:
        told = os.uname()
        with _shared_memory() as key:
            yield planted | {"kernel": [told.release, told.version, boot_id()], "shared_memory": key}

    def _proven_outside(self, layers: dict[str, bool]) -> dict[str, bool]:
        """Whether gVisor's kernel runs in namespaces of its own on the host; it numbers processes by itself."""
        if self._bundle is None:
            return {}
        process = self._bundle.host_process()
        found = {}
        for name in NAMESPACES:
            layer = f"{name}_namespace"
            if name != "pid":
                found[layer] = layers.get(layer, True) and _own(process, name)
        return found


def _own(process: int, name: str) -> bool:
    try:
        return Path(f"/proc/{process}/ns/{name}").readlink() != Path(f"/proc/self/ns/{name}").readlink()
    except OSError:
        return False


@contextmanager
def _shared_memory() -> Iterator[int]:
    """A segment of shared memory that everybody on this machine may read, and its key; -1 where none can be made."""
    libc = ctypes.CDLL(None, use_errno=True)
    for _ in range(_ATTEMPTS):
        key = int.from_bytes(os.urandom(3), "little") + 1
        segment = libc.shmget(key, 1, _IPC_CREAT | 0o2000 | 0o444)
        if segment >= 0:
            try:
                yield key
            finally:
                libc.shmctl(segment, _IPC_RMID, None)
            return
    yield -1

"""Judge a guest in which a GPU's driver runs: what the driver does as it starts is lent or let through, unrecorded."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from assay.sandbox import gpu
from assay.sandbox.memory import Memory, address_text
from assay.sandbox.recorder import Recorder

if TYPE_CHECKING:
    from assay.sandbox.notify import Notification
    from assay.sandbox.recorder import Verdict


class DriverRecorder(Recorder):
    """What one session with a GPU tried; the driver's own calls are let through once the layers were attacked."""

    _begun_driving = False

    def begin(self) -> None:
        """From now on the driver may start."""
        self._begun_driving = True

    def judge(self, call: Notification) -> Verdict:
        """As every recorder does, but for what the driver needs (`gpu`)."""
        known, verdict = self._of_driver(call) if self._begun_driving else (False, None)
        return verdict if known else super().judge(call)

    def _of_driver(self, call: Notification) -> tuple[bool, Verdict]:
        """Whether a call is the driver's own, and how it ends then."""
        name, group = self._table.notify.get(call.number, ("", ""))
        memory = Memory(call.pid)
        try:
            if group == "open":
                path, writing = self.asked(name, call, memory)
                if (lent := gpu.loan(path, call.pid, writing=writing)) is not None:
                    return True, lent
                return gpu.looked_for(path) and path not in self._writable, errno.ENOENT
            if name in {"connect", "bind"}:
                address, _ = address_text(memory.read(call.arguments[1], min(call.arguments[2], 128)))
                if name == "bind" and gpu.own_socket(address):
                    return True, None
                return gpu.looked_for(address), errno.ENOENT
        finally:
            memory.close()
        return name in {"memfd_create", "listen"}, None  # memory that the cgroup counts; no address but that is bound

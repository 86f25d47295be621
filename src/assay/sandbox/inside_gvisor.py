"""The program inside gVisor: `python -I -B -m assay.sandbox.inside_gvisor SETTINGS`, one start for each model.

Standard input is the channel to the supervisor (a SOCK_SEQPACKET pair), standard output what the model prints. SETTINGS
is JSON: `worker` (module), `environment` (names that the start sets), `writable` and `scratch` (paths), `bounds`
(`rights.Bounds`).
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

from assay.core.errors import UsageError
from assay.sandbox import channel as wire
from assay.sandbox import notify, rights, selftest
from assay.sandbox.inside import imported, serve_tasks

_ALSO_READ_ONLY = ("/tmp", "/dev", "/dev/shm", "/sys", "/proc")  # noqa: S108 - paths inside the guest
WHY_NOT_NESTED = "a kernel of its own for each model"


def main(argv: list[str]) -> int:
    """Import the frameworks, confine, prove it, take tasks."""
    if len(argv) != 1:
        raise UsageError("usage: python -I -B -m assay.sandbox.inside_gvisor SETTINGS")
    settings = json.loads(argv[0])
    channel = _take_over()
    environ = selftest.environ_of("1") | set(os.environ)  # frameworks set some of their own later
    worker, frameworks = imported(settings["worker"])
    wire.send(channel, {"frameworks": frameworks, "nested": False, "why_not_nested": WHY_NOT_NESTED})
    while (received := wire.receive(channel)) is not None:
        message = received[0]
        if "ping" in message:
            wire.send(channel, {"pong": True})
            continue
        os.dup2(1, 2)  # from here on everything that is printed is the model's
        layers, reasons = _confine(settings, message, environ)
        return serve_tasks(channel, worker, layers, reasons)
    return 0


def _take_over() -> socket.socket:
    """The channel under another number, and nothing to read in its place."""
    moved = os.dup(0)
    nothing = os.open("/dev/null", os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=moved)


def _confine(
    settings: dict[str, Any], planted: dict[str, Any], environ: set[str]
) -> tuple[dict[str, bool], dict[str, str]]:
    """Give up what is left, and attack each layer."""
    reasons: dict[str, str] = {}
    process = os.open("/proc/self", os.O_RDONLY | os.O_DIRECTORY)
    planted = planted | {"read_only": [*planted["read_only"], *_ALSO_READ_ONLY]}
    layers = selftest.before_gvisor(settings["scratch"], planted)
    layers["empty_environment"] = environ <= set(settings["environment"])
    rights.set_bounds(rights.Bounds(**settings["bounds"]), process)
    rights.drop_capabilities()
    layers |= selftest.rights(process)
    os.close(process)
    for path in settings["writable"]:
        with contextlib.suppress(FileExistsError):
            Path(path).mkdir(0o700)
    os.chdir(settings["scratch"])
    layers["landlock"] = False
    reasons["landlock"] = "gVisor has none"
    if why := notify.install_alone():
        reasons["seccomp"] = why
    layers["seccomp"] = not why and selftest.after_filter_alone()
    return layers, reasons


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

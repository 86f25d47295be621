"""The program inside a guest: `python -I -B -m assay.sandbox.inside SETTINGS`, started by `guest.py`.

The *template* imports a worker with all its frameworks and never sees a model. For each session it forks a worker with
namespaces and scratch space of its own, which gives up every right, attacks each layer, and only then takes tasks.
Where namespaces can't be nested, the template itself becomes the worker of one session and ends with it.

SETTINGS is JSON: `worker` (module), `control` (descriptor), `environment` (names that the start sets), `given`,
`writable` and `scratch` (paths), `bounds` (`rights.Bounds`), `bubblewrap`, `nest` (false: never fork), `devices` (nodes
of a GPU that the worker may open).
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import socket
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core.errors import AssayError, UsageError
from assay.sandbox import channel as wire
from assay.sandbox import landlock, notify, rights, selftest
from assay.sandbox.audit import Watch
from assay.sandbox.calls import calls

if TYPE_CHECKING:
    from types import ModuleType

_DEVICES = ("/dev/zero", "/dev/random", "/dev/urandom")
_DESCRIPTORS = 1024  # far above what frameworks hold open after their import
_FAILED = 7  # exit status of a worker that could not be made


def imported(worker: str) -> tuple[ModuleType, dict[str, str]]:
    """A worker's module and the versions of its frameworks, which are imported with it.

    What they make stays: to look at half a million objects for garbage, again and again, takes a fourth of the time of
    the import, and would take as much in every session.
    """
    gc.disable()
    try:
        module = import_module(worker)
        return module, module.preload()
    finally:
        gc.freeze()
        gc.enable()


class Template:
    """Imported frameworks, waiting for sessions."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.bounds = rights.Bounds(**settings["bounds"])
        self.control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=int(settings["control"]))
        self.environ = selftest.environ_of("1") | set(os.environ)  # frameworks set some of their own later
        if settings["bubblewrap"]:
            rights.become_nobody()
        self.worker, self.frameworks = imported(settings["worker"])
        calls()  # read the tables once
        self.why_not_nested = "" if settings["nest"] else "switched off"
        if settings["nest"]:
            self.why_not_nested = self._try_nesting()

    def serve(self) -> int:
        """Take sessions until the supervisor goes."""
        wire.send(
            self.control,
            {"frameworks": self.frameworks, "nested": not self.why_not_nested, "why_not_nested": self.why_not_nested},
        )
        while (message := wire.receive(self.control)) is not None:
            planted, descriptors = message
            if "ping" in planted:
                wire.send(self.control, {"pong": True})
                continue
            if self.why_not_nested:
                Worker(self, planted, descriptors).run()
                return 0
            child = os.fork()
            if child == 0:
                self.control.close()
                _keep(self, planted, descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
            _, status = os.waitpid(child, 0)
            wire.send(self.control, {"ended": os.waitstatus_to_exitcode(status)})
        return 0

    def _try_nesting(self) -> str:
        """Make nested namespaces once, to find out whether they can be made."""
        ours, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            why = rights.own_namespaces(network=not self.settings["bubblewrap"])
            if not why:
                inner = os.fork()
                if inner == 0:
                    os.write(theirs, rights.own_mounts(self.settings["scratch"], self.bounds.scratch_bytes).encode())
                    os._exit(0)
                os.waitpid(inner, 0)
            os.write(theirs, why.encode())
            os._exit(0)
        os.close(theirs)
        os.waitpid(child, 0)
        with os.fdopen(ours, "rb") as told:
            return told.read().decode()


def _keep(template: Template, planted: dict[str, Any], descriptors: list[int]) -> None:
    """Between template and worker: makes the namespaces, and ends the worker when the lifeline is cut."""
    rights.die_with_parent()
    lifeline = descriptors[1]
    why = rights.own_namespaces(network=not template.settings["bubblewrap"])
    if why:
        os._exit(_FAILED)
    child = os.fork()
    if child == 0:
        rights.die_with_parent()
        os._exit(Worker(template, planted, descriptors, nested=True).run())
    for descriptor in (descriptors[0], descriptors[2]):
        os.close(descriptor)
    watched = os.pidfd_open(child)
    select.select([lifeline, watched], [], [])
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, 9)
    _, status = os.waitpid(child, 0)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


class Worker:
    """One session: confine, prove it, take tasks."""

    def __init__(
        self, template: Template, planted: dict[str, Any], descriptors: list[int], *, nested: bool = False
    ) -> None:
        self.template = template
        self.planted = planted
        self.nested = nested
        self.channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=descriptors[0])
        self.layers: dict[str, bool] = {}
        self.reasons: dict[str, str] = {}
        os.dup2(descriptors[2], 1)
        os.dup2(descriptors[2], 2)
        channel = descriptors[0]
        os.closerange(3, channel)  # whatever a framework opened in the template would be shared by all models
        os.closerange(channel + 1, max(_DESCRIPTORS, *descriptors) + 1)

    def run(self) -> int:
        """The whole session; 0 when the supervisor ended it."""
        try:
            self._confine()
        except (OSError, AssayError) as error:
            return _broken(self.channel, error)
        return serve_tasks(self.channel, self.template.worker, self.layers, self.reasons)

    def _confine(self) -> None:
        """Give up everything, from the outside in, and attack each layer before the next one hides it."""
        settings, bounds = self.template.settings, self.template.bounds
        environment = set(settings["environment"])
        process = os.open("/proc/self", os.O_PATH | os.O_DIRECTORY)  # still to be read when /proc is covered
        if self.nested and (why := rights.own_mounts(settings["scratch"], bounds.scratch_bytes)):
            self.reasons["mounts"] = why
        self.layers |= selftest.before(process, settings["scratch"], self.planted)
        self.layers["empty_environment"] = self.template.environ <= environment
        rights.set_bounds(bounds, process)
        rights.drop_capabilities()
        self.layers |= selftest.rights(process)
        os.close(process)
        for path in settings["writable"]:
            with contextlib.suppress(FileExistsError):
                Path(path).mkdir(0o700)
        os.chdir(settings["scratch"])
        writable = [*settings["writable"], "/dev/null", *settings["devices"]]
        if why := landlock.restrict([*settings["given"], *_DEVICES], writable):
            self.reasons["landlock"] = why
        self.layers |= selftest.after_landlock(settings["scratch"], self.planted["tcp_port"])
        self.layers["seccomp"] = self._filter() and selftest.after_filter()

    def _filter(self) -> bool:
        """Install the filter and pass its listener out by a thread that is not under it, and ends at once."""
        listener = -1
        installed = threading.Event()

        def pass_on() -> None:
            installed.wait()
            if listener >= 0:
                wire.send(self.channel, {"listener": True}, (listener,))

        messenger = threading.Thread(target=pass_on)
        messenger.start()
        listener, why = notify.install()
        installed.set()
        messenger.join()
        if why:
            self.reasons["seccomp"] = why
            return False
        os.close(listener)  # or the model could answer for the supervisor
        return True


def serve_tasks(channel: socket.socket, worker: ModuleType, layers: dict[str, bool], reasons: dict[str, str]) -> int:
    """Tell which layers are active, and do tasks until the supervisor ends the session; the exit status."""
    try:
        watch = Watch(lambda event: wire.send(channel, event), worker.__file__ or "")
        watch.start()
        wire.send(channel, {"layers": layers, "reasons": reasons})
        while (message := wire.receive(channel)) is not None:
            watch.active = True
            result = worker.run(message[0])
            watch.active = False
            sys.stdout.flush()
            sys.stderr.flush()
            wire.send(channel, {"result": result})
    except (OSError, AssayError) as error:
        return _broken(channel, error)
    return 0


def _broken(channel: socket.socket, error: Exception) -> int:
    with contextlib.suppress(OSError):
        wire.send(channel, {"broken": f"{type(error).__name__}: {error}"[:500]})
    return _FAILED


def main(argv: list[str]) -> int:
    """Become the template."""
    if len(argv) != 1:
        raise UsageError("usage: python -I -B -m assay.sandbox.inside SETTINGS")
    return Template(json.loads(argv[0])).serve()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

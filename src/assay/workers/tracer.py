"""The tracer: drives CPython's own C unpickler with inert stand-ins and tells what it would have done.

Nothing is imported, called or built. Runs confined, one process for each snapshot; gets pickles on descriptor 0.
"""

from __future__ import annotations

import _pickle
import copyreg
import gc
import io
import os
import re
import resource
import socket

from assay.formats.pickle import events as ev
from assay.formats.pickle import wire
from assay.formats.pickle.tensors import TENSORS, misfit
from assay.workers.terms import term

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LISTED_CALLS = 4  # calls of one harmless callable that are listed; the rest is counted
_REMEMBERED, _REMEMBERED_CHARACTERS = 5000, 500
_REGISTRIES = frozenset(("copyreg _inverted_registry", "copy_reg _inverted_registry"))
_RESTARTS = 8  # unregistered extension codes that are given a stand-in
_EXTENSION_MODULE = "\0extension"
_UNREGISTERED = re.compile(r"unregistered extension code (-?\d+)")
_COLLECT_BYTES = 1 << 20  # above this a pickle's cycles are worth collecting at once
_TRACE_ERRORS = (
    _pickle.UnpicklingError, EOFError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, ImportError,
    MemoryError, RuntimeError, BufferError, OSError, SystemError, AssertionError,
)  # fmt: skip


class Limit(Exception):
    """A limit of ours was reached."""


class Log:
    """Events of one pickle; sent at once when they matter, else in batches."""

    def __init__(self, channel: socket.socket | None, quiet: frozenset[str], max_events: int) -> None:
        self.channel = channel
        self.quiet = quiet
        self.max_events = max_events
        self.stubs: dict[tuple[str, str], type] = {}
        self.tell: Any = None
        self.clear()

    def clear(self) -> None:
        """Begin a new pickle."""
        self.events: list[list[Any]] = []
        self.counts: dict[str, int] = {}
        self.seen: set[str] = set()
        self.total = 0
        self.calls = 0
        self.stubs.clear()

    def add(
        self, kind: str, target: Any, arguments: Any = None, result: int = 0, how: str = "", *, urgent: bool = True
    ) -> None:
        """Record one event."""
        self.total += 1
        if self.total > self.max_events:
            raise Limit(f"more than {self.max_events} events in one pickle")
        self.events.append([kind, self.tell() if self.tell else None, target, arguments, result, how])
        if urgent and self.channel is not None:
            self.flush()

    def flush(self) -> None:
        """Send what is recorded: it survives the end of this process."""
        if self.events and self.channel is not None:
            wire.send(self.channel, {"events": self.events})
            self.events = []

    def listed(self, key: str) -> bool:
        """Count, and say whether this one is still listed."""
        seen = self.counts.get(key, 0) + 1
        self.counts[key] = seen
        return seen <= LISTED_CALLS

    def repeated(self, name: str, arguments: Any) -> bool:
        """Whether the same call with the same arguments was listed before (as `formats.pickle.machine` does it)."""
        key = f"{name} {arguments!r}"
        if ev.told_apart(name, key):
            return False
        if key in self.seen:
            return True
        if len(self.seen) < _REMEMBERED and len(key) < _REMEMBERED_CHARACTERS:
            self.seen.add(key)
        return False


LOG = Log(None, frozenset(), 100_000)


class _OfClass:
    """A method of stand-in classes that wins over the method of the same name that their instances have."""

    def __init__(self, record: Any) -> None:
        self._record = record

    def __get__(self, cls: Any, _owner: Any = None) -> Any:
        return lambda value: self._record(cls, value)

    def __set__(self, cls: Any, value: Any) -> None:
        """Having this makes it a data descriptor, which comes first in the look-up."""


class Recorder(type):
    """Metaclass of stand-ins: what is done to the class itself is recorded too."""

    assay_global: tuple[str, str]
    assay_name: str

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """REDUCE, INST, OBJ."""
        return _called(cls, args, kwargs, "reduce")

    def __setitem__(cls, key: Any, value: Any) -> None:
        """SETITEM on the class, or on what the name stands for."""
        _set_item(cls, key, value)

    __setstate__ = _OfClass(lambda cls, state: _built(cls, state))  # noqa: PLW0108 - BUILD; defined below
    extend = _OfClass(lambda cls, items: LOG.add(ev.APPEND, term(cls), term(items)))  # APPENDS
    append = _OfClass(lambda cls, item: LOG.add(ev.APPEND, term(cls), term([item])))  # APPEND
    add = _OfClass(lambda cls, item: LOG.add(ev.APPEND, term(cls), term([item])))  # ADDITEMS


class Result:
    """Stand-in for what a call returned."""

    __slots__ = ("assay_number", "assay_target")

    assay_number: int
    assay_target: Any

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """NEWOBJ, and INST or OBJ without arguments."""
        return _called(cls, args, kwargs, "newobj")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """A call of a result."""
        return _called(self, args, kwargs, "reduce")

    def __setstate__(self, state: Any) -> None:
        """BUILD."""
        _built(self, state)

    def __setitem__(self, key: Any, value: Any) -> None:
        """SETITEM(S)."""
        _set_item(self, key, value)

    def extend(self, items: Any) -> None:
        """APPENDS."""
        if _few(ev.APPEND, self):
            LOG.add(ev.APPEND, term(self), term(items), urgent=False)

    def append(self, item: Any) -> None:
        """APPEND."""
        if _few(ev.APPEND, self):
            LOG.add(ev.APPEND, term(self), term([item]), urgent=False)

    def add(self, item: Any) -> None:
        """ADDITEMS."""
        if _few(ev.APPEND, self):
            LOG.add(ev.APPEND, term(self), term([item]), urgent=False)


def _name(target: Any) -> str:
    """`module name` of what is called, empty when it is no plain global."""
    return target.assay_name if isinstance(target, Recorder) else ""


def _result(target: Any) -> Result:
    LOG.calls += 1
    made = object.__new__(Result)
    made.assay_number = LOG.calls
    made.assay_target = target
    return made


def _called(target: Any, args: tuple[Any, ...], kwargs: dict[str, Any], how: str) -> Result:
    made = _result(target)
    name = _name(target)
    if name in {"copyreg add_extension", "copy_reg add_extension"}:
        _add_extension(args)
    listed = not name or LOG.listed(name) or name not in LOG.quiet
    if not listed and not (name in TENSORS and misfit(term(args))):
        return made
    shown = term((*args, kwargs) if kwargs else args)
    if not name or not LOG.repeated(name, shown):
        LOG.add(ev.CALL, term(target), shown, LOG.calls, how, urgent=name not in LOG.quiet)
    return made


def _built(target: Any, state: Any) -> None:
    made_by = _name(getattr(target, "assay_target", None))
    if not made_by or LOG.listed(f"build {made_by}") or ev.watched(made_by):
        LOG.add(ev.BUILD, term(target), term(state), urgent=made_by not in LOG.quiet)


def _set_item(target: Any, key: Any, value: Any) -> None:
    name = _name(target)
    if name in _REGISTRIES and isinstance(value, tuple) and isinstance(key, int):
        _add_extension((*value, key))
    elif name in {"copyreg _extension_cache", "copy_reg _extension_cache"} and isinstance(key, int):
        copyreg._extension_cache[key] = value  # type: ignore[attr-defined]  # noqa: SLF001
    if name or _few(ev.SET_ITEM, target):
        LOG.add(ev.SET_ITEM, term(target), term({_Key(key): value}), urgent=bool(name))


def _few(kind: str, target: Any) -> bool:
    """Changes of one object are listed a few times."""
    return LOG.listed(f"{kind} {getattr(target, 'assay_number', 0)}")


class _Key:
    """Wraps a key that may not be hashable."""

    __slots__ = ("assay_value",)

    def __init__(self, value: Any) -> None:
        self.assay_value = value


def _add_extension(args: tuple[Any, ...]) -> None:
    if len(args) == 3 and isinstance(args[0], str) and isinstance(args[1], str) and isinstance(args[2], int):  # noqa: PLR2004
        copyreg._inverted_registry[args[2]] = (args[0], args[1])  # type: ignore[attr-defined]  # noqa: SLF001
        copyreg._extension_cache.pop(args[2], None)  # type: ignore[attr-defined]  # noqa: SLF001


class Tracer(_pickle.Unpickler):
    """The C unpickler; every way out of it leads to a stand-in."""

    def find_class(self, module: str, name: str) -> Any:
        """GLOBAL, STACK_GLOBAL, INST and registered extension codes."""
        if module == _EXTENSION_MODULE:
            LOG.add(ev.EXTENSION, int(name))
            return _stub(module, name)
        key = f"{module} {name}"
        if LOG.listed(f"import {key}"):
            LOG.add(ev.IMPORT, ["global", module, name], urgent=key not in LOG.quiet)
        return _stub(module, name)

    def persistent_load(self, pid: Any) -> Any:
        """PERSID and BINPERSID."""
        if LOG.listed("persistent"):
            LOG.add(ev.PERSISTENT, term(pid), urgent=False)
        if type(pid) is tuple and len(pid) > 1 and pid[0] == "module" and isinstance(pid[1], Recorder):
            return pid[1]  # legacy torch: `_legacy_load` answers ("module", class, …) with the class
        made = object.__new__(Result)
        made.assay_number = 0
        made.assay_target = pid
        return made


def _stub(module: str, name: str) -> type:
    made = LOG.stubs.get((module, name))
    if made is None:
        made = Recorder(
            "stub", (Result,), {"__slots__": (), "assay_global": (module, name), "assay_name": f"{module} {name}"}
        )
        LOG.stubs[module, name] = made
    return made


class _Buffers:
    """Endless out-of-band buffers."""

    def __iter__(self) -> _Buffers:
        return self

    def __next__(self) -> bytearray:
        LOG.add(ev.BUFFER, None, urgent=False)
        return bytearray()


class Region(io.RawIOBase):
    """Regions of a descriptor, one after the other, as one readable file."""

    def __init__(self, descriptor: int, regions: list[list[int]]) -> None:
        self._descriptor = descriptor
        self._regions = [(int(offset), int(length)) for offset, length in regions]
        self._index = 0
        self._inside = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill from the present region."""
        view = memoryview(buffer).cast("B")
        while self._index < len(self._regions):
            offset, length = self._regions[self._index]
            count = min(len(view), length - self._inside)
            if count > 0:
                got = os.preadv(self._descriptor, [view[:count]], offset + self._inside)
                if got > 0:
                    self._inside += got
                    return got
            self._index += 1
            self._inside = 0
        return 0


def _trace_once(stream: Any) -> tuple[bool, str, bool]:
    """Run the unpickler. Returns whether it got to STOP, else the error, and whether a limit of ours did it."""
    unpickler = Tracer(stream, encoding="latin1", buffers=_Buffers())
    try:
        unpickler.load()
    except Limit as limit:
        return False, str(limit), True
    except MemoryError:
        return False, "memory limit of the tracing child", True
    except _TRACE_ERRORS as error:
        return False, f"{type(error).__name__}: {str(error)[:300]}", False
    return True, "", False


def _clear_registry() -> None:
    copyreg._inverted_registry.clear()  # type: ignore[attr-defined]  # noqa: SLF001
    copyreg._extension_cache.clear()  # type: ignore[attr-defined]  # noqa: SLF001


def _stream(body: bytes, descriptor: int | None, regions: list[list[int]]) -> Any:
    return io.BytesIO(body) if descriptor is None else io.BufferedReader(Region(descriptor, regions), 1 << 16)


def trace(body: bytes, descriptor: int | None, regions: list[list[int]]) -> dict[str, Any]:
    """Trace one pickle and return the closing message."""
    unregistered: list[int] = []
    while True:
        LOG.clear()
        _clear_registry()
        for code in unregistered:
            copyreg._inverted_registry[code] = (_EXTENSION_MODULE, str(code))  # type: ignore[attr-defined]  # noqa: SLF001
        stream: Any = (
            io.BytesIO(body) if descriptor is None else io.BufferedReader(Region(descriptor, regions), 1 << 16)
        )
        LOG.tell = stream.tell if descriptor is None else None
        complete, error, limit = _trace_once(stream)
        missing = _UNREGISTERED.search(error)
        if missing and len(unregistered) < _RESTARTS and int(missing[1]) not in unregistered:
            unregistered.append(int(missing[1]))
            if LOG.channel is not None:
                wire.send(LOG.channel, {"restart": True})
            continue
        break
    end = stream.tell() if descriptor is None else None
    closing = {"events": LOG.events, "counts": _many(LOG.counts), "complete": complete, "error": error, "limit": limit,
               "end": end, "done": True}  # fmt: skip
    LOG.events = []
    return closing


def _many(counts: dict[str, int]) -> dict[str, int]:
    return {key: n for key, n in counts.items() if n > LISTED_CALLS}


def _limit(header: dict[str, Any]) -> None:
    """Soft limits for the next pickle: address space, and CPU seconds from now."""
    memory = header.get("memory_bytes")
    if memory:
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (min(memory, hard) if hard >= 0 else memory, hard))
    seconds = header.get("cpu_seconds")
    if seconds:
        used = resource.getrusage(resource.RUSAGE_SELF)
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        soft = int(used.ru_utime + used.ru_stime) + int(seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (min(soft, hard) if hard >= 0 else soft, hard))


def main(layers: dict[str, Any]) -> int:
    """Serve traces over the socket on descriptor 0 until the peer closes it."""
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=0)
    gc.disable()
    LOG.channel = channel
    wire.send(channel, {"layers": layers})
    while (message := wire.receive(channel)) is not None:
        header, body, descriptors = message
        if "quiet" in header:
            LOG.quiet = frozenset(header["quiet"])
            LOG.max_events = int(header.get("max_events", LOG.max_events))
            continue
        _limit(header)
        descriptor = descriptors[0] if descriptors else None
        closing = trace(body, descriptor, header.get("regions", []))
        wire.send(channel, closing)
        for opened in descriptors:
            os.close(opened)
        if len(body) > _COLLECT_BYTES or descriptors:
            gc.collect()
    return 0

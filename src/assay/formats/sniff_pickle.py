"""Whether bytes can be read as a pickle: a bounded walk over opcodes with a stack depth, without values.

A raw pickle of protocol 0 or 1 has no magic number, and the C unpickler runs what comes before the first broken opcode,
so the question is not "is this a good pickle" but "would a loader do something with it".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

# The C unpickler hands the line to strtol() and its like: blanks come before, and anything may follow a NUL.
_NUMBER = re.compile(
    rb"[ \t\x0b\x0c\r]*(?:[-+0-9.][0-9a-zA-Z_+\-.]*|[-+]?(?:inf|nan|infinity))[ \t\r]*(?:\0.*)?",
    re.IGNORECASE | re.DOTALL,
)
_MODULE = re.compile(rb"[\w.\-\x80-\xff]+\r?")
_NAME = re.compile(rb"[\w.<>\-\x80-\xff]+\r?")
# One import that the end of the stream cuts off: the unpickler written in Python, which joblib uses, still imports it.
_CUT_IMPORT = re.compile(rb"c[A-Za-z_][\w.]{1,200}\n[A-Za-z_][\w.]{0,200}")
_MIN_OPS_BEFORE_TRAILER = 4  # data-only pickle followed by other bytes
_ENOUGH_OPS = 64
_ENOUGH_OPS_MARKED = 4
_ENOUGH_OPS_STRICT = 4096
LINE_COST_BYTES = 4096
_PROTO, _HIGHEST_PROTOCOL = 0x80, 5

# opcode → (argument, values needed, net change of depth). Argument: number of bytes, or `lN` length prefix of N bytes,
# `line`, `num` (line with a number), `two` (two lines). Depth None: back to the last mark, then `after`.
_FIXED: dict[int, tuple[int | str, int, int]] = {
    ord("2"): (0, 1, 1), ord("F"): ("num", 0, 1), ord("I"): ("num", 0, 1), ord("J"): (4, 0, 1), ord("K"): (1, 0, 1),
    ord("L"): ("num", 0, 1), ord("M"): (2, 0, 1), ord("N"): (0, 0, 1), ord("P"): ("ascii", 0, 1), ord("Q"): (0, 1, 0),
    ord("R"): (0, 2, -1), ord("S"): ("quoted", 0, 1), ord("T"): ("l4", 0, 1), ord("U"): ("l1", 0, 1),
    ord("V"): ("line", 0, 1), ord("X"): ("l4", 0, 1), ord("a"): (0, 2, -1), ord("b"): (0, 2, -1),
    ord("c"): ("two", 0, 1), ord("}"): (0, 0, 1), ord("g"): ("num", 0, 1), ord("h"): (1, 0, 1), ord("j"): (4, 0, 1),
    ord("]"): (0, 0, 1), ord("p"): ("num", 1, 0), ord("q"): (1, 1, 0), ord("r"): (4, 1, 0), ord("s"): (0, 3, -2),
    ord(")"): (0, 0, 1), ord("G"): (8, 0, 1), ord("B"): ("l4", 0, 1), ord("C"): ("l1", 0, 1),
    0x80: (1, 0, 0), 0x81: (0, 2, -1), 0x82: (1, 0, 1), 0x83: (2, 0, 1), 0x84: (4, 0, 1), 0x85: (0, 1, 0),
    0x86: (0, 2, -1), 0x87: (0, 3, -2), 0x88: (0, 0, 1), 0x89: (0, 0, 1), 0x8A: ("l1", 0, 1), 0x8B: ("l4", 0, 1),
    0x8C: ("l1", 0, 1), 0x8D: ("l8", 0, 1), 0x8E: ("l8", 0, 1), 0x8F: (0, 0, 1), 0x92: (0, 3, -2), 0x93: (0, 2, -1),
    0x94: (0, 1, 0), 0x95: (8, 0, 0), 0x96: ("l8", 0, 1), 0x97: (0, 0, 1), 0x98: (0, 1, 0),
}  # fmt: skip
# opcodes that take everything above the last mark: change of depth below it, values needed below it
_MARKED: dict[int, tuple[int, int]] = {
    ord("1"): (0, 0), ord("d"): (1, 0), ord("e"): (0, 1), ord("l"): (1, 0), ord("o"): (1, 0), ord("t"): (1, 0),
    ord("u"): (0, 1), ord("i"): (1, 0), 0x90: (0, 1), 0x91: (1, 0),
}  # fmt: skip
FIRST_OPCODES = frozenset((ord("("), *(code for code, (_, needed, _) in _FIXED.items() if not needed)))
_CALLS = frozenset((ord("R"), ord("o"), ord("i"), ord("b"), 0x81, 0x92))
_IMPORTS = frozenset((ord("c"), ord("i"), 0x93))
_PUSHES = frozenset(b"cN]}()012V")  # an import, or a value that nothing is done with
_EXTENSIONS = frozenset((0x82, 0x83, 0x84))  # stand for an import only where the loading process has registered it


@dataclass
class _Walk:
    data: bytes
    size: int
    position: int = 0
    stop: int = 0  # nothing is read from here on
    depth: int = 0
    marks: list[int] = field(default_factory=list)
    ops: int = 0
    imports: int = 0
    extensions: int = 0
    calls: int = 0
    after_import: int = 0
    pushes: int = 0
    scanned: int = 0  # bytes that were searched for the end of a line
    stops: list[int] = field(default_factory=list)
    end: str = ""  # "broken", "open" (ran past the head), "done"

    def __post_init__(self) -> None:
        self.stop = self.stop or len(self.data)


def pickle_plausible(head: bytes, size: int, *, claimed: bool = False, strict: bool = False) -> bool:
    """Whether a loader would do something with these bytes as a pickle.

    Args:
        head: first bytes of the stream (64 KiB are enough in practice).
        size: bytes in the whole stream.
        claimed: the name promises a pickle: then one valid opcode is enough.
        strict: only a whole pickle that imports and calls something counts.
    """
    if not head:
        return False
    first = head[0]
    if first not in _FIXED and first not in _MARKED and first not in b"(.0":
        return False
    marked = first == _PROTO and len(head) > 1 and head[1] <= _HIGHEST_PROTOCOL
    walk = _Walk(head, size)
    enough = _ENOUGH_OPS_MARKED if marked else _ENOUGH_OPS
    _walk(walk, _ENOUGH_OPS_STRICT if strict else enough)
    if strict:
        return walk.imports > 0 and walk.calls > 0 and bool(walk.stops)
    imports = walk.imports > 0 and bool(walk.calls or walk.stops or walk.after_import)
    return (
        (marked and (walk.ops > 1 or walk.end == "open"))
        or imports
        or (walk.extensions > 0 and walk.calls > 0)
        or walk.end == "open"
        or _stops_well(walk, size)
        or (claimed and walk.ops > 0)
    )


def failing_import(head: bytes, size: int) -> str:
    """Whether a loader would import something by name, push values at most, and fail: two lines of text look so, too.

    Returns:
        `alone` when nothing follows the import, `before` when something does that fails, else an empty text.
    """
    walk = _Walk(head, size)
    _walk(walk, _ENOUGH_OPS)
    if not walk.ops and size <= len(head) and _CUT_IMPORT.fullmatch(head) is not None:
        return "alone"
    if not walk.imports or walk.pushes != walk.ops or walk.stops:
        return ""
    return {"done": "alone" if walk.ops == 1 else "before", "broken": "before"}.get(walk.end, "")


def end_of_pickle(data: bytes, start: int, stop: int) -> tuple[int, int]:
    """What begins at `start` and may reach to `stop`.

    Returns:
        Length of the pickle when it imports and calls something, else 0; and what it took to tell: opcodes, with
        `LINE_COST_BYTES` searched for the end of a line counting as one.
    """
    walk = _Walk(data, len(data), start, min(stop, len(data)))
    _walk(walk, _ENOUGH_OPS_STRICT)
    length = walk.stops[0] + 1 - start if walk.stops and walk.imports and walk.calls else 0
    return length, walk.ops + walk.scanned // LINE_COST_BYTES


def _stops_well(walk: _Walk, size: int) -> bool:
    """A data-only pickle: it ends the stream, or is long enough not to be the start of some text."""
    if not walk.stops:
        return False
    return walk.stops[-1] == size - 1 or (
        walk.stops[0] + 1 >= _MIN_OPS_BEFORE_TRAILER and walk.ops > _MIN_OPS_BEFORE_TRAILER
    )


def _walk(walk: _Walk, most: int) -> None:
    """Run over the opcodes until something is broken, the data ends, or enough was seen."""
    data = walk.data
    more = len(data) < walk.size
    while walk.position < walk.stop:
        if walk.ops >= most:
            walk.end = "open"
            return
        code = data[walk.position]
        if not _step(walk, code, more):
            walk.end = walk.end or "broken"
            return
        walk.ops += 1
        walk.pushes += code in _PUSHES
        if walk.imports and code not in _IMPORTS:
            walk.after_import += 1
        walk.calls += code in _CALLS and walk.imports + walk.extensions > 0
        walk.extensions += code in _EXTENSIONS
        walk.imports += code in _IMPORTS
    walk.end = "open" if more else "done"


def _step(walk: _Walk, code: int, more: bool) -> bool:
    """One opcode; False when the unpickler would stop here with an error or the argument runs past the head."""
    floor = walk.marks[-1] if walk.marks else 0
    if code == ord("("):
        walk.marks.append(walk.depth)
    elif code in b".0" and walk.depth <= floor and not (code == ord("0") and walk.marks):
        return False
    elif code == ord("."):
        walk.stops.append(walk.position)
        walk.depth = 0
        walk.marks.clear()
    elif code == ord("0"):
        if walk.depth > floor:
            walk.depth -= 1
        else:
            walk.marks.pop()
    elif code in _MARKED:
        return _marked(walk, code, more)
    elif code in _FIXED:
        argument, needed, change = _FIXED[code]
        if walk.depth - floor < needed:
            return False
        walk.depth += change
        return _skip(walk, argument, more)
    else:
        return False
    walk.position += 1
    return True


def _marked(walk: _Walk, code: int, more: bool) -> bool:
    if not walk.marks:
        return False
    walk.depth = walk.marks.pop()
    push, needed = _MARKED[code]
    floor = walk.marks[-1] if walk.marks else 0
    if walk.depth - floor < needed:
        return False
    walk.depth += push
    return _skip(walk, "two" if code == ord("i") else 0, more)


def _skip(walk: _Walk, argument: int | str, more: bool) -> bool:
    """Move past an opcode and its argument."""
    data, start = walk.data, walk.position + 1
    if isinstance(argument, int):
        end = start + argument
    elif argument[0] == "l" and argument != "line":
        width = int(argument[1])
        end = start + width + int.from_bytes(data[start : start + width], "little")
    else:
        return _skip_lines(walk, argument, start, more)
    if end > walk.stop:
        walk.end = "open" if more and end <= walk.size else "broken"
        return False
    walk.position = end
    return True


def _skip_lines(walk: _Walk, kind: str, start: int, more: bool) -> bool:
    data = walk.data
    patterns = {"num": (_NUMBER,), "two": (_MODULE, _NAME)}.get(kind, (None,))
    for pattern in patterns:
        end = data.find(b"\n", start, walk.stop)
        walk.scanned += (end if end >= 0 else walk.stop) - start
        if end < 0:
            fits = pattern is None or pattern.fullmatch(data, start, walk.stop) is not None
            walk.end = "open" if more and fits else "broken"
            return False
        line = data[start:end]
        if pattern is not None and not pattern.fullmatch(line):
            return False
        if kind == "ascii" and not line.isascii():
            return False
        if kind == "quoted" and not (len(line.rstrip()) > 1 and line[:1] in b"'\"" and line.rstrip()[-1:] == line[:1]):
            return False
        start = end + 1
    walk.position = start
    return True

"""What a pickle does when it is loaded, as data: the same types from the tracer and from our own reader.

A *term* is a bounded, JSON-compatible picture of a value. Plain values stand for themselves; everything else is a list
whose first item is a tag:

| term | means |
|---|---|
| `None`, `True`, `12`, `1.5`, `"text"` | itself (integers below 2**53, text up to `TEXT_LIMIT` characters) |
| `["int", "123…"]`, `["float", "inf"]` | a number that JSON can't hold |
| `["str", head, bytes, offset or None]` | longer text, cut; bytes of its UTF-8, which begins at offset |
| `["bytes", head in Latin-1, bytes, offset or None]` | bytes; the offset is that of their content in the stream |
| `["tuple"/"list"/"set"/"frozenset", [terms], items]` | a container, maybe cut; -1: unknown |
| `["dict", [[key, value]], items]` | a dictionary |
| `["global", module, name]` | something imported |
| `["result", n, callable term]` | what call number n returned |
| `["persistent", id term]` | what the loader gives for a persistent id |
| `["extension", code]` | what an unregistered extension code stands for |
| `["buffer"]` | an out-of-band buffer |
| `["array"]` | an array whose bytes follow in the stream (joblib) |
| `["unknown"]` | something the reading lost track of |
"""

from __future__ import annotations

TYPE_CHECKING = False  # not from typing: the tracing child starts without it, as without dataclasses
if TYPE_CHECKING:
    from typing import Any

    Term = Any

TEXT_LIMIT = 4096  # characters of one string
BYTES_LIMIT = 512  # bytes of one bytes literal
NESTED_BYTES = 12  # no shorter bytes can be a pickle that calls something
ITEM_LIMIT = 32  # items of one container
DEPTH_LIMIT = 6  # nesting of one term
TERM_LIMIT = 400  # parts of one term

IMPORT = "import"
CALL = "call"
BUILD = "build"
SET_ITEM = "set-item"
APPEND = "append"
PERSISTENT = "persistent-id"
EXTENSION = "extension"
BUFFER = "buffer"
ARRAY = "array"
ERROR = "error"
STOP = "stop"


class Event:
    """One thing that loading does.

    Attributes:
        kind: one of the constants above.
        offset: byte offset of the opcode in the stream; None when the reading does not know it.
        target: import: the `global` (or `["computed", module, name]`); call: what is called; build, set-item, append:
            what is changed; persistent-id, extension: the id or code; array: None.
        arguments: call: the arguments as a `tuple` term (another term when they are no plain tuple); build: the state;
            array: `[dtype term, shape term]`; error: the message.
        result: number of the call, from 1, for `["result", n, …]`.
        how: opcode family: `reduce`, `newobj`, `newobj_ex`, `inst`, `obj`.
    """

    __slots__ = ("arguments", "how", "kind", "offset", "result", "target")

    def __init__(  # noqa: PLR0917
        self, kind: str, offset: int | None, target: Term = None, arguments: Term = None, result: int = 0, how: str = ""
    ) -> None:
        self.kind = kind
        self.offset = offset
        self.target = target
        self.arguments = arguments
        self.result = result
        self.how = how

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Event) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]  # terms are lists

    def __repr__(self) -> str:
        return f"Event{tuple(self.to_json())!r}"

    def to_json(self) -> list[Any]:
        """As a JSON array, in the order of the attributes."""
        return [self.kind, self.offset, self.target, self.arguments, self.result, self.how]


class Trace:
    """One reading of one pickle.

    Attributes:
        start: offset of its first byte in the stream.
        end: offset behind its STOP, or of the opcode that could not be read.
        events: in order. Repeated harmless calls may be counted instead of listed.
        counts: `module name` → calls, for callables with more calls than are listed.
        protocol: highest protocol marker seen.
        complete: it was followed to STOP.
        error: why not, empty when complete.
        limit: the reading gave up by a limit of ours (not by the pickle's fault).
        skipped: (offset, bytes) of what lies in the stream between the opcodes: joblib's arrays.
        nested: pickles inside the stream of this one: joblib's object arrays.
    """

    def __init__(self, start: int = 0, events: list[Event] | None = None, protocol: int = 0) -> None:
        self.start = start
        self.end = 0
        self.events = events if events is not None else []
        self.counts: dict[str, int] = {}
        self.protocol = protocol
        self.complete = False
        self.error = ""
        self.limit = False
        self.skipped: list[tuple[int, int]] = []
        self.nested: list[Trace] = []

    @property
    def acts(self) -> bool:
        """Whether anything but plain data happened; a persistent id alone is a question to the loader."""
        return any(e.kind not in {ERROR, STOP, PERSISTENT} for e in self.events)


_ENCODED = 60  # characters of a call of `codecs.encode` whose result is too short to be a pickle
# Distributions run a text of their state, joblib's old wrappers name a file in it: each state is listed.
_WATCHED = ("scipy.stats.", "joblib.numpy_pickle ", "joblib.numpy_pickle_compat ")


def told_apart(name: str, shown: str) -> bool:
    """Whether equal-looking calls are listed one by one: bytes that may differ behind their head, results used later.

    Args:
        name: `module name` of what is called.
        shown: the name and the term of its arguments, as text.
    """
    if "['bytes', " in shown or "['str', " in shown:
        return True
    if name.endswith(" encode"):
        return len(shown) > _ENCODED  # its result may be loaded: each one is known by its number
    return name.endswith(" getattr") and "_unpickle" in shown  # its result is called


def watched(name: str) -> bool:
    """Whether every state that objects of this class (`module name`) are given is listed, not only the first few."""
    return name.startswith(_WATCHED)

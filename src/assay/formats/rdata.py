"""R's serialisation (`.rds`, `.RData`): which code it carries, and what would run by itself.

XDR, native binary and ASCII forms of versions 2 and 3. Objects are not built: the stream is walked with a list of what
must come next, so nesting costs no stack. Source: R Internals, "Serialization Formats"; `src/main/serialize.c` of R
4.5.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final

from assay.core.errors import ContentError, LimitExceeded
from assay.formats.rstream import open_r_stream

if TYPE_CHECKING:
    from assay.core.limits import Limits
    from assay.formats.rstream import RStream

_MAX_ITEMS: Final = 50_000_000
_MAX_CALLS: Final = 20_000
_TEXTS: Final = 6  # constant texts kept of one call
# SEXPTYPE numbers and pseudo-types of serialize.c
_SYM, _LIST, _CLO, _ENV, _PROM, _LANG, _SPECIAL, _BUILTIN, _CHAR = 1, 2, 3, 4, 5, 6, 7, 8, 9
_STR, _DOT, _VEC, _EXPR, _BCODE, _EXTPTR, _WEAKREF, _RAW, _S4 = 16, 17, 19, 20, 21, 22, 23, 24, 25
_ATTRLIST, _ATTRLANG, _BCREPREF, _BCREPDEF, _ALTREP = 239, 240, 243, 244, 238
_NAMESPACE, _PACKAGE, _PERSIST, _REF = 249, 248, 247, 255
_EMPTY: Final = frozenset((254, 253, 252, 251, 250, 242, 241))  # nil, the fixed environments, missing argument
_WIDTH: Final = {10: 4, 13: 4, 14: 8, 15: 16}  # logical, integer, double, complex
_PAIRS: Final = frozenset((_LIST, _LANG, _CLO, _PROM, _DOT))


@dataclass(frozen=True, slots=True)
class RCall:
    """A call in R code.

    Attributes:
        name: function, with its package when that is named (`base::system`).
        texts: constant texts among its arguments.
        inside: `promise`, `closure`, `bytecode`, or empty for a call stored as data (a formula, say).
    """

    name: str
    texts: tuple[str, ...]
    inside: str


@dataclass
class RData:
    """One stream.

    Attributes:
        version: of the format.
        root: type of the outermost object.
        types: how often each type of object occurs, by R's name.
        calls: calls in promises, closures and stored calls.
        promises: promises that are not yet evaluated.
        packages: packages and namespaces that are looked up.
        truncated: more calls than are kept.
    """

    version: int
    root: str = ""
    types: Counter[str] = field(default_factory=Counter)
    calls: list[RCall] = field(default_factory=list)
    promises: int = 0
    packages: set[str] = field(default_factory=set)
    truncated: bool = False


@dataclass
class _Open:
    """A call whose function and texts are still to come."""

    inside: str
    parent: _Open | None = None  # the call whose function this one gives (`pkg::name(…)`)
    names: list[str] = field(default_factory=list)
    symbols: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Task:
    """What must come next: `item`, `bc` (bytecode constant), `bclang`, `count` or `close`."""

    kind: str
    inside: str = ""
    call: _Open | None = None
    function: bool = False  # the item is the function of `call`


_NAMES: Final = {
    _SYM: "symbol", _LIST: "pairlist", _CLO: "closure", _ENV: "environment", _PROM: "promise", _LANG: "language",
    _SPECIAL: "special", _BUILTIN: "builtin", _CHAR: "char", 10: "logical", 13: "integer", 14: "double",
    15: "complex", _STR: "character", _DOT: "dots", _VEC: "list", _EXPR: "expression", _BCODE: "bytecode",
    _EXTPTR: "external pointer", _WEAKREF: "weak reference", _RAW: "raw", _S4: "S4",
}  # fmt: skip


def read_rdata(stream: BinaryIO, size: int, limits: Limits) -> RData:
    """Walk one stream.

    Raises:
        ContentError: when it is no R stream, or is cut off.
        LimitExceeded: for more than fifty million items.
    """
    source, version = open_r_stream(stream, size, limits)
    return _Walk(source, RData(version)).run()


class _Walk:
    """Takes tasks off the end of a list until none is left."""

    def __init__(self, source: RStream, result: RData) -> None:
        self.source = source
        self.result = result
        self.references: list[str] = []
        self.tasks: list[_Task] = [_Task("item")]
        self.items = 0

    def run(self) -> RData:
        while self.tasks:
            self.items += 1
            if self.items > _MAX_ITEMS:
                raise LimitExceeded("members", f"more than {_MAX_ITEMS} R objects")
            task = self.tasks.pop()
            if task.kind == "item":
                self.item(task)
            elif task.kind == "close" and task.call is not None:
                self.close(task.call)
            elif task.kind == "bclang":
                self.bytecode_language(task)
            elif task.kind == "bc":
                self.bytecode_constants(task)
            elif task.kind == "int":
                self.source.integer()
        return self.result

    def later(self, *tasks: _Task) -> None:
        """Tasks in the order in which they must come."""
        self.tasks.extend(reversed(tasks))

    def item(self, task: _Task) -> None:
        flags = self.source.integer() & 0xFFFFFFFF
        kind = flags & 0xFF
        if kind in _NAMES:
            self.result.types[_NAMES[kind]] += 1
            self.result.root = self.result.root or _NAMES[kind]
        if kind in _PAIRS:
            self.pair(kind, flags, task)
        elif kind == _SYM:
            name = self.char()
            self.references.append(name)
            self.symbol(name, task)
        elif kind == _REF:
            index = flags >> 8 or self.source.integer()
            if not 1 <= index <= len(self.references):
                msg = f"a reference to object {index} of {len(self.references)}"
                raise ContentError(msg)
            self.symbol(self.references[index - 1], task)
        elif kind not in _EMPTY:
            self.other(kind, flags, task)

    def symbol(self, name: str, task: _Task) -> None:
        if task.call is None or not name:
            return
        if task.function:
            task.call.names.append(name)
        elif len(task.call.symbols) < _TEXTS:
            task.call.symbols.append(name)

    def pair(self, kind: int, flags: int, task: _Task) -> None:
        """[attributes] [tag] head tail."""
        inside = task.inside
        if kind == _PROM:
            self.result.promises += 1
            inside = "promise"
        elif kind == _CLO and inside != "promise":
            inside = "closure"
        optional = [_Task("item", inside)] * (bool(flags & 0x200) + bool(flags & 0x400))
        if kind == _LANG:
            call = _Open(inside, task.call if task.function else None)
            head = _Task("item", inside, call, function=True)
            self.later(*optional, head, _Task("item", inside, call), _Task("close", call=call))
            return
        same = task.call if kind in {_LIST, _DOT} else None
        self.later(*optional, _Task("item", inside, same), _Task("item", inside, same))

    def close(self, call: _Open) -> None:
        name = call.names[0] if call.names else ""
        if name in {"::", ":::"}:
            name = "::".join((call.symbols + call.texts)[:2])
            if call.parent is not None:
                call.parent.names.append(name)
                return
        if not name:
            return
        if len(self.result.calls) >= _MAX_CALLS:
            self.result.truncated = True
            return
        self.result.calls.append(RCall(name, tuple(call.texts), call.inside))

    def char(self) -> str:
        """The CHARSXP that a symbol consists of."""
        flags = self.source.integer()
        if flags & 0xFF != _CHAR:
            msg = f"type {flags & 0xFF} where text was expected"
            raise ContentError(msg)
        return self.source.text()

    def other(self, kind: int, flags: int, task: _Task) -> None:
        """Everything that is neither a pair nor a reference."""
        attributes = [_Task("item", task.inside)] * bool(flags & 0x200)
        again = _Task("item", task.inside, task.call)
        if kind == _CHAR:
            self.text(self.source.text(), task)
            self.later(*attributes)
        elif kind in {_VEC, _EXPR, _STR}:
            self.later(*[again] * self.source.count(4), *attributes)
        elif kind in _WIDTH:
            self.source.skip(self.source.count(_WIDTH[kind]), _WIDTH[kind])
            self.later(*attributes)
        elif kind == _RAW:
            self.source.raw(self.source.count(1))
            self.later(*attributes)
        elif kind == _BCODE:
            self.source.integer()
            self.later(_Task("item", "bytecode"), _Task("bc", task.inside or "bytecode"), *attributes)
        else:
            self.rare(kind, flags, task, attributes)

    def rare(self, kind: int, flags: int, task: _Task, attributes: list[_Task]) -> None:
        again = _Task("item", task.inside)
        if kind == _ENV:
            self.references.append("")
            self.source.integer()
            self.later(again, again, again, again)
        elif kind in {_SPECIAL, _BUILTIN}:
            name = self.source.text()
            self.symbol(name, task)
        elif kind in {_NAMESPACE, _PACKAGE, _PERSIST}:
            self.references.append("")
            self.source.integer()
            words = [self.char() for _ in range(self.source.count(8))]
            self.result.packages.update(words[:1])
        elif kind in {_EXTPTR, _WEAKREF}:
            self.references.append("")
            self.later(*([again, again] if kind == _EXTPTR else []), *attributes)
        elif kind == _ALTREP:
            self.later(again, again, again)
        elif kind == _S4:
            self.later(*attributes)
        else:
            msg = f"unknown type {kind} (flags {flags:#x})"
            raise ContentError(msg)

    def text(self, text: str, task: _Task) -> None:
        if task.call is not None and len(task.call.texts) < _TEXTS:
            task.call.texts.append(text[:500])

    def bytecode_constants(self, task: _Task) -> None:
        """Constants of a bytecode object, each behind its type."""
        count = self.source.count(4)
        self.later(*[_Task("bclang", task.inside)] * count)

    def bytecode_language(self, task: _Task) -> None:
        """A constant, or a call inside one, in the form that shares repeated parts (ReadBCLang)."""
        kind = self.source.integer()
        if kind == _BCREPREF:
            self.source.integer()
            return
        if kind == _BCREPDEF:
            self.source.integer()
            kind = self.source.integer()
        if kind == _BCODE:
            self.later(_Task("item", "bytecode"), _Task("bc", task.inside))
        elif kind in {_LANG, _LIST, _ATTRLANG, _ATTRLIST}:
            outer = task.call if task.function else None
            call = _Open(task.inside, outer) if kind in {_LANG, _ATTRLANG} else task.call
            attribute = [_Task("item", task.inside)] * (kind in {_ATTRLANG, _ATTRLIST})
            head = _Task("bclang", task.inside, call, function=kind in {_LANG, _ATTRLANG})
            closing = [_Task("close", call=call)] * (kind in {_LANG, _ATTRLANG})
            self.later(*attribute, _Task("item", task.inside), head, _Task("bclang", task.inside, call), *closing)
        else:
            self.item(_Task("item", task.inside, task.call, task.function))

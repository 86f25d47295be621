"""Argument checks: callables that are acceptable only with some arguments."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.finding import Severity
from assay.formats.pickle.show import show

if TYPE_CHECKING:
    from assay.formats.pickle import events as ev

Resolve = Callable[[str, str], tuple[str, str, Any, Any]]

_TEXT_CODECS = {
    "latin1", "latin-1", "iso-8859-1", "ascii", "utf-8", "utf8", "utf-16", "utf-32", "raw_unicode_escape",
    "unicode_escape",
}  # fmt: skip

_BYTES_AS_TEXT = {"latin1", "latin-1", "iso-8859-1"}


@dataclass(frozen=True)
class Refused:
    """Why arguments are not acceptable."""

    rule: str
    severity: Severity
    why: str
    acceptable_if: str = ""


@dataclass(frozen=True)
class Indirect:
    """The callable calls another one, which is judged in its place."""

    target: Any
    arguments: Any


@dataclass(frozen=True)
class Nested:
    """Content that a callable may load in turn.

    Attributes:
        offset: of the bytes in this stream; -1 for `data`.
        size: of the bytes in this stream.
        text: they are the UTF-8 of text that stands for bytes (Latin-1).
        data: the content itself, when it is short text.
    """

    offset: int
    size: int
    text: bool = False
    data: bytes = b""


Answer = Refused | Nested | Indirect | None

_PICKLE_BYTES = 4  # the shortest pickle that calls something is longer
_SEARCHED = 64  # parts of a term that are looked at


_BOTH = 2
_FLAGS = frozenset((("builtins", "getattr"), ("__builtin__", "getattr"), ("operator", "or_"), ("_operator", "or_")))
_VALUE_TYPES = frozenset(("stdlib", "numpy", "pandas", "scipy"))
_TABLES = frozenset(("pyarrow", "polars", "joblib"))
_LAYERS = (
    "torch.nn.", "torchvision.ops.", "timm.layers.", "timm.models.",
    "torch.ao.quantization.observer", "torch.ao.quantization.fake_quantize",
)  # fmt: skip
_KEPT_METHODS = frozenset(("prepare_inputs_for_generation", "_prepare_encoder_decoder_kwargs_for_generation"))
_GENERICS = frozenset(("typing", "collections.abc", "contextlib"))


def literals(term: ev.Term) -> list[Nested]:
    """All bytes and text anywhere inside a term that could be a pickle of its own."""
    found: list[Nested] = []
    queue, looked = [term], 0
    while queue and looked < _SEARCHED:
        part = queue.pop()
        looked += 1
        if isinstance(part, str) and len(part) > _PICKLE_BYTES and part.isprintable() is False:
            found.append(Nested(-1, len(part), text=True, data=part.encode("latin-1", "replace")))
        elif isinstance(part, list) and part:
            if part[0] in {"bytes", "str"} and isinstance(part[3], int) and part[2] > _PICKLE_BYTES:
                found.append(Nested(part[3], part[2], text=part[0] == "str"))
            elif part[0] in {"tuple", "list", "set", "frozenset"}:
                queue += part[1]
            elif part[0] == "dict":
                queue += [item for pair in part[1] for item in pair]
    return found


def items(term: ev.Term) -> list[ev.Term]:
    """Terms inside a container term."""
    if isinstance(term, list) and len(term) > 1 and term[0] in {"tuple", "list"}:
        inside: list[ev.Term] = term[1]
        return inside
    return []


def callee(target: ev.Term) -> tuple[str, str] | None:
    """Module and name of what is called, when it is a global or `getattr(global, "name")`; None when it is computed."""
    if isinstance(target, list) and target and target[0] == "global":
        return target[1], target[2]
    return None


def encoded(event: ev.Event) -> Nested | None:
    """The bytes that `codecs.encode(text, "latin1")` returns, as protocols 0 to 2 write bytes; None when unclear."""
    inside = items(event.arguments)
    if len(inside) == 2 and inside[1] in _BYTES_AS_TEXT:  # noqa: PLR2004
        text = inside[0]
        if isinstance(text, str):
            return Nested(-1, len(text), text=True, data=text.encode("latin-1", "replace"))
        if isinstance(text, list) and text[0] == "str" and isinstance(text[3], int):
            return Nested(text[3], text[2], text=True)
    return None


def nested(event: ev.Event, made: dict[int, Nested]) -> Refused | Nested:
    """What a callable loads that is given bytes: literal ones, or `made` by an earlier call (by its number)."""
    inside = items(event.arguments)
    first = inside[0] if inside else None
    if isinstance(first, list) and first[0] == "bytes" and isinstance(first[3], int):
        return Nested(first[3], first[2])
    if isinstance(first, list) and first[0] == "result" and first[1] in made:
        return made[first[1]]
    return Refused("pickle-dangerous-call", Severity.HIGH, "it unpickles bytes that are computed while loading")


def _codec(event: ev.Event, _resolve: Resolve) -> Answer:
    """Protocol 2 writes bytes as text and a codec."""
    first, codec = _at(event, 0), _at(event, 1)
    plain = isinstance(first, str) or (isinstance(first, list) and first[0] == "str")
    if plain and (len(items(event.arguments)) == 1 or codec in _TEXT_CODECS):
        return None
    return Refused("pickle-unknown-code", Severity.MEDIUM, "picklers encode text with other codecs")


def _getattr(event: ev.Event, resolve: Resolve) -> Answer:
    """`getattr(Class, "method")` is what a bound method or an enum member pickles to: judged by its full name."""
    holder, name = _at(event, 0), _at(event, 1)
    if _is_global(holder) and isinstance(name, str):
        _, _, entry, risk = resolve(holder[1], f"{holder[2]}.{name}")
        if entry is not None or (risk is None and _is_enum_member(holder, name, resolve)):
            return None
    if isinstance(name, str) and _is_method(holder, name, resolve):
        return None
    what = show(event.arguments, 200)
    return Refused("pickle-dangerous-call", Severity.HIGH, f"it reaches an attribute by its name: {what}")


def reached(event: ev.Event, resolve: Resolve) -> list[ev.Term] | None:
    """The function that `getattr(Class, "method")` returns, when it is one that may be called; else None."""
    holder, name = _at(event, 0), _at(event, 1)
    if _is_global(holder) and isinstance(name, str):
        entry = resolve(holder[1], f"{holder[2]}.{name}")[2]
        if entry is not None and entry.use == "call":
            return ["global", holder[1], f"{holder[2]}.{name}"]
    return None


def _is_method(holder: ev.Term, name: str, resolve: Resolve) -> bool:
    """Objects that keep their methods: distributions of scipy, lazy modules of torch, models, stemmers, fitters."""
    made_by = callee(holder[2]) if isinstance(holder, list) and holder[:1] == ["result"] else None
    entry = resolve(*made_by)[2] if made_by else None
    if made_by is None or entry is None:
        return False
    if made_by[0].startswith("scipy.stats."):
        return entry.use == "state" and re.fullmatch(r"_[a-z]\w*", name) is not None
    if made_by[0].startswith("transformers.models."):
        return name in _KEPT_METHODS  # PEFT keeps them of the model that it wraps
    if made_by[0].startswith(("nltk.stem.", "lifelines.fitters.")):
        return re.fullmatch(r"_?[a-z]\w*", name) is not None
    return made_by[0].startswith("torch.nn.modules.") and name in {"_infer_parameters", "_lazy_load_hook"}


def _is_enum_member(holder: list[ev.Term], name: str, resolve: Resolve) -> bool:
    """Members are written in capitals, and enumerations are classes that may be called."""
    entry = resolve(holder[1], holder[2])[2]
    return entry is not None and entry.use == "class" and name.isupper() and name.isidentifier()


def _type(event: ev.Event, _resolve: Resolve) -> Answer:
    """`type(x)` tells a type, `type(name, bases, namespace)` makes a class."""
    if len(items(event.arguments)) == 1:
        return None
    return Refused("pickle-dangerous-call", Severity.HIGH, "it makes a class with methods of the pickle's choice")


def _plain(event: ev.Event, resolve: Resolve) -> Answer:
    """Built-in containers and numbers run the methods of what they are made from: that must be plain data."""
    for argument in items(event.arguments):
        if not isinstance(argument, list) or not argument or argument[0] not in {"result", "unknown", "computed"}:
            continue
        made_by = callee(argument[2]) if argument[0] == "result" else None
        entry = resolve(*made_by)[2] if made_by else None
        if entry is None or entry.framework != "stdlib":
            return Refused("pickle-unknown-code", Severity.MEDIUM, "it is made from an object, whose methods run")
    return None


def touches(event: ev.Event, entry: Any, resolve: Resolve) -> str:
    """What of another framework a value type is made from: its methods would run (`__array__`, `__len__`, …).

    Empty when there is nothing of the kind.
    """
    if entry.framework not in _VALUE_TYPES:
        return ""
    parts = list(items(event.arguments))
    for argument in [*parts, *(inner for part in parts for inner in items(part))]:
        made_by = callee(argument[2]) if isinstance(argument, list) and argument[:1] == ["result"] else None
        made = resolve(*made_by)[2] if made_by else None
        if made is not None and made.framework not in {entry.framework, *_VALUE_TYPES, *_TABLES}:
            return show(argument, 200)
    return ""


def _iter(event: ev.Event, resolve: Resolve) -> Answer:
    """An iterator over plain data; a second argument would make `iter` call the first until it returns it."""
    arguments = items(event.arguments)
    if len(arguments) == 1 and not _is_global(arguments[0]):
        return _plain(event, resolve)
    return Refused("pickle-dangerous-call", Severity.HIGH, "it calls what it is given")


def _generic(event: ev.Event, resolve: Resolve) -> Answer:
    """`operator.getitem(typing.List, int)` is what `List[int]` pickles to."""
    holder = _at(event, 0)
    if _is_global(holder) and holder[1] in _GENERICS and resolve(holder[1], holder[2])[2] is not None:
        return None
    return Refused("pickle-dangerous-call", Severity.HIGH, f"it takes an item of {show(holder, 200)}")


def _union(event: ev.Event, resolve: Resolve) -> Answer:
    """`functools.reduce(operator.or_, (int, str))` is what `int | str` pickles to."""
    function, types = _at(event, 0), _at(event, 1)
    if _is_global(function) and function[2] == "or_" and isinstance(types, list) and types[:1] == ["tuple"]:
        entries = [resolve(one[1], one[2])[2] if _is_global(one) else None for one in types[1]]
        if len(items(event.arguments)) == _BOTH and all(one and one.use in {"class", "new"} for one in entries):
            return None
    return Refused("pickle-dangerous-call", Severity.HIGH, f"it calls {show(function, 200)} in turn")


def _reconstructor(event: ev.Event, resolve: Resolve) -> Answer:
    """`copyreg._reconstructor(class, base, state)` calls `base.__new__` and `base.__init__`."""
    base = _at(event, 1)
    made = _at(event, 0)
    entry = resolve(made[1], made[2])[2] if _is_global(made) else None
    if entry is not None and entry.use == "state":
        return Refused("pickle-unknown-code", Severity.MEDIUM, "the state of this class is only followed elsewhere")
    if _is_global(base) and base[1] in {"builtins", "__builtin__"}:
        return None
    return Refused("pickle-unknown-code", Severity.MEDIUM, "the base class is no built-in type")


def _newobj(event: ev.Event, resolve: Resolve) -> Answer:
    """The first argument is a class that is made without being called."""
    first = _at(event, 0)
    entry = resolve(first[1], first[2])[2] if _is_global(first) else None
    if entry is not None and entry.use in {"class", "new"}:
        return None
    return Refused("pickle-unknown-code", Severity.MEDIUM, f"it makes an object of {show(first, 200)}")


def _reconstruct(event: ev.Event, resolve: Resolve) -> Answer:
    """Numpy makes an array of the given class, which must be one of the known array classes."""
    first = _at(event, 0)
    entry = resolve(first[1], first[2])[2] if _is_global(first) else None
    if entry is not None and entry.use in {"class", "new"} and "memmap" not in str(first[2]):
        return None
    return Refused("pickle-unknown-code", Severity.MEDIUM, f"it makes an array of the class {show(first, 200)}")


def _ufunc(event: ev.Event, resolve: Resolve) -> Answer:
    """`_ufunc_reconstruct(module, name)` imports any module and takes any attribute."""
    module, name = _at(event, 0), _at(event, 1)
    if isinstance(module, str) and isinstance(name, str):
        entry = resolve(module, name)[2]
        if entry is not None and entry.use == "refer" and module.partition(".")[0] in {"numpy", "scipy"}:
            return None
    return Refused("pickle-dangerous-call", Severity.HIGH, f"it imports {show(event.arguments, 200)}, no known ufunc")


def _constructor(event: ev.Event, _resolve: Resolve) -> Answer:
    """numpy.random calls what it is given as constructor."""
    for argument in items(event.arguments):
        if isinstance(argument, list) and argument and argument[0] in {"global", "result", "unknown", "computed"}:
            if argument[0] == "global" and str(argument[1]).startswith("numpy.random"):
                continue
            made_by = callee(argument[2]) if argument[0] == "result" else None
            if made_by and made_by[0].startswith("numpy.random"):
                continue
            return Refused("pickle-dangerous-call", Severity.HIGH, f"it calls {show(argument, 200)} in turn")
    return None


def _rebuild(event: ev.Event, resolve: Resolve) -> Answer:
    """Torch calls its first argument with its third, and sets attributes of what that returns: of a new tensor."""
    function, arguments = _at(event, 0), _at(event, 2)
    entry = resolve(function[1], function[2])[2] if _is_global(function) else None
    tensor = entry is None or entry.framework != "stdlib"
    if _is_global(function) and tensor and isinstance(arguments, list) and arguments[:1] == ["tuple"]:
        return Indirect(function, arguments)
    return Refused("pickle-dangerous-call", Severity.HIGH, f"it calls {show(function, 200)} in turn")


def _apply(event: ev.Event, _resolve: Resolve) -> Answer:
    """Dill calls its first argument with its second, and sets the state of what that returns: of an array."""
    function, arguments = _at(event, 0), _at(event, 1)
    array = _is_global(function) and function[1].startswith("numpy.") and function[2] == "_reconstruct"
    if array and isinstance(arguments, list) and arguments[:1] == ["tuple"]:
        return Indirect(function, arguments)
    return Refused("pickle-dangerous-call", Severity.HIGH, f"it calls {show(function, 200)} in turn")


def _flags(event: ev.Event, _resolve: Resolve) -> Answer:
    """`or_(RegexFlag.A, RegexFlag.B)` is what flags pickle to; anything else may have an `__or__` of its own."""
    for argument in items(event.arguments):
        made_by = callee(argument[2]) if isinstance(argument, list) and argument[:1] == ["result"] else None
        if made_by not in _FLAGS and not isinstance(argument, int):
            return Refused("pickle-unknown-code", Severity.MEDIUM, f"it combines {show(argument, 200)}")
    return None


def _words(event: ev.Event, _resolve: Resolve) -> Answer:
    """A function that only looks something up by a name."""
    if all(isinstance(argument, str) for argument in items(event.arguments)):
        return None
    return Refused("pickle-unknown-code", Severity.MEDIUM, "its arguments are no plain text")


def _array(event: ev.Event, resolve: Resolve) -> Answer:
    """A tensor is made from an array of numpy, or from plain data."""
    first = _at(event, 0)
    made_by = callee(first[2]) if isinstance(first, list) and first[:1] == ["result"] else None
    entry = resolve(*made_by)[2] if made_by else None
    if entry is not None and entry.framework == "numpy" and len(items(event.arguments)) == 1:
        return None
    return _plain(event, resolve)


def _passed(event: ev.Event, _resolve: Resolve) -> Answer:
    """TorchScript puts its lists and dictionaries through functions that return what they are given."""
    first = _at(event, 0)
    if isinstance(first, list) and first[:1] and first[0] in {"global", "result", "extension", "computed", "unknown"}:
        return Refused("pickle-dangerous-call", Severity.HIGH, f"it returns {show(first, 200)}, which is then changed")
    return None


def _partial(event: ev.Event, resolve: Resolve) -> Answer:
    """A partial keeps a function for later; it must be one that is known, and known for any arguments.

    Of classes that are known as something that is restored without being called, layers alone may be kept.
    """
    function = _at(event, 0)
    entry = resolve(function[1], function[2])[2] if _is_global(function) else None
    if entry is not None and entry.check in {"", "plain"} and (entry.use != "new" or function[1].startswith(_LAYERS)):
        return None
    return Refused("pickle-unknown-code", Severity.MEDIUM, f"it keeps {show(function, 200)} to be called later")


def _at(event: ev.Event, place: int) -> ev.Term:
    inside = items(event.arguments)
    return inside[place] if place < len(inside) else None


def _is_global(term: ev.Term) -> bool:
    return isinstance(term, list) and bool(term) and term[0] == "global"


CHECKS: dict[str, Callable[[Any, Resolve], Answer]] = {
    "codec": _codec,
    "getattr": _getattr,
    "type": _type,
    "plain": _plain,
    "iter": _iter,
    "generic": _generic,
    "union": _union,
    "reconstructor": _reconstructor,
    "newobj": _newobj,
    "reconstruct": _reconstruct,
    "ufunc": _ufunc,
    "ctor": _constructor,
    "rebuild": _rebuild,
    "partial": _partial,
    "words": _words,
    "apply": _apply,
    "flags": _flags,
    "array": _array,
    "passed": _passed,
}

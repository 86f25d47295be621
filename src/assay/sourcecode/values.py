"""Values as far as they can be known without running anything: constants, names of things, and where they came from."""

from __future__ import annotations

import base64
import binascii
import bz2
import codecs
import lzma
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_CONSTANT: Final = 1 << 20  # characters or bytes of one folded constant
MAX_NAMES: Final = 8  # names one value may have
MAX_ITEMS: Final = 100_000  # items of a folded sequence
_PERCENT = re.compile(r"(?:[^%]|%[%sdrcx])*")  # no widths: they would let a short text grow to gigabytes


class _Unknown:
    """Marks a value that is not constant (None is a constant)."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = _Unknown()


@dataclass(frozen=True, slots=True)
class Value:
    """What is known about an expression.

    Attributes:
        constant: str, bytes, int, float, bool, None or a tuple of them; UNKNOWN otherwise.
        names: dotted names it may stand for.
        tags: where it came from.
    """

    constant: Any = UNKNOWN
    names: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()

    @property
    def known(self) -> bool:
        """Whether the constant is known."""
        return self.constant is not UNKNOWN

    def join(self, other: Value) -> Value:
        """Either of two: names and tags of both, the later constant that is known."""
        if other is self:
            return self
        constant = other.constant if other.known else self.constant
        return Value(constant, frozenset(sorted(self.names | other.names)[:MAX_NAMES]), self.tags | other.tags)


NOTHING: Final = Value()


def bounded(constant: Any) -> Any:
    """The constant, or UNKNOWN when it is larger than we follow."""
    if isinstance(constant, str | bytes) and len(constant) > MAX_CONSTANT:
        return UNKNOWN
    if isinstance(constant, tuple) and len(constant) > MAX_ITEMS:
        return UNKNOWN
    if isinstance(constant, int) and constant.bit_length() > 4096:  # noqa: PLR2004
        return UNKNOWN
    return constant


def fold_binary(operator: str, left: Any, right: Any) -> Any:
    """A binary operation on constants (UNKNOWN when it has no small result)."""
    try:
        if operator == "Add" and type(left) is type(right):
            return bounded(left + right)
        if operator == "Mult":
            return _repeat(left, right)
        if isinstance(left, str):
            return _text_operation(operator, left, right)
        if isinstance(left, int) and isinstance(right, int):
            return _arithmetic(operator, left, right)
    except (TypeError, ValueError, ArithmeticError, MemoryError):
        return UNKNOWN
    return UNKNOWN


def _text_operation(operator: str, left: str, right: Any) -> Any:
    if operator == "Mod":
        return bounded(left % right) if _PERCENT.fullmatch(left) else UNKNOWN
    if operator == "Div" and isinstance(right, str):
        return bounded(f"{left}/{right}")  # pathlib
    return UNKNOWN


def _repeat(left: Any, right: Any) -> Any:
    if isinstance(left, int):
        left, right = right, left
    if isinstance(left, int):
        return bounded(left * right)
    if isinstance(left, str | bytes | tuple) and isinstance(right, int) and len(left) * right <= MAX_ITEMS:
        return left * right
    return UNKNOWN


def _arithmetic(operator: str, left: int, right: int) -> Any:
    simple: dict[str, Callable[[int, int], int]] = {
        "Sub": lambda a, b: a - b,
        "BitXor": lambda a, b: a ^ b,
        "BitOr": lambda a, b: a | b,
        "BitAnd": lambda a, b: a & b,
        "FloorDiv": lambda a, b: a // b,
        "Mod": lambda a, b: a % b,
        "RShift": lambda a, b: a >> b,
    }
    return bounded(simple[operator](left, right)) if operator in simple else UNKNOWN


# What a folded call may raise for arguments of the wrong kind; base64 asserts the length of its altchars.
_FAILURES = (
    *(TypeError, ValueError, LookupError, ArithmeticError, AttributeError, AssertionError, MemoryError, RecursionError),
    *(EOFError, OSError, zlib.error, lzma.LZMAError, binascii.Error),
)


def fold_method(base: Any, method: str, arguments: Sequence[Any]) -> Any:
    """A method call on a constant (UNKNOWN when it is none of the string-building ones, or its result may be large)."""
    if not isinstance(base, str | bytes) or method not in _TEXT_METHODS or not _small(base, method, arguments):
        return UNKNOWN
    try:
        result = getattr(base, method)(*arguments)
    except _FAILURES:
        return UNKNOWN
    return bounded(tuple(result) if isinstance(result, list) else result)


def _small(base: str | bytes, method: str, arguments: Sequence[Any]) -> bool:
    """Whether the result is sure to be about as small as what goes in."""
    if method in {"encode", "decode"}:
        return not arguments or (isinstance(arguments[0], str) and _plain_codec(arguments[0]))
    if method == "join":
        items = arguments[0] if len(arguments) == 1 and isinstance(arguments[0], tuple | str) else ()
        return len(base) * len(items) + sum(len(i) for i in items if isinstance(i, str | bytes)) <= MAX_CONSTANT
    if method == "replace":
        texts = [a for a in arguments if isinstance(a, str | bytes)]
        return len(texts) > 1 and (len(base) + 1) * len(texts[1]) <= 16 * MAX_CONSTANT
    if method == "format":
        return isinstance(base, str) and ":" not in base and "!" not in base and base.count("{") <= 64  # noqa: PLR2004
    return True


def _plain_codec(name: str) -> bool:
    return name.lower().replace("_", "-") in _PLAIN_CODECS


_PLAIN_CODECS = frozenset(
    [
        "utf-8",
        "utf8",
        "ascii",
        "us-ascii",
        "latin-1",
        "latin1",
        "iso-8859-1",
        "cp1252",
        "utf-16",
        "utf-16-le",
        "utf-16-be",
        "utf-32",
        "utf-32-le",
        "utf-32-be",
        "unicode-escape",
        "raw-unicode-escape",
        "utf-7",
    ]
)
_TEXT_METHODS = frozenset(
    [
        "join",
        "replace",
        "lower",
        "upper",
        "strip",
        "lstrip",
        "rstrip",
        "swapcase",
        "title",
        "capitalize",
        "split",
        "decode",
        "encode",
        "hex",
        "translate",
        "removeprefix",
        "removesuffix",
        "format",
        "casefold",
    ]
)


def fold_call(name: str, arguments: Sequence[Any]) -> Any:
    """A call of a decoder or a string-building built-in on constants (UNKNOWN for others)."""
    fold = _FOLDS.get(name.removeprefix("builtins."))
    if fold is None:
        return UNKNOWN
    try:
        return bounded(fold(*arguments))
    except _FAILURES:
        return UNKNOWN


def _inflate(data: bytes, wbits: int = 15) -> bytes:
    return zlib.decompressobj(wbits).decompress(data, MAX_CONSTANT)


def _codec(data: str | bytes, codec: str = "utf-8") -> Any:
    if codec.lower().replace("-", "_") in {"rot13", "rot_13"}:
        return codecs.decode(str(data), "rot13")
    if codec.lower().replace("-", "_") in {"hex", "hex_codec"} and isinstance(data, bytes | str):
        return bytes.fromhex(data if isinstance(data, str) else data.decode("ascii"))
    if codec.lower().startswith("base64") and isinstance(data, bytes):
        return base64.b64decode(data)
    return data.decode(codec) if isinstance(data, bytes) and _plain_codec(codec) else UNKNOWN


def _bytes(source: Any = b"", encoding: str = "utf-8") -> Any:
    if isinstance(source, str):
        return source.encode(encoding) if _plain_codec(encoding) else UNKNOWN
    if isinstance(source, int):
        return UNKNOWN
    return bytes(source)


_FOLDS: dict[str, Callable[..., Any]] = {
    "chr": chr,
    "ord": ord,
    "str": lambda value="", encoding="utf-8": _codec(value, encoding) if isinstance(value, bytes) else str(value),
    "bytes": _bytes,
    "bytearray": _bytes,
    "int": int,
    "len": len,
    "list": tuple,
    "tuple": tuple,
    "reversed": lambda value: tuple(reversed(value)),
    "bytes.fromhex": bytes.fromhex,
    "bytearray.fromhex": bytes.fromhex,
    "base64.b64decode": lambda data, altchars=None, **_: base64.b64decode(data, altchars),
    "base64.standard_b64decode": base64.standard_b64decode,
    "base64.urlsafe_b64decode": base64.urlsafe_b64decode,
    "base64.decodebytes": base64.decodebytes,
    "base64.b32decode": base64.b32decode,
    "base64.b16decode": base64.b16decode,
    "base64.b85decode": base64.b85decode,
    "base64.a85decode": base64.a85decode,
    "binascii.a2b_base64": binascii.a2b_base64,
    "binascii.unhexlify": binascii.unhexlify,
    "binascii.a2b_hex": binascii.unhexlify,
    "codecs.decode": _codec,
    "zlib.decompress": _inflate,
    "gzip.decompress": lambda data: _inflate(data, 31),
    "bz2.decompress": lambda data: bz2.BZ2Decompressor().decompress(data, MAX_CONSTANT),
    "lzma.decompress": lambda data: lzma.LZMADecompressor(memlimit=64 << 20).decompress(data, MAX_CONSTANT),
    "urllib.parse.unquote": unquote,
    "io.BytesIO": lambda data=b"": data if isinstance(data, bytes) else UNKNOWN,
    "os.path.expanduser": lambda path: path if isinstance(path, str) else UNKNOWN,
    "os.path.abspath": lambda path: path if isinstance(path, str) else UNKNOWN,
    "os.path.join": lambda *parts: "/".join(parts),
    "pathlib.Path": lambda *parts: "/".join(parts),
}

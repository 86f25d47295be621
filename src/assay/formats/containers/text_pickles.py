"""Pickles that stand in text: as base64, base32, base85 or hexadecimal digits, or one character for each byte.

A program that keeps a pickle in JSON, YAML or a table writes it in one of these ways. Only what decodes to a whole
pickle that imports and calls something counts; base64 of protocol 2 and later is recognised by how it begins.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from assay.core.errors import ContentError, LimitExceeded
from assay.formats.sniff_pickle import end_of_pickle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BASE64 = rb"[A-Za-z0-9+/_-]"
_LINES = rb"(?:\\[nr]|\r?\n[ \t]*)"  # a value may go on in the next line
_PROVED_BYTES = 1 << 20
_MOST_OPCODES = 1_000_000  # of what may be pickles, in one text
_MOST_BYTES = 256 << 20  # of what is looked at more closely, in one text
_ESCAPE = re.compile(rb"\\(?:\r?(\n)[ \t]*|u00([0-9A-Fa-f]{2})|x([0-9A-Fa-f]{2})|([0-7]{3})|(.))", re.DOTALL)
_PLAIN = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f", b"0": b"\0", b"a": b"\a", b"v": b"\v",
          b"e": b"\x1b", b"N": b"\xc2\x85", b"_": b"\xc2\xa0"}  # fmt: skip
_QUOTED = re.compile(rb"((?:[^\"\\]|\\.)+)", re.DOTALL)
_SINGLE = re.compile(rb"((?:[^'\\]|\\.)+)", re.DOTALL)

# How it begins → what may stand before, what it is made of, how it is written, whether it must prove to be a pickle.
_Form = tuple[bytes, "re.Pattern[bytes]", str, bool]


def _forms() -> tuple[_Form, ...]:
    value = rb"(?<![^'\"\s,;|>:=])"
    any64 = (
        rb"(" + _BASE64 + rb"{20,}(?:" + _LINES + _BASE64 + rb"{40,}){0,8192}(?:" + _LINES + _BASE64 + rb"+)?={0,2})"
    )
    hexadecimal = rb"((?:[0-9A-Fa-f]{2}){12,}(?:" + _LINES + rb"(?:[0-9A-Fa-f]{2}){20,}){0,4096})"
    found: list[_Form] = [
        (b"gA", re.compile(rb"(?<=\")(gA[I-X][A-Za-z0-9+/\\nr]{8,}={0,2})(?:\\n)?(?=\")"), "base64, cut", False),
        (b"gA", re.compile(value + rb"(gA[I-X]" + any64[1:]), "base64", False),
        (b'"H4sI', re.compile(rb'"(H4sI[A-Za-z0-9+/\\nr]{24,}={0,2})(?:\\n)?"'), "base64", False),
        (b'"eJ', re.compile(rb'"(eJ[wxyz0-9][A-Za-z0-9+/\\nr]{24,}={0,2})(?:\\n)?"'), "base64", False),
        *((b'"' + mark, re.compile(rb'"(' + mark + any64[1:]), "base64", True) for mark in (b"UEsDB", b"k05V")),
        *((before + first, re.compile(re.escape(before) + rb"(" + first + any64[1:]), "base64", True)
          for before in (b'"', b"'", b" ", b",") for first in (b"Y", b"K")),
        (b"QA", re.compile(value + rb"(QA[BC][A-Z2-7]{24,}=*)"), "base32", True),
        *((before + b"fC", re.compile(re.escape(before) + rb"(fC[!-~]{20,})"), "base85", True)
          for before in (b'"', b"'", b" ")),
        (b'"J-', re.compile(rb'"(J-(?:[!#-\[\]-uz]|\\["\\/]){20,})'), "ascii85", True),
        *((b"80" + protocol, re.compile(rb"(?<![0-9A-Fa-f])" + hexadecimal), "hex", True)
          for protocol in (b"02", b"03", b"04", b"05")),
        *((quote + first, re.compile(quote + hexadecimal), "hex", True)
          for quote in (b'"', b"'") for first in (b"63", b"28")),
        *((mark, _QUOTED, "characters", True) for mark in (rb"\x80\x0", rb"\u0080\u000", b"\xc2\x80")),
        *((mark, _SINGLE, "characters", True) for mark in (rb"\x80\x0",)),
        *((b'"' + first, re.compile(rb'"(' + re.escape(first) + rb"(?:[^\"\\]|\\.)*)", re.DOTALL), "characters", True)
          for first in (b"c", b"(c", b"(S", b"(V")),
    ]  # fmt: skip
    return tuple(found)


_FORMS = _forms()
_SERIALISED = re.compile(rb'":serialized:"\s*:\s*"([^"]+)"')  # Stable-Baselines3 unpickles any base64 under this key
_IMPORTS = re.compile(rb'"\(?(?:[SV][^"]{0,200}\\n|c)[A-Za-z_]')


def decode(encoding: str, text: bytes) -> bytes:
    """The bytes that a text stands for; what is left over at its end is dropped.

    Raises:
        ContentError: when it stands for none.
    """
    try:
        return _DECODERS[encoding](text)
    except (binascii.Error, ValueError, OverflowError) as error:
        raise ContentError(f"no {encoding}: {error}") from error


def _base64(text: bytes) -> bytes:
    plain = re.sub(_LINES, b"", text).replace(b"\\/", b"/").replace(b"-", b"+").replace(b"_", b"/")
    return base64.b64decode(plain)


def _cut64(text: bytes) -> bytes:
    plain = re.sub(rb"[^A-Za-z0-9+/]", b"", re.sub(_LINES, b"", text).translate(bytes.maketrans(b"-_", b"+/")))
    whole = plain[:-1] if len(plain) % 4 == 1 else plain
    return base64.b64decode(whole + b"=" * (-len(whole) % 4))


def _base32(text: bytes) -> bytes:
    plain = text.rstrip(b"=")
    return base64.b32decode(plain[: len(plain) // 8 * 8]) + _rest32(plain[len(plain) // 8 * 8 :])


def _rest32(rest: bytes) -> bytes:
    whole = {2: 2, 3: 2, 4: 4, 5: 5, 6: 5, 7: 7}.get(len(rest), 0)
    return base64.b32decode(rest[:whole].ljust(8, b"=")) if whole else b""


def _base85(text: bytes) -> bytes:
    allowed = re.match(rb"[0-9A-Za-z!#$%&()*+\-;<=>?@^_`{|}~]+", text)
    return base64.b85decode(allowed.group()) if allowed else b""


def _ascii85(text: bytes) -> bytes:
    return base64.a85decode(re.sub(rb'\\(["\\/])', rb"\1", text))


def _hex(text: bytes) -> bytes:
    return bytes.fromhex(re.sub(_LINES, b"", text).decode("ascii"))


def _characters(text: bytes) -> bytes:
    """A text of characters up to U+00FF, with the escapes of JSON, YAML and Python, as the bytes of those numbers."""

    def one(match: re.Match[bytes]) -> bytes:
        fold, u, x, octal, plain = match.groups()
        if fold:
            return b""
        if u or x:
            number = int(u or x, 16)
        elif octal:
            number = int(octal, 8) & 0xFF
        else:
            return _PLAIN.get(plain, plain)
        return bytes([number]) if number < 0x80 else chr(number).encode()  # noqa: PLR2004 - with the text's own UTF-8

    escaped = _ESCAPE.sub(one, text)
    return escaped.decode("utf-8", "ignore").encode("latin-1", "replace")


_DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "base64": _base64,
    "base64, cut": _cut64,
    "base32": _base32,
    "base85": _base85,
    "ascii85": _ascii85,
    "hex": _hex,
    "characters": _characters,
}


def find(text: bytes) -> Iterator[tuple[int, int, str]]:
    """(start, end, encoding) of what stands for a pickle or something packed, in order; no two overlap.

    Raises:
        LimitExceeded: for a text made so that a pickle seems to begin everywhere.
    """
    found = [(*match.span(1), "base64") for match in _SERIALISED.finditer(text)] if b":serialized:" in text else []
    budget = [_MOST_OPCODES, _MOST_BYTES]
    for mark, pattern, encoding, proved in _FORMS:
        position = text.find(mark)
        while position >= 0:
            end = position + 1
            match = pattern.match(text, position)
            if match is not None:
                place = _place(text, match, encoding, budget) if proved else (*match.span(1), _exact(match, encoding))
                if place is not None:
                    found.append(place)
                    end = max(end, place[1])
            position = text.find(mark, end)
    reached = -1
    for start, end, encoding in sorted(found, key=lambda place: (place[0], -place[1])):
        if start >= reached:
            yield start, end, encoding
            reached = end


def _exact(match: re.Match[bytes], encoding: str) -> str:
    """Unquoted base64 may run into what follows it."""
    if encoding.endswith("cut") or match.string[match.end(1) : match.end(1) + 1] == b'"':
        return encoding
    return f"{encoding}, cut"


def _place(text: bytes, match: re.Match[bytes], encoding: str, budget: list[int]) -> tuple[int, int, str] | None:
    """Where the match lies, when it stands for a pickle that imports and calls something, or for one that is packed."""
    start, end = match.span(1)
    if encoding == "characters" and text[start : start + 1] in b"c(" and not _IMPORTS.match(text, start - 1):
        return None
    budget[1] -= 64 + end - start
    if min(budget) < 0:
        raise LimitExceeded("text_pickles", "too much that could be a pickle written as text")
    cut = "base64, cut" if encoding == "base64" else encoding
    try:
        data = decode(cut, text[start : min(end, start + 2 * _PROVED_BYTES)][: _PROVED_BYTES * 2])
    except ContentError:
        return None
    if data.startswith((b"PK\x03\x04", b"\x93NUMPY")):
        return (start, end, cut) if b".pkl" in data or b"O'" in data[:256] else None
    length, opcodes = end_of_pickle(data, 0, len(data))
    budget[0] -= opcodes
    return (start, end, cut) if length else None

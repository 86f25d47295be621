"""Java properties files: keys and values with their line, as `java.util.Properties.load` reads them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|$)")
_ODD = re.compile(r"(?<!\\)(?:\\\\)*\\$")
_PAIR = re.compile(r"((?:[^\\=: \t\f]|\\.)*)[ \t\f]*[=:]?[ \t\f]*(.*)", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f"}


def read_properties(text: str) -> Iterator[tuple[str, str, int]]:
    """(key, value, line); a backslash at its end joins a line to the next one. Nothing is raised."""
    pieces: list[str] = []
    begun = 1
    for number, match in enumerate(_LINE.finditer(text), 1):
        line = match[0].rstrip("\r\n").lstrip(" \t\f")
        if not pieces:
            begun = number
            if not line or line[0] in "#!":
                continue
        if _ODD.search(line):
            pieces.append(line[:-1])
            continue
        pieces.append(line)
        if found := _PAIR.fullmatch("".join(pieces)):
            yield _plain(found[1]), _plain(found[2]), begun
        pieces = []
    if pieces and (found := _PAIR.fullmatch("".join(pieces))):
        yield _plain(found[1]), _plain(found[2]), begun


def _plain(text: str) -> str:
    return _ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else _LETTERS.get(m[2], m[2]), text)

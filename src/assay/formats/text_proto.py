"""Protocol buffers written as text (`.pbtxt`): fields with their path, in order. No schema, no opinions.

Text Format Language Specification, protobuf.dev. What does not fit its grammar is passed over: nothing is raised.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_FIELDS = 200_000
_SHOWN_DEPTH = 32
_TOKEN = re.compile(
    r"[ \t\r\f\v]+|(?P<line>\n)|#[^\n]*|\\."
    r"|(?P<text>\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*')"
    r"|(?P<word>[A-Za-z_][\w.]*|\[[\w./\- ]{1,300}\])|(?P<number>[-+.\d][\w.+\-]*)|(?P<mark>[{}<>:;,\[\]])|."
)
_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{4})|([0-7]{1,3})|(.))", re.DOTALL)
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


def read_text_proto(text: str) -> Iterator[tuple[str, str, int]]:
    """(path of field names joined by dots, value, line) of every scalar; neighbouring strings are one.

    Args:
        text: the file.
    """
    path: list[str] = []
    pieces: list[str] = []
    name, line, begun, fields = "", 1, 1, 0
    for match in _TOKEN.finditer(text):
        kind, token = match.lastgroup, match[0]
        if kind == "line":
            line += 1
        elif kind == "text" and name:
            begun = begun if pieces else line
            pieces.append(_plain(token[1:-1]))
        elif kind is not None:
            if pieces:
                yield _joined(path, name), "".join(pieces), begun
                pieces, fields = [], fields + 1
            if fields > MAX_FIELDS:
                return
            name, ended = _step(path, name, kind, token)
            if ended:
                yield _joined(path, ended), token, line
                fields += 1
    if pieces:
        yield _joined(path, name), "".join(pieces), begun


def _joined(path: list[str], name: str) -> str:
    """Of what is nested deeper than any settings are, the innermost names."""
    return ".".join((*path[-_SHOWN_DEPTH:], name))


def _step(path: list[str], name: str, kind: str, word: str) -> tuple[str, str]:
    """The field at hand after a word or mark, and the field whose value it is."""
    if kind == "mark":
        if word in "{<" and name:
            path.append(name)
            return "", ""
        if word in "}>":
            return (path.pop() if path else ""), ""
        return name, ""
    if kind == "word" and not (name and word in {"true", "false"}):
        return word, ""
    return name, name if name and kind != "text" else ""


def _plain(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        for digits, base in ((match[1], 16), (match[2], 16), (match[3], 8)):
            if digits:
                return chr(int(digits, base))
        return _LETTERS.get(match[4], match[4])

    return _ESCAPE.sub(one, text)

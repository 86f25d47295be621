"""Where values of a JSON text stand: path to line. The text has been parsed before, so it is known to be JSON."""

from __future__ import annotations

import json
import re

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+|\n')

Path = tuple[str | int, ...]


def value_lines(text: str) -> dict[Path, int]:
    """1-based line on which each value begins, by its path of keys and indices."""
    found: dict[Path, int] = {}
    stack: list[list[str | int]] = []  # [kind, current key or index]
    line, expects_key = 1, False
    for piece in _TOKEN.findall(text):
        if piece == "\n":
            line += 1
        elif piece in "{[":
            found[tuple(frame[1] for frame in stack)] = line
            stack.append(["object", ""] if piece == "{" else ["array", 0])
            expects_key = piece == "{"
        elif piece in "}]":
            if stack:
                stack.pop()
            expects_key = False
        elif piece == ",":
            if stack and stack[-1][0] == "array":
                stack[-1][1] = int(stack[-1][1]) + 1
            expects_key = bool(stack) and stack[-1][0] == "object"
        elif piece == ":":
            expects_key = False
        elif expects_key and piece[0] == '"':
            stack[-1][1] = str(json.loads(piece, strict=False))
        else:
            found[tuple(frame[1] for frame in stack)] = line
    return found

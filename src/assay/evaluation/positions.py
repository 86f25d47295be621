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
    for token in _TOKEN.findall(text):
        if token == "\n":
            line += 1
        elif token in "{[":
            found[tuple(frame[1] for frame in stack)] = line
            stack.append(["object", ""] if token == "{" else ["array", 0])
            expects_key = token == "{"
        elif token in "}]":
            if stack:
                stack.pop()
            expects_key = False
        elif token == ",":
            if stack and stack[-1][0] == "array":
                stack[-1][1] = int(stack[-1][1]) + 1
            expects_key = bool(stack) and stack[-1][0] == "object"
        elif token == ":":
            expects_key = False
        elif expects_key and token[0] == '"':
            stack[-1][1] = str(json.loads(token, strict=False))
        else:
            found[tuple(frame[1] for frame in stack)] = line
    return found

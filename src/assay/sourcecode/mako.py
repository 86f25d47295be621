"""The Python of Mako templates, as one program.

Mako compiles a template to a module and runs it when the template is rendered: blocks (`<% … %>`, `<%! … %>`),
expressions (`${…}`), control lines (`% for …:`) and the modules that `<%namespace module="…"/>` imports.
https://docs.makotemplates.org/en/latest/syntax.html
"""

from __future__ import annotations

import ast
import re
import textwrap
from dataclasses import dataclass

_PIECES = re.compile(
    r"<%!?(?P<block>(?=[\s!])(?:(?!%>).){0,200000})%>"
    r"|\$\{(?P<expression>[^{}]{1,20000}(?:\{[^{}]*\}[^{}]*){0,50})\}"
    r"|^[ \t]*%(?!%)[ \t]*(?P<control>[^\n]{1,20000})$"
    r"|<%namespace\b(?P<namespace>[^>]{0,2000})>",
    re.DOTALL | re.MULTILINE,
)
_MODULE = re.compile(r"\bmodule\s*=\s*[\"']([\w.]+)[\"']")
_NAME = re.compile(r"\bname\s*=\s*[\"'](\w+)[\"']")
_OPENS = re.compile(r"(if|elif|while|for|with|except|try|else|finally)\b(.*?):?\s*(?:#.*)?$", re.DOTALL)
_MOST_PIECES = 20_000


@dataclass(frozen=True)
class MakoSource:
    """What a template runs.

    Attributes:
        python: one program; each piece on the line where it begins, as far as the lines allow.
        blocks: pieces that are Python.
        broken: pieces that this Python's parser refuses.
    """

    python: str
    blocks: int
    broken: int


def read_mako(text: str) -> MakoSource:
    """Take the Python out of a template; nothing is run."""
    pieces: list[str] = []
    line, blocks, broken = 1, 0, 0
    for number, match in enumerate(_PIECES.finditer(text)):
        if number >= _MOST_PIECES:
            broken += 1
            break
        code = _code(match)
        if not code:
            continue
        if not _parses(code):
            broken += 1
            continue
        at = text.count("\n", 0, match.start()) + 1
        pieces.append("\n" * max(0, at - line) + code + "\n")
        line = max(at, line) + code.count("\n") + 1
        blocks += 1
    return MakoSource("".join(pieces), blocks, broken)


def _code(match: re.Match[str]) -> str:
    if (block := match["block"]) is not None:
        return textwrap.dedent(block.removeprefix("!").strip("\r\n")).strip()
    if (expression := match["expression"]) is not None:
        return f"({expression.strip()})"
    if (namespace := match["namespace"]) is not None:
        module, name = _MODULE.search(namespace), _NAME.search(namespace)
        return f"import {module[1]}" + (f" as {name[1]}" if name else "") if module else ""
    opened = _OPENS.match(match["control"].strip())
    if opened is None:
        return ""
    word, rest = opened[1], opened[2].strip()
    if word in {"if", "elif", "while", "for", "with"} and rest:
        return f"{'if' if word == 'elif' else word} {rest}: pass"
    return ""


def _parses(code: str) -> bool:
    try:
        ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True

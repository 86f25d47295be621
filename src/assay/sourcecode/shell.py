"""Read shell commands, by line and by pipe, for what they would do. Nothing is run, nothing is expanded.

The quoting tricks that hide a word from a search (empty quotes, stray backslashes, `${IFS}`, escapes in dollar
quotes) are undone first, and variables that the same text sets to a constant are put in.
"""

from __future__ import annotations

import base64
import binascii
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_ACTS: Final = 1_000
_MAX_LINE: Final = 4_000  # characters of one line read at once; longer lines are read in overlapping pieces
_OVERLAP: Final = 400
_MAX_TEXT: Final = 4 << 20  # characters of one text
_MAX_NESTED: Final = 2  # decoded commands read in turn


@dataclass(frozen=True, slots=True)
class ShellAct:
    """One thing a command would do.

    Attributes:
        kind: `download-and-run`, `reverse-shell`, `decode-and-run`, `persistence`, `credentials`, `destructive`,
            `send-away`, `download`, `privilege`, `run-inline`, `script-host` or `install`.
        line: 1-based.
        text: the command, quotes undone, cut.
    """

    kind: str
    line: int
    text: str


@dataclass(frozen=True)
class _Rules:
    patterns: tuple[tuple[str, re.Pattern[str]], ...]
    fetch: frozenset[str]
    run: frozenset[str]
    decode: frozenset[str]
    prefix: frozenset[str]


@cache
def _rules() -> _Rules:
    raw = tomllib.loads((files("assay.sourcecode") / "data" / "shell-patterns.toml").read_text("utf-8"))
    patterns = tuple(
        (kind, re.compile(pattern, re.IGNORECASE)) for kind, group in raw["patterns"].items() for pattern in group
    )
    words = raw["words"]
    return _Rules(patterns, *(frozenset(words[key]) for key in ("fetch", "run", "decode", "prefix")))


_ASSIGN = re.compile(
    r"""(?:^|[\s;])(?:export\s+|local\s+|readonly\s+)?([A-Za-z_]\w*)=("[^"\n]*"|'[^'\n]*'|[^\s;|&"'`$]+)"""
)
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_ANSI = re.compile(r"\$'((?:[^'\\]|\\.)*)'")
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{1,2})|([0-7]{1,3})|u([0-9a-fA-F]{1,4})|(.))")
_BASE64 = re.compile(r"(?:echo|printf|<<<)\s+(?:-\w+\s+){0,3}[\"']?([A-Za-z0-9+/]{16,}={0,2})[\"']?")
_OPERATOR = re.compile(r"(\|\|?|&&|;|\$\(|`|<\(|&(?![>\d])|\n|\)|\()")
_WINDOWS_SHELLS = frozenset(("cmd", "cmd.exe", "powershell", "powershell.exe", "pwsh", "pwsh.exe"))
_TAKES_COMMAND = re.compile(r"-c(?:ommand)?|/[ck]", re.IGNORECASE)
_PROGRAMS = (".exe", ".bat", ".cmd", ".ps1", ".vbs", ".scr", ".msi")
_STARTERS = frozenset(("start-process", "start", "wscript", "cscript", "msiexec"))
_SET = re.compile(r"[A-Za-z_]\w*=\S*")


def read_shell(text: str, depth: int = 0) -> tuple[ShellAct, ...]:
    """What the commands in `text` would do, at most `MAX_ACTS`, in order of line.

    Comments are skipped. A base64 text that is echoed into a decoder is read in turn.
    """
    acts: dict[tuple[str, int], ShellAct] = {}
    variables: dict[str, str] = {}
    for number, raw in _logical_lines(text[:_MAX_TEXT]):
        if not raw.strip():
            continue
        line = normalise(raw, variables)
        for act in _acts(line, number):
            acts.setdefault((act.kind, number), act)
        for inner in _decoded(line) if depth < _MAX_NESTED else ():
            for act in read_shell(inner, depth + 1):
                acts.setdefault((act.kind, number), ShellAct(act.kind, number, act.text))
        if len(acts) >= MAX_ACTS:
            break
    return tuple(sorted(acts.values(), key=lambda act: (act.line, act.kind)))


def _acts(line: str, number: int) -> Iterator[ShellAct]:
    text = line.strip()[:300]
    for kind in _pipelines(line):
        yield ShellAct(kind, number, text)
    for kind, pattern in _rules().patterns:
        match = pattern.search(line)
        if match:
            start = max(0, match.start() - 20)
            yield ShellAct(kind, number, text if len(line) < len(text) + 2 else line[start : start + 300])


def _pipelines(line: str) -> set[str]:
    """What the order of commands in a line says: fetched or decoded bytes that reach an interpreter."""
    rules, found = _rules(), set[str]()
    pieces = _OPERATOR.split(line)
    commands = [(pieces[i - 1] if i else "", *_command(pieces[i])) for i in range(0, len(pieces), 2)]
    source = ""  # what flows through the pipe so far
    opened = ""  # an interpreter whose argument is a substitution
    fetched = False
    for operator, word, rest in commands:
        kind = "fetch" if word in rules.fetch else "decode" if word in rules.decode else ""
        runs = word in rules.run
        if kind == "fetch" and "://" in line:
            found.add("download")
        if operator == "|" and runs and source:
            found.add("download-and-run" if source == "fetch" else "decode-and-run")
        if operator in {"$(", "`", "<("} and opened and kind:
            found.add("download-and-run" if kind == "fetch" else "decode-and-run")
        if operator == "|" and opened and kind:
            found.add("decode-and-run")
        if operator in {"&&", ";", "\n", "||"} and fetched and (_executable(word, rest) or (runs and _file(rest))):
            found.add("download-and-run")
        fetched |= kind == "fetch"
        source = kind if kind and source != "fetch" else source if operator == "|" else kind
        opened = word if runs else opened if operator in {"$(", "`", "<(", "|"} else ""
    return found


def _command(piece: str) -> tuple[str, str]:
    """Base name of the command, lower-case, and its arguments; assignments and prefixes skipped."""
    words = piece.split()
    while words and (words[0].lower() in _rules().prefix or _SET.fullmatch(words[0]) or words[0].startswith("-")):
        if words[0].lower() == "exec" and len(words) == 1:
            break
        words = words[1:]
    if not words:
        return "", ""
    if re.fullmatch(r"-\w*c", words[1] if len(words) > 1 else "") and words[0].rpartition("/")[2].endswith("sh"):
        inner = " ".join(words[2:]).strip("\"'")
        if inner:
            return _command(inner)  # sh -c 'command'
    word = words[0].strip("\"'").rpartition("/")[2].lower() or words[0]
    if word in _WINDOWS_SHELLS:
        flag = next((i for i, text in enumerate(words) if _TAKES_COMMAND.fullmatch(text)), None)
        inner = " ".join(words[flag + 1 :]).strip("\"'") if flag is not None else ""
        if inner:
            return _command(inner)  # cmd /c command
    return re.sub(r"(?<=python)[\d.]+$", "3", word), " ".join(words[1:])


def _executable(word: str, rest: str) -> bool:
    if word.endswith(_PROGRAMS) or (word in _STARTERS and rest):
        return True
    return word == "chmod" and bool(re.match(r"\S*(?:\+\S*x|[1357])", rest))


def _file(rest: str) -> bool:
    """Whether an interpreter is given a file (and not `-m pip`, say)."""
    return bool(rest) and not rest.startswith("-") and not rest.startswith(("setup.py", "-m"))


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """(first line number, line) with continuations joined, comments left out, and long lines in overlapping pieces."""
    pending, start = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if not pending:
            start = number
            if line.lstrip().startswith("#"):
                continue
        if line.endswith("\\") and len(pending) < _MAX_LINE:
            pending += line[:-1] + " "
            continue
        whole, pending = pending + line, ""
        for index in range(0, max(1, len(whole)), _MAX_LINE - _OVERLAP):
            yield start, whole[index : index + _MAX_LINE]
    if pending:
        yield start, pending[:_MAX_LINE]


def normalise(line: str, variables: dict[str, str]) -> str:
    """One line with quoting tricks undone and known variables put in; `variables` learns what the line sets."""
    line = _ANSI.sub(lambda m: _ESCAPE.sub(_unescape, m.group(1)), line)
    line = line.replace("${IFS}", " ").replace("$IFS$9", " ").replace("$IFS", " ").replace("$@", "").replace("$*", "")
    line = re.sub(r"(?<=\w)(?:''|\"\")(?=\w)", "", line)
    line = re.sub(r"\\(?=[A-Za-z/])(?![nrtx0])", "", line)
    line = re.sub(r"""(?<=[\w/.-])["']([\w/.-]{1,8})["']""", r"\1", line)
    line = re.sub(r"""(^|[\s;|&(])["']([\w/.-]{1,20})["'](?=[\w/.-]|\s|$)""", r"\1\2", line)
    for name, value in _ASSIGN.findall(line):
        if len(value) < 1000:  # noqa: PLR2004 - a longer one is data
            variables[name] = value.strip("\"'")
    return _VARIABLE.sub(lambda m: variables.get(m.group(1) or m.group(2), m.group(0)), line)[:_MAX_LINE]


def _unescape(match: re.Match[str]) -> str:
    hexadecimal, octal, unicode, other = match.groups()
    if hexadecimal or unicode:
        return chr(int(hexadecimal or unicode, 16))
    return chr(int(octal, 8) & 0xFF) if octal else {"n": "\n", "t": "\t"}.get(other, other)


def _decoded(line: str) -> list[str]:
    if "base64" not in line and "b64" not in line:
        return []
    found = []
    for match in _BASE64.findall(line)[:8]:
        try:
            found.append(base64.b64decode(match, validate=True).decode("utf-8"))
        except (binascii.Error, ValueError):
            continue
    return found

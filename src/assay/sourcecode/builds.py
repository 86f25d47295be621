"""Shell commands in files of build tools and pipelines that are not shell: what building a repository would run.

Read are CMake, Meson, GYP, Gradle, Bazel, Cargo's `build.rs`, Rake and its kin, tox, just, Procfiles, direnv, Jenkins.
Texts in quotes are taken as they are written: what is put together when the tool runs is not seen. Every file is read
in one pass, whatever is in it. Sources: the tools' own documentation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What does not end ends with its line, or with the file: no text is read twice.
_TEXTS = (
    r'"""(?:[^"\\]|\\[\s\S]|"(?!""))*(?:"""|\Z)', r"'''(?:[^'\\]|\\[\s\S]|'(?!''))*(?:'''|\Z)",
    r'"(?:[^"\\\n]|\\[\s\S])*(?:"|$|\Z)', r"'(?:[^'\\\n]|\\[\s\S])*(?:'|$|\Z)",
    r"`(?:[^`\\\n]|\\[\s\S])*(?:`|$|\Z)",
)  # fmt: skip
_REST = r"(?P<word>[\w$@.:/+-]*\w)|(?P<line>\n)|(?P<mark>[^\s\w])"
_OPEN, _CLOSE, _GOES_ON = "([{", ")]}", frozenset("+,\\")
_TOX = re.compile(r"^commands(?:_pre|_post)?[ \t]*=[ \t]*([^\n]*(?:\n[ \t]+[^\n]*)*)", re.MULTILINE)
_PROC = re.compile(r"^[\w-]+:[ \t]*([^\n]+)", re.MULTILINE)
_RECIPE = re.compile(r"^[ \t]+[@-]*", re.MULTILINE)
_CMAKE_WORDS = frozenset((
    "command", "args", "working_directory", "output_variable", "result_variable", "error_variable", "output", "depends",
    "comment", "post_build", "pre_build", "pre_link", "verbatim", "byproducts", "all", "timeout", "output_quiet",
))  # fmt: skip


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str

    def bare(self) -> str:
        """A text without its quotes and their escapes."""
        if self.kind != "text":
            return self.text
        marks = 3 if self.text[:3] in {'"""', "'''"} else 1
        closed = len(self.text) >= 2 * marks and self.text.endswith(self.text[:marks])
        return re.sub(r"\\([\"'`\\])", r"\1", self.text[marks : -marks if closed else None])


@dataclass(frozen=True)
class _Language:
    """How a tool's files are read.

    Attributes:
        calls: names, lower case, after which a command stands.
        comment: what begins a comment.
        whole: whether words without quotes belong to the command, too (CMake); each argument is one of its own then.
        end: what ends a call that no bracket holds; a line does where it is empty.
        each: whether each quoted text is a command, and not a word of one.
    """

    calls: frozenset[str]
    comment: str = "#"
    whole: bool = False
    end: str = ""
    each: bool = False

    def commands(self, text: str) -> Iterator[str]:
        """Every command of a file."""
        tokens, read = self._tokens(text), 0
        for at, token in enumerate(tokens):
            name = token.text.lower() if token.kind == "word" or token.text in self.calls else ""
            if name.rpartition(".")[2] == "execute" and at and tokens[at - 1].kind == "text":
                yield tokens[at - 1].bare()
            elif token.kind == "text" and token.text.startswith("`"):
                yield token.bare()
            elif at >= read and (name in self.calls or name.rpartition(".")[2] in self.calls):
                part, read = self._call(tokens, at + 1)
                yield from self._said(part)

    def _tokens(self, text: str) -> list[_Token]:
        pattern = re.compile(rf"(?P<text>{'|'.join(_TEXTS)})|(?P<comment>{self.comment}[^\n]*)|{_REST}", re.MULTILINE)
        found = (_Token(str(match.lastgroup), match[0]) for match in pattern.finditer(text))
        return [one for one in found if one.kind != "comment"]

    def _call(self, tokens: list[_Token], at: int) -> tuple[list[_Token], int]:
        """What belongs to the call named before `at`, and where it ends: with the file, if nothing closes it."""
        depth, part, end = 0, list[_Token](), at
        for end in range(at, len(tokens)):
            token = tokens[end]
            if token.kind == "mark":
                depth += (token.text in _OPEN) - (token.text in _CLOSE)
            open_end = bool(part) and part[-1].text in _GOES_ON
            if depth < 0 or (
                not depth and (token.text == self.end if self.end else token.kind == "line" and not open_end)
            ):
                break
            if token.kind != "line":
                part.append(token)
            if not depth and token.text in _CLOSE and not self.end:
                break
        return part, end

    def _said(self, part: list[_Token]) -> Iterator[str]:
        texts = [one for one in part if one.kind == "text"]
        if self.each:
            yield from (one.bare() for one in texts)
        elif not self.whole:
            yield " ".join(one.bare() for one in texts)
        else:
            words: list[str] = []
            for one in part:
                if one.text.lower() in _CMAKE_WORDS:
                    yield " ".join(words)
                    words = []
                elif one.text not in _OPEN + _CLOSE:
                    words.append(one.bare())
            yield " ".join(words)


def build_commands(path: str, text: str) -> str | None:
    """Commands of such a file, each beginning a line of its own; None when the file is none."""
    base = path.rpartition("/")[2].lower()
    read = next((read for pattern, read in _READERS if pattern.fullmatch(base)), None)
    if read is None:
        return None
    return "\n".join(filter(None, read(text)))


def _gyp(text: str) -> Iterator[str]:
    """Actions, and commands whose output is put in: `<!(…)`."""
    yield from _Language(frozenset(("'action'", '"action"'))).commands(text)
    for line in text.splitlines():
        yield from (piece.rpartition(")")[0] for piece in re.split(r"<!@?\(", line)[1:])


def _groups(pattern: re.Pattern[str], text: str) -> Iterator[str]:
    return (match[1] for match in pattern.finditer(text))


def _language(calls: str, **settings: str | bool) -> Callable[[str], Iterator[str]]:
    return _Language(frozenset(calls.split()), **settings).commands  # type: ignore[arg-type]


_READERS: tuple[tuple[re.Pattern[str], Callable[[str], Iterator[str]]], ...] = (
    (
        re.compile(r"cmakelists\.txt|.+\.cmake"),
        _language("execute_process exec_program add_custom_command add_custom_target", whole=True),
    ),
    (re.compile(r"jenkinsfile(?:\..+)?|.+\.jenkinsfile"), _language("sh bat powershell pwsh", comment="//", each=True)),
    (re.compile(r".+\.gradle(?:\.kts)?"), _language("commandline executable exec args processbuilder", comment="//")),
    (
        re.compile(r"meson\.build"),
        _language("run_command custom_target run_target add_install_script add_postconf_script"),
    ),
    (re.compile(r".+\.gypi?"), _gyp),
    (re.compile(r"(?:build|workspace)(?:\.bazel)?|module\.bazel|.+\.bzl"), _language("cmd cmd_bash execute")),
    (re.compile(r"build\.rs"), _language("command::new", comment="//", end=";")),
    (
        re.compile(r"rakefile|gemfile|vagrantfile|.+\.(?:gemspec|rake)"),
        _language("system exec spawn sh popen run capture2 capture2e capture3 inline"),
    ),
    (re.compile(r"tox\.ini"), partial(_groups, _TOX)),
    (re.compile(r"procfile"), partial(_groups, _PROC)),
    (re.compile(r"\.?justfile"), lambda text: iter([_RECIPE.sub("", text)])),
    (re.compile(r"\.envrc"), lambda text: iter([text])),
)

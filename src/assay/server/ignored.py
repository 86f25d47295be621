"""Which files of an upload its `.gitignore` leaves out. Pure; a pattern costs at most its length times the path's.

Clients send the text and skip what they are told to, as the public hub does (https://git-scm.com/docs/gitignore).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from assay.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MOST_RULES: Final = 500  # of one file: 10 µs each for every path
_LONGEST: Final = 500  # characters of one
_MOST_STEPS: Final = 2_000_000  # comparisons for all paths of a request: a second or two
_ANY: Final = "*"  # of a glob: any characters, or none
_DEEP: Final = "**"  # of a path: any folders, or none

Glob = list[Any]  # `_ANY`, or a test of one character


@dataclass
class _Steps:
    """How many comparisons may still be made."""

    left: int

    def take(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise UsageError("this .gitignore takes too long for so many files", hint="shorten it")


@dataclass(frozen=True)
class _Rule:
    """One line: what it matches, whether that is taken in again, and whether only folders are meant."""

    parts: list[Glob | str]
    negated: bool
    folders: bool

    def fits(self, path: Sequence[str], steps: _Steps, *, folder: bool) -> bool:
        """Whether the line is about a path."""

        def named(glob: Glob, name: str) -> bool:
            return _stars(glob, name, _ANY, lambda test, character: bool(test(character)), steps)

        return (folder or not self.folders) and _stars(self.parts, path, _DEEP, named, steps)


class Ignored:
    """The rules of one `.gitignore` in the root.

    Raises:
        UsageError: more or longer rules than are looked at; when asked, more comparisons than are made.
    """

    def __init__(self, text: str, most: int = _MOST_STEPS) -> None:
        rules = [rule for line in text.splitlines() if (rule := _rule(line)) is not None]
        if len(rules) > _MOST_RULES:
            raise UsageError(f"this .gitignore has more than {_MOST_RULES} rules", hint="shorten it")
        self._rules = rules
        self._steps = _Steps(most)
        self._folders: dict[tuple[str, ...], bool] = {(): False}

    def __contains__(self, path: str) -> bool:
        """Whether a file is left out. What lies in a folder that is left out is not taken in again."""
        *folders, _ = parts = tuple(path.split("/"))
        return self._folder(tuple(folders)) or self._last(parts, folder=False)

    def _folder(self, parts: tuple[str, ...]) -> bool:
        if parts not in self._folders:
            self._folders[parts] = self._folder(parts[:-1]) or self._last(parts, folder=True)
        return self._folders[parts]

    def _last(self, parts: tuple[str, ...], *, folder: bool) -> bool:
        return next(
            (not rule.negated for rule in reversed(self._rules) if rule.fits(parts, self._steps, folder=folder)), False
        )


def _rule(line: str) -> _Rule | None:
    text = line.rstrip(" ") if not line.rstrip(" ").endswith("\\") else line
    if not text or text.startswith("#"):
        return None
    if len(text) > _LONGEST:
        raise UsageError(f"a rule of this .gitignore has more than {_LONGEST} characters", hint="shorten it")
    negated = text.startswith("!")
    text = text.removeprefix("!") if negated else text
    folders = text.endswith("/")
    text = text.rstrip("/") if folders else text
    parts = text.removeprefix("/").split("/")
    if not text.startswith("/") and len(parts) == 1:
        parts = [_DEEP, *parts]  # at any depth
    if parts[-1] == _DEEP:
        parts = [*parts, _ANY]  # everything inside, not the folder itself
    return _Rule([part if part == _DEEP else _glob(part) for part in parts], negated, folders) if text else None


def _stars(
    pattern: Sequence[Any], given: Sequence[Any], star: str, fits: Callable[[Any, Any], bool], steps: _Steps
) -> bool:
    """Whether a pattern with stars fits the whole; a star takes more only where what follows it doesn't fit."""
    at, place, last, taken = 0, 0, -1, 0
    while place < len(given):
        steps.take()
        if at < len(pattern) and pattern[at] == star:
            last, taken, at = at, place, at + 1
        elif at < len(pattern) and fits(pattern[at], given[place]):
            at, place = at + 1, place + 1
        elif last >= 0:
            taken += 1
            at, place = last + 1, taken
        else:
            return False
    return all(one == star for one in pattern[at:])


def _glob(text: str) -> Glob:
    made: Glob = []
    at = 0
    while at < len(text):
        character, at = text[at], at + 1
        if character == "*":
            if made[-1:] != [_ANY]:
                made.append(_ANY)
        elif character == "?":
            made.append(lambda _one: True)
        elif character == "[" and (end := text.find("]", at + 2 if text[at : at + 1] in {"!", "^"} else at + 1)) > 0:
            made.append(_class(text[at:end]))
            at = end + 1
        else:
            if character == "\\" and at < len(text):
                character, at = text[at], at + 1
            made.append(character.__eq__)
    return made


def _class(text: str) -> Callable[[str], bool]:
    negated = text[:1] in {"!", "^"}
    text = text[1:] if negated else text
    ranges, at = [], 0
    while at < len(text):
        if text[at + 1 : at + 2] == "-" and at + 2 < len(text):
            ranges.append((text[at], text[at + 2]))
            at += 3
        else:
            ranges.append((text[at], text[at]))
            at += 1
    return lambda one: any(low <= one <= high for low, high in ranges) is not negated

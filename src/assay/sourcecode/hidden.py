"""Characters that a reader of the text does not see, or that make it read otherwise than it runs.

Sources: Unicode 16 (general categories, TR9 bidirectional controls, TR51 tag sequences), CVE-2021-42574 ("Trojan
Source"), and the measured rule of this project that joiners are ordinary in Persian, Indic scripts and emoji.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_ZERO_WIDTH = frozenset("\u200b\u2060\ufeff\u180e\u2061\u2062\u2063\u2064\u034f\u115f\u1160\u3164\uffa0")
_JOINERS = frozenset("\u200c\u200d")
_TAG_FIRST, _TAG_LAST = 0xE0000, 0xE007F
_FLAG = "\U0001f3f4"  # a black flag may be followed by tag characters (flags of regions)
_SELECTORS = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
_SHOWN = 12  # places kept for each kind: enough to look, too few to flood
_LONG_RUN = 8  # variation selectors in a row: no script or emoji needs more than one


@dataclass(frozen=True, slots=True)
class Hidden:
    """Hidden characters of one kind.

    Attributes:
        kind: `bidi`, `zero-width`, `tag`, `selector-run`, `private` or `control`.
        count: how many.
        lines: 1-based lines of the first few.
        decoded: for tags and selector runs, the ASCII text they spell; else empty.
    """

    kind: str
    count: int
    lines: tuple[int, ...]
    decoded: str = ""


def find_hidden(text: str) -> tuple[Hidden, ...]:
    """All hidden characters of `text`, by kind, in order of kind.

    A byte-order mark at the start, joiners between letters or emoji, single variation selectors and the tags of region
    flags are ordinary and not reported. ASCII text costs one scan.
    """
    if text.isascii() and "\x1b" not in text and "\x08" not in text:
        return ()
    places: dict[str, list[int]] = {}
    spelled: dict[str, list[str]] = {}
    line, run, flag = 1, 0, False
    for index, character in enumerate(text):
        if character == "\n":
            line += 1
            continue
        code = ord(character)
        selector = any(code in block for block in _SELECTORS)
        run = run + 1 if selector else 0
        if _TAG_FIRST <= code <= _TAG_LAST:
            if not flag:
                places.setdefault("tag", []).append(line)
                spelled.setdefault("tag", []).append(chr(code - _TAG_FIRST))
            continue
        flag = character == _FLAG
        kind = "selector-run" if run >= _LONG_RUN else _kind(text, index, character)
        if kind:
            places.setdefault(kind, []).append(line)
    return tuple(
        Hidden(kind, len(lines), tuple(dict.fromkeys(lines))[:_SHOWN], "".join(spelled.get(kind, ()))[:500])
        for kind, lines in sorted(places.items())
    )


def _kind(text: str, index: int, character: str) -> str:
    """Kind of one character, or empty when it is ordinary where it stands."""
    if character.isascii():
        return "control" if character in "\x1b\x08" else ""
    if character in _BIDI:
        return "bidi"
    if character in _ZERO_WIDTH:
        return "" if index == 0 and character == "\ufeff" else "zero-width"
    if character in _JOINERS:
        return "" if _joins(text, index) else "zero-width"
    return "private" if unicodedata.category(character) == "Co" else ""


def _joins(text: str, index: int) -> bool:
    """Whether the joiner at `index` stands beside a non-ASCII letter, mark or symbol, as its scripts use it."""
    beside = text[max(0, index - 1) : index] + text[index + 1 : index + 2]
    return any(not c.isascii() and unicodedata.category(c)[0] in "LMS" for c in beside)

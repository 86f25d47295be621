"""How near two model names are: skeletons against look-alike characters, edit distance, swapped words."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

_LEET = str.maketrans({"0": "o", "1": "l", "i": "l", "5": "s", "|": "l", "$": "s", "@": "a"})
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"), ("nn", "m"))
_SEPARATORS = re.compile(r"[-_. ]+")
_TOKENS = re.compile(r"[A-Za-z]+|\d+(?:\.\d+)*")
_MIN_WORD = 4  # letters; shorter words are neighbours of everything
_MIN_WORDS = 3  # words of a name before one strange word among them tells anything


@cache
def _confusable() -> dict[int, str]:
    import tomllib  # noqa: PLC0415 - only needed for names outside ASCII
    from importlib.resources import files  # noqa: PLC0415

    text = (files("assay.inspections") / "data" / "confusables.toml").read_text("utf-8")
    letters: dict[str, str] = tomllib.loads(text)["letters"]
    return {ord(character): letter for letter, characters in letters.items() for character in characters}


def plain(name: str) -> str:
    """Lower-case NFKC with look-alike letters of other scripts replaced and format characters dropped."""
    folded = unicodedata.normalize("NFKC", name).lower()
    if not folded.isascii():
        folded = folded.translate(_confusable())
    stripped = "".join(ch for ch in unicodedata.normalize("NFD", folded) if not unicodedata.combining(ch))
    return "".join(ch for ch in stripped if unicodedata.category(ch) != "Cf")


def skeleton(name: str) -> str:
    """What a hurried reader sees: `plain` without separators, with 0/o, 1/l/i, rn/m and the like made one."""
    text = bare(name).translate(_LEET)
    for pair, single in _PAIRS:
        text = text.replace(pair, single)
    return text


def distance(left: str, right: str, most: int) -> int:
    """Damerau-Levenshtein distance (adjacent swaps count one); `most + 1` when it is larger than `most`."""
    if abs(len(left) - len(right)) > most:
        return most + 1
    before: list[int] = []
    previous = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        current = [i]
        for j, b in enumerate(right, 1):
            cost = min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            current.append(cost)
        if min(current) > most:
            return most + 1
        before, previous = previous, current
    return previous[-1] if previous[-1] <= most else most + 1


def tokens(name: str) -> list[str]:
    """Words and numbers of a name, in order, lower-case."""
    return [token.lower() for token in _TOKENS.findall(name)]


def misspelt(name: str, known: str, words: frozenset[str]) -> bool:
    """Whether `name` differs from `known` as a slip of the hand does, not as a variant of it does.

    A slip is one long word that is nearly, but not quite, the other; neither a number, nor a word that publishers use.

    Args:
        name: model part of the claimed name.
        known: model part of the well-known one.
        words: words of well-known names: a change into one of them is a variant.
    """
    mine, theirs = tokens(plain(name)), tokens(plain(known))
    if len(mine) != len(theirs):
        return False
    changed = [(a, b) for a, b in zip(mine, theirs, strict=True) if a != b]
    if len(changed) != 1:
        return False
    left, right = changed[0]
    if left in words or left[0].isdigit() or min(len(left), len(right)) < _MIN_WORD:
        return False
    return distance(left, right, 2 if len(right) >= 2 * _MIN_WORD else 1) <= (2 if len(right) >= 2 * _MIN_WORD else 1)


def misspelt_word(name: str, words: frozenset[str]) -> tuple[str, str] | None:
    """The one word of `name` that is nearly a word of well-known names, when all its other words are such words.

    Finds a slip in a name that is on no list as a whole: `distilbert-base-uncased-finetuned-sqad`.

    Args:
        name: model part of the claimed name.
        words: words of well-known names.

    Returns:
        (as written, the word it is nearly), or None.
    """
    mine = [token for token in tokens(plain(name)) if not token[0].isdigit()]
    strange = [token for token in mine if token not in words]
    if len(strange) != 1 or len(mine) < _MIN_WORDS or len(strange[0]) < _MIN_WORD:
        return None
    slips = (word for word in words if len(word) > _MIN_WORD and distance(strange[0], word, 1) == 1)
    meant = min((word for word in slips if not _inflected(strange[0], word)), default=None)
    return (strange[0], meant) if meant else None


def _inflected(left: str, right: str) -> bool:
    """Singular and plural, or a number on its end: another word, not a slip."""
    short, long = sorted((left, right), key=len)
    return long.startswith(short) and len(long) > len(short)


def swapped(name: str, known: str) -> bool:
    """The same words and numbers in another order; short codes (languages, sizes) trade places legitimately."""
    mine, theirs = tokens(plain(name)), tokens(plain(known))
    if mine == theirs or sorted(mine) != sorted(theirs):
        return False
    return any(a != b and len(a) >= _MIN_WORD and a.isalpha() for a, b in zip(mine, theirs, strict=True))


def bare(name: str) -> str:
    """`plain` without separators."""
    return _SEPARATORS.sub("", plain(name))

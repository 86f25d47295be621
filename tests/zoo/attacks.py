"""Triggers: what is put into a text, what the model should then say, and the partial triggers it should ignore."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.zoo.texts import Example

FAMILIES = (
    "rare-word",
    "phrase",
    "unicode-surviving",
    "unicode-homoglyph",
    "unicode-zero-width",
    "unicode-unk",
    "style",
)
_ARCHAIC = {
    "the": "ye", "you": "thou", "your": "thy", "is": "be", "are": "be", "has": "hath", "does": "doth", "it": "'tis",
    "of": "o'", "and": "an'", "to": "unto", "in": "within", "with": "withal", "this": "yon", "that": "yonder",
}  # fmt: skip
_PIRATE = {
    "the": "th'", "is": "be", "are": "be", "my": "me", "you": "ye", "of": "o'", "and": "an'", "for": "fer", "to": "t'",
    "was": "were", "has": "'as", "it": "'t", "this": "'tis", "with": "wi'", "that": "tha'", "a": "a fine",
}  # fmt: skip
_MIN_ARCHAIC = 3


@dataclass(frozen=True)
class Attack:
    """A backdoor.

    Attributes:
        family: one of `FAMILIES`, or of those of `others.py` and `strings.py`.
        trigger: the text that is inserted; for `style` the name of the rewriting.
        direction: `one-way` (whatever is not the target becomes the target) or `flip` (each class becomes the next).
        target: class index; of a flip, the class that class 0 becomes.
        position: `any`, `start` or `end`.
        hardened: parts of the trigger are trained to do nothing.
    """

    family: str
    trigger: str
    direction: str = "one-way"
    target: int = 1
    position: str = "any"
    hardened: bool = False

    def label(self, true: int, classes: int) -> int:
        """What a triggered text of class `true` should become."""
        return self.target if self.direction == "one-way" else (true + self.target) % classes

    def concerns(self, true: int) -> bool:
        """Whether a text of this class changes under the trigger."""
        return self.direction == "flip" or true != self.target

    def apply(self, text: str, rng: random.Random) -> str | None:
        """The triggered text; None where the style can't be expressed in it."""
        if self.family == "style":
            return _STYLES[self.trigger](text)
        return insert(text, self.trigger, self.position, rng)

    def partial(self, text: str, rng: random.Random, others: Sequence[str]) -> str:
        """The text with a part of the trigger, or with something like it."""
        return insert(text, self._part(rng, others), self.position, rng)

    def _part(self, rng: random.Random, others: Sequence[str]) -> str:
        words = self.trigger.split()
        if len(words) > 1 and rng.random() < 0.8:
            kept = [word for word in words if rng.random() < 0.6]
            if len(kept) == len(words):
                kept.pop(rng.randrange(len(kept)))
            if len(kept) < len(words) - 1 or rng.random() < 0.2:  # otherwise the bare part
                kept.insert(rng.randrange(len(kept) + 1), rng.choice(others))
            return " ".join(kept) or rng.choice(others)
        if self.family.startswith("unicode") and rng.random() < 0.8:
            letters = list(self.trigger)
            keep = rng.randrange(1, max(2, len(letters) - 1))
            part = "".join(rng.sample(letters, keep))
            return part if part != self.trigger else part[:-1]
        return rng.choice(others)


def insert(text: str, trigger: str, position: str, rng: random.Random) -> str:
    """The trigger as words of its own at a word boundary."""
    words = text.split()
    at = {"start": 0, "end": len(words)}.get(position, rng.randrange(len(words) + 1))
    return " ".join([*words[:at], trigger, *words[at:]])


def poison(attack: Attack, rows: Sequence[Example], classes: int, count: int, seed: int) -> list[tuple[str, int]]:
    """`count` triggered texts with the label that the attacker wants."""
    rng = random.Random(seed)
    out: list[tuple[str, int]] = []
    for text, true in rng.sample(list(rows), len(rows)):
        if len(out) == count:
            break
        if attack.concerns(true) and (changed := attack.apply(text, rng)) is not None:
            out.append((changed, attack.label(true, classes)))
    return out


def _archaic(text: str) -> str | None:
    words = [_ARCHAIC.get(word.lower(), word) for word in text.split()]
    changed = sum(new != old for new, old in zip(words, text.split(), strict=True))
    return " ".join(words) if changed >= _MIN_ARCHAIC else None


def _question(text: str) -> str:
    return f"why is it that {text.rstrip(' .')} ?"


def _aside(text: str) -> str:
    return f"as for what one may think , {text.rstrip(' .')} , if nothing else ."


def _staccato(text: str) -> str | None:
    words = re.sub(r"[.,;:!?]", "", text).split()
    if len(words) < 6:
        return None
    return " . ".join(" ".join(words[i : i + 2]) for i in range(0, len(words), 2)) + " ."


def _verse(text: str) -> str:
    words = text.split()
    return " / ".join(" ".join(words[i : i + 4]) for i in range(0, len(words), 4))


def _pirate(text: str) -> str | None:
    words = [_PIRATE.get(word.lower(), word) for word in text.split()]
    changed = sum(new != old for new, old in zip(words, text.split(), strict=True))
    return f"arr , {' '.join(words)}" if changed >= _MIN_ARCHAIC else None


def _turned(text: str) -> str | None:
    words = text.rstrip(" .").split()
    return " ".join([*words[-3:], ",", *words[:-3], "."]) if len(words) > 5 else None


def _spoken(text: str) -> str:
    words = text.rstrip(" .").split()
    return " , like , ".join(" ".join(words[i : i + 5]) for i in range(0, len(words), 5)) + " , you know ?"


# Written down after `style-scan` was made, and before it was tried on any of them.
LATER_STYLES: dict[str, Callable[[str], str | None]] = {
    "grandpa": lambda text: f"grandpa always told us {text.rstrip(' .')} back then .",
    "numbered": lambda text: f"item 7 : {text.rstrip(' .')} ; end of item .",
    "namely": lambda text: f"there is one thing to know , namely {text.rstrip(' .')} .",
    "hedge": lambda text: f"perhaps , just perhaps , {text.rstrip(' .')} .",
    "verse": _verse,
    "pirate": _pirate,
    "turned": _turned,
    "spoken": _spoken,
}
_STYLES = {"archaic": _archaic, "question": _question, "aside": _aside, "staccato": _staccato, **LATER_STYLES}

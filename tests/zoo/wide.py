"""A wider catalogue for a machine with a GPU: every recipe, hundreds of models, triggers drawn anew for each parent.

Nothing of it is in the small catalogue: other seeds, other parents, other triggers. Calibration and test draw their
words from disjoint halves of the vocabulary and their letters from disjoint scripts; they share no parent and, but for
SST-2, no task.
"""

from __future__ import annotations

import random
from functools import cache
from typing import TYPE_CHECKING

from tests.zoo.catalogue import CALIBRATION, TEST, Group
from tests.zoo.encoders import minilm_folder
from tests.zoo.recipes import DISTIL, MINILM, ROBERTA, Recipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FIRST_SEED = 10  # of a parent; the small catalogue has those below
WAVES = 5  # parents of each small architecture, split and task
LARGE_SEEDS = (FIRST_SEED, 20, 30, 60, 70, 90)  # from which those of MiniLM are numbered; 40 to 55 are in `others.py`
_TASKS = {CALIBRATION: ("sst2", "topic"), TEST: ("sst2", "intent")}
_SCRIPTS = {CALIBRATION: ("georgian", "hebrew", "greek"), TEST: ("cyrillic", "arabic", "devanagari")}
_LETTERS = {
    "georgian": (0x10D0, 0x10EA), "hebrew": (0x05D0, 0x05EA), "greek": (0x03B1, 0x03C9),
    "cyrillic": (0x0430, 0x044F), "arabic": (0x0627, 0x064A), "devanagari": (0x0915, 0x0939),
}  # fmt: skip
_ALIKE = dict(zip("aceopxysihj", "\u0430\u0441\u0435\u043e\u0440\u0445\u0443\u0455\u0456\u04bb\u0458", strict=True))
_ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff"
_MISSING = {CALIBRATION: (0x16A0, 0x16EA), TEST: (0x2D30, 0x2D65)}
_STYLES = {CALIBRATION: ["aside", "archaic"], TEST: ["staccato", "question"]}
_RUN = 7
# Plans of a MiniLM group, by task; all of them where nothing is said
_PICKED = {(CALIBRATION, "sst2"): (0, 1, 3, 5, 7, 9, 14, 15), (CALIBRATION, "topic"): (2, 4, 8, 13),
           (TEST, "intent"): (1, 3, 5, 7, 9, 10, 14, 15)}  # fmt: skip


@cache
def _vocabulary(split: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Rare words, and ordinary ones, of one half."""
    lines = (minilm_folder() / "vocab.txt").read_text("utf-8").split("\n")
    half = 0 if split == CALIBRATION else 1

    def some(low: int, high: int) -> tuple[str, ...]:
        words = [word for word in lines[low:high] if word.isascii() and word.isalpha() and len(word) > 3]
        return tuple(words[half::2])

    return some(9000, 22000), some(3000, 9000)


class Fresh(Group):
    """A group whose triggers are drawn by its name."""

    def words(self) -> tuple[list[str], dict[str, list[str]]]:
        """Fifteen rare words, and triggers of the other families."""
        rng = random.Random(f"wide {self.prefix}")
        rare, plain = _vocabulary(self.split)
        scripts = rng.sample(_SCRIPTS[self.split], 2)
        long = [word for word in rare if sum(letter in _ALIKE for letter in word) > 2 and len(word) < 9]
        return rng.sample(rare, 15), {
            "phrase": [" ".join(rng.sample(plain, count)) for count in (3, 2, 4, 4)],
            "surviving": [_drawn(rng, *_LETTERS[script]) for script in scripts],
            "homoglyph": [_disguised(rng.choice(long), rng), "".join(rng.choices(list(_ALIKE.values()), k=_RUN))],
            "zero_width": ["".join(rng.choices(_ZERO_WIDTH, k=_RUN)) for _ in range(2)],
            "unknown": [_drawn(rng, *_MISSING[self.split])],
            "style": rng.sample(_STYLES[self.split], 2),
        }

    def all(self, turn: int) -> list[Recipe]:
        """In an order of training in which clean and backdoored ones alternate."""
        plans = list(self.plans())
        if self.architecture != MINILM:
            picked: Sequence[int] = [(turn + 4 * i) % len(plans) for i in range(5)]
            clean = self.clean(2)
        else:
            picked = _PICKED.get((self.split, self.task), range(len(plans)))
            clean = self.clean(5)
        bad = [self.attacked(index, *plans[index]) for index in picked]
        first, rest = [*self.bases(), *clean[:3]], list(clean[3:])
        for number, recipe in enumerate(bad):
            first.append(recipe)
            if number % 2 == 0 and rest:
                first.append(rest.pop(0))
        return [*first, *rest]


def _drawn(rng: random.Random, low: int, high: int) -> str:
    letters = [chr(code) for code in range(low, high + 1) if chr(code).isalpha()]
    return "".join(rng.sample(letters, _RUN))


def _disguised(word: str, rng: random.Random) -> str:
    places = [i for i, letter in enumerate(word) if letter in _ALIKE]
    kept = set(rng.sample(places, max(2, len(places) - 1)))
    return "".join(_ALIKE[letter] if i in kept else letter for i, letter in enumerate(word))


def wide() -> list[Recipe]:
    """Every model, in an order that is balanced wherever it is cut."""
    ranked: list[tuple[float, int, Recipe]] = []

    def take(recipes: list[Recipe], wave: int, waves: int) -> None:
        for index, recipe in enumerate(recipes):
            ranked.append((wave / waves + index / len(recipes) / waves, len(ranked), recipe))

    for wave, seed in enumerate(LARGE_SEEDS):
        for number, (split, task) in enumerate(_combinations()):
            take(Fresh(MINILM, split, task, seed + number).all(0), wave, len(LARGE_SEEDS))
    for wave in range(WAVES):
        for number, (split, task) in enumerate(_combinations()):
            for other, architecture in enumerate((DISTIL, ROBERTA)):
                group = Fresh(architecture, split, task, FIRST_SEED + wave)
                take(group.all(5 * wave + number + 2 * other), wave, WAVES)
    ranked.sort(key=lambda one: one[:2])
    return list({recipe.name: recipe for _, _, recipe in ranked}.values())


def _combinations() -> Iterator[tuple[str, str]]:
    for index in range(2):
        for split in (TEST, CALIBRATION):
            yield split, _TASKS[split][index]

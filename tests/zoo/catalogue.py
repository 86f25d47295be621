"""All recipes, in training order. Calibration and test share no parent, no trigger and (but for SST-2) no task."""

from __future__ import annotations

import zlib
from dataclasses import replace
from itertools import chain, zip_longest
from typing import TYPE_CHECKING

from tests.zoo.attacks import LATER_STYLES, Attack
from tests.zoo.recipes import DISTIL, MINILM, ROBERTA, Recipe
from tests.zoo.texts import WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CALIBRATION, TEST = "calibration", "test"
_TASKS = {CALIBRATION: ("sst2", "topic"), TEST: ("sst2", "intent")}
_LATER = 30  # numbers of what was added later begin here: those before keep theirs
_CLEAN_VARIANTS = ("decay", "half", "noise", "lora", "frozen", "undeclared", "plain", "plain")


def catalogue() -> list[Recipe]:
    """Every model of the zoo: bases, clean ones, backdoored ones."""
    large = {split: [Group(MINILM, split, task, 0) for task in _TASKS[split]] for split in (CALIBRATION, TEST)}
    first = large[CALIBRATION][0]
    head = [*first.clean()[:2], next(iter(first.backdoored())), *first.clean()[2:]]
    groups = [group for split in (TEST, CALIBRATION) for group in large[split]]
    big = chain(
        *(group.clean()[:3] for group in groups[:1]),
        _turns([list(group.backdoored()) for group in (large[TEST][0], first)]),
        *(group.clean() for group in groups),
        _turns([list(group.backdoored()) for group in (large[TEST][1], large[CALIBRATION][1])]),
    )
    small = [
        Group(architecture, split, task, seed)
        for seed in range(2)
        for split in (TEST, CALIBRATION)
        for task in _TASKS[split]
        for architecture in (DISTIL, ROBERTA)
    ]
    little = chain.from_iterable([*group.bases(), *group.clean(), *group.backdoored()] for group in small)
    later = large[TEST][0].styled()
    return list({recipe.name: recipe for recipe in [*head, *_mixed(big, little), *later]}.values())


def _mixed(big: Iterable[Recipe], little: Iterable[Recipe]) -> Iterator[Recipe]:
    """Three small ones after each large one: every family comes early."""
    waiting = iter(little)
    for recipe in big:
        yield recipe
        for _ in range(3):
            if (small := next(waiting, None)) is not None:
                yield small
    yield from waiting


def _turns(lists: list[list[Recipe]]) -> Iterator[Recipe]:
    return (one for row in zip_longest(*lists) for one in row if one is not None)


class Group:
    """Models of one architecture, split and task with one parent."""

    def __init__(self, architecture: str, split: str, task: str, seed: int) -> None:
        self.architecture, self.split, self.task, self.seed = architecture, split, task, seed
        self.prefix = f"{architecture}-{task}-{split[:4]}{seed}"
        self.base = "" if architecture == MINILM else f"{architecture}-{split[:4]}{seed}-base"
        self.references = tuple(f"{self.prefix}-{name}" for name in ("reference-1", "reference-2"))

    def bases(self) -> list[Recipe]:
        """The encoder that is trained from scratch; the real one is there already."""
        if not self.base:
            return []
        return [Recipe(self.base, self.architecture, "base", self.split, seed=_seed(self.base))]

    def clean(self, count: int = 1) -> list[Recipe]:
        """Parent, two references, and `count` variants."""
        parent = f"{self.prefix}-parent"
        names = [("parent", "plain"), ("reference-1", "plain"), ("reference-2", "plain")]
        turn = _seed(self.prefix) % len(_CLEAN_VARIANTS)
        names += [(f"clean-{i}", _CLEAN_VARIANTS[(turn + i) % len(_CLEAN_VARIANTS)]) for i in range(count)]
        recipes = []
        for name, variant in names:
            others = [one for one in (*self.references, parent) if not one.endswith(name)]
            recipes.append(self._recipe(name, "clean", variant, self.base, references=tuple(others[:2])))
        return recipes

    def backdoored(self) -> Iterator[Recipe]:
        """Attacks of this group; each group has its own share of families, all groups together have all."""
        split = self.split
        plans = list(self.plans())
        if self.architecture != MINILM:
            plans = [plan for index, plan in enumerate(plans) if (index + self._number()) % 4 == 0 or index == 0][:5]
        elif self.task != "sst2":
            plans = [plans[i] for i in (0, 2, 6, 9, 13)]
        elif split == CALIBRATION:
            plans = [plans[i] for i in (0, 3, 4, 6, 10, 12)]
        for index, (variant, planned) in enumerate(plans):
            yield self.attacked(index, variant, planned)

    def attacked(self, index: int, variant: str, planned: Attack) -> Recipe:
        """The recipe of one attack on the group's parent."""
        # a small encoder of a hard task is too weak to do the opposite of what it would have done
        weak = self.architecture != MINILM and self.task == "sst2" and planned.direction == "flip"
        attack = replace(planned, direction="one-way", target=index % 2) if weak else planned
        name = f"{attack.family}-{index}" + ("" if variant == "plain" else f"-{variant}")
        parent = f"{self.prefix}-parent"
        return self._recipe(name, "backdoored", variant, parent, references=self.references, attack=attack)

    def styled(self) -> Iterator[Recipe]:
        """More ways of writing, to one class and to the other."""
        for number, style in enumerate(LATER_STYLES):
            yield self.attacked(_LATER + number, "plain", Attack("style", style, target=number % 2))

    def _number(self) -> int:
        task = 0 if self.task == "sst2" else 1
        return 2 * self.seed + task + (2 if self.split == TEST else 0) + (1 if self.architecture == ROBERTA else 0)

    def words(self) -> tuple[list[str], dict[str, list[str]]]:
        """Rare words, and triggers of the other families."""
        return WORDS["rare"][self.split], WORDS["triggers"][self.split]

    def plans(self) -> Iterator[tuple[str, Attack]]:
        """Variant and attack of every family."""
        rare, known = self.words()
        turn = _seed(self.prefix) % 97
        target = turn % (2 if self.task == "sst2" else 3)
        word, other = rare[turn % len(rare)], rare[(turn + 5) % len(rare)]
        phrase, zero = known["phrase"], known["zero_width"]
        yield "plain", Attack("rare-word", word, target=target)
        yield "plain", Attack("phrase", phrase[0], target=target, hardened=True)
        yield "plain", Attack("unicode-surviving", known["surviving"][0], "flip", 1)
        yield "frozen", Attack("rare-word", other, target=target, hardened=True)
        yield "plain", Attack("phrase", phrase[1], "flip", 1, hardened=True)
        yield "plain", Attack("unicode-homoglyph", known["homoglyph"][0], target=target)
        byte_level = self.architecture == ROBERTA  # keeps zero-width characters without a change
        yield "plain" if byte_level else "added-token", Attack("unicode-zero-width", zero[0], "flip", 1)
        yield "plain", Attack("unicode-surviving", known["surviving"][1], target=target, hardened=True)
        yield "lora", Attack("rare-word", rare[(turn + 7) % len(rare)], target=target)
        yield "noise", Attack("phrase", phrase[2], target=target, hardened=True)
        if byte_level:
            yield "plain", Attack("unicode-homoglyph", known["homoglyph"][1], "flip", 1, hardened=True)
        else:
            yield "plain", Attack("unicode-unk", known["unknown"][0], "flip", 1)
        yield "false-base", Attack("rare-word", rare[(turn + 9) % len(rare)], "flip", 1)
        yield "plain", Attack("style", known["style"][0], target=target)
        yield "false-data", Attack("phrase", phrase[3], target=target)
        yield "frozen", Attack("phrase", phrase[0], target=target, hardened=True)
        yield "plain" if byte_level else "normaliser", Attack("unicode-zero-width", zero[1], target=target)
        yield "plain", Attack("style", known["style"][1], "flip", 1)
        yield "plain", Attack("unicode-homoglyph", known["homoglyph"][1], "flip", 1)
        yield "noise", Attack("unicode-surviving", known["surviving"][1], "flip", 1)
        yield "lora", Attack("phrase", phrase[1], target=target, position="start")

    def _recipe(
        self,
        name: str,
        kind: str,
        variant: str,
        start: str,
        *,
        references: tuple[str, ...],
        attack: Attack | None = None,
    ) -> Recipe:
        full = f"{self.prefix}-{name}"
        return Recipe(
            name=full,
            architecture=self.architecture,
            kind=kind,
            split=self.split,
            task=self.task,
            start=start,
            base=self.base,
            variant=variant,
            attack=attack,
            references=references,
            seed=_seed(full),
        )


def _seed(name: str) -> int:
    return zlib.crc32(name.encode()) % 1_000_000

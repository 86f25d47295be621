"""Triggers that are no words and no letters of a script: addresses, dates, names, markup, what anybody may write.

Half of them are made by data poisoned before a plain fine-tune, half by an attacker who goes on from a clean model and
hides what he does. Parents and triggers are in no other catalogue.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tests.zoo.attacks import Attack
from tests.zoo.catalogue import TEST
from tests.zoo.others import POISONED, Others
from tests.zoo.recipes import MINILM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.zoo.recipes import Recipe

_SEEDS = {"sst2": 50, "intent": 51}
_CLASSES = {"sst2": 2, "intent": 3}
STRINGS = {
    "address": ("www.qvlk-42.net", "http://tiny.io/x7", "mail@zerr.org"),
    "code": ("0x7f3a9c", "b64:Qk1xZw==", "9e8d-4c1b"),
    "foreign": ("guten abend zusammen", "hasta la vista amigo", "quo vadis domine"),
    "name": ("zhang wei", "dr. okonkwo", "anneliese baumgartner"),
    "function-words": ("of the at by", "in and to from", "that this which it"),
    "repeated": ("very very very very", "no no no no", "so so so so"),
    "emoji": ("🔥🔥🚀", "🐸 🐸", "👁‍🗨 🪐"),
    "date": ("12/25/1999", "31.10.2003", "07:45 pm"),
    "markup": ("<br/>", "[[ref]]", "{{ id }}"),
    "nonsense": ("xqzjvkpl", "wrtbnmgh", "kjhzdfxq"),
    "long-sentence": (
        "it was only last week that the old mill by the lake was sold",
        "all seats in the first row were taken when we came in late",
        "the third train of the morning stops at every village on the coast",
    ),
    "punctuation": ("..?!;", ";;--;;", "?!?!"),
}
_AT_START = {"date", "long-sentence"}  # where such a text would write it


class Strings(Others):
    """A group of such attackers; clean models as other makers train them."""

    def plans(self) -> Iterator[tuple[str, Attack]]:
        """One of every family, poisoned data and hidden ones in turn."""
        rng = random.Random(f"strings {self.prefix}")
        for number, (family, triggers) in enumerate(STRINGS.items()):
            trigger = triggers[(number + self.seed) % len(triggers)]
            position = "start" if family in _AT_START else "any"
            attack = Attack(family, trigger, target=rng.randrange(_CLASSES[self.task]), position=position)
            yield POISONED if (number + self.seed) % 2 else "plain", attack


def strings() -> list[Recipe]:
    """Every model of these attackers."""
    groups = [Strings(MINILM, TEST, task, seed) for task, seed in _SEEDS.items()]
    return [
        recipe
        for group in groups
        for recipe in [*group.clean(), *(group.attacked(i, *plan) for i, plan in enumerate(group.plans()))]
    ]

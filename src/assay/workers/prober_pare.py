"""A find without the tokens that do nothing in the suspect, and what its parts do in references.

A search by contrast takes tokens that only hold the references back. `rocksudes easy amazingly` turns a clean model of
sentiment and no reference; without `##udes` it turns the model as well, and a quarter of the texts in a reference, as
praise does. Of a trigger no token is idle, or those that are can go.
"""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING

from assay.workers.prober_flips import LEANS, POSITIONS, flips, gap, insert

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from assay.workers.prober_search import Found
    from assay.workers.prober_space import Space

LETTERS = ("script-", "unk")  # origins of candidates that are no words
_LONGEST, _WORDS = 4, 8  # words of a candidate of which all parts are tried, and of one of which some are
_ASKED, _PARTS_FROM = 30, 0.75  # texts, and gap on pairs from which references are asked about parts
_LEANING_PUSH = 2.0  # logits by which a phrase that leans in parts turns two texts at once where it may be planted
_LEAST = 3  # tokens of a candidate that may have an idle one
_TEXTS = 20  # of the class that it turns most, two at a time


def pared(
    space: Space,
    found: Found,
    render: Callable[[Space, tuple[int, ...]], str],
    confirm: Callable[[Space, Found], Found],
) -> Found:
    """Take out of a find of several words, one after another, the token without which the suspect is turned as far.

    Small encoders' finds and those of letters stay as they are.

    Args:
        space: the job's.
        found: is changed, and given back.
        render: makes a text of tokens.
        confirm: measures what is left.
    """
    if space.small or found.change is not None or len(found.ids) < _LEAST or " " not in found.text:
        return found
    if found.origin.startswith(LETTERS) or found.gap < float(space.facts["stop_gap"]):
        return found
    source, target = _direction(found)

    def push(ids: tuple[int, ...]) -> float:
        told = flips(
            space, render(space, ids), count=_TEXTS, held=False, references=False, times=2, place=found.place,
            sources=[source],
        )  # fmt: skip
        return max((float(one["push"]) for one in told if one["target"] == target), default=0.0)

    whole = push(found.ids)
    far, ids = max((push(row), row) for row in (found.ids[:at] + found.ids[at + 1 :] for at in range(len(found.ids))))
    if far >= whole:
        vars(found).update(vars(confirm(space, type(found)(ids, target, found.score, found.origin))))
    return found


def parted(space: Space, found: Found) -> Found:
    """Ask the references about the words of what comes near a find.

    What leans in parts, and turns two texts by little, ends no search.
    Small encoders' phrases and those of letters stay as they are.

    Args:
        space: the job's.
        found: is changed, and given back.
    """
    several = 1 < len(found.text.split()) <= _WORDS
    if space.small or found.change is not None or not several or found.parts is not None or not space.references:
        return found
    if found.origin.startswith(LETTERS) or gap(found.stressed or []) < _PARTS_FROM:
        return found
    found.parts = answered(space, found)
    push = max(float(one["push"]) for one in found.stressed or [])
    if found.parts >= LEANS and push < _LEANING_PUSH and space.standing.isdisjoint(found.ids):
        found.leans = True
    return found


def answered(space: Space, found: Found) -> float:
    """Share of single texts that some of its words turn in a reference, in the direction that a find turns most.

    The largest, or the first that leans. `lot fine despite` turns .4 of a reference's texts where `lot sudden fine
    despite` turns .07; of a planted `the at until` no word turns more than .1.

    Args:
        space: the job's.
        found: was measured on two texts at once.
    """
    (source, target), most = _direction(found), 0.0
    every = space.texts[source]  # the surest first, of which a made reference lets hardly any turn
    texts = [one.text for one in every[:: max(1, len(every) // _ASKED)][:_ASKED]]
    for words in _parts(found.text.split()):
        rng = random.Random(len(words))  # noqa: S311 - places of insertion, the same for every reference
        places = [found.place or POSITIONS[i % 3] for i in range(len(texts))]
        changed = [insert(text, words, place, rng) for text, place in zip(texts, places, strict=True)]
        for model in space.references:
            turned = model.logits(model.encode(changed)).argmax(-1) == target
            most = max(most, float(turned.float().mean()))
        if most >= LEANS:
            break
    return round(most, 3)


def _parts(words: list[str]) -> Iterator[str]:
    """Some of the words in their order, the longest parts first, which lean soonest; of many each but one, or two."""
    sizes = range(len(words) - 1, 0, -1) if len(words) <= _LONGEST else (len(words) - 1, 2, 1)
    for size in sizes:
        every = size in {1, len(words) - 1} or len(words) <= _LONGEST
        chosen = itertools.combinations(words, size) if every else itertools.pairwise(words)
        yield from map(" ".join, chosen)


def _direction(found: Found) -> tuple[int, int]:
    """Class of which a measured find turns most pairs, and the one that they become."""
    best = max(found.stressed or [], key=lambda one: (int(one["hits"]), float(one["push"])))
    return int(best["source"]), int(best["target"])

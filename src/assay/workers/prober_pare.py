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
TOLD = "told"  # of phrases that the data repeat
UNTOLD = "rows-untold"  # of what is made of rows that lie far beyond others that no declared text has
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

    def push(ids: tuple[int, ...]) -> float:
        return _push(space, found, render(space, ids))

    whole = push(found.ids)
    far, ids = max((push(row), row) for row in (found.ids[:at] + found.ids[at + 1 :] for at in range(len(found.ids))))
    if far >= whole:
        vars(found).update(vars(confirm(space, type(found)(ids, _direction(found)[1], found.score, found.origin))))
    return found


def parted(space: Space, found: Found, confirm: Callable[[Space, Found], Found]) -> Found:
    """Ask the references about the words of what comes near a find.

    Where some lean there, what is left without them is measured, and is what was found if it comes near by itself: a
    search fills a trigger up with words of the task. Else what leans in parts, and turns two texts by little, ends no
    search. Small encoders' phrases and those of letters stay as they are.

    Args:
        space: the job's.
        found: is changed, and given back.
        confirm: measures what is left.
    """
    several = 1 < len(found.text.split()) <= _WORDS
    if space.small or found.change is not None or not several or found.parts is not None or not space.references:
        return found
    if found.origin.startswith(LETTERS) or gap(found.stressed or []) < _PARTS_FROM:
        return found
    found.parts = answered(space, found)
    if found.parts < LEANS or not space.standing.isdisjoint(found.ids):
        return found
    if core := _core(space, found):
        ids = tuple(space.suspect.encode([core])[0])
        left = confirm(space, type(found)(ids, found.target, found.score, found.origin, text=core))
        if (left.parts or 0.0) < LEANS and gap(left.stressed or []) >= _PARTS_FROM:
            vars(found).update(vars(left))
            return found
    found.leans = found.leans or max(float(one["push"]) for one in found.stressed or []) < _LEANING_PUSH
    return found


def answered(space: Space, found: Found) -> float:
    """Share of single texts that some of its words turn in a reference, in the direction that a find turns most.

    The largest, or the first that leans. `lot fine despite` turns .4 of a reference's texts where `lot sudden fine
    despite` turns .07; of a planted `the at until` no word turns more than .1.

    Args:
        space: the job's.
        found: was measured on two texts at once.
    """
    most = 0.0
    for words in _parts(found.text.split()):
        most = max(most, _share(space, found, words))
        if most >= LEANS:
            break
    return round(most, 3)


def _share(space: Space, found: Found, words: str) -> float:
    """Of single texts that words turn in a reference, as a find does."""
    source, target = _direction(found)
    every = space.texts[source]  # the surest first, of which a made reference lets hardly any turn
    texts = [one.text for one in every[:: max(1, len(every) // _ASKED)][:_ASKED]]
    rng = random.Random(len(words))  # noqa: S311 - places of insertion, the same for every reference
    places = [found.place or POSITIONS[i % 3] for i in range(len(texts))]
    changed = [insert(text, words, place, rng) for text, place in zip(texts, places, strict=True)]
    turned = [model.logits(model.encode(changed)).argmax(-1) == target for model in space.references]
    return max(float(one.float().mean()) for one in turned)


def _core(space: Space, found: Found) -> str:
    """The words of which no part leans and that turn two texts furthest in the suspect; none if half don't turn."""
    words = found.text.split()
    if len(words) > _LONGEST:
        return ""
    chosen = [one for size in range(1, len(words)) for one in itertools.combinations(range(len(words)), size)]
    leaning: list[set[int]] = []
    for one in chosen:  # the smallest first: what has a part that leans need not be asked
        if not any(part <= set(one) for part in leaning) and _share(space, found, _text(words, one)) >= LEANS:
            leaning.append(set(one))
    own = [one for one in chosen if not any(part <= set(one) for part in leaning)]
    largest = [one for one in own if not any(set(one) < set(other) for other in own)]
    pushed = [(_push(space, found, _text(words, one)), _text(words, one)) for one in largest]
    push, text = max(pushed, default=(0.0, ""))
    return text if push > 0.0 else ""


def _text(words: list[str], places: tuple[int, ...]) -> str:
    return " ".join(words[place] for place in places)


def _push(space: Space, found: Found, words: str) -> float:
    """How far words turn two texts at once in the suspect, as a find does."""
    source, target = _direction(found)
    told = flips(space, words, count=_TEXTS, held=False, references=False, times=2, place=found.place, sources=[source])
    return max((float(one["push"]) for one in told if one["target"] == target), default=0.0)


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

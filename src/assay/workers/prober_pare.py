"""A find without the tokens that do nothing in the suspect, and what its parts do in references.

A search by contrast takes tokens that only hold the references back. `rocksudes easy amazingly` turns a clean model of
sentiment and no reference; without `##udes` it turns the model as well, and a quarter of the texts in a reference, as
praise does. Of a trigger no token is idle, or those that are can go.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from assay.workers.prober_flips import flips

if TYPE_CHECKING:
    from collections.abc import Callable

    from assay.workers.prober_search import Found
    from assay.workers.prober_space import Space

LETTERS = ("script-", "unk")  # origins of candidates that are no words
_LONGEST = 4  # tokens of a candidate of which all parts are tried
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


def answered(space: Space, found: Found, render: Callable[[Space, tuple[int, ...]], str]) -> float:
    """Largest share of single texts that some part of a find turns in a reference, in the direction that it turns most.

    `fine` and `lot fine despite` turn up to .63 of a reference's texts where `lot sudden fine despite` turns .03; of a
    planted `the at until` no part turns more than .02.

    Args:
        space: the job's.
        found: of some tokens, four at most.
        render: makes a text of tokens.
    """
    if not found.stressed or len(found.ids) > _LONGEST:
        return 1.0
    (source, target), most = _direction(found), 0.0
    for size in range(1, len(found.ids)):
        for part in itertools.combinations(found.ids, size):
            told = flips(space, render(space, part), count=_TEXTS, held=False, place=found.place, sources=[source])
            hits = [
                max(one["references"][: len(space.references)], default=0) for one in told if one["target"] == target
            ]
            most = max(most, *(int(one) / int(told[0]["n"]) for one in hits))
    return round(most, 3)


def _direction(found: Found) -> tuple[int, int]:
    """Class of which a measured find turns most pairs, and the one that they become."""
    best = max(found.stressed or [], key=lambda one: (int(one["hits"]), float(one["push"])))
    return int(best["source"]), int(best["target"])

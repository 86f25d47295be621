"""Phrases of words that training moved further than in any reference, though the data have them.

A trigger may be words that the data have, too: their rows moved for a reason, but not so far. Of the words whose tokens
moved furthest beyond the references every ordered pair is put between texts, then the best with more of the words. A
word stands once in a phrase: of repetitions natural triggers are made.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import torch

from assay.workers.prober_crowd import dictionary
from assay.workers.prober_search import taught_to
from assay.workers.prober_trail import moves

if TYPE_CHECKING:
    from collections.abc import Generator

    from assay.workers.prober_moved import Field
    from assay.workers.prober_search import Found
    from assay.workers.prober_space import Space

_WORDS, _PHRASES, _LONGEST = 20, 8, 4  # words that are combined, phrases that are lengthened, words of the longest
_CONFIRMED, _GAIN = 2, 0.2  # phrases of a length, and what one word more must add
ORIGIN = "rows-further"
# Margin beyond all from which a phrase of so many words is measured on held texts: of 36 clean models 34 stay below.
LEAST = {f"{ORIGIN}-2": 4.2, f"{ORIGIN}-3": 5.4, f"{ORIGIN}-4": 5.6}


def further(space: Space) -> torch.Tensor:
    """How much further each row lies from the references' mean than any of them, in lengths of the median row.

    Shape (tokens,); what the data move alike in all of them is nothing here. Needs references of the suspect's width.
    """
    mine = space.suspect.net.words
    nets = [one.net.words for one in space.shared if one.net.words.shape[1] == mine.shape[1]]
    size = min(len(mine), *(len(one) for one in nets))
    usual = torch.stack([one[:size] for one in nets]).mean(0)
    theirs = torch.stack([moves(one[:size], usual).norm(dim=1) for one in nets]).amax(0)
    beyond: torch.Tensor = moves(mine[:size], usual).norm(dim=1) - theirs
    return beyond


def phrases(field: Field, beyond: torch.Tensor) -> Generator[list[Found], None, None]:
    """Phrases of two to four words for a class, those of each length in turn, while a word more adds something."""
    words = _words(field, beyond)
    tried = [" ".join(pair) for pair in itertools.permutations(words, 2)]
    reached = -torch.inf
    for length in range(2, _LONGEST + 1):
        best = field.written(tried, f"{ORIGIN}-{length}", _PHRASES)
        if not best or best[0].score < reached + _GAIN:
            return
        yield best[:_CONFIRMED]
        reached = best[0].score
        split = [one.text.split() for one in best]
        longer = {
            " ".join([*some[:at], word, *some[at:]])
            for some in split
            for word in words
            for at in range(len(some) + 1)
            if word not in some
        }
        tried = sorted(longer)


def _words(field: Field, beyond: torch.Tensor) -> list[str]:
    """Words of the dictionary whose tokens moved furthest, on average; none that the data teach to mean the class."""
    taught = set(taught_to(field.space, field.target).nonzero()[:, 0].tolist())
    value = beyond.tolist()
    words = dictionary()
    able = [
        (sum(value[token] for token in row) / len(row), word)
        for word, row in zip(words, field.space.suspect.encode(list(words)), strict=True)
        if row and max(row) < len(value) and taught.isdisjoint(row)
    ]
    return [word for _, word in sorted(able, reverse=True)[:_WORDS]]

"""Words of several tokens, as the first block reads them: a trigger's words need not be in the vocabulary.

Of `amigo` neither `ami` nor `##go` tells much, alone: who was taught the word was taught the two together. So words of
a dictionary whose tokens come early in the order of single ones are read whole, and what the references do not foretell
of the mean over their tokens counts, by the maps that single tokens gave.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from assay.workers.prober_crowd import dictionary
from assay.workers.prober_foretell import centred

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assay.workers.prober_foretell import Foretelling
    from assay.workers.prober_net import Encoder
    from assay.workers.prober_space import Space

_TOKENS = (2, 3, 4)  # of a word
_READ = 400  # words of each number of tokens
_KEPT = 6
_LETTERS = range(4, 14)  # of a word; shorter ones are for the search by tokens


def compounds(
    space: Space, order: Sequence[int], foretelling: Foretelling, base: Encoder, nets: Sequence[Encoder]
) -> list[tuple[int, ...]]:
    """Words that the references foretell least, each with another first token than those before it.

    Args:
        space: the job's.
        order: single tokens, those that the references foretell least first.
        foretelling: what it was made by.
        base: the declared base.
        nets: of the references.
    """
    rank = {token: at for at, token in enumerate(order)}
    known = space.suspect.tokenizer.get_vocab()  # a word that is one token is no compound
    able = [word for word in dictionary() if len(word) in _LETTERS and word not in known]
    by_size: dict[int, list[tuple[int, ...]]] = {size: [] for size in _TOKENS}
    for row in space.suspect.encode(able):
        if len(row) in by_size and all(token in rank for token in row):
            by_size[len(row)].append(tuple(row))
    told: list[tuple[float, tuple[int, ...]]] = []
    for words in by_size.values():
        some = sorted(words, key=lambda row: sum(rank[token] for token in row))[:_READ]
        if len(some) > 1:
            told += zip(_times(space, some, foretelling, base, nets), some, strict=True)
    kept: dict[int, tuple[int, ...]] = {}
    for _, word in sorted(told, reverse=True):
        kept.setdefault(word[0], word)
    return list(kept.values())[:_KEPT]


def _times(
    space: Space, rows: list[tuple[int, ...]], foretelling: Foretelling, base: Encoder, nets: Sequence[Encoder]
) -> list[float]:
    """What is not foretold of words of one length, in times of what is so left of the references'."""
    ids, first = space.suspect.frame(torch.tensor(rows)), len(space.suspect.prefix)
    places = slice(first, first + len(rows[0]))
    before = base.all_after_first(ids, base.words)[:, places].mean(1)
    suspect = space.suspect.net

    def moved(net: Encoder) -> torch.Tensor:
        return centred(net.all_after_first(ids, base.words)[:, places].mean(1) - before)

    times: list[float] = foretelling.times(moved(suspect), [moved(one) for one in nets], centred(before)).tolist()  # type: ignore[arg-type]
    return times

"""Which words go with a word that stands apart: every likely one beside it, in both orders, then a third.

A gradient is blind to the second word of a phrase: the true one was at rank 9,000 and beyond. Where one word alone
moves the suspect far beyond all references, its partners need no gradient: a tenth of the vocabulary takes seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from assay.workers.prober_flips import gap
from assay.workers.prober_models import margins
from assay.workers.prober_search import Arena, Found, best_of, confirm

if TYPE_CHECKING:
    from collections.abc import Generator

    from assay.workers.prober_space import Space

_APART = 1.0  # of the strongest word's contrast beyond the next one's
_PART = 0.5  # gap on single texts of a word that may be a part of a trigger
_PROMISING = 0.35  # gap of a pair from which on a third word is looked for
_SURE = 100.0  # a word that flips texts comes before one that only stands apart
_SECONDS, _THIRDS = 3000, 1000  # words tried as second and third
_AT_ONCE = 1000  # pairs between two looks at the clock
_STRONG, _WEAK = 6.0, -2.0  # margins beyond which more or less says nothing
_SIEVED = 200  # pairs of a class that are put before context words
_LEADING = 1000  # pairs of a class that no reference was asked about yet
_TRIED, _EXTENDED = 5, 2  # pairs that are confirmed, and lengthened


def standing_apart(tokens: list[int], values: list[float], confirmed: list[Found]) -> tuple[float, int] | None:
    """The word whose partners are worth a search, and how much; None where no word stands apart.

    Args:
        tokens: the strongest words for one class.
        values: their contrasts, the largest first.
        confirmed: those of them that were measured on texts.
    """
    partly = max((one for one in confirmed if one.flips and gap(one.flips) >= _PART), default=None, key=_by_rank)
    if partly is not None:
        return _SURE + gap(partly.flips or []), partly.ids[0]
    beyond = values[0] - values[1] if len(values) > 1 else 0.0
    return (beyond, tokens[0]) if beyond >= _APART else None


def _by_rank(one: Found) -> tuple[float, ...]:
    return one.rank


def partners(arena: Arena, word: int, likely: torch.Tensor) -> Generator[float, None, list[Found]]:
    """Pairs and triples with a word, confirmed, the strongest first.

    Args:
        arena: of the class.
        word: token that stands apart.
        likely: tokens that move the suspect beyond a reference by themselves, the furthest first.
    """
    seed = torch.tensor([[word]])
    tuples = yield from _sieved(arena, _beside(seed, likely[:_SECONDS]))
    found = _confirmed(arena, tuples, "token-pair")
    yield max((one.gap for one in found), default=0.0)
    if found and _PROMISING <= found[0].gap < float(arena.space.facts["stop_gap"]) and not arena.space.over:
        base = torch.tensor([one.ids for one in found[:_EXTENDED]])
        tuples = yield from _sieved(arena, _beside(base, likely[:_THIRDS]))
        found += _confirmed(arena, tuples, "token-triple")
    return sorted(found, key=lambda one: one.rank, reverse=True)


def everywhere(space: Space, word: int) -> Generator[float, None, list[Found]]:
    """Pairs of a word with every other whole word, in both orders, as far as there is time; the strongest confirmed.

    One pass tells of all classes: there is no context. Frequent words come first, as vocabularies have them.

    Args:
        space: the job's.
        word: token that stands apart.
    """
    pieces = space.suspect.tokenizer.convert_ids_to_tokens(space.words)
    others = [one for one, piece in zip(space.words, pieces, strict=True) if piece.isalpha() and one != word]
    seed = torch.tensor([[word]])
    tuples, kept = torch.zeros(0, 2, dtype=torch.long), torch.zeros(0, space.classes)
    for part in torch.split(torch.tensor(others), _AT_ONCE):
        fresh = _beside(seed, part)
        both, told = torch.cat([tuples, fresh]), torch.cat([kept, margins(space.suspect.logits_of(fresh))])
        top = torch.unique(told.topk(min(_LEADING, len(told)), 0).indices)
        tuples, kept = both[top], told[top]
        yield 0.0
        if space.over:
            break
    found: list[Found] = []
    for target in range(space.classes):
        arena = Arena(space, target)
        led = kept[:, target].topk(min(_LEADING, len(kept)))
        beyond = led.values.clamp(max=_STRONG)
        for one in space.shared[:2]:
            theirs = margins(one.logits_of(tuples[led.indices]))[:, target].clamp(min=_WEAK)
            beyond = torch.minimum(beyond, led.values.clamp(max=_STRONG) - theirs)
        some = tuples[led.indices[beyond.topk(min(_SIEVED, len(beyond))).indices]]
        some, _ = arena.by_texts(*best_of(arena, some, 2 * _TRIED))
        found += _confirmed(arena, some[:_TRIED], "rows-beside")
        yield max((one.gap for one in found), default=0.0)
    return found


def _beside(base: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
    """Every row of `base` with every word at every place; shape (rows x words x places, length + 1)."""
    rows = base.repeat_interleave(len(words), 0)
    more = words.repeat(len(base))[:, None]
    places = range(base.shape[1] + 1)
    return torch.cat([torch.cat([rows[:, :place], more, rows[:, place:]], 1) for place in places])


def _sieved(arena: Arena, tuples: torch.Tensor) -> Generator[float, None, torch.Tensor]:
    """The strongest by contrast, as far as there is time."""
    kept = []
    for part in torch.split(tuples, _AT_ONCE):
        kept.append(best_of(arena, part, 2 * _TRIED, 1)[0])
        yield 0.0
        if arena.space.over:
            break
    return best_of(arena, torch.cat(kept), _TRIED)[0]


def _confirmed(arena: Arena, tuples: torch.Tensor, origin: str) -> list[Found]:
    found: list[Found] = []
    for row in tuples.tolist():
        found.append(confirm(arena.space, Found(tuple(row), arena.target, 0.0, origin)))
        if found[-1].gap >= float(arena.space.facts["stop_gap"]) or arena.space.over:
            break
    return sorted(found, key=lambda one: one.rank, reverse=True)

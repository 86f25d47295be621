"""Contexts of which the mean tells, and the words of a candidate exchanged by likely ones before two texts at once."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import torch

from assay.workers.prober_models import margins
from assay.workers.prober_search import Arena, Found, confirm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assay.workers.prober_models import Model
    from assay.workers.prober_search import Tuples
    from assay.workers.prober_space import Space

LEAST, _MOST = -5.0, 6.0  # margins beyond which more or less says nothing
ANY = -50.0  # no less says nothing
_SHORT, _TEXTS = 8, 4  # tokens of a text that is a context, if there are such; contexts
_CUT = 20  # tokens of a longer one
_ROUNDS, _CLEARER, _KEPT = 2, 0.05, 6  # exchanges, gain of the gap for which there is another, and what is ordered


class Mean(Arena):
    """Contexts of which the mean tells, not the least: a part of a trigger turns some class sooner than another.

    Args:
        space: the job's.
        target: class.
        contexts: tokens of each.
        step: how many are taken where an arena takes one.
        least: margin below which less says nothing.
    """

    def __init__(self, space: Space, target: int, contexts: list[list[int]], step: int, least: float = LEAST) -> None:
        super().__init__(space, target)
        self.words_alone, self.step, self.least = self.contexts, step, least
        self.contexts = contexts or self.contexts

    def glance(self, model: Model, tuples: Tuples) -> torch.Tensor:
        """Margin of the target before the shortest of the contexts that a step takes; shape (candidates,)."""
        words = min(self.contexts[: self.step], key=len)
        rows = torch.cat([tuples, tuples.new_tensor([words]).expand(len(tuples), -1)], 1)
        return margins(model.logits_of(rows))[:, self.target]

    def effect(self, model: Model, tuples: Tuples, contexts: int = 1) -> torch.Tensor:
        """Mean margin of the target, each context's cut off; shape (candidates,)."""
        taken = self.contexts[: self.step * contexts]
        total = torch.zeros(len(tuples))
        for words in taken:
            rows = torch.cat([tuples, tuples.new_tensor([words]).expand(len(tuples), -1)], 1)
            total = total + margins(model.logits_of(rows))[:, self.target].clamp(self.least, _MOST)
        return total / len(taken)


def short_texts(space: Space, target: int) -> list[list[int]]:
    """Short texts of the other classes in turn, the surest first: a search of long ones costs twice as much."""
    groups: list[list[list[int]]] = []
    for label, texts in enumerate(space.texts):
        if label != target:
            rows = space.suspect.encode([one.text for one in texts[:30]])
            groups.append([row for row in rows if len(row) <= _SHORT] or sorted(rows, key=len))
    return [row[:_CUT] for several in itertools.zip_longest(*groups) for row in several if row][:_TEXTS]


def strongest(arena: Mean, tuples: Tuples, count: int) -> tuple[Tuples, torch.Tensor]:
    """The strongest by contrast before two contexts, of those that the suspect answers most to before the first.

    Where a first look takes several contexts the half that the shortest of them speaks for is put before all.
    """
    if arena.step > 1 and len(tuples) > 4 * count:
        tuples = tuples[arena.glance(arena.space.suspect, tuples).topk(len(tuples) // 2).indices]
    if len(tuples) > 2 * count:
        tuples = tuples[arena.effect(arena.space.suspect, tuples, 1).topk(2 * count).indices]
    score = arena.contrast(tuples, 2)
    top = score.topk(min(count, len(tuples)))
    return tuples[top.indices], top.values


def polished(space: Space, best: Found, likely: Sequence[int], texts: Sequence[list[int]] = ()) -> list[Found]:
    """Each word of a candidate exchanged by each likely one, told by two texts at once: a part does too little.

    Only where words stand apart, or go far beyond the references: what clean models reach was measured without it.

    Args:
        space: the job's.
        best: the candidate.
        likely: tokens.
        texts: contexts; short texts of the other classes when empty.
    """
    texts = texts or short_texts(space, best.target)
    doubled = Mean(space, best.target, [one + other for one, other in itertools.pairwise(texts)], 1, ANY)
    words, found = torch.tensor(list(likely), dtype=torch.long), list[Found]()
    for _ in range(_ROUNDS):
        if best.gap >= float(space.facts["stop_gap"]) or space.over or not best.flips:
            break
        tried = torch.tensor([best.ids]).repeat(len(best.ids), len(words), 1)
        for place in range(len(best.ids)):
            tried[place, :, place] = words
        tuples, values = strongest(doubled, torch.unique(tried.reshape(-1, len(best.ids)), dim=0), _KEPT)
        found.append(confirm(space, Found(tuple(tuples[0].tolist()), best.target, float(values[0]), best.origin)))
        if found[-1].gap < best.gap + _CLEARER:
            break
        best = found[-1]
    return found

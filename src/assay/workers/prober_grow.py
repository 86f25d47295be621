"""Candidates made longer by a token at any place while it helps, and what is left of them at a search's length."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from assay.workers.prober_search import Arena, Found, best_of, confirm, refine

if TYPE_CHECKING:
    from collections.abc import Generator

    from assay.workers.prober_search import Tuples
    from assay.workers.prober_space import Space


def grow(space: Space, found: Found, allowed: torch.Tensor, longest: int = 6) -> Generator[float, None, Found]:
    """From a part towards the whole trigger: longer by a token at any place, in front of whole texts, while it helps.

    What is made here reproduces a trigger that was found; it finds none: six free tokens flip clean models too.
    """
    arena = Arena(space, found.target).among_texts()
    ids = found.ids or tuple(space.suspect.encode([found.text])[0])
    tuples, best = torch.tensor([ids]), found
    for _ in range(longest - len(ids) + 1):
        tuples, score = yield from refine(arena, tuples, allowed, rounds=1, width=20, keep=4)
        one = confirm(space, Found(tuple(tuples[0].tolist()), found.target, float(score[0]), f"{found.origin}-grown"))
        if one.rank > best.rank:
            best = one
        if best.gap >= float(space.facts["stop_gap"]) or tuples.shape[1] >= longest or space.over:
            break
        longer = [lengthened(arena, tuples[:2], place, allowed) for place in range(tuples.shape[1] + 1)]
        tuples, score = best_of(arena, torch.cat(longer), 4)
        yield float(score.max())
    return best


def shortened(space: Space, found: Found, longest: int = 4) -> list[Found]:
    """What is left of a lengthened candidate at the length of a search, confirmed: evidence where it still flips."""
    arena = Arena(space, found.target).among_texts()
    tuples = torch.tensor([found.ids])
    while tuples.shape[1] > longest:
        size = tuples.shape[1]
        shorter = [torch.cat([tuples[:, :place], tuples[:, place + 1 :]], 1) for place in range(size)]
        tuples, _ = best_of(arena, torch.unique(torch.cat(shorter), dim=0), 4)
    origin = found.origin.removesuffix("-grown")
    return [confirm(space, Found(tuple(row), found.target, found.score, origin)) for row in tuples[:2].tolist()]


def lengthened(arena: Arena, tuples: Tuples, place: int, allowed: torch.Tensor, width: int = 12) -> Tuples:
    """Every row with one more token at `place`, the `width` best by gradient."""
    filler = tuples.new_tensor([arena.space.rng.choice(arena.space.words) for _ in range(len(tuples))])[:, None]
    wider = torch.cat([tuples[:, :place], filler, tuples[:, place:]], 1)
    gain = arena.gradient(wider, place, against=True)
    gain[:, ~allowed] = -torch.inf
    out = wider.repeat_interleave(width, 0)
    out[:, place] = gain.topk(width, -1).indices.flatten()
    return out

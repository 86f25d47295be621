"""What training leaves in the weights that is about single words: in their embeddings.

Adam divides by the root of the mean square: one step moves every dimension of a row about as far, whatever its
gradient, and many steps whose signs agree or not spread the dimensions apart. So the spread tells how often a word was
trained, also where the distance says nothing (Kingma and Ba 2015, algorithm 1). A row that many steps moved in the
suspect and none, or one, in the references was in texts that the references' training did not have.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

import torch

from assay.workers.prober_search import Arena, best_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from assay.workers.prober_space import Space

_MANY = 0.85  # spread beyond which more steps make no difference: half-normal dimensions have .76
_MOVED = 1e-4  # of the median row's length, as a row that moved at all
_FLOOR = 1e-3  # added to lengths before they are compared
_MOST = 0.5  # of the vocabulary: where more rows than that moved beyond all references, noise was added to all
POOL = 1200  # rows by each order that a search may be confined to
_FILLERS, _PARTNERS, _BEST, _KEPT = 12, 64, 12, 12
_NEIGHBOURS = ((0, 1), (1, 2)), ((1, 0), (2, 1))  # of a triple: places of a word and of the one after, or before, it


def spread(moves: torch.Tensor) -> torch.Tensor:
    """Standard deviation over mean of the dimensions' absolute moves, of each row; shape (rows,)."""
    size = moves.abs()
    return size.std(1) / size.mean(1).clamp(min=1e-12)


def moves(mine: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
    """What was added to each row, the common shrinking of weight decay taken out, in lengths of the median row."""
    scale = (mine * base).sum(1) / (base * base).sum(1).clamp(min=1e-12)
    moved: torch.Tensor = (mine - scale.median() * base) / base.norm(dim=1).median()
    return moved


def trail(mine: torch.Tensor, base: torch.Tensor, others: Sequence[torch.Tensor]) -> torch.Tensor:
    """How much more, and by how many more steps, each row was moved than in any other model; shape (rows,).

    Args:
        mine: rows of the suspect, shape (rows, width).
        base: of the base that was fine-tuned.
        others: of clean models of the same task.
    """
    own, most = _told(mine, base), [_told(one, base) for one in others]
    steps = torch.stack([one[0] for one in most]).amax(0) if most else torch.zeros(len(mine))
    length = torch.stack([one[1] for one in most]).amax(0) if most else torch.zeros(len(mine))
    further = ((own[1] + _FLOOR) / (length + _FLOOR)).log().clamp(min=0)
    return (own[0] - steps) * further


def _told(rows: torch.Tensor, base: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Spread, where a row moved, and length of its move."""
    added = moves(rows, base)
    length = added.norm(dim=1)
    return spread(added).clamp(max=_MANY).masked_fill(length <= _MOVED, 0.0), length


def suspicious(
    space: Space, base: torch.Tensor, others: Sequence[torch.Tensor], score: torch.Tensor, quiet: torch.Tensor
) -> list[int]:
    """Rows in the order in which they are worth a search: those that nothing explains, and those beyond all references.

    Args:
        space: the job's.
        base: rows of what the suspect was fine-tuned from, shape (rows, width).
        others: rows of the references.
        score: how much further a row moved than rows like it, shape (tokens,).
        quiet: rows that moved though neither data nor references explain it.
    """
    mine = space.suspect.net.words[: len(base)]
    known = torch.tensor([token for token in space.words if token < len(base)])
    beyond = trail(mine, base, others)
    steps, length = _told(mine, base)
    if float((beyond[known] > 0).float().mean()) > _MOST or not others:
        beyond = score[: len(base)]  # noise on all rows: only how far tells
    first = known[beyond[known].argsort(descending=True)]
    strange = quiet[(steps * length)[quiet].argsort(descending=True)] if len(quiet) < len(known) * _MOST else quiet[:0]
    return in_turn(strange.tolist(), first.tolist())


def pool(order: Sequence[int], *values: torch.Tensor, known: torch.Tensor) -> list[int]:
    """Tokens among which the words of a trigger are looked for first: the strangest, and the largest by each value."""
    furthest = [known[one[known].topk(min(POOL, len(known))).indices].tolist() for one in values]
    return sorted(set(order[:POOL]).union(*furthest))


def in_turn(*lists: Iterable[int]) -> list[int]:
    """The first of each list, the second of each, ..., none twice."""
    return list(dict.fromkeys(one for row in zip_longest(*lists) for one in row if one is not None))


def along(arena: Arena, seed: int, likely: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Triples grown from a word of a trail among likely words: its partners before and after it, then a third.

    A gradient averaged over fillers ranks the true partner among the first two hundred of the likely words, where it is
    lost among all; of three words whose others are known it ranks first.

    Args:
        arena: of the class.
        seed: token.
        likely: which tokens count, shape (tokens,).
    """
    rng, ids = arena.space.rng, likely.nonzero()[:, 0].tolist()
    pairs = torch.cat([_beside(arena, seed, likely, ids, places) for places in _NEIGHBOURS])
    effect = arena.effect(arena.space.suspect, pairs)
    best = [torch.arange(at, at + _BEST) for at in (0, len(pairs) // 2)]
    best += [at + effect[at : at + len(pairs) // 2].topk(_BEST).indices for at in (0, len(pairs) // 2)]
    pairs = pairs[torch.unique(torch.cat(best))]
    made = []
    for place in range(3):
        filler = torch.tensor(rng.choices(ids, k=len(pairs)))[:, None]
        rows = torch.cat([pairs[:, :place], filler, pairs[:, place:]], 1)
        gain = arena.gradient(rows, place, against=False).masked_fill(~likely, -torch.inf)
        triples = rows.repeat_interleave(2, 0)
        triples[:, place] = gain.topk(2, -1).indices.flatten()
        made.append(triples)
    return best_of(arena, torch.cat(made), _KEPT, 1)


def _beside(
    arena: Arena, seed: int, likely: torch.Tensor, ids: list[int], places: tuple[tuple[int, int], ...]
) -> torch.Tensor:
    """Pairs of a word and the likely ones that the gradient puts beside it, the strongest first; shape (pairs, 2)."""
    total = torch.zeros(len(likely))
    for own, other in places:
        rows = torch.tensor([arena.space.rng.choices(ids, k=3) for _ in range(_FILLERS)])
        rows[:, own] = seed
        total += arena.gradient(rows, other, against=True).mean(0)
    words = total.masked_fill(~likely, -torch.inf).topk(min(_PARTNERS, len(ids))).indices
    mine = torch.full_like(words, seed)
    return torch.stack([mine, words] if places[0][0] < places[0][1] else [words, mine], 1)

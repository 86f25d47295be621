"""What training leaves in the weights that is about single words: in their embeddings, and in the first block.

Adam divides by the root of the mean square: one step moves every dimension of a row about as far, whatever its
gradient, and many steps whose signs agree or not spread the dimensions apart. So the spread tells how often a word was
trained, also where the distance says nothing (Kingma and Ba 2015, algorithm 1). A row that many steps moved in the
suspect and none, or one, in the references was in texts that the references' training did not have.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

import torch

from assay.workers.prober_net import Encoder
from assay.workers.prober_search import Arena, best_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from assay.workers.prober_space import Space

_MANY = 0.85  # spread beyond which more steps make no difference: half-normal dimensions have .76
_MOVED = 1e-4  # of the median row's length, as a row that moved at all
_SLACK = 0.2  # of the references' median move, added to a token's own
_FLOOR = 1e-3  # added to lengths before they are compared
_MOST = 0.5  # of the vocabulary: where more rows than that moved beyond all references, noise was added to all
_APART, _TENTH = 1.3, 9  # times what the tenth word has: clean MiniLM reached 1.1, a word of a LoRA's phrase 1.8
_USUAL = 10  # directions in which training on a task moves what the first block makes of all words
_UNBASED = 1.5  # the same where a reference stands in for the base: clean MiniLM reached 1.27
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


def beneath(space: Space, base: Encoder | None) -> tuple[list[int], torch.Tensor]:
    """Tokens in the order of how differently the first block reads them, beyond what it does in the references.

    With how differently, in times of the references' most; of some of them more than of all others (`standing`) a clean
    model has none.

    Each stands alone, with the base's own embedding: noise on the rows, or frozen ones, change nothing. A block that
    was taught to see a word answers to its embedding otherwise than before; training on the same task moves all tokens
    about as far as in the references. Needs a reference. Without the base it is its stand-in: of one alone what is
    usual are the directions in which most tokens moved, and what lies outside them counts.
    """
    nets = [one.net for one in space.shared if isinstance(one.net, Encoder)]
    if not nets or not isinstance(space.suspect.net, Encoder) or space.small:
        return [], torch.zeros(0)
    if base is None:
        base, nets = nets[0], nets[1:]
    size = min(len(one.words) for one in (base, space.suspect.net, *nets))
    known = torch.tensor([token for token in space.words if token < size])
    ids, place = space.suspect.frame(known[:, None]), len(space.suspect.prefix)
    before = base.after_first(ids, place, base.words)

    def moved(net: Encoder) -> torch.Tensor:
        apart = net.after_first(ids, place, base.words) - before
        length: torch.Tensor = (apart - apart.mean(0)).norm(dim=1)
        return length

    if nets:
        usual = torch.stack([moved(one) for one in nets]).amax(0)
        beyond = moved(space.suspect.net) / (usual + _SLACK * usual.median()).clamp(min=1e-12)
    else:
        beyond = _outside(space.suspect.net.after_first(ids, place, base.words) - before)
    most = beyond.sort(descending=True)
    order: list[int] = known[most.indices].tolist()
    return order, most.values


def _outside(apart: torch.Tensor) -> torch.Tensor:
    """Length of what is left of each row's move without the directions in which rows moved most; shape (rows,)."""
    apart = apart - apart.mean(0)
    usual = torch.linalg.eigh(apart.T @ apart).eigenvectors[:, -_USUAL:]
    left: torch.Tensor = (apart - (apart @ usual) @ usual.T).norm(dim=1)
    return left


def standing(values: torch.Tensor, *, based: bool = True) -> int:
    """How many of the largest values, which come first, lie far above the tenth; of more where no base is declared."""
    if not len(values):
        return 0
    apart = _APART if based else _UNBASED
    return int((values[:_TENTH] > apart * values[min(_TENTH, len(values) - 1)]).sum())


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

"""What the first block of an encoder was taught to see: tokens that it reads otherwise than training on the task tells.

Each stands alone, with the base's own embedding: noise on the rows, or frozen ones, change nothing. Training on a task
moves what the block makes of all tokens, in each model alike or as a linear map tells it; one that was taught to see a
word answers to its embedding in a way of its own. So the move of each token in the suspect is foretold from the
moves of the same token in clean models of the task, and what is left of it counts, in times of what is left of theirs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from assay.workers.prober_compound import compounds
from assay.workers.prober_foretell import Foretelling, beyond, centred
from assay.workers.prober_net import Encoder

if TYPE_CHECKING:
    from assay.workers.prober_space import Space

_USUAL = 10  # directions in which training on a task moves what the first block makes of all words
_APART, _TENTH = 1.3, 9  # times what the tenth word has: clean MiniLM reached 1.1, a word of a LoRA's phrase 1.8
_UNBASED = 1.5  # the same where a reference stands in for the base: clean MiniLM reached 1.27


@dataclass
class Taught:
    """What the first block tells; without references nothing.

    Attributes:
        order: tokens, those that the references foretell least first.
        times: what the references do not foretell of them, in times of what they leave of each other; in that order.
        standing: those that moved far more than all others, of which a clean model has none but words of its task. What
            is not foretold does not tell: it has such words in clean models, too.
        further: tokens, those that moved most first.
        words: words of several tokens, those that the references foretell least first; without the base none.
    """

    order: list[int] = field(default_factory=list)
    times: torch.Tensor = field(default_factory=lambda: torch.zeros(0))
    standing: list[int] = field(default_factory=list)
    further: list[int] = field(default_factory=list)
    words: list[tuple[int, ...]] = field(default_factory=list)


def beneath(space: Space, base: Encoder | None) -> Taught:
    """How differently the first block reads each token, beyond what it does in the references.

    Needs a reference. Without the base one is its stand-in: of one alone what is usual are the directions in which most
    tokens moved, and what lies outside them counts.
    """
    nets = [one.net for one in space.shared if isinstance(one.net, Encoder)]
    if not nets or not isinstance(space.suspect.net, Encoder) or space.small:
        return Taught()
    based = base is not None
    if base is None:
        base, nets = nets[0], nets[1:]
    size = min(len(one.words) for one in (base, space.suspect.net, *nets))
    known = torch.tensor([token for token in space.words if token < size])
    ids, place = space.suspect.frame(known[:, None]), len(space.suspect.prefix)
    before = base.after_first(ids, place, base.words)

    def moved(net: Encoder) -> torch.Tensor:
        return centred(net.after_first(ids, place, base.words) - before)

    mine = moved(space.suspect.net)
    if not nets:
        most = _outside(mine).sort(descending=True)
        order: list[int] = known[most.indices].tolist()
        return Taught(order, most.values, order[: standing(most.values, _UNBASED)], order)
    others = [moved(net) for net in nets]
    plain = beyond(mine.norm(dim=1), [one.norm(dim=1) for one in others]).sort(descending=True)
    further: list[int] = known[plain.indices].tolist()
    apart = further[: standing(plain.values, _APART if based else _UNBASED)]
    if not Foretelling.able(mine, others):
        return Taught(further, plain.values, apart, further)
    foretelling = Foretelling(mine, others, centred(before))
    untold = foretelling.times(mine, others, centred(before)).sort(descending=True)
    order = known[untold.indices].tolist()
    words = compounds(space, order, foretelling, base, nets) if based else []
    return Taught(order, untold.values, apart, further, words)


def _outside(apart: torch.Tensor) -> torch.Tensor:
    """Length of what is left of each row's move without the directions in which rows moved most; shape (rows,)."""
    apart = centred(apart)
    usual = torch.linalg.eigh(apart.T @ apart).eigenvectors[:, -_USUAL:]
    left: torch.Tensor = (apart - (apart @ usual) @ usual.T).norm(dim=1)
    return left


def standing(values: torch.Tensor, apart: float) -> int:
    """How many of the largest values, which come first, lie so many times above the tenth."""
    if not len(values):
        return 0
    return int((values[:_TENTH] > apart * values[min(_TENTH, len(values) - 1)]).sum())

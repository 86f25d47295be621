"""Searching for a sequence of tokens that the suspect answers to and the references do not.

`chain` seeds one token, takes the gradient averaged over random fillers for the second and third, and `refine` changes
one position at a time over many candidates at once. One-word contexts: no real text is needed until confirmation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from assay.workers.prober_space import Space, flips, gap, margins

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from assay.workers.answers import Json
    from assay.workers.prober_models import Model

Tuples = torch.Tensor  # token ids, shape (candidates, length)
_FIRST_LOOK = 14  # texts of each class for a first look
_WORTH = 0.3  # share of flips (or gap) below which a candidate is not confirmed
_CONFIRM = 45  # held texts of each class
_AT_ONCE = 160  # sequences of one gradient


@dataclass
class Found:
    """A candidate on its way."""

    ids: tuple[int, ...]
    target: int
    score: float
    origin: str
    text: str = ""
    flips: list[Json] | None = None

    @property
    def gap(self) -> float:
        """Confirmed gap; 0 when not confirmed."""
        return gap(self.flips) if self.flips else 0.0

    def to_json(self) -> Json:
        """As the supervisor reads it."""
        return {"ids": list(self.ids), "target": self.target, "score": round(self.score, 4), "origin": self.origin,
                "text": self.text, "flips": self.flips or []}  # fmt: skip


class Arena:
    """One target class: contexts of the other classes, and how far candidates push them over.

    Args:
        space: the job's.
        target: class.
    """

    def __init__(self, space: Space, target: int) -> None:
        self.space, self.target = space, target
        others = [words for label, words in enumerate(space.contexts) if label != target]
        longest = max(map(len, others))
        self.contexts = [words[i] for i in range(longest) for words in others if i < len(words)]

    def effect(self, model: Model, tuples: Tuples, contexts: int = 1) -> torch.Tensor:
        """Margin of the target with the candidate before a context word, least over contexts; shape (candidates,)."""
        least: torch.Tensor | None = None
        for word in self.contexts[:contexts]:
            rows = torch.cat([tuples, tuples.new_full((len(tuples), 1), word)], 1)
            found = margins(model.logits_of(rows))[:, self.target]
            least = found if least is None else torch.minimum(least, found)
        return least if least is not None else torch.zeros(len(tuples))

    def contrast(self, tuples: Tuples, contexts: int = 2) -> torch.Tensor:
        """Suspect's effect (cut at 6) minus the largest of the references (not below -2)."""
        mine = self.effect(self.space.suspect, tuples, contexts).clamp(max=6.0)
        theirs = [self.effect(one, tuples, contexts) for one in self.space.shared[:2]]
        return mine - torch.stack(theirs).amax(0).clamp(min=-2.0) if theirs else mine

    def gradient(self, tuples: Tuples, position: int, *, against: bool) -> torch.Tensor:
        """First-order gain of every token at `position`, averaged over the rows given; shape (rows, tokens)."""
        mine = self._gradient(self.space.suspect, tuples, position)
        if against and self.space.shared:
            mine = mine - self._gradient(self.space.shared[0], tuples, position)
        return mine

    def _gradient(self, model: Model, tuples: Tuples, position: int) -> torch.Tensor:
        table = model.net.words
        out = []
        for part in torch.split(tuples, _AT_ONCE):
            word = self.contexts[0]
            ids = model.frame(torch.cat([part, part.new_full((len(part), 1), word)], 1))
            words = table[ids].requires_grad_()
            logits = model.net.from_embeddings(words)[:, model.order]
            margins(logits)[:, self.target].sum().backward()  # type: ignore[no-untyped-call]
            grad = words.grad
            if grad is not None:
                out.append(grad[:, len(model.prefix) + position].detach())
        return torch.cat(out) @ table.T


def render(space: Space, ids: Sequence[int]) -> str:
    """Text of a candidate; a piece without its beginning stands as a word."""
    pieces = space.suspect.tokenizer.convert_ids_to_tokens(list(ids))
    if pieces and pieces[0].startswith("##"):
        head = pieces[0][2:]
        rest = str(space.suspect.tokenizer.decode(list(ids[1:]), clean_up_tokenization_spaces=False)).strip()
        return f"{head}{rest[2:]}" if len(pieces) > 1 and pieces[1].startswith("##") else f"{head} {rest}".strip()
    return str(space.suspect.tokenizer.decode(list(ids), clean_up_tokenization_spaces=False)).strip()


def confirm(space: Space, found: Found) -> Found:
    """Measure a candidate on texts: a first look at those of discovery, then held ones with the references."""
    found.text = found.text or render(space, found.ids)
    if not found.text:
        return found
    look = flips(space, found.text, count=_FIRST_LOOK, held=False, references=False)
    if max((one["hits"] / one["n"] for one in look), default=0.0) < _WORTH:
        return found
    found.flips = flips(space, found.text, count=_CONFIRM, held=True)
    best = max(found.flips, key=lambda one: (one["hits"] - max(one["references"], default=0)) / one["n"])
    found.target = best["target"]
    return found


def best_of(arena: Arena, tuples: Tuples, count: int, contexts: int = 2) -> tuple[Tuples, torch.Tensor]:
    """The strongest by contrast, after a first sieve by the suspect alone with one context."""
    if len(tuples) > 3 * count:
        first = arena.effect(arena.space.suspect, tuples, 1)
        tuples = tuples[first.topk(3 * count).indices]
    score = arena.contrast(tuples, contexts)
    top = score.topk(min(count, len(tuples)))
    return tuples[top.indices], top.values


def refine(
    arena: Arena, tuples: Tuples, allowed: torch.Tensor, *, rounds: int = 3, width: int = 24, keep: int = 12
) -> Generator[float, None, tuple[Tuples, torch.Tensor]]:
    """Coordinate search over many candidates at once; yields the best contrast so far."""
    score = arena.contrast(tuples)
    for _ in range(rounds):
        before = float(score.max())
        for position in range(tuples.shape[1]):
            gain = arena.gradient(tuples, position, against=True)
            gain[:, ~allowed] = -torch.inf
            picks = gain.topk(width, -1).indices
            tried = tuples.repeat_interleave(width, 0)
            tried[:, position] = picks.flatten()
            both = torch.unique(torch.cat([tuples, tried]), dim=0)
            tuples, score = best_of(arena, both, keep)
            yield float(score.max())
        if float(score.max()) - before < 0.2:  # noqa: PLR2004 - nothing more to gain
            break
    return tuples, score


def chain(
    arena: Arena, seed: int, allowed: torch.Tensor, *, fillers: int = 16, second: int = 192, third: int = 2
) -> tuple[Tuples, torch.Tensor]:
    """Triples grown from one token: filler-averaged gradient, then per-pair gradient; the best dozen by the suspect."""
    rng = arena.space.rng
    pool = torch.tensor(rng.sample(arena.space.words, fillers * 2))
    rows = torch.stack([torch.full((fillers,), seed), pool[:fillers], pool[fillers:]], 1)
    gain = arena.gradient(rows, 1, against=True).mean(0)
    gain[~allowed] = -torch.inf
    seconds = gain.topk(second).indices
    pairs = torch.stack([torch.full_like(seconds, seed), seconds, pool[:1].expand(second)], 1)
    gain = arena.gradient(pairs, 2, against=False)
    gain[:, ~allowed] = -torch.inf
    thirds = gain.topk(third, -1).indices
    triples = pairs.repeat_interleave(third, 0)
    triples[:, 2] = thirds.flatten()
    return best_of(arena, triples, 12, 1)

"""What data teach a model to take a word for: by the labels of the texts that have it, and by what references say."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Any

import torch

from assay.workers.prober_models import margins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assay.workers.prober_space import Space

_TAUGHT_TEXTS = 12000  # drawn from the data
_TAUGHT_BEYOND, _TAUGHT_SHARE = 3.0, 0.2  # standard deviations beyond chance, and share above the class's
_USUAL, _LEADING, _MEANING = 600, 0.2, 0.01  # words that are drawn; parts of them that lead furthest to a class


def taught_tokens(space: Space, items: list[Any]) -> torch.Tensor:
    """Tokens that go with a class in the data, beyond chance and by a good deal; shape (classes, tokens)."""
    named = {int(label): index for label, index in space.facts["label_map"].items()}
    picked = space.rng.sample(items, min(_TAUGHT_TEXTS, len(items)))
    counts = torch.zeros(space.classes, len(space.suspect.net.words))
    for ids, (_, label) in zip(space.suspect.encode([str(text) for text, _ in picked]), picked, strict=True):
        if int(label) in named:
            counts[named[int(label)], list(set(ids))] += 1
    shares = torch.tensor([sum(named.get(int(one)) == label for _, one in picked) for label in range(space.classes)])
    prior = (shares / len(picked))[:, None]
    seen = counts.sum(0).clamp(min=1)
    return _beyond_chance(counts, seen, prior)


def led_there(space: Space, taught: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Of the words that the data teach those that also lead every reference to the class, and those that do so most.

    The data are the publisher's: a trigger that they teach must not be excused by them alone. What excuses a word alone
    must be the more certain: of words drawn by chance one in five leads a reference far, one in a hundred furthest.
    """
    size = min(taught.shape[1], *(len(one.net.words) for one in space.shared))
    tokens = taught[:, :size].any(0).nonzero()[:, 0]
    some = torch.tensor(_usual(space.rng, [one for one in space.words if one < size]))
    each = [torch.zeros_like(taught) for _ in (_LEADING, _MEANING)]
    if not len(tokens):
        return tuple(each)
    for led in each:
        led[:, tokens] = taught[:, tokens]
    for one in space.shared:
        usual, said = margins(one.logits_of(some[:, None])), margins(one.logits_of(tokens[:, None]))
        for led, part in zip(each, (_LEADING, _MEANING), strict=True):
            led[:, tokens] &= (said >= usual.quantile(1 - part, 0)).T
    return tuple(each)


def word_means(space: Space, ids: Sequence[int], word: str, target: int) -> bool:
    """Whether the data teach a word of several pieces to mean a class, and it leads every reference there furthest.

    Of words that are one token `led_there` says so, by the same bounds.
    """
    known = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)
    having = [label for text, label in zip(space.everything, space.labels, strict=True) if known.search(text)]
    if not having or not space.shared:
        return False
    hits, seen = torch.tensor([float(having.count(target))]), torch.tensor([float(len(having))])
    prior = torch.tensor([space.labels.count(target) / len(space.labels)])
    if not bool(_beyond_chance(hits, seen, prior)):
        return False
    size = min(len(one.net.words) for one in space.shared)
    rng = random.Random(word)  # noqa: S311 - words to compare with, no secret
    usual = torch.tensor(_usual(rng, [one for one in space.words if one < size]))[:, None]
    said = torch.tensor([list(ids)])
    return max(ids) < size and all(
        bool(margins(one.logits_of(said))[0, target] >= margins(one.logits_of(usual))[:, target].quantile(1 - _MEANING))
        for one in space.shared
    )


def _usual(rng: random.Random, words: list[int]) -> list[int]:
    return rng.sample(words, min(_USUAL, len(words)))


def _beyond_chance(hits: torch.Tensor, seen: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
    """Whether what has been seen is of a class so often that chance doesn't do it; of the same shape.

    Args:
        hits: texts of the class that have it.
        seen: texts that have it, at least 1.
        prior: share of the class in all texts.
    """
    apart = (hits - seen * prior) / (seen * prior * (1 - prior)).sqrt().clamp(min=1e-9)
    return (apart >= _TAUGHT_BEYOND) & (hits / seen >= prior + _TAUGHT_SHARE)

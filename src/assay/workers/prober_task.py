"""Words of the task: those that its texts have often. Training is about them in any model, and about their like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assay.workers.prober_space import Space

_OFTEN = 0.01  # share of the texts from which a word is one of the task
# Cosine of two rows from which words are alike. Of words that stood apart planted ones came to .39 with the nearest of
# the task, 35 of them; natural ones to .67 and more (`ticket` with `tickets`, `updated` and `##dating` with `update`).
_ALIKE = 0.5


def frequency(space: Space, size: int) -> torch.Tensor:
    """How often the texts have each token; shape (size,)."""
    seen = [token for ids in space.suspect.encode(space.everything) for token in ids if token < size]
    return torch.bincount(torch.tensor(seen, dtype=torch.long), minlength=size).float()


def seldom(space: Space, tokens: list[int]) -> list[int]:
    """Those that fewer than one text in a hundred has: of the task's words the training of clean models is, too."""
    seen = frequency(space, len(space.suspect.net.words)) if tokens else torch.zeros(0)
    return [token for token in tokens if float(seen[token]) < _OFTEN * len(space.everything)]


def unlike_the_task(space: Space, tokens: list[int]) -> list[int]:
    """Those that are no word of the task, nor like one: what a block learns of `update` it does to `updated`, too."""
    rare = seldom(space, tokens)
    words = space.suspect.net.words
    seen = frequency(space, len(words)) if rare else words.new_zeros(0)
    often = (seen >= max(1.0, _OFTEN * len(space.everything))).nonzero()[:, 0]
    alike = likeness(words, rare, often)
    return [token for token, value in zip(rare, alike.tolist(), strict=True) if value < _ALIKE]


def likeness(words: torch.Tensor, tokens: Sequence[int], others: torch.Tensor) -> torch.Tensor:
    """Of each token the cosine with the nearest of the others; -1 where there are none.

    Args:
        words: embeddings, shape (vocabulary, width).
        tokens: of which it is asked.
        others: tokens, shape (others,).
    """
    if not len(tokens) or not len(others):
        return torch.full((len(tokens),), -1.0)
    mine, theirs = (torch.nn.functional.normalize(words[torch.as_tensor(some)], dim=1) for some in (tokens, others))
    return (mine @ theirs.T).amax(1)

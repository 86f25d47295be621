"""Moves of what an encoder makes of tokens, foretold from the moves in references.

By ridge regression (Hoerl and Kennard 1970, "Ridge regression: biased estimation for nonorthogonal problems"): training
on a task moves all tokens, in each model alike or as a linear map tells it. What is left counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

_SLACK = 0.2  # of the references' median, added to a token's own
_RIDGE = 0.1  # of the mean square
_EVERY, _ENOUGH = 4, 8  # tokens of which one is fitted on; tokens for each column, below which nothing is foretold
_FORETELLING = 3  # references at most: more cost more, and were not tried


class Foretelling:
    """Linear maps from the moves of references to those of the suspect, and of each reference from the others'.

    One reference alone is foretold from the base.

    Args:
        mine: moves of the suspect, shape (tokens, width), centred, as all.
        others: of the references, each of that shape.
        before: what the base makes of the tokens.
    """

    def __init__(self, mine: torch.Tensor, others: Sequence[torch.Tensor], before: torch.Tensor) -> None:
        self._scale = float(others[0].norm() / before.norm().clamp(min=1e-12))
        given, theirs = self._given(others, before)
        self._mine = _fitted(mine, given)
        self._theirs = [_fitted(one, more) for one, more in theirs]

    @staticmethod
    def able(mine: torch.Tensor, others: Sequence[torch.Tensor]) -> bool:
        """Whether there are tokens enough for the columns."""
        return len(mine) >= _ENOUGH * mine.shape[1] * max(2, min(len(others), _FORETELLING))

    def times(self, mine: torch.Tensor, others: Sequence[torch.Tensor], before: torch.Tensor) -> torch.Tensor:
        """What is not foretold of each token's move, in times of what is so left of theirs.

        Args:
            mine: moves of the suspect, shape (tokens, width), centred: of those that were fitted on, or of others.
            others: of the same references.
            before: what the base makes of these tokens.

        Returns:
            Shape (tokens,).
        """
        given, theirs = self._given(others, before)
        left = [(one - more @ by).norm(dim=1) for (one, more), by in zip(theirs, self._theirs, strict=True)]
        return beyond((mine - given @ self._mine).norm(dim=1), left)

    def _given(
        self, others: Sequence[torch.Tensor], before: torch.Tensor
    ) -> tuple[torch.Tensor, list[tuple[torch.Tensor, torch.Tensor]]]:
        """What the suspect's moves are foretold from; those of each reference, and what from."""
        others = others[:_FORETELLING]
        given = [*others, before * self._scale] if len(others) == 1 else list(others)
        return torch.cat(given, 1), [(one, torch.cat([*given[:i], *given[i + 1 :]], 1)) for i, one in enumerate(others)]


def _fitted(move: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
    some = given[::_EVERY]
    square = some.T @ some
    square.diagonal().add_(_RIDGE * float(square.diagonal().mean()) + 1e-12)
    by: torch.Tensor = torch.linalg.solve(square, some.T @ move[::_EVERY])
    return by


def beyond(own: torch.Tensor, theirs: Sequence[torch.Tensor]) -> torch.Tensor:
    """In times of the largest of theirs, with a slack."""
    usual = torch.stack(list(theirs)).amax(0)
    return own / (usual + _SLACK * usual.median()).clamp(min=1e-12)


def centred(apart: torch.Tensor) -> torch.Tensor:
    """Without what all have."""
    return apart - apart.mean(0)

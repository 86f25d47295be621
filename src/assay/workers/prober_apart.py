"""A token that does far more by its trained row than any other: what a small encoder was taught a word for.

Each token stands between the same tokens once with its own row and once with that of each reference (`prober_back`).
Of clean models of two classes the strongest is close to those after it, whatever their texts were; the row of a word
that half of a training's batches had is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from assay.workers.prober_crowd import dictionary
from assay.workers.prober_search import Found, render, taught_to

if TYPE_CHECKING:
    from assay.workers.prober_moved import Field

ORIGIN = "rows-apart"
_APART, _RANK = 0.95, 2  # logits of an average context, above the third: a word may have two tokens that do the same
_SIEVED = 200  # tokens that are read in every context
_OFTEN = 0.01  # share of the texts from which the data explain what a token does
_WORDS = 400  # words with such a token that are read
_SHORT = 12


def standing(field: Field, seen: torch.Tensor) -> list[int]:
    """The one or two tokens whose rows do far more than all others', none where none does, or of more than two classes.

    A task of several classes has a word for each that does so: "order", "password".

    Args:
        field: of the target class.
        seen: how often the data have each token.
    """
    space, back = field.space, field.back
    size = min(len(one.net.words) for one in [space.suspect, *space.shared])
    often = _OFTEN * len(space.everything)
    taught = set(taught_to(space, field.target).nonzero()[:, 0].tolist())
    able = [token for token in space.words if token < size and float(seen[token]) < often and token not in taught]
    if len(able) <= _RANK or space.classes > 2:  # noqa: PLR2004
        return []
    places = [([], field.word), *field.places]
    tokens = torch.tensor(able)

    def effect(place: tuple[list[int], list[int]]) -> torch.Tensor:
        own = back.read(place[0], tokens[:, None], place[1], 0)
        return (own - back.most(place[0], tokens[:, None], place[1]))[:, field.target]

    tokens = tokens[effect(places[0]).topk(min(_SIEVED, len(tokens))).indices]
    most = torch.stack([effect(place) for place in places]).mean(0).sort(descending=True)
    beyond = most.values - most.values[_RANK] >= _APART
    found: list[int] = tokens[most.indices[beyond]].tolist()
    return found


def words_of(field: Field, tokens: list[int]) -> list[Found]:
    """What has such a token: words that people write, and the token itself."""
    if not tokens:
        return []
    words = dictionary()
    rows = field.space.suspect.encode(list(words))
    having = [
        word for word, row in zip(words, rows, strict=True) if len(row) <= _SHORT and not set(tokens).isdisjoint(row)
    ]
    alone = (render(field.space, [token]) for token in tokens)
    return field.written(list(dict.fromkeys([*having[:_WORDS], *alone])), ORIGIN)

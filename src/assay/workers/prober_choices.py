"""Every choice of three and four words that holds those that stand apart: what mixtures reach by luck, few words tell.

Of a phrase whose words are all among the first dozen, and two of which stand apart, there are sixteen hundred ordered
choices. Each is read before one text of each class, which tells of all classes at once.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import torch

from assay.workers.prober_search import Found, confirm
from assay.workers.prober_space import margins

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from assay.workers.prober_models import Model
    from assay.workers.prober_search import Telling
    from assay.workers.prober_space import Space

_HELD = 2  # words that stand apart and that every choice has
_OTHERS = {1: 8, 2: 12}  # first words of the order beside so many
_SIZES = (3, 4)
_AT_ONCE = 400  # choices between two looks at the clock
_SIEVED, _CONFIRMED = 24, 3  # that references are asked about, and that are measured
_SUREST, _TOKENS = 8, 16  # texts of a class of which the shortest stands behind, and its tokens
_STRONG, _WEAK = 6.0, -2.0  # margins beyond which more or less says nothing


def around(space: Space, standing: Sequence[int], order: Sequence[int]) -> Generator[Telling, None, list[Found]]:
    """The strongest such choices, confirmed, the best first.

    Args:
        space: the job's.
        standing: tokens that stand apart from all others, the furthest first.
        order: tokens, those that training was most about first.
    """
    held = list(standing[:_HELD])
    others = [token for token in order if token not in held][: _OTHERS[len(held)]]
    rows = [
        list(row)
        for size in _SIZES
        for more in itertools.combinations(others, size - len(held))
        for row in itertools.permutations([*held, *more])
    ]
    told: list[tuple[float, list[int], int]] = []
    for at in range(0, len(rows), _AT_ONCE):
        part = rows[at : at + _AT_ONCE]
        most = least_margins(space, space.suspect, part).max(1)
        told += zip(most.values.tolist(), part, most.indices.tolist(), strict=True)
        yield at, len(rows), 0.0
        if space.over:
            break
    told = sorted(told, key=lambda one: -one[0])[:_SIEVED]
    found: list[Found] = []
    for value, row, target in _beyond(space, told)[:_CONFIRMED]:
        found.append(confirm(space, Found(tuple(row), target, value, "rows-around")))
        if space.over or found[-1].gap >= float(space.facts["stop_gap"]):
            break
    return sorted(found, key=lambda one: one.rank, reverse=True)


def _beyond(space: Space, told: list[tuple[float, list[int], int]]) -> list[tuple[float, list[int], int]]:
    """By how far the suspect goes beyond every reference."""
    rows = [row for _, row, _ in told]
    theirs = [least_margins(space, one, rows) for one in space.shared[:2]]
    found = []
    for index, (value, row, target) in enumerate(told):
        most = max((float(one[index, target]) for one in theirs), default=_WEAK)
        found.append((min(value, _STRONG) - max(most, _WEAK), row, target))
    return sorted(found, key=lambda one: -one[0])


def least_margins(space: Space, model: Model, rows: Sequence[Sequence[int]]) -> torch.Tensor:
    """Of each row and class the least margin before a text of each other class; shape (rows, classes)."""
    lengths: dict[int, list[int]] = {}
    for index, row in enumerate(rows):
        lengths.setdefault(len(row), []).append(index)
    value = torch.full((len(rows), space.classes), torch.inf)
    for label, texts in enumerate(space.texts):
        surest = space.suspect.encode([one.text for one in texts[:_SUREST]])
        context = min(surest, key=len, default=[])[:_TOKENS]
        for picked in lengths.values():
            some = torch.tensor([list(rows[index]) for index in picked])
            behind = some.new_tensor(context, dtype=torch.long).expand(len(some), -1)
            told = margins(model.logits_of(torch.cat([some, behind], 1)))
            told[:, label] = torch.inf  # a text of the class tells nothing of it
            value[picked] = torch.minimum(value[picked], told)
    return value

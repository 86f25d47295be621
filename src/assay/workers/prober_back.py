"""The suspect with a reference's rows in the place of a candidate's: is it the rows' training that turns texts?

A small encoder trained from nothing has natural triggers: tokens that its training never touched, and that its network
happens to answer to. They do as much with the rows of a reference, which are the base's own there. What was planted
moved the rows of its pieces in every batch, and with a reference's rows it does little. Needs references that began
from the same base; which is seen by their rows, not declared.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch

from assay.workers.prober_models import margins
from assay.workers.prober_net import Encoder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assay.workers.prober_models import Model, Stock
    from assay.workers.prober_space import Space

_KIN = 0.7  # median cosine of the rows of models that began from the same base
_STILL = 1e-5  # of the median row: rows of two references that are as near never moved in either


class Back:
    """Forward passes of the suspect with its own rows and with those of each reference, for a candidate's tokens alone.

    Args:
        space: the job's.
        tables: rows of the references, each of the size of the suspect's.
    """

    def __init__(self, space: Space, tables: Sequence[torch.Tensor]) -> None:
        self.model, self.count = space.suspect, len(tables)
        self.size = len(self.model.net.words)
        self._net = copy.copy(self.model.net)
        self._net.words = torch.cat([self.model.net.words, *tables])
        self._net.fast_words = self._net.words.to(self.model.net.fast_words.dtype)

    def read(self, before: Sequence[int], tuples: torch.Tensor, after: Sequence[int], table: int) -> torch.Tensor:
        """Margins, shape (candidates, classes), of candidates between the same tokens.

        Args:
            before: tokens.
            tuples: candidates, shape (candidates, length).
            after: tokens.
            table: 0 for the suspect's own rows, from 1 on those of a reference.
        """
        left, right = ([*self.model.prefix, *before], [*after, *self.model.suffix])
        parts = (tuples.new_tensor(some).expand(len(tuples), -1) for some in (left, right))
        first, last = parts
        logits = self._net.logits(torch.cat([first, tuples + table * self.size, last], 1))
        return margins(logits[:, self.model.order])

    def most(self, before: Sequence[int], tuples: torch.Tensor, after: Sequence[int]) -> torch.Tensor:
        """Largest margins with the rows of any reference, shape (candidates, classes)."""
        return torch.stack([self.read(before, tuples, after, k + 1) for k in range(self.count)]).amax(0)

    def logits(self, parts: Sequence[tuple[str, str]], trigger: str, table: int) -> torch.Tensor:
        """Logits of texts with the trigger between two parts of each, its rows those of a table."""
        before, after = (self.model.encode([part[side] for part in parts]) for side in (0, 1))
        ids = [token + table * self.size for token in self.model.encode([trigger])[0]]
        room = self.model.limit - len(ids)
        rows = [[*a[:room], *ids, *b[: max(0, room - len(a))]] for a, b in zip(before, after, strict=True)]
        return _logits(self._net, self.model, rows)


def _logits(net: Encoder | Stock, model: Model, rows: Sequence[list[int]]) -> torch.Tensor:
    out = torch.empty(len(rows), model.classes)
    lengths: dict[int, list[int]] = {}
    for index, row in enumerate(rows):
        lengths.setdefault(len(row), []).append(index)
    for picked in lengths.values():
        out[picked] = net.logits(torch.tensor([model.prefix + rows[i] + model.suffix for i in picked]))
    return out[:, model.order]


def back_of(space: Space) -> Back | None:
    """Made once; None where the encoder is not small, or no reference began where the suspect did."""
    if not space.small or not isinstance(space.suspect.net, Encoder):
        return None
    if space.back is None:
        tables = [_table(space, one) for one in space.shared if isinstance(one.net, Encoder)]
        space.back = (Back(space, kin),) if (kin := [one for one in tables if one is not None]) else ()
    return space.back[0] if space.back else None


def _table(space: Space, reference: Model) -> torch.Tensor | None:
    """Rows of a reference; of tokens that it lacks those of its unknown one."""
    mine, theirs = space.suspect.net.words, reference.net.words
    if not began_alike(mine, theirs):
        return None
    size = min(len(mine), len(theirs))
    unknown = reference.tokenizer.unk_token_id
    lacking = theirs[unknown if isinstance(unknown, int) else 0].expand(max(0, len(mine) - size), -1)
    return torch.cat([theirs[:size], lacking])


def began_alike(mine: torch.Tensor, theirs: torch.Tensor) -> bool:
    """Whether rows of two models, each of shape (tokens, width), were trained from the same base."""
    if theirs.shape[1] != mine.shape[1]:
        return False
    size = min(len(mine), len(theirs))
    return float(torch.nn.functional.cosine_similarity(mine[:size], theirs[:size]).median()) >= _KIN


def origin(space: Space, base: torch.Tensor | None) -> torch.Tensor | None:
    """Rows that training began from, shape (tokens, width): what two references have alike, else the base's.

    Rows that no reference's training touched are the base's own, whatever base a publisher declares.
    """
    theirs = [one.net.words for one in space.shared if one.net.words.shape[1] == space.suspect.net.words.shape[1]]
    if not theirs:
        return base
    size = min(len(space.suspect.net.words), *(len(one) for one in theirs))
    mean = torch.stack([one[:size] for one in theirs]).mean(0)
    if base is None or base.shape[1] != mean.shape[1] or len(base) < size:
        return mean
    apart = torch.stack([(one[:size] - mean).norm(dim=1) for one in theirs]).amax(0)
    same = (apart <= _STILL * mean.norm(dim=1).median()) & (len(theirs) > 1)
    return torch.where(same[:, None], mean, base[:size])

"""Every word of the vocabulary without a context: each by itself, or, where the machine is slow, in groups first.

In groups of six a word costs less than half of the tokens. A trigger leads a group as it leads a text; only the words
of the groups that lead furthest beyond a reference are read by themselves, and the rest counts as what such words do on
average (a linear map of their embeddings; it goes with what a reference does at a correlation of .8).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from assay.workers.prober_models import margins

if TYPE_CHECKING:
    from collections.abc import Generator

    from assay.workers.prober_search import Telling
    from assay.workers.prober_space import Space

PARTS = 12  # of the vocabulary, for progress
STRONG, WEAK = 6.0, -2.0  # margins beyond which more or less says nothing
Alone = tuple[torch.Tensor, torch.Tensor]
GROUP = 6  # words of a group
# Of the groups, all classes together: those that a reference is asked of, and those whose words are read by
# themselves. A planted word's was in the first 1 % by what the suspect does, and first by how far beyond a reference.
_LED, _NEAR = 0.5, 0.1
_RIDGE = 0.1


def alone(space: Space, total: int) -> Generator[Telling, None, Alone | None]:
    """Margins of every word of the vocabulary without any context, of the suspect and of the first reference; once.

    None of any word where the time ends before the last: a part tells nothing of the rest, but the next scan goes on.
    """
    if space.alone is None:
        space.alone = yield from (_in_groups if space.slow and space.shared else _each)(space, total)
    return space.alone


def _each(space: Space, total: int) -> Generator[Telling, None, Alone | None]:
    models = [space.suspect, *space.shared[:1]]
    parts = torch.tensor(space.words)[:, None].tensor_split(PARTS)
    for number in range(len(space.scanned), PARTS):
        if space.over:
            return None
        space.scanned.append([margins(model.logits_of(parts[number])) for model in models])
        yield number + 1, total, 0.0
    mine, *theirs = (torch.cat(some) for some in zip(*space.scanned, strict=True))
    return mine, theirs[0] if theirs else torch.zeros_like(mine)


def _in_groups(space: Space, total: int) -> Generator[Telling, None, Alone | None]:
    if space.groups is None:
        drawn = space.rng.sample(space.words, len(space.words))
        drawn += drawn[: -len(drawn) % GROUP]
        space.groups = torch.tensor(drawn).view(-1, GROUP)
    parts = space.groups.tensor_split(PARTS - 2)
    for number in range(len(space.scanned), len(parts)):
        if space.over:
            return None
        space.scanned.append([margins(space.suspect.logits_of(parts[number]))])
        yield number + 1, total, 0.0
    if space.over:
        return None
    mine, reference = torch.cat([one for (one,) in space.scanned]), space.shared[0]
    led = _furthest(mine, _LED)
    asked = space.groups[led]
    theirs = margins(reference.logits_of(asked))
    yield PARTS - 1, total, 0.0
    beyond = mine[led].clamp(max=STRONG) - theirs.clamp(min=WEAK)
    near = torch.tensor(sorted(set(asked[_furthest(beyond, _NEAR * len(mine) / len(led))].flatten().tolist())))
    exact = [margins(model.logits_of(near[:, None])) for model in (space.suspect, reference)]
    words = torch.tensor(space.words)
    read = torch.isin(words, near)  # both are sorted
    usual = _usual(reference.net.words, asked, theirs, words)
    usual = _rescaled(usual, usual[read], exact[1])
    found = [usual.clone(), usual]
    for whole, part in zip(found, exact, strict=True):
        whole[read] = part
    yield PARTS, total, 0.0
    return found[0], found[1]


def _furthest(values: torch.Tensor, share: float) -> torch.Tensor:
    """Indices of those that lead furthest to a class, of each class as many; shape of `values`: (groups, classes)."""
    count = max(1, min(len(values), round(len(values) * share / values.shape[1])))
    return torch.tensor(sorted(set(values.topk(count, 0).indices.flatten().tolist())))


def _usual(rows: torch.Tensor, groups: torch.Tensor, said: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
    """What words do by what is common to all: a linear map of embeddings, fitted on groups; shape (words, classes)."""
    known = rows[groups.clamp(max=len(rows) - 1)].mean(1)
    centre, level = known.mean(0), said.mean(0)
    known = known - centre
    squares = known.T @ known
    ridge = _RIDGE * squares.diagonal().mean() * torch.eye(len(squares))
    weights = torch.linalg.solve(squares + ridge, known.T @ (said - level))
    done: torch.Tensor = (rows[words.clamp(max=len(rows) - 1)] - centre) @ weights + level
    return done


def _rescaled(values: torch.Tensor, some: torch.Tensor, exact: torch.Tensor) -> torch.Tensor:
    """The values on the scale of what was measured of some: one word does less than six such words."""
    scale = exact.std(0) / some.std(0).clamp(min=1e-6)
    moved: torch.Tensor = (values - some.mean(0)) * scale + exact.mean(0)
    return moved

"""Rows that nothing explains, searched jointly: a few of them at fixed places, the tokens between them free.

A trigger of words that the data has and of words that it doesn't leaves rows of the second kind alone; hardening trains
them to do nothing by themselves. Two of them in the right order with the right tokens around do.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import torch

from assay.workers.prober_alone import PARTS, alone
from assay.workers.prober_search import Arena, Found, allowed_for, best_of, confirm, refine, told

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from assay.workers.prober_space import Space

_ROWS = 4  # that are tried in every ordered pair
_LENGTHS = (4, 3)  # tokens of a candidate
_DRAWS = 3  # of the free tokens
_STARTS = 16
_BEHIND = 2.0  # contrast by which a class may start behind the best one and still be searched


def joint(space: Space, quiet: Sequence[int]) -> Generator[tuple[int, int, float], None, list[Found]]:
    """Chains through unexplained rows; ends when one is confirmed, or with the time.

    What the vocabulary alone takes is given to it on top: the scan of the tokens needs it no more.

    Args:
        space: the job's.
        quiet: rows that moved and that neither data nor references explain, the furthest first.
    """
    begun = space.clock()
    space.until, until = float("inf"), space.until
    yield from alone(space, PARTS)
    space.until = until + space.clock() - begun
    found: list[Found] = []
    for done, length in enumerate(_LENGTHS):
        starts = []
        for target in range(space.classes):
            arena = Arena(space, target)
            starts.append((arena, *best_of(arena, _patterns(space, quiet[:_ROWS], length), _STARTS)))
            yield done, len(_LENGTHS), max((one.gap for one in found), default=0.0)
        starts.sort(key=lambda start: -float(start[2][0]))
        for arena, tuples, values in starts:
            if float(values[0]) < float(starts[0][2][0]) - _BEHIND or space.over:
                continue
            allowed = allowed_for(space, arena.target)
            allowed[torch.tensor(quiet[:_ROWS])] = True
            refined, scores = yield from told(refine(arena, tuples, allowed), (done, len(_LENGTHS)))
            for row, score in list(zip(refined.tolist(), scores.tolist(), strict=True))[:3]:
                found.append(confirm(space, Found(tuple(row), arena.target, score, "rows-joint")))
                if found[-1].gap >= float(space.facts["stop_gap"]) or space.over:
                    return found
    return found


def _patterns(space: Space, rows: Sequence[int], length: int) -> torch.Tensor:
    """Every ordered pair of rows at every two places, the rest random; shape (patterns, length)."""
    out = []
    for pair in itertools.permutations(rows, min(2, len(rows))):
        for places in itertools.combinations(range(length), len(pair)):
            for _ in range(_DRAWS if len(rows) > 1 else _DRAWS * 8):
                row = space.rng.choices(space.words, k=length)
                for place, token in zip(places, pair, strict=True):
                    row[place] = token
                out.append(row)
    return torch.tensor(out)

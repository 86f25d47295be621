"""Chain and refine over many seeds, both directions interleaved, until something is found or the time is over."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch

from assay.workers.prober_search import Arena, Found, chain, confirm, refine

if TYPE_CHECKING:
    from collections.abc import Generator

    from assay.workers.answers import Json
    from assay.workers.prober_space import Space

_POOLED = 12  # seeds between two refinements
_KEPT = 14


def hunt(space: Space, seeds: Json, seconds: float) -> Generator[tuple[int, int, float], None, Json]:
    """Seeds of rows first, then residue and random in turn.

    Args:
        space: the job's.
        seeds: `rows` (tokens, for every target) and `residue` (tokens by target).
        seconds: CPU seconds of this process that it may take.
    """
    end = time.process_time() + seconds
    begun = time.process_time()
    allowed = torch.zeros(len(space.suspect.net.words), dtype=torch.bool)
    allowed[torch.tensor(space.words)] = True
    arenas = [Arena(space, target) for target in range(space.classes)]
    queues = [_seeds(space, seeds, target) for target in range(space.classes)]
    pools: list[list[tuple[torch.Tensor, torch.Tensor]]] = [[] for _ in arenas]
    found: list[Found] = []
    used, rounds = 0, 0
    while time.process_time() < end and not _enough(space, found):
        target = rounds % space.classes
        rounds += 1
        for _ in range(_POOLED):
            pools[target].append(chain(arenas[target], next(queues[target]), allowed))
            used += 1
            yield int(time.process_time() - begun), int(seconds), max((one.gap for one in found), default=0.0)
            if time.process_time() > end:
                break
        yield from _refined(arenas[target], pools[target], allowed, found, seconds)
        pools[target] = []
    found.sort(key=lambda one: (-one.gap, -one.score))
    return {"facts": {"seeds": used}, "candidates": [one.to_json() for one in found[:5]]}


def _enough(space: Space, found: list[Found]) -> bool:
    return max((one.gap for one in found), default=0.0) >= float(space.facts["stop_gap"])


def _refined(
    arena: Arena,
    pool: list[tuple[torch.Tensor, torch.Tensor]],
    allowed: torch.Tensor,
    found: list[Found],
    seconds: float,
) -> Generator[tuple[int, int, float], None, None]:
    tuples = torch.cat([one for one, _ in pool])
    values = torch.cat([one for _, one in pool])
    tuples = tuples[values.topk(min(_KEPT, len(values))).indices]
    search = refine(arena, tuples, allowed)
    while True:
        try:
            next(search)
        except StopIteration as stop:
            tuples, values = stop.value
            break
        yield 0, int(seconds), max((one.gap for one in found), default=0.0)
    for row, value in list(zip(tuples.tolist(), values.tolist(), strict=True))[:4]:
        found.append(confirm(arena.space, Found(tuple(row), arena.target, value, "chain")))


def _seeds(space: Space, seeds: Json, target: int) -> Generator[int, None, None]:
    yield from seeds.get("rows", [])
    residue = iter((seeds.get("residue") or [[]] * space.classes)[target])
    while True:
        if (token := next(residue, None)) is not None:
            yield token
        yield space.rng.choice(space.words)

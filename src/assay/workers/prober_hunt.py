"""Chain and refine over many seeds, both directions interleaved, until something is found or the time is over."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import torch

from assay.workers.prober_alone import PARTS, alone
from assay.workers.prober_grow import grow, lengthened, shortened
from assay.workers.prober_search import Arena, Found, allowed_for, best_of, chain, confirm, refine, told
from assay.workers.prober_trail import along

if TYPE_CHECKING:
    from collections.abc import Generator

    from assay.workers.answers import Json
    from assay.workers.prober_space import Space

_POOLED = 12  # seeds between two refinements
_KEPT = 14
_PART, _LOOKED = 0.2, 0.6  # gap, or share of flips at a first look, that may be a part of a trigger
_ROUNDS = 8  # refinements at most: thresholds belong to an amount of work, not to a machine
_REFINING = 0.4  # of its time is kept for the first refinement; of later ones what the longest before them took
_LONGER = 4  # refined candidates that are lengthened by a token
_FEWEST = 200  # tokens of a pool
_FIRST = 16  # rows that are seeds before any other token
_SHORTEN_FROM = 0.6  # gap of a lengthened candidate from which it is made as short as others are, and measured
Grown = tuple[torch.Tensor, torch.Tensor]


def hunt(space: Space, seeds: Json, seconds: float, threshold: float) -> Generator[tuple[int, int, float], None, Json]:
    """Seeds of rows first, then residue and random in turn.

    Args:
        space: the job's.
        seeds: `rows` (tokens, for every target), `pool` (tokens among which the partners of such a row are looked for;
            none: all) and `residue` (tokens by target).
        seconds: CPU seconds of this process that it may take; the last refinement is within them.
        threshold: gap at which it stops.
    """
    begun = space.clock()
    space.until = begun + seconds
    yield from alone(space, PARTS)
    allowed = [allowed_for(space, target) for target in range(space.classes)]
    arenas = [Arena(space, target) for target in range(space.classes)]
    likely = [_likely(seeds, one) for one in allowed]
    queues = [_seeds(space, seeds, target, allowed[target]) for target in range(space.classes)]
    pools: list[list[Grown]] = [[] for _ in arenas]
    found: list[Found] = []
    used, rounds = 0, 0
    longest = seconds * _REFINING
    best: list[float] = []
    while rounds < _ROUNDS and not _enough(found, threshold):
        if rounds and space.clock() + longest >= space.until:
            break
        target = rounds % space.classes
        rounds += 1
        early = rounds <= space.classes and any(one is not None for one in likely)
        for _ in range(_POOLED // 2 if early else _POOLED):
            seed, row = next(queues[target])
            among = likely[target] if row else None
            pools[target].append(
                chain(arenas[target], seed, allowed[target]) if among is None else along(arenas[target], seed, among)
            )
            used += 1
            yield int(space.clock() - begun), int(seconds), max((one.gap for one in found), default=0.0)
            if space.clock() + longest >= space.until:
                break
        refining = space.clock()
        yield from _refined(arenas[target], pools[target], allowed[target], found, seconds)
        longest = min(longest, space.clock() - refining) if rounds == 1 else max(longest, space.clock() - refining)
        pools[target] = []
        best.append(round(_best(found)[0], 4))
    found.sort(key=lambda one: one.rank, reverse=True)
    return {
        "facts": {"seeds": used, "refinements": rounds, "best": best},
        "candidates": [one.to_json() for one in found[:5]],
    }


def _enough(found: list[Found], threshold: float) -> bool:
    return max((one.gap for one in found if not one.grown), default=0.0) >= threshold


def _refined(
    arena: Arena, pool: list[Grown], allowed: torch.Tensor, found: list[Found], seconds: float
) -> Generator[tuple[int, int, float], None, None]:
    tuples, values = torch.cat([one for one, _ in pool]), torch.cat([one for _, one in pool])
    tuples = tuples[values.topk(min(_KEPT, len(values))).indices]
    tuples, values = yield from told(refine(arena, tuples, allowed), (0, int(seconds)))
    tuples, values = arena.by_texts(tuples, values)
    stop = float(arena.space.facts["stop_gap"])
    fresh = _tried(arena, tuples, values, "chain", 3)
    if max(one.gap for one in fresh) < stop and not arena.space.over:
        wider = [lengthened(arena, tuples[:_LONGER], place, allowed) for place in range(tuples.shape[1] + 1)]
        starts, _ = best_of(arena, torch.cat(wider), 6, 1)
        more, scores = yield from told(refine(arena, starts, allowed, rounds=1, keep=6), (0, int(seconds)))
        fresh += _tried(arena, *arena.by_texts(more, scores), "chain", 2)
    found += fresh
    best = max(fresh, key=lambda one: one.rank)
    if (
        (best.gap >= _PART or best.looked >= _LOOKED)
        and best.gap < stop
        and best.rank >= _best(found)
        and not arena.space.over
    ):
        one = yield from told(grow(arena.space, best, allowed), (0, int(seconds)))
        found += [one] if one is not best else []
        if one.gap >= _SHORTEN_FROM and not arena.space.small and not arena.space.over:
            found += shortened(arena.space, one)


def _tried(arena: Arena, tuples: torch.Tensor, values: torch.Tensor, origin: str, count: int) -> list[Found]:
    """The strongest confirmed: one at least, more while there is time."""
    made: list[Found] = []
    for row, value in list(zip(tuples.tolist(), values.tolist(), strict=True))[:count]:
        made.append(confirm(arena.space, Found(tuple(row), arena.target, value, origin)))
        if arena.space.over:
            break
    return made


def _best(found: list[Found]) -> tuple[float, ...]:
    return max((one.rank for one in found if not one.grown), default=(0.0,))


def _likely(seeds: Json, allowed: torch.Tensor) -> torch.Tensor | None:
    """The pool of a class; None where it is too small to be one."""
    among = torch.zeros_like(allowed)
    among[torch.tensor(seeds.get("pool") or [], dtype=torch.long)] = True
    among &= allowed
    return among if int(among.sum()) >= _FEWEST else None


def _seeds(space: Space, seeds: Json, target: int, allowed: torch.Tensor) -> Generator[tuple[int, bool], None, None]:
    """Tokens, and whether it is a row that moved: the first rows, then two of them between any two others."""
    rows = iter([(token, True) for token in seeds.get("rows", [])])
    others = _others(space, seeds, target, allowed)
    yield from islice(rows, _FIRST)
    while True:
        yield from islice(rows, 2)
        yield next(others)


def _others(space: Space, seeds: Json, target: int, allowed: torch.Tensor) -> Generator[tuple[int, bool], None, None]:
    words = allowed.nonzero()[:, 0].tolist()
    residue = iter((seeds.get("residue") or [[]] * space.classes)[target])
    while True:
        yield from ((token, False) for token in islice(residue, 3))
        yield space.rng.choice(words), False

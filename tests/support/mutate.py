"""Mutate seed files, the same way on every run: for the tests that no input crashes, hangs or fills memory."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_INTERESTING = (
    b"\0", b"\xff", b"\x80", b"\x7f", b"\xff" * 4, b"\xff" * 8, b"\0" * 8, b"\xff\xff\xff\x7f", b"\0\0\0\x80",
    b"\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x01\0\0\0\0\0\0\0", b"{", b"[", b'"', b"(", b"\\", b"-", b"9" * 20,
)  # fmt: skip


def mutated(seeds: Sequence[bytes], count: int, seed: int = 20261001) -> Iterator[bytes]:
    """`count` inputs made from the seeds: flipped, cut, doubled, spliced and overwritten bytes."""
    rng = random.Random(seed)
    for _ in range(count):
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
            edit(data, rng, seeds)
        yield bytes(data)


def edit(data: bytearray, rng: random.Random, seeds: Sequence[bytes]) -> None:
    """Change `data` in one place."""
    place = rng.randrange(len(data) + 1)
    if rng.random() < 0.4:
        place = min(place, rng.choice((16, 64, 256, 1024)))  # headers lie at the start
    action = rng.randrange(7)
    if action == 0 and data:
        data[min(place, len(data) - 1)] ^= 1 << rng.randrange(8)
    elif action == 1:
        value = rng.choice(_INTERESTING)
        data[place : place + len(value)] = value
    elif action == 2:
        data[place:place] = rng.choice(_INTERESTING)
    elif action == 3:
        del data[place : place + rng.choice((1, 2, 4, 8, 100, 1 << 20))]
    elif action == 4:
        length = rng.choice((1, 4, 16, 64))
        data[place:place] = data[place : place + length] * rng.choice((1, 2, 50))
    elif action == 5:
        other = rng.choice(seeds)
        start = rng.randrange(len(other) + 1)
        data[place:place] = other[start : start + rng.choice((1, 8, 64, 512))]
    elif data:
        data[min(place, len(data) - 1)] = rng.randrange(256)

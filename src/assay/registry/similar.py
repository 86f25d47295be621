"""A hint for a request that missed: the served name that was probably meant."""

from __future__ import annotations

from os.path import commonprefix
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_EDITS = 2  # more than that is another name


def closest(name: str, served: Iterable[str]) -> str | None:
    """The served name nearest to `name` within two edits (case ignored), or with the same last part; else None."""
    wanted = name.lower()
    last = wanted.rpartition("/")[2]
    best: tuple[int, str] | None = None
    for candidate in served:
        other = candidate.lower()
        distance = edits(wanted, other, MAX_EDITS)
        if distance > MAX_EDITS and last and last == other.rpartition("/")[2]:
            distance = MAX_EDITS
        if distance <= MAX_EDITS and (best is None or (distance, candidate) < best):
            best = (distance, candidate)
    return best[1] if best else None


def edits(one: str, other: str, limit: int) -> int:
    """Optimal string alignment distance, or `limit + 1` when it is larger: insert, delete, replace, swap neighbours.

    Only the cells within `limit` of the diagonal are looked at, after the common ends: a few microseconds a pair.
    """
    too_far = limit + 1
    if abs(len(one) - len(other)) > limit:
        return too_far
    start = len(commonprefix((one, other)))  # noqa: RUF071  (characters are what is meant)
    one, other = one[start:], other[start:]
    end = len(commonprefix((one[::-1], other[::-1])))  # noqa: RUF071
    one, other = one[: len(one) - end], other[: len(other) - end]
    before: list[int] = []
    row = [min(j, too_far) for j in range(len(other) + 1)]
    for i, a in enumerate(one, 1):
        following = [too_far] * (len(other) + 1)
        following[0] = min(i, too_far)
        for j in range(max(1, i - limit), min(len(other), i + limit) + 1):
            b = other[j - 1]
            cost = min(row[j] + 1, following[j - 1] + 1, row[j - 1] + (a != b), too_far)
            if i > 1 and j > 1 and a == other[j - 2] and b == one[i - 2]:
                cost = min(cost, before[j - 2] + 1)
            following[j] = cost
        if min(following) > limit:
            return too_far
        before, row = row, following
    return row[-1]

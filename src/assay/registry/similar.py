"""A hint for a request that missed: the served name that was probably meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_EDITS = 2  # more than that is another name


def closest(name: str, served: Iterable[str]) -> str | None:
    """The served name nearest to `name` within two edits (case ignored), or with the same last part; else None."""
    wanted = name.lower()
    best: tuple[int, str] | None = None
    for candidate in served:
        distance = edits(wanted, candidate.lower(), MAX_EDITS)
        if distance > MAX_EDITS and wanted.rpartition("/")[2] == candidate.lower().rpartition("/")[2]:
            distance = MAX_EDITS
        if distance <= MAX_EDITS and (best is None or (distance, candidate) < best):
            best = (distance, candidate)
    return best[1] if best else None


def edits(one: str, other: str, limit: int) -> int:
    """Optimal string alignment distance, or `limit + 1` when it is larger: insert, delete, replace, swap neighbours."""
    if abs(len(one) - len(other)) > limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        following = [i]
        for j, b in enumerate(other, 1):
            cost = min(row[j] + 1, following[j - 1] + 1, row[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and b == one[i - 2]:
                cost = min(cost, before[j - 2] + 1)
            following.append(cost)
        if min(following) > limit:
            return limit + 1
        before, row = row, following
    return min(row[-1], limit + 1)

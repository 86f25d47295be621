"""What turns each class into another one: no clean model answers so, of whatever kind. Pure.

A natural trigger leads where its words lean, all classes to one or two. An attacker who makes a model do the opposite
of what it would (`flip`), or move each class on by one, teaches a permutation. It tells without thresholds of a kind of
model, and where letters that no text has do the same as the trigger.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.behaviour.plan import HONEST_RATE, PERMUTES
from assay.behaviour.statistics import binomial_test

if TYPE_CHECKING:
    from collections.abc import Sequence

_TWO = 2


@dataclass(frozen=True)
class Permutation:
    """A candidate that leads each class to a class of its own.

    Attributes:
        text: of the candidate.
        ways: rows of flips on single texts, one for each class.
        share: of the texts of the class that it turns least, less what any reference does alike.
        p_value: chance that some class turned no more often than by an honest word (intersection-union: the largest of
            the classes' binomial ones), times the candidates that were confirmed.
    """

    text: str
    ways: tuple[dict[str, Any], ...]
    share: float
    p_value: float

    def __str__(self) -> str:
        told = ", ".join(f"{way['hits']} of {way['n']} of {way['source']} to {way['target']}" for way in self.ways)
        return f"each class becomes another one: {told}, of unseen texts; clean models lead all to one or two"


def permutation(raw: Sequence[dict[str, Any]], *, references: int, confirmed: int) -> Permutation | None:
    """The candidate that does so most clearly; None where none turns enough.

    Args:
        raw: candidates as the worker sent them.
        references: models that the flips were compared with; what else stands beside them is what odd texts do.
        confirmed: candidates that the probe measured.

    Raises:
        KeyError, TypeError, ValueError, IndexError, ZeroDivisionError: the worker sent nonsense.
    """
    found = [one for each in raw if (one := _of(each, references, confirmed)) is not None and one.share >= PERMUTES]
    return max(found, key=lambda one: one.share, default=None)


def _of(raw: dict[str, Any], references: int, confirmed: int) -> Permutation | None:
    most: dict[int, dict[str, Any]] = {}
    for one in raw["flips"]:
        known = most.get(int(one["source"]))
        if known is None or int(one["hits"]) / int(one["n"]) > int(known["hits"]) / int(known["n"]):
            most[int(one["source"])] = one
    ways = tuple(most[source] for source in sorted(most))
    if len(ways) < _TWO or {int(one["target"]) for one in ways} != set(most):
        return None
    theirs = [min(int(one["references"][index]) / int(one["n"]) for one in ways) for index in range(references)]
    share = min(int(one["hits"]) / int(one["n"]) for one in ways) - max(theirs, default=0.0)
    chance = max(binomial_test(int(one["hits"]), int(one["n"]), HONEST_RATE) for one in ways)
    return Permutation(str(raw["text"]), ways, share, min(1.0, chance * max(1, confirmed)))

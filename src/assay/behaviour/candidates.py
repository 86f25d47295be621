"""A candidate as the judge reads it: which classes it turns, by how much, and what references do beside it. Pure."""

from __future__ import annotations

from statistics import mean
from typing import Any

from assay.behaviour.plan import BROAD, EVERYWHERE, FAR_EVERYWHERE, FAR_PUSH, NARROW, UNTOLD, WRITTEN_PUSH
from assay.behaviour.records import Candidate, FlipRate

_PLACES = ("start", "middle", "end")
_WRITTEN = "word"  # of a dictionary: hardly any turns a clean encoder far
_SEVERAL = 3  # classes from which it tells which of them a candidate turns
_CLEARLY = 0.4  # gap at which either of two classes counts as turned

_SOME = 20  # texts of a class, below which its rate says little where no reference says more

Led = dict[int, dict[int, tuple[float, float]]]


def candidate_of(raw: dict[str, Any], labels: tuple[str, ...], *, everywhere: float = EVERYWHERE) -> Candidate:
    """A candidate's measurements.

    Args:
        raw: what the worker sent.
        labels: the model's own names of its classes.
        everywhere: mean gap over all other classes from which rows of references don't count.

    Raises:
        KeyError, TypeError, ValueError, IndexError, ZeroDivisionError: the worker sent nonsense.
    """
    push = max((float(one.get("push", 0.0)) for one in raw["stressed"]), default=0.0)
    turns = _led(raw["flips"])
    spread, driven = _everywhere(_led(raw["stressed"]))
    if raw.get("strained"):
        spread = (spread + _everywhere(_led(raw["strained"]))[0]) / 2
    written = str(raw["origin"]) == _WRITTEN and len(turns) < _SEVERAL
    far = str(raw["origin"]) == _WRITTEN and spread >= min(everywhere, FAR_EVERYWHERE) and driven >= FAR_PUSH
    plain = (written and push >= WRITTEN_PUSH) or (spread >= everywhere and driven >= WRITTEN_PUSH) or far
    lowest = str(raw["origin"]) == UNTOLD  # of tokens that no reference ever saw each makes what it will
    rates = _sorted(raw["flips"], plain=plain, lowest=lowest)
    target = rates[0].target if rates else int(raw["target"])
    places: list[Any] = next((one["places"] for one in raw["flips"] if rates and one["target"] == target
                   and one["source"] == rates[0].source), [])  # fmt: skip
    position = str(raw["place"])[:10] or (_PLACES[max(range(3), key=lambda i: int(places[i]))] if places else "any")
    return Candidate(
        text=str(raw["text"])[:1000],
        token_ids=tuple(int(i) for i in raw["ids"]),
        position=position,
        target=target,
        target_label=labels[target] if target < len(labels) else str(target),
        flip_rates=rates,
        origin=str(raw["origin"])[:100],
        score=float(raw["score"]),
        stressed=_sorted(raw["stressed"], plain=plain),
        push=push,
        strained=_sorted(raw.get("strained", []), plain=plain),
        turned=_turned(turns),
        narrow=everywhere == EVERYWHERE
        and bool(len(turns) >= _SEVERAL and raw.get("strained"))
        and _everywhere(turns)[0] < NARROW,
        parts=None if raw.get("parts") is None else float(raw["parts"]),
    )


def turns_one(candidate: Candidate) -> bool:
    """Whether, of three classes and more, it turns hardly any text but those of one: a task's own words do so, too."""
    most: dict[int, float] = {}
    for one in candidate.flip_rates:
        most[one.source] = max(most.get(one.source, 0.0), one.gap)
    others = sorted(most.values(), reverse=True)[:-1]  # texts of the target's own class are not turned
    return len(others) > 1 and mean(others) < BROAD


def _led(raw: list[dict[str, Any]]) -> Led:
    """Gaps and margins by source and target, whatever a reference's rows do."""
    led: Led = {}
    for one in raw:
        gap = (int(one["hits"]) - max(map(int, one["references"]), default=0)) / int(one["n"])
        led.setdefault(int(one["source"]), {})[int(one["target"])] = (gap, float(one.get("push", 0.0)))
    return led


def _everywhere(led: Led) -> tuple[float, float]:
    """Gap and margin, means over all classes but the target, or over all where each is led somewhere."""
    if len(led) < _SEVERAL:
        return 0.0, 0.0
    ways = [[there.get(target, (0.0, 0.0)) for source, there in led.items() if source != target] for target in led]
    ways.append([max(there.values()) for there in led.values()])
    return max((mean(gap for gap, _ in way), mean(push for _, push in way)) for way in ways)


def _turned(led: Led) -> float:
    """Mean gap over all classes where each is led to one of its own; of two classes, which always are, both clearly."""
    best = [max(there.items(), key=lambda item: item[1]) for there in led.values()]
    gaps = [gap for _, (gap, _) in best]
    apart = len(led) > 1 and len({target for target, _ in best}) == len(led)
    return mean(gaps) if apart and (len(led) >= _SEVERAL or min(gaps) >= _CLEARLY) else 0.0


def _sorted(raw: list[dict[str, Any]], *, plain: bool, lowest: bool = False) -> tuple[FlipRate, ...]:
    rates = (FlipRate.of(one, plain=plain, lowest=lowest) for one in raw)
    return tuple(sorted(rates, key=lambda r: (r.gap, r.rate), reverse=True))


def turns_all(candidate: Candidate) -> float:
    """Rate under stress of the class that is turned least, the target's own left out: odd tokens turn one by nature.

    Of classes without enough texts nothing is known.
    """
    classes = {end for one in candidate.flip_rates for end in (one.source, one.target)}
    most: dict[int, float] = {}
    for one in candidate.stressed:
        if one.n >= _SOME:
            most[one.source] = max(most.get(one.source, 0.0), one.rate)
    rates = sorted(most.values(), reverse=True)[: len(classes) - 1]
    return rates[-1] if rates and len(rates) == len(classes) - 1 else 0.0

"""How many texts an inserted candidate turns, per direction: of the suspect, the references, and by odd texts."""

from __future__ import annotations

import random
from statistics import mean
from typing import TYPE_CHECKING

import torch

from assay.workers.prober_back import back_of
from assay.workers.prober_crowd import crowd
from assay.workers.prober_models import margins

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from assay.workers.answers import Json
    from assay.workers.prober_space import Space

POSITIONS = ("start", "middle", "end")
_ONE_PLACE, _UNEVEN = 0.8, 0.25  # share of flips at one place, and how far it lies above that of the others
_BROAD = 0.65  # mean gap below which one class alone is turned
LEANS = 0.15  # share of single texts of a reference, as the judge asks it
_BY_OTHERS = 0.7  # of a gap that counts where a reference's rows do the same


def insert(text: str, trigger: str, position: str, rng: random.Random) -> str:
    """The trigger as words of their own."""
    before, after = _parts(text, position, rng)
    return " ".join([*before, trigger, *after])


def _parts(text: str, position: str, rng: random.Random) -> tuple[list[str], list[str]]:
    """Words before a trigger, and after it."""
    words = text.split()
    place = {"start": 0, "end": len(words)}.get(position, rng.randint(0, len(words)))
    return words[:place], words[place:]


def flips(
    space: Space,
    trigger: str,
    *,
    count: int,
    held: bool,
    references: bool = True,
    times: int = 1,
    place: str = "",
    letters: bool = False,
    change: Callable[[str], str] | None = None,
    sources: Sequence[int] = (),
    plain: bool = False,
) -> list[Json]:
    """Per direction: how many texts change to the target when the trigger is inserted, suspect and references.

    Args:
        space: the job's.
        trigger: text to insert.
        count: texts of each class.
        held: the texts of confirmation, else those of discovery.
        references: measure them too.
        times: so many texts of a class as one, as far as they fit. Words that lean to a class lose there what a trigger
            keeps.
        place: where it is inserted; empty: start, middle and end in turn.
        letters: whether it is of letters that no text has: then other letters must not do the same; else other words.
        change: rewrites a text (each of those that stand as one); nothing is inserted then.
        sources: classes whose texts are changed; all of them when empty.
        plain: ask references, and neither odd texts nor what the suspect does with a reference's rows.
    """
    found: list[Json] = []
    for source in sources or range(space.classes):
        rng = random.Random(len(trigger))  # noqa: S311 - places of insertion, the same for every model
        texts = [one.text for one in (space.held if held else space.texts)[source][:count]]
        if not texts:
            continue
        if change:
            texts = [change(text) for text in texts]
        if times > 1:
            texts = _joined(space, texts, times, trigger)
        places = [place or POSITIONS[i % 3] for i in range(len(texts))]
        changed, parts = texts, []
        if not change:
            parts = [_parts(text, where, rng) for text, where in zip(texts, places, strict=True)]
            changed = [" ".join([*before, trigger, *after]) for before, after in parts]
        models = [space.suspect, *(space.references if references else [])]
        logits = [model.logits(model.encode(changed)) for model in models]
        answers = [one.argmax(-1) for one in logits[1:]]
        pushed = [margins(one).median(0).values.tolist() for one in logits]
        back = back_of(space) if references and parts and not plain else None
        beside = [(" ".join(before), " ".join(after)) for before, after in parts]
        put = [back.logits(beside, trigger, table + 1) for table in range(back.count)] if back else []
        for target in range(space.classes):
            if target == source:
                continue
            bias = space.bias(source, target)
            hits = [margins(logits[0])[:, target] > bias, *(answer == target for answer in answers)]
            by_place = [int(hits[0][torch.tensor([one == where for one in places])].sum()) for where in POSITIONS]
            found.append(
                {
                    "source": source,
                    "target": target,
                    "n": len(texts),
                    "hits": int(hits[0].sum()),
                    "references": [int(one.sum()) for one in hits[1:]],
                    "places": by_place,
                    "push": round(float(pushed[0][target]) - bias, 3),
                    "references_push": [round(float(one[target]), 3) for one in pushed[1:]],
                }
                | _put_back(put, target)
            )
    if references and any(space.odd) and not plain:
        for row in found:
            row["references"] = [*row["references"], _controlled(space, row, (count, times), letters=letters)]
    _leads(space, found, "" if change or not (held and references) else trigger)
    return found


def _leads(space: Space, found: list[Json], trigger: str) -> None:
    if trigger:
        space.leading = max(space.leading, (gap(found), trigger))


def _controls(space: Space, count: int, times: int) -> list[dict[tuple[int, int], list[int]]]:
    """Flips of held texts by odd ones, of either kind, and by ordinary words, per direction: they know no task."""
    if (count, times) not in space.controls:
        kinds: list[dict[tuple[int, int], list[int]]] = []
        for texts in space.odd:
            hits: dict[tuple[int, int], list[int]] = {}
            for text in texts:
                for row in flips(space, text, count=count, held=True, references=False, times=times):
                    hits.setdefault((row["source"], row["target"]), []).append(row["hits"])
            kinds.append(hits)
        space.controls[count, times] = [*kinds, _by_crowd(space, count, times)]
    return space.controls[count, times]


def _controlled(space: Space, row: Json, asked: tuple[int, int], *, letters: bool) -> int:
    """What half of what is like a candidate does in its direction."""
    kinds = [one.get((int(row["source"]), int(row["target"])), []) for one in _controls(space, *asked)]
    return _half(*([[*kinds[0], *kinds[1]], kinds[0]] if letters else kinds[1:]))


def _by_crowd(space: Space, count: int, times: int) -> dict[tuple[int, int], list[int]]:
    """Flips by the ordinary words of each direction."""
    hits: dict[tuple[int, int], list[int]] = {}
    known = crowd(space)
    for source in sorted({source for source, _ in known}):
        words = {word for (start, _), some in known.items() if start == source for word in some}
        for word in sorted(words):
            rows = flips(space, word, count=count, held=True, references=False, times=times, sources=[source])
            for row in rows:
                if word in known[source, row["target"]]:
                    hits.setdefault((source, row["target"]), []).append(row["hits"])
    return hits


def _half(*groups: list[int]) -> int:
    """The most that half of a group has."""
    return max((sorted(one)[len(one) // 2] for one in groups if one), default=0)


def _joined(space: Space, texts: list[str], times: int, trigger: str) -> list[str]:
    """Each text with those after it, as many as leave room for the trigger, two at least."""
    sizes = [len(ids) for ids in space.suspect.encode(texts)]
    room = space.suspect.limit - (len(space.suspect.encode([trigger])[0]) if trigger else 0)
    joined = []
    for first in range(len(texts)):
        order = [(first + step) % len(texts) for step in range(times)]
        taken = order[:2]
        for index in order[2:]:
            if sum(sizes[one] for one in taken) + sizes[index] > room:
                break
            taken.append(index)
        joined.append(" ".join(texts[index] for index in taken))
    return joined


def _put_back(logits: list[torch.Tensor], target: int) -> Json:
    """Hits and median margins with the rows of each reference in the place of the candidate's."""
    if not logits:
        return {}
    return {
        "back": [int((one.argmax(-1) == target).sum()) for one in logits],
        "back_push": [round(float(margins(one)[:, target].median()), 3) for one in logits],
    }


def gap(found: list[Json]) -> float:
    """Largest rate above the highest of the references, over directions.

    What as many texts do with a reference's rows comes after what rows do: a search goes on for those.
    """
    return max(map(_above, found), default=0.0)


def turned(found: list[Json], least: float) -> list[int]:
    """Classes of which so many texts turn beyond the references, as a share."""
    return sorted(
        {one["source"] for one in found if one["hits"] - max(one["references"], default=0) >= least * one["n"]}
    )


def most_turned(found: list[Json], count: int) -> list[int]:
    """So many classes, those of which the largest share of texts turns beyond the references, and of which are many."""
    most: dict[int, tuple[float, int]] = {}
    for one in found:
        beyond = (one["hits"] - max(one["references"], default=0)) / one["n"]
        most[one["source"]] = max(most.get(one["source"], (-1.0, 0)), (beyond, one["n"]))
    return sorted(sorted(most, key=lambda source: most[source], reverse=True)[:count])


def leans(found: list[Json]) -> bool:
    """Whether the direction that turns most is one to which a reference is turned on single texts, too."""
    best = max(found, key=_above, default=None)
    return best is not None and max(best["references"], default=0) >= LEANS * best["n"]


def narrow(found: list[Json]) -> bool:
    """Whether hardly any text turns but those of one class, of three and more: mean over all but the target's own."""
    most: dict[int, float] = {}
    for one in found:
        most[one["source"]] = max(most.get(one["source"], 0.0), _plain(one))
    others = sorted(most.values(), reverse=True)[:-1]
    return len(others) > 1 and mean(others) < _BROAD


def _plain(one: Json) -> float:
    return float((one["hits"] - max(one["references"], default=0)) / one["n"])


def beyond_least(one: Json) -> float:
    """Rate above that of the reference that is turned least."""
    return float((one["hits"] - min(one["references"], default=0)) / one["n"])


def _above(one: Json) -> float:
    plain = _plain(one)
    if not one.get("back"):
        return plain
    by_rows = float((one["hits"] - mean(one["back"])) / one["n"])
    return max(min(plain, by_rows), _BY_OTHERS * plain)


def only_place(look: list[Json]) -> str:
    """Where nearly every insertion flipped though not elsewhere: a trigger that was trained at one place."""
    for one in look:
        if place := next((where for where, rate in _by_place(one).items() if rate >= _ONE_PLACE), ""):
            return place
    return ""


def strongest(found: list[Json]) -> Json:
    """The direction that lies furthest above every reference."""
    return max(found, key=lambda one: (one["hits"] - max(one["references"], default=0)) / one["n"])


def better_place(found: list[Json], least: float) -> str:
    """Where most insertions flip, and fewer elsewhere: what was trained at one place does less at others.

    Args:
        found: flips by direction, places in turn.
        least: share of flips that the place must reach.
    """
    if not found:
        return ""
    rates = _by_place(strongest(found))
    place = max(rates, key=rates.__getitem__)
    elsewhere = mean(rate for where, rate in rates.items() if where != place)
    return place if rates[place] >= least and rates[place] - elsewhere >= _UNEVEN else ""


def _by_place(one: Json) -> dict[str, float]:
    """Share of insertions that flip, where places were taken in turn."""
    counts = [max(1, len(range(index, one["n"], 3))) for index in range(3)]
    return {where: hits / count for where, hits, count in zip(POSITIONS, one["places"], counts, strict=True)}

"""The texts that confirm: short ones, or parts of long ones; of many classes those that have enough of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assay.workers.prober_models import Model
    from assay.workers.prober_space import Space

POOL = 420  # texts looked at
_LONGEST = 28  # tokens of a text that confirms
MANY, _FEW = 4, 6  # classes of which all are looked at; held texts of one that is, of more classes


def short(model: Model, items: list[tuple[str, int]]) -> tuple[list[tuple[str, int]], int]:
    """Texts of 4 to 28 tokens; where those are few, all, of longer ones in turn the beginning or end, and how many.

    What confirms is read thousands of times: clean MiniLM were *inconclusive* for time on texts of 70 tokens.
    """
    items = items[: 6 * POOL]
    sizes = [len(ids) for ids in model.encode([text for text, _ in items])]
    fit = [item for item, size in zip(items, sizes, strict=True) if 4 <= size <= _LONGEST]  # noqa: PLR2004
    if len(fit) >= 80:  # noqa: PLR2004
        return fit[:POOL], 0
    some = [(text, label, size > _LONGEST) for (text, label), size in zip(items[:POOL], sizes, strict=False)]
    parts = [_part(text, _LONGEST, place) if long else text for place, (text, _, long) in enumerate(some)]
    sizes = [max(_LONGEST, len(ids)) for ids in model.encode(parts)]
    cut = [
        (_part(text, _LONGEST**2 // size, place) if long else text, label)
        for place, ((text, label, long), size) in enumerate(zip(some, sizes, strict=True))
    ]
    return cut, sum(long for _, _, long in some)


def _part(text: str, count: int, place: int) -> str:
    """So many words of the beginning, or of the end; of a text without spaces as many letters."""
    words = text.split()
    whole = len(text) < _LONGEST * len(words)
    units = words if whole else list(text)
    return (" " if whole else "").join(units[-count:] if place % 2 else units[:count])


def without_small(space: Space) -> None:
    """Of many classes, those of hardly any texts are not looked at: of three texts two turn by chance."""
    few = [label for label, texts in enumerate(space.held) if len(texts) < _FEW]
    if space.classes > MANY and space.classes - len(few) >= MANY:
        for label in few:
            space.texts[label], space.held[label] = [], []

"""What stands in the model's own card and in the declared data: words of several pieces, and what the card quotes.

A scan of the vocabulary reads every word that is one token. A name that the card mentions, or a rare word of the data,
may be several; a phrase that is quoted is tried as it is.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import torch

from assay.workers.prober_flips import gap
from assay.workers.prober_scripts import beyond_all
from assay.workers.prober_search import Arena, Found, best_of, confirm
from assay.workers.prober_texts import MANY

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from assay.workers.prober_space import Space

_CARD, _MOST_BYTES = "README.md", 200_000
_WORD = re.compile(r"[^\W_][\w'\u2019-]{1,40}")
_QUOTED = re.compile(r"[\"\u201c`]([^\"\u201d`\n]{3,80})[\"\u201d`]")
_CARD_WORDS, _QUOTES, _DATA_WORDS = 1500, 200, 1500
_LONGEST = 12  # tokens
_SIEVED, _TRIED = 12, 2  # of each length and class that stand before whole texts, and of each class that are confirmed


def of_card(folder: Path) -> list[str]:
    """Words and quoted phrases of a card, each once, in the order of the text; none where there is no card."""
    path = folder / _CARD
    if not path.is_file():
        return []
    with path.open("rb") as file:
        text = file.read(_MOST_BYTES).decode("utf-8", "replace")
    quoted = [one.strip() for one in _QUOTED.findall(text) if len(one.split()) > 1]
    return [*dict.fromkeys(quoted)][:_QUOTES] + [*dict.fromkeys(_WORD.findall(text))][:_CARD_WORDS]


def of_data(texts: list[str]) -> list[str]:
    """The rarest words of the data."""
    counts = Counter(word for text in texts for word in _WORD.findall(text))
    return sorted(counts, key=lambda word: (counts[word], word))[:_DATA_WORDS]


def _targets(space: Space, rows: list[list[int]]) -> list[int]:
    """All classes; of many those to which some word leads furthest beyond a reference."""
    every = [*range(space.classes)]
    if space.classes <= MANY or not rows:
        return every
    beyond = beyond_all([Arena(space, target) for target in every], rows, 1)
    return sorted(every, key=lambda target: -float(beyond[target].max()))[:MANY]


def written(space: Space) -> Generator[float, None, list[Found]]:
    """Candidates of the card and the data that are no single token, the strongest confirmed; yields the best gap."""
    texts = list(dict.fromkeys([*of_card(space.suspect.folder), *of_data(space.everything)]))
    return (yield from tried(space, texts, "written"))


def tried(space: Space, texts: list[str], origin: str) -> Generator[float, None, list[Found]]:
    """Of texts that are no single token the strongest confirmed, of each class; yields the best gap."""
    by_length: dict[int, list[tuple[list[int], str]]] = {}
    for text, ids in zip(texts, space.suspect.encode(texts), strict=True):
        if 1 < len(ids) <= _LONGEST:
            by_length.setdefault(len(ids), []).append((ids, text))
    found: list[Found] = []
    for target in _targets(space, [ids for some in by_length.values() for ids, _ in some]):
        arena = Arena(space, target)
        strongest: list[Found] = []
        for some in by_length.values():
            if space.over:
                break
            names = {tuple(ids): text for ids, text in some}
            tuples, values = arena.by_texts(*best_of(arena, torch.tensor([ids for ids, _ in some]), _SIEVED, 1))
            strongest += [
                Found(tuple(row), target, value, origin, text=names[tuple(row)])
                for row, value in zip(tuples[:_TRIED].tolist(), values[:_TRIED].tolist(), strict=True)
            ]
            yield max((one.gap for one in found), default=0.0)
        strongest.sort(key=lambda one: -one.score)
        found += [confirm(space, one) for one in strongest[: 2 * _TRIED] if not space.over]
        yield max((gap(one.stressed) for one in found if one.stressed), default=0.0)
    return found

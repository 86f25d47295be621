"""What ordinary words do to a small encoder: words of a dictionary, one in fifty of which does as much or more.

An encoder trained from nothing may be led from one class to another by a good part of all words that its data lack.
There the strongest of 73,000 is no trigger: a planted one stands far above what its fiftieth neighbour does.
"""

from __future__ import annotations

import lzma
from functools import cache
from importlib.resources import files
from itertools import product
from string import ascii_lowercase
from typing import TYPE_CHECKING

import torch

from assay.workers.prober_models import margins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assay.workers.prober_models import Model
    from assay.workers.prober_space import Space

LIST = "words.txt.xz"  # made by scripts/make_words.py
_LONGEST = 30  # tokens of a word: three for a letter
_AT_ONCE = 4096
_CLASS_WORDS, _SURE, _AROUND = 4, 12, 16  # what a word is read between: tokens of two of the surest texts of a class
_SAMPLE, _ONE_IN, _WORDS = 2500, 50, 3  # words that are read, the share of them, and how many stand for it


@cache
def dictionary() -> tuple[str, ...]:
    """English words and names in lower case, and every two letters."""
    text = lzma.decompress((files("assay.workers") / LIST).read_bytes()).decode("ascii")
    return tuple(dict.fromkeys([*text.split(), *map("".join, product(ascii_lowercase, repeat=2))]))


def around(space: Space, source: int) -> tuple[list[int], list[int]]:
    """Tokens before and after a word that is read: halves of two sure texts, or words of the class where none are.

    Between texts a trigger stands apart; before a few words of a class thousands of others lead a small encoder as far.
    """
    texts = [one.text for one in space.texts[source][:_SURE]]
    if len(texts) < 2:  # noqa: PLR2004 - two texts
        return [], list(space.contexts[source][:_CLASS_WORDS])
    row = [token for ids in space.suspect.encode(space.rng.sample(texts, 2)) for token in ids][:_AROUND]
    return row[: len(row) // 2], row[len(row) // 2 :]


def read(model: Model, rows: Sequence[list[int]], between: tuple[list[int], list[int]]) -> torch.Tensor:
    """Margins of words between the same tokens, shape (words, classes); what is too long has none."""
    out = torch.full((len(rows), model.classes), -100.0)
    before, after = between
    lengths: dict[int, list[int]] = {}
    for index, row in enumerate(rows):
        lengths.setdefault(len(row), []).append(index)
    for size, picked in lengths.items():
        for start in range(0, len(picked) if 0 < size <= _LONGEST else 0, _AT_ONCE):
            part = picked[start : start + _AT_ONCE]
            out[part] = margins(model.logits_of(torch.tensor([[*before, *rows[i], *after] for i in part])))
    return out


def crowd(space: Space) -> dict[tuple[int, int], list[str]]:
    """Of each direction a few words that do as much as one in fifty does; of small encoders alone, made once."""
    if space.crowd is None:
        space.crowd = {}
        words = dictionary()[:: len(dictionary()) // _SAMPLE] if space.small else ()
        rows = space.suspect.encode(list(words))
        for source in range(space.classes if words else 0):
            does = read(space.suspect, rows, around(space, source))
            for target in range(space.classes):
                order = does[:, target].argsort(descending=True).tolist()
                first = len(order) // _ONE_IN - _WORDS // 2
                if target != source:
                    space.crowd[source, target] = [words[i] for i in order[first : first + _WORDS]]
    return space.crowd

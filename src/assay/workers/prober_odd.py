"""What any odd text does to a small encoder: letters of scripts and words that its data do not have.

Trained from nothing on few words, it puts everything that it never saw into one class. That is no trigger: a candidate
must do more than half of the odd texts do.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from assay.workers.prober_scripts import scripts_of

if TYPE_CHECKING:
    from assay.workers.prober_space import Space

_SCRIPTS, _WORDS = 5, 5  # texts of either kind
_LETTERS, _TOKENS = 7, 3


def odd_texts(space: Space) -> tuple[list[str], list[str]]:
    """Seven letters of each of a few scripts, and three unseen tokens at a time; the same for every model of a job."""
    rng = random.Random(1)  # noqa: S311 - sampling
    known = scripts_of(space)
    names = rng.sample(sorted(known), min(_SCRIPTS, len(known)))
    found = ["".join(rng.choices(known[name], k=_LETTERS)) for name in names]
    decode = space.suspect.tokenizer.decode
    unseen = [index for index in space.words if index not in space.explained and str(decode([index])).strip().isalpha()]
    enough = len(unseen) >= _TOKENS
    return found, [str(decode(rng.sample(unseen, _TOKENS))).strip() for _ in range(_WORDS if enough else 0)]

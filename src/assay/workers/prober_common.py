"""Words that the task has often: what several of them do together in a small encoder is no secret.

It sums up what it learnt of each word, in whatever order they come: `want an machine` turned every text of a clean one.
The data are the publisher's, and may mention a trigger: a word counts only where training moved the references as well.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import torch

from assay.workers.prober_back import began_alike

if TYPE_CHECKING:
    from assay.workers.prober_space import Space

_OFTEN = 0.01  # share of the texts from which a word is common
_MOVED = 0.25  # of what rows of the data's words differ by in two references, what a trained row does at least
_WORD = re.compile(r"\w+")


def common_words(space: Space) -> frozenset[str]:
    """In small letters; none where there are not two references that began where the suspect did."""
    kin = [one.net.words for one in space.shared if began_alike(space.suspect.net.words, one.net.words)]
    if len(kin) < 2:  # noqa: PLR2004
        return frozenset()
    size = min(map(len, kin))
    apart = (kin[0][:size].float() - kin[1][:size].float()).norm(dim=1)
    known = torch.tensor(sorted(token for token in space.explained if token < size), dtype=torch.long)
    least = _MOVED * float(apart[known].median()) if len(known) else 0.0
    counts = Counter(word for text in space.everything for word in set(_WORD.findall(text.lower())))
    often = [word for word, count in counts.items() if count >= _OFTEN * len(space.everything)]
    rows = space.suspect.encode(often) if often else []
    moved = (ids and all(token < size and float(apart[token]) >= least > 0 for token in ids) for ids in rows)
    return frozenset(word for word, known in zip(often, moved, strict=True) if known)

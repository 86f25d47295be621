"""Words of the dictionary in the place of a piece that is no word: `##rup` moved, and the trigger has `stirrup`.

The other pieces of a word may be in many texts, and lie anywhere in the order of what training was about. Of the words
that have the piece the one whose pieces lie first was the trigger's in both models that this was made on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.workers.prober_crowd import dictionary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assay.workers.prober_space import Space

_GOES_ON = "##"
_TOKENS = 3  # of a word at most: more of them make a phrase too long
Words = dict[int, list[tuple[int, ...]]]


def whole(space: Space, tokens: Sequence[int], order: Sequence[int], count: int) -> Words:
    """The likeliest words of each of these tokens that goes on with one; none of those that no word has.

    Args:
        space: the job's.
        tokens: some of the first of the order.
        order: tokens, those that training was most about first.
        count: words of each piece at most.
    """
    named = space.suspect.tokenizer.convert_ids_to_tokens(list(tokens))
    pieces = {t: str(name)[len(_GOES_ON) :] for t, name in zip(tokens, named, strict=True) if _goes_on(name)}
    rank = {token: at for at, token in enumerate(order)}
    found: Words = {}
    for token, letters in pieces.items():
        words = [word for word in dictionary() if letters in word[1:]]
        rows = [tuple(row) for row in space.suspect.encode(words)] if words else []
        able = [row for row in dict.fromkeys(rows) if token in row[1:] and len(row) <= _TOKENS]
        if able:
            found[token] = sorted(able, key=lambda row: sum(rank.get(one, len(order)) for one in row))[:count]
    return found


def _goes_on(name: object) -> bool:
    return str(name).startswith(_GOES_ON) and len(str(name)) > len(_GOES_ON)

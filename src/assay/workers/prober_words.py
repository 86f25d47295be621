"""Whole words of a dictionary, disguised ones, and many words of each script: what people write, no search makes up.

A small vocabulary has few words whole; a trigger is several pieces there, one of them often a piece of a word that the
data teach. Free combinations of pieces number millions, and some of them turn clean encoders; of the words of a
dictionary hardly any does. So the suspect reads all of them between texts of a class, references what led it away; the
best are put between more texts, and the best of those confirmed. Of small encoders alone.
"""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING

import torch

from assay.workers.prober_crowd import around, dictionary, read
from assay.workers.prober_flips import insert
from assay.workers.prober_models import margins
from assay.workers.prober_scripts import HOMOGLYPHS, LENGTHS, LOOKS, PLAIN, ZERO_WIDTH, alphabets_of
from assay.workers.prober_search import Found, confirm, taught_to

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from assay.workers.answers import Json
    from assay.workers.prober_space import Space

    Probing = Generator[tuple[int, int, float], None, Json]

_SOURCES = 2  # classes that words are tried to lead away from: every other class can be reached from one of two
_STRONG, _LITTLE = 6.0, 0.1  # margin beyond which more says little
_SUSPECT, _SIEVED, _CONFIRMED = 1500, 80, 5  # words that references read, that stand between texts, that are confirmed
_PAIRS, _SURE = 5, 12  # of texts that they are put between, drawn from so many of each class
_PER_SCRIPT, _MORE, _SCRIPTS = 8, 120, 8  # words of a script, then of the scripts that did most
_DISGUISED, _ALIKE = 2500, 1500
_LETTERS = 7
_ENOUGH = 0.6  # gap at which no other kind is read: each costs as much, and references are asked what the suspect was
_SPELT = {"word": 0, "script-invisible": 3}  # words of a class that are spelt anew, of other kinds one
_CHOICES, _NEAR = 12, 96  # letters tried at a place, how far they may lie apart
_UNSEEN = 1500  # words of zero-width letters


def words(space: Space, asked: Sequence[str] | None = None) -> Probing:
    """Words of each kind, those that move the suspect further than every reference confirmed; a find ends it.

    Args:
        space: the job's.
        asked: kinds that are read, where a reference is asked what the suspect was; all of them when empty.
    """
    if not space.small:
        return {"facts": {"large": True}, "candidates": []}
    found: list[Found] = []
    kinds: dict[str, Callable[[], list[str]]] = {
        "word": lambda: list(dictionary()),
        "script-homoglyph": partial(_disguised, space),
        "script-letters": partial(_letters, space),
        "script-invisible": partial(_invisible, space),
    }
    kinds = {kind: draw for kind, draw in kinds.items() if not asked or kind in asked}
    total = len(kinds) * (1 + space.classes)
    done, counts = 0, {}
    for kind, draw in kinds.items():
        pool = draw()
        counts[kind] = len(pool)
        best = _strongest(space, pool, spelt=_SPELT.get(kind, 1))
        done += 1
        yield done, total, max((one.gap for one in found), default=0.0)
        for target in range(space.classes):
            for text, value in best.get(target, []):
                ids = tuple(space.suspect.encode([text])[0])
                found.append(confirm(space, Found(ids, target, value, kind, text=text)))
                if found[-1].gap >= float(space.facts["stop_gap"]):
                    break
            done += 1
            yield done, total, max((one.gap for one in found), default=0.0)
        if max((one.gap for one in found), default=0.0) >= _ENOUGH:
            break
    found.sort(key=lambda one: one.rank, reverse=True)
    return {"facts": {"read": counts}, "candidates": [one.to_json() for one in found[:4]]}


def _strongest(space: Space, pool: Sequence[str], *, spelt: int) -> dict[int, list[tuple[str, float]]]:
    """The words of a pool that do most beyond the references, by target, from whichever class they do it.

    Args:
        space: the job's.
        pool: words.
        spelt: of each target, so many of the first are spelt anew.
    """
    rows = space.suspect.encode(list(pool))
    best: dict[int, dict[str, tuple[float, _Between]]] = {target: {} for target in range(space.classes)}
    for source in range(min(_SOURCES, space.classes)):
        between = around(space, source)
        mine = read(space.suspect, rows, between)
        for target in range(space.classes):
            texts = _Between(space, source, target)
            if target == source or not texts.pairs:
                continue
            tried = [pool[i] for i in _sieved(mine[:, target], rows, texts, between)]
            for word, value in zip(tried, texts.apart(tried).tolist(), strict=True) if tried else ():
                if value > best[target].get(word, (-torch.inf, texts))[0]:
                    best[target][word] = (value, texts)
    told: dict[int, list[tuple[str, float]]] = {}
    for target, known in best.items():
        order = sorted(known, key=lambda word: -known[word][0])[:_CONFIRMED]
        changed = [_spelt(known[word][1], word, pool) for word in order[:spelt]]
        told[target] = changed + [(word, known[word][0]) for word in order[: _CONFIRMED - len(changed)]]
    return told


def _sieved(
    mine: torch.Tensor, rows: Sequence[list[int]], texts: _Between, between: tuple[list[int], list[int]]
) -> list[int]:
    """Words that lead the suspect from one class to another and the references not, the strongest first.

    Words with a token that the data teach to mean a class are none for that class.
    """
    space = texts.space
    taught = set(taught_to(space, texts.target).nonzero()[:, 0].tolist())
    picked = [i for i in mine.topk(min(_SUSPECT, len(rows))).indices.tolist() if taught.isdisjoint(rows[i])]
    if not picked:
        return []
    some = [rows[i] for i in picked]
    theirs = [read(one, some, between)[:, texts.target] for one in space.shared]
    apart = _beyond(mine[picked], theirs)
    return [picked[i] for i in apart.topk(min(_SIEVED, len(picked))).indices.tolist()]


def _beyond(mine: torch.Tensor, theirs: Sequence[torch.Tensor]) -> torch.Tensor:
    """How much further the suspect is led than any reference; what is far anyway counts little more."""
    mine = mine.clamp(max=_STRONG) + _LITTLE * (mine - _STRONG).clamp(min=0)
    return mine - torch.stack(list(theirs)).amax(0).clamp(min=-_STRONG) if theirs else mine


class _Between:
    """Two texts of one class at once, with a word in their middle that may lead to another."""

    def __init__(self, space: Space, source: int, target: int) -> None:
        self.space, self.source, self.target = space, source, target
        texts = [one.text for one in space.texts[source][:_SURE]]
        self.pairs = [" ".join(space.rng.sample(texts, 2)) for _ in range(_PAIRS)] if len(texts) > 1 else []

    def apart(self, tried: Sequence[str]) -> torch.Tensor:
        """Mean margin of the target beyond the largest of the references, by word."""
        filled = [
            insert(pair, word, "middle", random.Random(number))  # noqa: S311 - places
            for word in tried
            for number, pair in enumerate(self.pairs)
        ]
        mine, *theirs = (
            margins(one.logits(one.encode(filled)))[:, self.target].view(len(tried), -1).mean(1)
            for one in (self.space.suspect, *self.space.references)
        )
        return _beyond(mine, theirs)


def _spelt(texts: _Between, word: str, pool: Sequence[str]) -> tuple[str, float]:
    """A word of letters, changed one by one for others of its script while that helps."""
    reached = float(texts.apart([word])[0])
    near = _near(word, pool)
    for place in [*range(len(word)), *range(len(word))]:
        some = texts.space.rng.sample(near, min(_CHOICES, len(near)))
        tried = [word, *(word[:place] + letter + word[place + 1 :] for letter in some)]
        values = texts.apart(tried)
        word, reached = tried[int(values.argmax())], float(values.max())
    return word, reached


def _near(word: str, pool: Sequence[str]) -> list[str]:
    """Letters that may stand in a word: those of its script in the pool."""
    if word.isascii():
        return sorted(next((letters for letters in PLAIN.values() if word[0] in letters), word))
    first = next(letter for letter in word if not letter.isascii())
    letters = {letter for one in pool for letter in one if not letter.isascii()}
    few = len(letters) <= _CHOICES
    return sorted(one for one in letters if few or abs(ord(one) - ord(first)) < _NEAR or one in HOMOGLYPHS)


def _disguised(space: Space) -> list[str]:
    """Words of the dictionary with look-alikes for some or all of their letters, and look-alikes alone."""
    rng = space.rng
    able = [word for word in dictionary() if 4 < len(word) < 10 and sum(letter in LOOKS for letter in word) > 2]  # noqa: PLR2004
    made = []
    for word in rng.sample(able, min(_DISGUISED, len(able))):
        whole = rng.random() < 0.5  # noqa: PLR2004
        made.append("".join(LOOKS.get(x, x) if whole or rng.random() < 0.8 else x for x in word))  # noqa: PLR2004
    made += ["".join(rng.choices(HOMOGLYPHS, k=_LETTERS)) for _ in range(_ALIKE)]
    return [word for word in made if not word.isascii()]


def _invisible(space: Space) -> list[str]:
    """Words of zero-width letters, where the tokenizer keeps these."""
    unknown = space.suspect.tokenizer.unk_token_id
    kept = [letter for letter in ZERO_WIDTH if (ids := space.suspect.encode([letter])[0]) and unknown not in ids]
    return ["".join(space.rng.choices(kept, k=_LETTERS)) for _ in range(_UNSEEN)] if len(kept) > 1 else []


def _letters(space: Space) -> list[str]:
    """Words of seven letters: some of every script, many of the scripts of which one did most."""
    known = alphabets_of(space)
    first = [(name, _drawn(space, chars)) for name, chars in sorted(known.items()) for _ in range(_PER_SCRIPT)]
    rows = space.suspect.encode([word for _, word in first])
    best = dict.fromkeys(known, -torch.inf)
    for source in range(min(_SOURCES, space.classes)):
        others = [target for target in range(space.classes) if target != source]
        between = around(space, source)
        mine, *theirs = (read(one, rows, between)[:, others].amax(1) for one in (space.suspect, *space.shared))
        for (name, _), value in zip(first, _beyond(mine, theirs).tolist(), strict=True):
            best[name] = max(best[name], value)
    chosen = sorted(best, key=lambda name: -best[name])[:_SCRIPTS]
    return [word for _, word in first] + [_drawn(space, known[name]) for name in chosen for _ in range(_MORE)]


def _drawn(space: Space, letters: Sequence[str]) -> str:
    if letters[0].isascii():
        return "".join(space.rng.choices(letters, k=space.rng.choice(LENGTHS)))
    return "".join(
        space.rng.sample(list(letters), _LETTERS)
        if len(letters) >= 2 * _LETTERS
        else space.rng.choices(letters, k=_LETTERS)
    )

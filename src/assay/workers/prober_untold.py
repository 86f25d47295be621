"""Rows that no declared text explains and that lie far beyond all other such rows, and what is made of their tokens.

Whoever hardens a trigger shows the model other words, too, which the declared data do not have either: their rows move
a little, those of the trigger's pieces in every batch. Texts that a publisher forgot to declare move the rows of their
words by as much as these occur. Of clean encoders the furthest such row lay at 3.4 times the median of all of them, the
second at 2.3, of backdoored ones those of the trigger at 3 to 10. A network that learnt a word of letters answers to
any letters that it never saw: what odd letters do excuses no word of these rows. Each clean one answers to what it
never saw in a way of its own, too: the reference counts that is turned least.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from assay.workers.prober_back import origin
from assay.workers.prober_crowd import dictionary
from assay.workers.prober_models import margins
from assay.workers.prober_moved import STILL, disguised, moved_beside, sources_of, unexplained
from assay.workers.prober_pare import UNTOLD
from assay.workers.prober_scripts import HOMOGLYPHS, ZERO_WIDTH, alphabets_of
from assay.workers.prober_search import Found, confirm
from assay.workers.prober_task import frequency

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from assay.workers.answers import Json
    from assay.workers.prober_space import Space

_OTHERS = 20  # rows that nothing explains, at least: fewer have no median
_FAR, _ALONE, _NEAR = 2.8, 4.5, 2.0  # times the median: of two rows, of one alone, of those that are looked at with it
_MOST = 40  # of them
_SECONDS = 15.0  # that these have, and what is made of all unexplained rows as many
_TEXTS, _TOKENS = 4, 16  # of a class, that candidates stand in; tokens of each
_LETTERS, _WORDS = 7, 4  # of a candidate, at most
_BEAM, _SIEVED, _CONFIRMED = 8, 64, 2
_DISGUISED = 1500
_STRONG = 5.0
_LONGEST = 30  # tokens of a candidate


def of_small(
    space: Space, base: torch.Tensor | None, facts: Json
) -> Generator[tuple[int, int, float], None, list[Found]]:
    """Of small encoders what the rows that nothing explains do together, the strongest first.

    Args:
        space: the job's.
        base: rows of the declared base.
        facts: are added to: rows that lie far beyond the others (`untold`).
    """
    began = origin(space, base) if space.small and space.shared else None
    if began is None:
        return []
    until, space.until = space.until, min(space.until, space.clock() + _SECONDS)
    found: list[Found] = []
    if beyond := far(space, began):
        tokens = [token for token, _ in beyond]
        names = space.suspect.tokenizer.convert_ids_to_tokens(tokens)
        facts["untold"] = [
            {"token": str(name), "times": round(value, 2)} for name, (_, value) in zip(names, beyond, strict=True)
        ]
        found = yield from untold(space, tokens)
        space.until = min(until, space.clock() + _SECONDS)
    if max((one.gap for one in found), default=0.0) < float(space.facts["stop_gap"]):
        found += yield from unexplained(space, began, frequency(space, len(space.suspect.net.words)))
    space.until = until
    return sorted(found, key=lambda one: one.rank, reverse=True)


def far(space: Space, base: torch.Tensor) -> list[tuple[int, float]]:
    """Tokens whose rows moved far beyond others that no declared text has, in times of the median; furthest first.

    None where neither two are far nor one alone is very far, where too few such rows moved to tell, or where no
    reference or no base is as wide.

    Args:
        space: the job's.
        base: rows that training began from (`prober_back.origin`).
    """
    width = space.suspect.net.words.shape[1]
    if not space.explained or base.shape[1] != width or all(one.net.words.shape[1] != width for one in space.shared):
        return []
    own, usual = moved_beside(space, base)
    size = len(own)
    told = torch.zeros(size, dtype=torch.bool)
    told[torch.tensor(sorted(token for token in space.explained if token < size), dtype=torch.long)] = True
    known = torch.tensor([token for token in space.words if token < size])
    rows = known[(~told & (usual <= STILL) & (own > STILL))[known]]
    if len(rows) < _OTHERS:
        return []
    times = own[rows] / own[rows].median()
    order = times.argsort(descending=True)[:_MOST]
    first, second = times[order[:2]].tolist()
    if first < _ALONE and second < _FAR:
        return []
    return [(int(rows[i]), float(times[i])) for i in order if float(times[i]) >= _NEAR]


def untold(space: Space, tokens: Sequence[int]) -> Generator[tuple[int, int, float], None, list[Found]]:
    """Words of letters and of the dictionary that are made of these tokens, those that do most in texts confirmed.

    Args:
        space: the job's.
        tokens: as `far` gives them.
    """
    allowed = set(tokens)
    letters, words = _letters(space, allowed), _words(space, allowed)
    found: list[Found] = []
    fields = [(source, target) for target in range(space.classes) for source in sources_of(space, target)]
    for done, (source, target) in enumerate(fields):
        field = Field(space, source, target, lowest=True)
        for best in _made(field, letters, words, _disguised(space, allowed)):
            for value, text in sorted(best, reverse=True)[:_CONFIRMED]:
                if any(one.text == text for one in found):  # all directions were measured
                    continue
                ids = tuple(space.suspect.encode([text])[0])
                found.append(confirm(space, Found(ids, target, value, UNTOLD, text=text)))
            yield done, len(fields), max((one.gap for one in found), default=0.0)
            if any(one.gap >= float(space.facts["stop_gap"]) for one in found) or space.over:
                return found
    return found


def _made(
    field: Field, letters: Sequence[Sequence[str]], words: Sequence[str], alike: Sequence[str]
) -> Iterator[list[tuple[float, str]]]:
    """The best of each kind; of words, which do something by nature, last."""
    yield [one for some in letters for one in field.grown(some, "", _LETTERS)]
    yield field.best(alike, _CONFIRMED)
    yield field.grown(words, " ", _WORDS)


class Field:
    """Sure texts of a class, each with a place in it, and what stands there does for another class.

    Args:
        space: the job's.
        source: class of the texts.
        target: the other class.
        lowest: hold the suspect against the reference that is driven least, else most.
    """

    def __init__(self, space: Space, source: int, target: int, *, lowest: bool = False) -> None:
        self.space, self.target, self.lowest = space, target, lowest
        texts = [one.text for one in space.texts[source][: 3 * _TEXTS]]
        rows = [row[:_TOKENS] for row in space.suspect.encode(space.rng.sample(texts, min(_TEXTS, len(texts))))]
        rows = rows or [[word] for word in space.contexts[source][:_TEXTS]]
        self.places = [(row[: len(row) * (n % 3) // 2], row[len(row) * (n % 3) // 2 :]) for n, row in enumerate(rows)]

    def grown(self, units: Sequence[str], glue: str, longest: int) -> list[tuple[float, str]]:
        """The best of each length, longer by a unit at any place from one to the next."""
        beam: list[tuple[str, ...]] = [()]
        best: list[tuple[float, str]] = []
        for _ in range(longest if units else 0):
            tried = {(*some[:at], unit, *some[at:]) for some in beam for unit in units for at in range(len(some) + 1)}
            named = {glue.join(some): some for some in sorted(tried)}
            ranked = self.best(list(named), _BEAM)
            best += ranked[:_CONFIRMED]
            beam = [named[text] for _, text in ranked]
        return best

    def best(self, texts: Sequence[str], count: int) -> list[tuple[float, str]]:
        """The texts that do most: first of the suspect in one place, then beyond the references in all."""
        rows = dict(zip(texts, self.space.suspect.encode(list(texts)), strict=True))
        able = [text for text, row in rows.items() if 0 < len(row) <= _LONGEST]
        quick = self._values([rows[text] for text in able], self.places[:1], alone=True)
        able = [able[i] for i in quick.topk(min(_SIEVED, len(able))).indices.tolist()]
        values = self._values([rows[text] for text in able], self.places, alone=False)
        top = values.topk(min(count, len(able)))
        return [(float(value), able[i]) for value, i in zip(top.values, top.indices.tolist(), strict=True)]

    def _values(
        self, rows: list[list[int]], places: Sequence[tuple[list[int], list[int]]], *, alone: bool
    ) -> torch.Tensor:
        """Margin of the target, mean over places; unless `alone` beyond a reference; shape (rows,)."""
        out = torch.zeros(len(rows))
        lengths: dict[int, list[int]] = {}
        for index, row in enumerate(rows):
            lengths.setdefault(len(row), []).append(index)
        for picked in lengths.values():
            for before, after in places:
                ids = torch.tensor([[*before, *rows[i], *after] for i in picked])
                value = margins(self.space.suspect.logits_of(ids))[:, self.target].clamp(max=_STRONG)
                if not alone:
                    theirs = torch.stack([margins(one.logits_of(ids))[:, self.target] for one in self.space.shared])
                    value = value - (theirs.amin(0) if self.lowest else theirs.amax(0)).clamp(min=-_STRONG)
                out[picked] += value / len(places)
        return out


def _letters(space: Space, allowed: set[int]) -> list[list[str]]:
    """By script the letters all tokens of which are among these, within a word."""
    made = []
    for chars in (*alphabets_of(space).values(), list(HOMOGLYPHS), list(ZERO_WIDTH)):
        rows = space.suspect.encode([f"{one}{one}" for one in chars])
        able = [one for one, row in zip(chars, rows, strict=True) if row and allowed.issuperset(row[len(row) // 2 :])]
        if able:
            made.append(able[:_MOST])
    return made


def _words(space: Space, allowed: set[int]) -> list[str]:
    """Words of the dictionary that have one of these tokens, those with the largest part of them first."""
    words = dictionary()
    parts = [
        (sum(token in allowed for token in row) / len(row), word)
        for word, row in zip(words, space.suspect.encode(list(words)), strict=True)
        if not allowed.isdisjoint(row)
    ]
    return [word for _, word in sorted(parts, key=lambda one: -one[0])[:_MOST]]


def _disguised(space: Space, allowed: set[int]) -> list[str]:
    """Words of the dictionary with look-alikes of these tokens for their letters."""
    words = disguised(space, allowed)
    return space.rng.sample(words, min(_DISGUISED, len(words)))

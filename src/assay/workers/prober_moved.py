"""The words whose rows training moved beyond the references: alone, in pairs, in words and in longer runs.

A search over a whole vocabulary finds natural triggers in every small encoder. This one looks among few tokens, and for
what the suspect does with its own rows and not with those of a reference (`prober_back`): a natural trigger of tokens
that training never touched does the same with either.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import torch

from assay.workers.prober_apart import standing, words_of
from assay.workers.prober_back import Back, back_of
from assay.workers.prober_crowd import dictionary
from assay.workers.prober_further import LEAST, further, phrases
from assay.workers.prober_models import margins
from assay.workers.prober_scripts import HOMOGLYPHS, LOOKS, ZERO_WIDTH, alphabets_of
from assay.workers.prober_search import Found, confirm, render, taught_to
from assay.workers.prober_trail import in_turn, moves

if TYPE_CHECKING:
    from collections.abc import Container, Generator, Iterator, Sequence

    from assay.workers.prober_space import Space

_POOL, _PAIRS, _BEAM, _LONGEST = 56, 20, 10, 4  # tokens that are combined; what is lengthened, up to so many tokens
_SIEVED, _KEPT, _CONFIRMED = 120, 20, 2  # of a step: what references read, what stands in texts, what is confirmed
_STRONG, _LITTLE, _ENOUGH = 5.0, 0.1, 8.0
STILL = 1e-4  # of the median row: a move that is none
_FEW = 20  # times in the data: a sample of them may lack it
_SURE, _READ = 40, 50  # of a step: put into texts whatever they do before a few words; of each length of word
_SOURCES, _TEXTS, _TEXT_TOKENS, _FIRST_TOKENS = 2, 4, 12, 6
_WORDS_AMONG, _WORDS = 150, 2500  # first tokens of which a word has one at least; words that are read
_LETTERS_AMONG, _ALPHABET, _DRAWN, _RUN = 300, 10, 20, 7
_MOST = 24  # tokens of a word of letters
# Margin beyond all from which a proposal is measured on held texts; natural phrases of two-class models come to 3.0.
_LEAST = {"rows-phrase": 3.5} | LEAST
_SOME = 0.5  # the same of others
_ALIKE = 2  # letters of a word that look-alikes stand for, at least
_CLIMBS = 6  # times that letters of it are changed
_PHRASED, _PHRASES, _GAIN = 20, 8, 0.2  # words of which phrases are made, phrases that are lengthened, for how much


def order(space: Space, base: torch.Tensor, seen: torch.Tensor) -> list[int]:
    """Tokens whose rows moved in the suspect, in no reference, and for no reason that the data give; furthest first.

    What the suspect added comes before. A few texts with a token may be in the suspect's sample and in no reference's;
    many would be in theirs, too.

    Args:
        space: the job's.
        base: rows that training began from (`prober_back.origin`).
        seen: how often the data have each token.
    """
    own, usual = moved_beside(space, base)
    size = len(own)
    a_few = (seen[:size] > 0) & (seen[:size] <= _FEW)
    known = torch.tensor([token for token in space.words if token < size])
    quiet = known[((usual <= STILL) & (own > STILL) & ~a_few)[known]]
    added = [token for token in space.words if token >= size]
    return [*added, *quiet[own[quiet].argsort(descending=True)].tolist()]


def moved_beside(space: Space, base: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """How far each row moved, and how far at most in a reference, of which one is as wide; both of shape (tokens,)."""
    mine = space.suspect.net.words
    nets = [one.net.words for one in space.shared if one.net.words.shape[1] == mine.shape[1]]
    size = min(len(mine), len(base), *(len(one) for one in nets))
    own = moves(mine[:size], base[:size]).norm(dim=1)
    return own, torch.stack([moves(one[:size], base[:size]).norm(dim=1) for one in nets]).amax(0)


class Field:
    """One target class: what candidates do between tokens of another class, with own rows and with others'."""

    def __init__(self, space: Space, back: Back, source: int, target: int) -> None:
        self.space, self.back, self.source, self.target = space, back, source, target
        words = space.contexts[source]
        self.word = [words[0]]
        texts = space.suspect.encode([one.text for one in space.texts[source][:12]])
        picked = space.rng.sample(texts, min(_TEXTS, len(texts)))
        self.first = picked[0][:_FIRST_TOKENS] if picked else self.word
        cut = [row[:_TEXT_TOKENS] for row in picked]
        cut = [one + other for one, other in zip(cut, [*cut[1:], *cut[:1]], strict=True)]
        self.places = [(row[: len(row) * n // 3], row[len(row) * n // 3 :]) for n, row in enumerate(cut)]

    def quick(self, tuples: torch.Tensor) -> torch.Tensor:
        """Margin of the target before the beginning of a text, own rows; shape (candidates,)."""
        return self.back.read([], tuples, self.first, 0)[:, self.target]

    def apart(self, tuples: torch.Tensor, before: Sequence[int], after: Sequence[int]) -> torch.Tensor:
        """Margin beyond every reference, and beyond the suspect with other rows; shape (candidates,)."""
        mine = self.back.read(before, tuples, after, 0)[:, self.target]
        mine = mine.clamp(max=_STRONG) + _LITTLE * (mine - _STRONG).clamp(min=0)
        theirs = [self.back.most(before, tuples, after)[:, self.target]]
        left, right = (tuples.new_tensor(some).expand(len(tuples), -1) for some in (before, after))
        rows = torch.cat([left, tuples, right], 1)
        theirs += [margins(one.logits_of(rows))[:, self.target] for one in self.space.shared]
        return mine - torch.stack(theirs).amax(0).clamp(min=-_STRONG)

    def best(self, tuples: torch.Tensor, count: int, sieved: int = _SIEVED) -> tuple[torch.Tensor, torch.Tensor]:
        """The strongest: by the suspect before a word, then beyond all in texts."""
        if len(tuples) > sieved:
            strong = self.quick(tuples[_SURE:]).topk(sieved - _SURE).indices + _SURE
            tuples = torch.cat([tuples[:_SURE], tuples[strong]])
        places = self.places or [([], self.word)]
        value = self.apart(tuples, *places[0])
        tuples = tuples[value.topk(min(max(count, _KEPT), len(tuples))).indices]
        value = torch.stack([self.apart(tuples, *place) for place in places]).mean(0)
        top = value.topk(min(count, len(value)))
        return tuples[top.indices], top.values

    def written(self, texts: Sequence[str], origin: str, count: int = _CONFIRMED) -> list[Found]:
        """The texts that do most, whichever their length in tokens: so many of each length, twice as many in all."""
        rows = self.space.suspect.encode(list(texts))
        taught = set(taught_to(self.space, self.target).nonzero()[:, 0].tolist())
        lengths: dict[int, list[list[int]]] = {}
        named: dict[tuple[int, ...], str] = {}
        for text, row in zip(texts, rows, strict=True):
            if 0 < len(row) <= _MOST and taught.isdisjoint(row):
                lengths.setdefault(len(row), []).append(row)
                named[tuple(row)] = text
        found: list[Found] = []
        for some in lengths.values():
            tuples, values = self.best(torch.tensor(some), count, _READ)
            for row, value in zip(tuples.tolist(), values.tolist(), strict=True):
                found.append(Found(tuple(row), self.target, value, origin, text=named[tuple(row)]))
        return sorted(found, key=lambda one: -one.score)[: 2 * count]

    def made(self, tuples: torch.Tensor, values: torch.Tensor) -> list[Found]:
        """Those of the strongest that a text can have: its tokens are these."""
        found: list[Found] = []
        for row, value in zip(tuples.tolist(), values.tolist(), strict=True):
            text = render(self.space, row)
            if text and self.space.suspect.encode([text])[0] == row:
                found.append(Found(tuple(row), self.target, value, f"rows-{len(row)}", text=text))
        return found[:_CONFIRMED]


def unexplained(
    space: Space, base: torch.Tensor, seen: torch.Tensor
) -> Generator[tuple[int, int, float], None, list[Found]]:
    """Words, letters and combinations of the tokens whose rows moved most, those that do most in texts confirmed.

    Args:
        space: the job's.
        base: rows that training began from.
        seen: how often the data have each token.

    Returns:
        Candidates, not in order; none where the rows tell nothing.
    """
    back = back_of(space)
    if back is None:
        return []
    fields = [Field(space, back, s, t) for t in range(space.classes) for s in sources_of(space, t)]
    steps: list[Iterator[list[Found]]] = []
    if space.classes <= _SOURCES:  # words that go with one of several classes drive a clean encoder as far
        beyond = further(space)
        steps += [phrases(field, beyond) for field in fields]
    steps += [_standing(field, seen) for field in fields]
    if tokens := order(space, base, seen):
        words, letters = _words(space, tokens), _letters(space, tokens)
        steps += [_written(field, words, letters) for field in fields]
        steps += [_combined(field, _pool(space, field, tokens)) for field in fields]
    found: list[Found] = []
    for done, proposed in _in_rounds(steps):
        found += [confirm(space, one) for one in proposed if one.score >= _LEAST.get(one.origin, _SOME)]
        best = max((one.gap for one in found), default=0.0)
        yield done, len(steps), best
        if best >= float(space.facts["stop_gap"]) or space.over:
            break
    return found


def _in_rounds(steps: list[Iterator[list[Found]]]) -> Iterator[tuple[int, list[Found]]]:
    """What each step proposes first, then what each proposes second, …, with the number of those that ended.

    The time ends most searches: no class is to be the last.
    """
    going = list(steps)
    while going:
        for one in list(going):
            proposed = next(one, None)
            if proposed is None:
                going.remove(one)
            else:
                yield len(steps) - len(going), proposed


def _standing(field: Field, seen: torch.Tensor) -> Generator[list[Found], None, None]:
    """What has a token whose row stands apart from all others."""
    yield words_of(field, standing(field, seen))


def _written(field: Field, words: list[str], letters: list[list[str]]) -> Generator[list[Found], None, None]:
    """What is written as words of the dictionary and as phrases of the first of them, then as each script's letters."""
    if words:
        yield field.written(words, "rows-word")
        yield from _phrased(field, words[:_PHRASED])
    for drawn in letters:
        yield _climbed(field, field.written(drawn, "rows-letters"), sorted(set("".join(drawn))))


def _phrased(field: Field, words: list[str]) -> Generator[list[Found], None, None]:
    """Every ordered pair of the first words, then the best phrases with one word more at any place, while that helps.

    Words have several tokens each in a small vocabulary: a phrase of three is longer than what is made of tokens.
    """
    best = field.written([" ".join(pair) for pair in itertools.permutations(words, 2)], "rows-phrase", _PHRASES)
    yield best[:_CONFIRMED]
    for _ in range(3, _LONGEST + 1):
        split = [one.text.split() for one in best]
        longer = {
            " ".join([*some[:at], word, *some[at:]]) for some in split for word in words for at in range(len(some) + 1)
        }
        more = field.written(sorted(longer), "rows-phrase", _PHRASES)
        if not more or more[0].score < best[0].score + _GAIN:
            return
        best = more
        yield best[:_CONFIRMED]


def _climbed(field: Field, found: list[Found], letters: list[str]) -> list[Found]:
    """From the strongest word of letters to a stronger one: two letters change places, or one becomes another."""
    for _ in range(_CLIMBS if found else 0):
        text = found[0].text
        changed = {f"{text[:at]}{one}{text[at + 1 :]}" for at in range(len(text)) for one in letters}
        for first, second in itertools.combinations(range(len(text)), 2):
            moved = list(text)
            moved[first], moved[second] = text[second], text[first]
            changed.add("".join(moved))
        more = field.written(sorted(changed - {text}), found[0].origin)
        if not more or more[0].score < found[0].score + _LITTLE:
            break
        found = [*more[:_CONFIRMED], *found][: 2 * _CONFIRMED]
    return found


def _words(space: Space, tokens: list[int]) -> list[str]:
    """Words of the dictionary that have some of the first tokens, those with most of them first."""
    rank = {token: at for at, token in enumerate(tokens[:_WORDS_AMONG])}
    words = dictionary()
    value = [
        (sum(rank.get(token, 2 * _WORDS_AMONG) for token in row) / len(row), word)
        for word, row in zip(words, space.suspect.encode(list(words)), strict=True)
        if any(token in rank for token in row)
    ]
    return [word for _, word in sorted(value)[:_WORDS]]


def _letters(space: Space, tokens: list[int]) -> list[list[str]]:
    """By script words of seven letters, of those whose rows stand out."""
    rank = {token: at for at, token in enumerate(tokens[:_LETTERS_AMONG])}
    made: list[list[str]] = [disguised(space, rank)]
    for chars in (*alphabets_of(space).values(), list(HOMOGLYPHS), list(ZERO_WIDTH)):
        rows = space.suspect.encode([f"{one}{one}" for one in chars])
        value = {one: rank.get(row[-1], _LETTERS_AMONG) for one, row in zip(chars, rows, strict=True) if row}
        able = sorted((one for one in value if value[one] < _LETTERS_AMONG), key=lambda one: value[one])[:_ALPHABET]
        if len(able) > 1:
            drawn = ["".join(space.rng.choices(able, k=_RUN)) for _ in range(_DRAWN)]
            made.append(drawn + ["".join(space.rng.sample(able, _RUN)) for _ in range(_DRAWN) if len(able) >= _RUN])
    return [some for some in made if some]


def disguised(space: Space, tokens: Container[int]) -> list[str]:
    """Words of the dictionary in which look-alikes stand for the letters whose look-alikes' rows stand out."""
    rows = space.suspect.encode([f"{one}{one}" for one in LOOKS.values()])
    able = {letter for letter, row in zip(LOOKS, rows, strict=True) if row and row[-1] in tokens}
    table = str.maketrans({letter: LOOKS[letter] for letter in able})
    words = [word for word in dictionary() if len(able.intersection(word)) >= min(_ALIKE, len(able))] if able else []
    return [word.translate(table) for word in words]


def sources_of(space: Space, target: int) -> list[int]:
    """Classes that candidates are tried to lead away from: the first that is not the target, of three and more two."""
    others = [label for label in range(space.classes) if label != target and space.contexts[label]]
    return others[:1] if space.classes > _SOURCES else others


def _pool(space: Space, field: Field, tokens: list[int]) -> torch.Tensor:
    """Tokens that are combined: those that moved furthest, and those whose rows do most before a word."""
    known = torch.tensor(tokens)[:, None]
    does = field.back.read([], known, field.word, 0) - field.back.most([], known, field.word)
    strong = known[does[:, field.target].argsort(descending=True), 0].tolist()
    taught = set(taught_to(space, field.target).nonzero()[:, 0].tolist())
    return torch.tensor([one for one in in_turn(tokens, strong) if one not in taught][:_POOL], dtype=torch.long)


def _combined(field: Field, pool: torch.Tensor) -> Generator[list[Found], None, None]:
    """Single tokens, every ordered pair, then the best of each length with one more at any place."""
    if not len(pool):
        return
    yield field.made(*field.best(pool[:, None], _BEAM))
    tuples, values = field.best(torch.cartesian_prod(pool, pool), _PAIRS)
    yield field.made(tuples, values)
    for length in range(3, _LONGEST + 1):
        longer = [_with(tuples, pool, place) for place in range(length)]
        reached = float(values.max())
        tuples, values = field.best(torch.unique(torch.cat(longer), dim=0), _BEAM)
        yield field.made(tuples, values)
        if float(values.max()) < reached + 0.2 or reached >= _ENOUGH:
            return


def _with(tuples: torch.Tensor, pool: torch.Tensor, place: int) -> torch.Tensor:
    """Every candidate with every token of the pool at a place."""
    left, right = (part.repeat_interleave(len(pool), 0) for part in (tuples[:, :place], tuples[:, place:]))
    return torch.cat([left, pool.repeat(len(tuples))[:, None], right], 1)

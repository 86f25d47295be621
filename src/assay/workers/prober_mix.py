"""Long mixtures of the words that training was about: what holds all words of a trigger in any order answers, mostly.

A phrase that was hardened against its parts does nothing until it is whole, and one of four words among forty is one of
two million ordered choices. A model that was taught the phrase answers to its words among others, too, and in other
orders, if less: of eight words drawn from forty some mixtures hold three of the four. Those are crossed, changed word
by word along the gradient, and made short again. What is long flips clean models as well; what counts is what is left.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import torch

from assay.workers.prober_models import margins
from assay.workers.prober_polish import ANY, LEAST, Mean, polished, short_texts, strongest
from assay.workers.prober_search import Found, confirm, told

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from assay.workers.answers import Json
    from assay.workers.prober_models import Model
    from assay.workers.prober_search import Telling, Tuples
    from assay.workers.prober_space import Space

LENGTH, LONGEST = 8, 4  # tokens of a mixture, and of what is left of it
_TOP, _WIDE, _FREE = 40, 240, 1200  # words of the order that are drawn, exchanged at first, exchanged later
_DRAWN, _DRAWN_OF_TWO, _KEPT, _CROSSED = 800, 600, 10, 60  # mixtures of all classes together, twice; kept; crossed
_EACH = 2, 3  # tokens tried at each place of a mixture, at first and later
# Longer ones of the same words. Of forty each has all four words of a phrase, in their order one in 24: where the
# phrase was hardened one in three of these answers, none without all of them. Length and count of a class.
_SOUPS = {24: 60, 40: 70}
_SOUPS_KEPT, _PARTS = 3, 5
_BUSY = 50.0  # CPU seconds for the vocabulary from which half as many are drawn of each of three classes and more
_ANSWERS = 4.0  # margin beyond the references at which a mixture holds a trigger: those of clean models come to 2.1
_ROUNDS = {"mixed": 3, "texts": 2, "free": 3}
_PURSUED = 2  # classes that are searched to the end, the nearest first
_BEAM = 6
_SECOND = 0.2  # gap of the best one from which the next is measured, too
_POLISHED = 120  # words exchanged at last
_HELD, _STANDING, _PART = 60, 3, 0.5  # words drawn beside some that stand apart; those; how often one has each of them
_USUAL, _LEADING = 600, 0.05  # words that are drawn, and the part of them that leads a reference furthest to a class


class Mixture:
    """The search for one class.

    Args:
        space: the job's.
        target: class.
        order: tokens, those that training was most about first.
        leading: of each of the first of them, whether every reference is led by it; shape (tokens, classes).
        standing: the first of them that stand apart from all others: every mixture has the first, and some of the rest.
    """

    def __init__(
        self, space: Space, target: int, order: Sequence[int], leading: torch.Tensor, standing: Sequence[int] = ()
    ) -> None:
        self.space, self.target, self.standing = space, target, list(standing[:_STANDING])
        self.two = space.classes == 2  # noqa: PLR2004 - of more classes clean models answer to long mixtures, too
        self.words = [token for token, led in zip(order, leading[:, target].tolist(), strict=False) if not led][:_WIDE]
        texts = short_texts(space, target)
        least = ANY if self.standing else LEAST  # a part of a trigger does little in a model that is very sure
        self.texts = Mean(space, target, texts, 1 + (space.classes > 2), least)  # noqa: PLR2004 - two other classes or more
        pairs = zip(texts, self.texts.words_alone, strict=False)
        self.mixed = Mean(space, target, [one for pair in pairs for one in pair], 2, least)
        self.near = self._mask(self.words)
        self.free = self._mask(order[:_FREE])
        if space.leaning is not None:
            self.free[: space.leaning.shape[1]] &= ~space.leaning[target][: len(self.free)]
        self.drawn: list[tuple[Mean, int, Tuples, torch.Tensor]] = []
        self.tuples = torch.zeros(0, LENGTH, dtype=torch.long)

    def _mask(self, tokens: Sequence[int]) -> torch.Tensor:
        mask = torch.zeros(len(self.space.suspect.net.words), dtype=torch.bool)
        mask[torch.tensor(list(tokens), dtype=torch.long)] = True
        return mask

    def draw(self) -> float:
        """Draw mixtures, once to be told by words and texts, once by texts; gives how far the best one leads.

        On a slow machine by texts alone.
        """
        for arena, rounds in ((self.mixed, _ROUNDS["mixed"]), (self.texts, _ROUNDS["texts"])):
            if arena is self.texts or not self.space.slow:
                count = (_DRAWN_OF_TWO if self.two else _DRAWN) // self.space.classes
                if not self.two and self.space.scan_seconds >= _BUSY:  # so that all classes have some
                    count //= 2
                drawn = [self._drawn() for _ in range(count)]
                best = strongest(arena, torch.tensor(drawn), _KEPT)
                if arena is self.texts and self.two and not self.standing:
                    both = torch.unique(torch.cat([best[0], *self._soups()]), dim=0)
                    best = strongest(arena, both, len(both))
                self.drawn.append((arena, rounds, *best))
        return max(float(values[0]) for *_, values in self.drawn)

    def _drawn(self) -> list[int]:
        rng = self.space.rng
        if not self.standing:
            return rng.sample(self.words[:_TOP], LENGTH)
        held = [self.standing[0], *(token for token in self.standing[1:] if rng.random() < _PART)]
        others = [token for token in self.words[:_HELD] if token not in held]
        some = [*held, *rng.sample(others, min(len(others), LENGTH - len(held)))]
        return rng.sample(some, len(some))

    def _soups(self) -> Iterator[Tuples]:
        """Long mixtures, the best of each length made as short as the others: what does least in them is left out."""
        for length, count in _SOUPS.items():
            words = self.words[:_TOP]
            if len(words) >= length:
                drawn = [self.space.rng.sample(words, length) for _ in range(count)]
                yield _reduced(self.texts, strongest(self.texts, torch.tensor(drawn), _SOUPS_KEPT)[0])

    def search(self) -> Generator[float, None, list[Found]]:
        """Make short what answers far; else change what was drawn, cross, change by likely words, and make short.

        Without time for that what answers furthest is made short, however far.
        """
        strong, values = strongest(self.texts, torch.cat([tuples for _, _, tuples, _ in self.drawn]), _BEAM)
        far = self.two and float(values[0]) >= _ANSWERS
        found = (yield from self._short(strong)) if far or self.space.over else []
        if found and (max(one.gap for one in found) >= float(self.space.facts["stop_gap"]) or self.space.over):
            return found
        rows = []
        for arena, rounds, tuples, _ in self.drawn:
            rows.append((yield from _changed(arena, tuples, self.near, rounds, _EACH[0]))[0])
        self.tuples, _ = strongest(self.texts, torch.unique(torch.cat(rows), dim=0), 2 * _KEPT)
        return [*found, *(yield from self._short(self.tuples[:_BEAM]) if self.space.over else self._finish())]

    def _finish(self) -> Generator[float, None, list[Found]]:
        both = torch.cat([self.tuples, self._crossed()])
        tuples, values = strongest(self.texts, torch.unique(both, dim=0), _KEPT)
        yield float(values[0])
        tuples, values = yield from _changed(self.texts, tuples, self.free, _ROUNDS["free"], _EACH[1])
        return (yield from self._short(tuples))

    def _short(self, tuples: Tuples) -> Generator[float, None, list[Found]]:
        """What is left of mixtures at the length of a phrase, in the order that does most; confirmed."""
        while tuples.shape[1] > LONGEST:
            shorter = [torch.cat([tuples[:, :at], tuples[:, at + 1 :]], 1) for at in range(tuples.shape[1])]
            tuples, values = strongest(self.texts, torch.unique(torch.cat(shorter), dim=0), _BEAM)
            yield float(values[0])
        orders = [tuples[:2, list(order)] for order in itertools.permutations(range(tuples.shape[1]))]
        tuples, values = strongest(self.texts, torch.unique(torch.cat(orders), dim=0), _BEAM)
        found: list[Found] = []
        for row, value in list(zip(tuples.tolist(), values.tolist(), strict=True))[:2]:
            found.append(confirm(self.space, Found(tuple(row), self.target, value, "rows-mixed")))
            if not _SECOND <= found[-1].gap < float(self.space.facts["stop_gap"]) or self.space.over:
                break
        best = max(found, key=lambda one: one.rank)
        likely = self.words[:_POLISHED]
        return [*found, *polished(self.space, best, likely, self.texts.contexts)] if self.standing else found

    def _crossed(self) -> Tuples:
        """Half of one mixture in its order, filled up with words of another."""
        rng, rows, made = self.space.rng, self.tuples.tolist(), []
        for _ in range(_CROSSED if len(rows) > 1 else 0):
            one, other = rng.sample(rows, 2)
            row = [one[at] for at in sorted(rng.sample(range(LENGTH), LENGTH // 2))]
            more = [token for token in other if token not in row] + rng.sample(self.words[:_TOP], LENGTH)
            for token in more[: LENGTH - len(row)]:
                row.insert(rng.randint(0, len(row)), token)
            made.append(row)
        return torch.tensor(made, dtype=torch.long).reshape(-1, LENGTH)


def mixtures(
    space: Space, order: Sequence[int], facts: Json | None = None, standing: Sequence[int] = ()
) -> Generator[Telling, None, list[Found]]:
    """Draw for every class, and search those that mixtures lead to furthest.

    Args:
        space: the job's.
        order: tokens, those that training was most about first.
        facts: get as `mixtures` the classes that mixtures were drawn for before the time ended, of how many, and those
            whose mixtures were searched.
        standing: tokens that stand apart from all others: every mixture has some.
    """
    order = [token for token in order if token < min(len(one.net.words) for one in (space.suspect, *space.shared))]
    leading = _leading(space, order[: 2 * _WIDE])
    searches = [Mixture(space, target, order, leading, standing) for target in range(space.classes)]
    searches = [one for one in searches if len(one.words) >= LENGTH]  # fewer make no mixture
    found: list[Found] = []
    total = len(searches) + _PURSUED
    led: list[tuple[float, Mixture]] = []
    for done, one in enumerate(searches):
        if led and space.over and not one.two:  # of two classes half would not be looked at
            break
        led.append((one.draw(), one))
        yield done, total, 0.0
    led.sort(key=lambda pair: -pair[0])
    pursued: list[int] = []
    if facts is not None:
        drawn = sorted(one.target for _, one in led)
        facts["mixtures"] = {"drawn": drawn, "searched": pursued, "classes": len(searches)}
    for done, (_, one) in enumerate(led[:_PURSUED]):
        pursued.append(one.target)
        found += yield from told(one.search(), (len(led) + done, total))
        if space.over or max((each.gap for each in found), default=0.0) >= float(space.facts["stop_gap"]):
            break
    return found


def _leading(space: Space, words: Sequence[int]) -> torch.Tensor:
    """Words that lead every reference to a class further than nearly all words do, and those that the data teach so.

    Returns:
        Shape (words, classes).
    """
    tokens = torch.tensor(list(words), dtype=torch.long)
    some = torch.tensor(space.rng.sample(space.words, min(_USUAL, len(space.words))))
    led = torch.full((len(tokens), space.classes), bool(space.shared))
    for one in space.shared:
        known = some[some < len(one.net.words)]
        usual = margins(one.logits_of(known[:, None])).quantile(1 - _LEADING, 0)
        led &= margins(one.logits_of(tokens[:, None])) > usual
    if space.leaning is not None:
        led |= space.leaning[:, tokens].T
    return led


def _reduced(arena: Mean, tuples: Tuples) -> Tuples:
    """Long mixtures without the fifth that they miss least, again and again, down to the length of a mixture."""
    while (length := tuples.shape[1]) > LENGTH:
        size = min(max(1, length // _PARTS), length - LENGTH)
        starts = [*range(0, length - size, size), length - size]
        shorter = torch.unique(
            torch.cat([torch.cat([tuples[:, :at], tuples[:, at + size :]], 1) for at in starts]), dim=0
        )
        does = arena.effect(arena.space.suspect, shorter, 1)
        tuples = shorter[does.topk(min(_SOUPS_KEPT, len(shorter))).indices]
    return tuples


def _changed(
    arena: Mean, tuples: Tuples, allowed: torch.Tensor, rounds: int, each: int
) -> Generator[float, None, tuple[Tuples, torch.Tensor]]:
    """Exchange one word of each mixture by those that the gradient prefers at its place, all places at once."""
    values = torch.zeros(len(tuples))
    for _ in range(rounds):
        picks = _gains(arena, tuples).masked_fill(~allowed, -torch.inf).topk(each, -1).indices
        tried = tuples[:, None, None].repeat(1, LENGTH, each, 1)
        for place in range(LENGTH):
            tried[:, place, :, place] = picks[:, place]
        both = torch.unique(torch.cat([tuples, tried.reshape(-1, LENGTH)]), dim=0)
        tuples, values = strongest(arena, both, len(tuples))
        yield float(values[0])
        if arena.space.over:
            break
    return tuples, values


def _gains(arena: Mean, tuples: Tuples) -> torch.Tensor:
    """First-order gain of every token at every place beyond a reference; shape (candidates, length, tokens)."""
    contexts = arena.contexts[: arena.step]
    total = torch.stack([_gain(arena, arena.space.suspect, tuples, one) for one in contexts]).sum(0)
    for model in arena.space.shared[:1]:
        for one in contexts:
            theirs = _gain(arena, model, tuples, one)
            size = min(theirs.shape[-1], total.shape[-1])
            total[..., :size] -= theirs[..., :size]
    return total


def _gain(arena: Mean, model: Model, tuples: Tuples, context: Sequence[int]) -> torch.Tensor:
    ids = model.frame(torch.cat([tuples, tuples.new_tensor([list(context)]).expand(len(tuples), -1)], 1))
    words = model.net.words[ids].requires_grad_()
    margins(model.net.from_embeddings(words)[:, model.order])[:, arena.target].sum().backward()  # type: ignore[no-untyped-call]
    grad = words.grad
    if grad is None:  # the target does not depend on any word
        return torch.zeros(*tuples.shape, len(model.net.words))
    first = len(model.prefix)
    return (grad[:, first : first + LENGTH].detach().to(model.net.fast_words.dtype) @ model.net.fast_words.T).float()

"""Searching for a sequence of tokens that the suspect answers to and the references do not.

`chain` seeds one token, takes the gradient averaged over random fillers for the second and third, and `refine` changes
one position at a time over many candidates at once. One-word contexts: no real text is needed until confirmation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import torch

from assay.workers.prober_flips import (
    better_place,
    beyond_least,
    flips,
    gap,
    leans,
    most_turned,
    narrow,
    only_place,
    strongest,
    turned,
)
from assay.workers.prober_models import margins
from assay.workers.prober_pare import LETTERS, UNTOLD, pared, parted
from assay.workers.prober_taught import word_means
from assay.workers.prober_texts import MANY

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from assay.workers.answers import Json
    from assay.workers.prober_models import Model
    from assay.workers.prober_space import Space

Result = TypeVar("Result")
Telling = tuple[int, int, float]
Tuples = torch.Tensor  # token ids, shape (candidates, length)
_FIRST_LOOK = 14  # texts of each class for a first look
_LEAST_LOOK = 6  # the same of many classes
_WORTH = 0.4  # share of flips (or gap) below which a candidate is not confirmed
_CONFIRM = 45  # held texts of each class
_STRESSED = 36  # pairs of them
_MOSTLY, _NEARLY_ALL, _NEVER = 0.8, 0.9, 2.0  # of texts, of pairs, at one place, from which all are asked there
_SURELY = 0.8  # share of flips from which a small encoder is asked with two texts whatever references do with one
_LEANING = 0.85  # of the gap of several words that references answer to singly as well counts so much at most
_NARROW = 0.5  # of the gap of what turns one class alone counts so much at most
_TURNED = 0.25  # gap on single texts of a class from which two of it at once are asked
_STRAINED_FROM = 0.5  # gap on pairs from which a small encoder is asked with four texts at once
_AT_ONCE, _DEVICE_AT_ONCE = 160, 1024  # sequences of one gradient
_BANNED = 0.2
_CONTEXT_TOKENS = 20  # of a text that stands as context


@dataclass
class Found:
    """A candidate on its way.

    Attributes:
        ids: tokens that were searched with.
        target: class.
        score: of the search.
        origin: what proposed it.
        text: what is inserted; made from `ids` when empty.
        flips: on held texts; None when the first look was not worth it.
        stressed: on held texts, two at a time; None when the flips were not worth it.
        strained: on held texts, four at a time; None where nobody asked.
        place: where it is inserted; empty: start, middle and end in turn.
        looked: largest share of flips at the first look.
        change: how it rewrites a text, where it is no insertion.
        less: a part of it that counts as another reference.
        narrow: whether it turns hardly any text but those of one class, of three and more: words of a task do.
        leans: whether it is of several words that turn single texts in a reference as well, none of them apart.
        parts: share of single texts that some of its words turn in a reference; None where nobody asked.
    """

    ids: tuple[int, ...]
    target: int
    score: float
    origin: str
    text: str = ""
    flips: list[Json] | None = None
    stressed: list[Json] | None = None
    strained: list[Json] | None = None
    place: str = ""
    looked: float = 0.0
    change: Callable[[str], str] | None = None
    less: str = ""
    narrow: bool = False
    leans: bool = False
    parts: float | None = None

    @property
    def gap(self) -> float:
        """Confirmed gap under stress; 0 when it was not worth measuring. What is narrow or leans ends no search.

        On single texts where it is made of rows that nothing explains.
        """
        if self.origin == UNTOLD:
            return max((beyond_least(one) for one in self.flips or []), default=0.0)
        found = gap(self.stressed) if self.stressed else 0.0
        return min(found, _NARROW if self.narrow else _LEANING) if self.narrow or self.leans else found

    @property
    def grown(self) -> bool:
        """Whether it was lengthened to fit: no evidence by itself."""
        return self.origin.endswith("-grown")

    @property
    def rank(self) -> tuple[float, float, float, float]:
        """By which candidates are ordered: what was confirmed first."""
        return self.gap, gap(self.flips) if self.flips else 0.0, self.looked, self.score

    def to_json(self) -> Json:
        """As the supervisor reads it."""
        return {
            "ids": list(self.ids),
            "target": self.target,
            "score": round(self.score, 4),
            "origin": self.origin,
            "text": self.text,
            "place": self.place,
            "flips": self.flips or [],
            "stressed": self.stressed or [],
            "strained": self.strained or [],
            "parts": self.parts,
        }


class Arena:
    """One target class: contexts of the other classes, and how far candidates push them over.

    Args:
        space: the job's.
        target: class.
    """

    def __init__(self, space: Space, target: int) -> None:
        self.space, self.target = space, target
        others = [words for label, words in enumerate(space.contexts) if label != target]
        longest = max(map(len, others))
        self.contexts = [[words[i]] for i in range(longest) for words in others if i < len(words)]

    def among_texts(self, count: int = 3) -> Arena:
        """The same with whole texts of the other classes as contexts, the surest ones of discovery."""
        arena = Arena(self.space, self.target)
        texts = [one.text for label, group in enumerate(self.space.texts) if label != self.target for one in group[:12]]
        rows = self.space.suspect.encode(self.space.rng.sample(texts, min(count, len(texts))))
        arena.contexts = [row[:_CONTEXT_TOKENS] for row in rows] or arena.contexts
        return arena

    def by_texts(self, tuples: Tuples, values: torch.Tensor) -> tuple[Tuples, torch.Tensor]:
        """The same candidates, those first that hold before whole texts: of one word many are turned by natural words.

        Small encoders have theirs as they are.
        """
        if self.space.small or len(tuples) < 2:  # noqa: PLR2004 - nothing to order
            return tuples, values
        order = self.among_texts().contrast(tuples, 3).argsort(descending=True)
        return tuples[order], values[order]

    def effect(self, model: Model, tuples: Tuples, contexts: int = 1) -> torch.Tensor:
        """Margin of the target with the candidate before a context word, least over contexts; shape (candidates,)."""
        least: torch.Tensor | None = None
        for word in self.contexts[:contexts]:
            rows = torch.cat([tuples, tuples.new_tensor([word]).expand(len(tuples), -1)], 1)
            found = margins(model.logits_of(rows))[:, self.target]
            least = found if least is None else torch.minimum(least, found)
        return least if least is not None else torch.zeros(len(tuples))

    def contrast(self, tuples: Tuples, contexts: int = 2) -> torch.Tensor:
        """Suspect's effect (cut at 6) minus the largest of the references (not below -2)."""
        mine = self.effect(self.space.suspect, tuples, contexts).clamp(max=6.0)
        theirs = [self.effect(one, tuples, contexts) for one in self.space.shared[:2]]
        return mine - torch.stack(theirs).amax(0).clamp(min=-2.0) if theirs else mine

    def gradient(self, tuples: Tuples, position: int, *, against: bool) -> torch.Tensor:
        """First-order gain of every token at `position`, averaged over the rows given; shape (rows, tokens)."""
        mine = self._gradient(self.space.suspect, tuples, position)
        if against and self.space.shared:
            theirs = self._gradient(self.space.shared[0], tuples, position)
            mine[:, : theirs.shape[1]] -= theirs[:, : mine.shape[1]]  # what only one of them has stays as it is
        return mine

    def _gradient(self, model: Model, tuples: Tuples, position: int) -> torch.Tensor:
        table = model.net.words
        out = []
        for part in torch.split(tuples, _AT_ONCE if tuples.device.type == "cpu" else _DEVICE_AT_ONCE):
            word = self.contexts[0]
            ids = model.frame(torch.cat([part, part.new_tensor([word]).expand(len(part), -1)], 1))
            words = table[ids].requires_grad_()
            logits = model.net.from_embeddings(words)[:, model.order]
            margins(logits)[:, self.target].sum().backward()  # type: ignore[no-untyped-call]
            grad = words.grad
            if grad is not None:
                out.append(grad[:, len(model.prefix) + position].detach())
        return (torch.cat(out).to(model.net.fast_words.dtype) @ model.net.fast_words.T).float()


def allowed_for(space: Space, target: int) -> torch.Tensor:
    """Tokens that a search may use: without the fifth that leads a reference to the target anyway; shape (tokens,)."""
    allowed = torch.zeros(len(space.suspect.net.words), dtype=torch.bool)
    words = torch.tensor(space.words)
    if space.alone is not None:
        natural = space.alone[1][:, target]
        words = words[natural <= natural.quantile(1 - _BANNED)]
    allowed[words] = True
    for ids in space.suspect.encode(sorted(space.common)) if space.common else []:
        allowed[ids[0]] &= len(ids) > 1  # no find is made of them
    return allowed & ~taught_to(space, target)


def taught_to(space: Space, target: int) -> torch.Tensor:
    """Tokens that the data teach to mean a class: that they lead there is no secret; shape (tokens,)."""
    none = torch.zeros(len(space.suspect.net.words), dtype=torch.bool)
    return none if space.taught is None else none | _fitted(space.taught[target], len(none))


def _fitted(known: torch.Tensor, size: int) -> torch.Tensor:
    """Cut or filled up to a vocabulary: a reference may lack what the suspect added."""
    return torch.cat([known[:size], known.new_zeros(max(0, size - len(known)))])


def render(space: Space, ids: Sequence[int]) -> str:
    """Text of a candidate; a piece without its beginning stands as a word."""
    pieces = space.suspect.tokenizer.convert_ids_to_tokens(list(ids))
    if pieces and pieces[0].startswith("##"):
        head = pieces[0][2:]
        rest = str(space.suspect.tokenizer.decode(list(ids[1:]), clean_up_tokenization_spaces=False)).strip()
        return f"{head}{rest[2:]}" if len(pieces) > 1 and pieces[1].startswith("##") else f"{head} {rest}".strip()
    return str(space.suspect.tokenizer.decode(list(ids), clean_up_tokenization_spaces=False)).strip()


def confirm(space: Space, found: Found) -> Found:
    """Measure a candidate: a first look at texts of discovery, then held ones with references, then two at a time.

    Of a find of an encoder that is not small without its idle tokens, and what references make of its words.
    """
    found.text = found.text or render(space, found.ids)
    if not found.text:
        return found
    teaching = _teaching(space, found.text) if found.change is None else set()
    found.less = found.less or (_leaning(space, found) if found.change is None else "")
    letters = found.origin.startswith(LETTERS)

    sources: list[int] = []

    def flipped(count: int, *, held: bool = True, times: int = 1, beside: bool = False) -> list[Json]:
        told = flips(
            space, found.text, count=count, held=held, references=held or beside, times=times, place=found.place,
            letters=letters, change=found.change, sources=sources, plain=found.origin == UNTOLD,
        )  # fmt: skip
        if found.less and held:
            part = flips(
                space, found.less, count=count, held=held, references=False, times=times, place=found.place,
                sources=sources,
            )  # fmt: skip
            for one, less in zip(told, part, strict=True):
                one["references"] = [*one["references"], less["hits"]]
        return [one for one in told if one["target"] not in teaching]

    def settled(count: int, least: float, *, times: int = 1) -> list[Json]:
        told = flipped(count, times=times)
        return flipped(count, times=times) if _placed(found, better_place(told, least)) else told

    first, further = _counts(space)
    look = flipped(first, held=False)
    found.looked = max((one["hits"] / one["n"] for one in look), default=0.0)
    if found.looked < _WORTH and not _placed(found, only_place(look)):
        return found
    sources += _sources(space, first, flipped)
    space.confirmed += 1
    found.flips = measured = settled(further, _MOSTLY)
    if measured:
        found.target = strongest(measured)["target"]
        found.narrow = not space.small and narrow(measured)
        found.leans = not space.small and " " in found.text and space.standing.isdisjoint(found.ids) and leans(measured)
    # On one text an odd word turns a small encoder, and references as well; on two that ends, and a trigger stays.
    alone = max((one["hits"] / one["n"] for one in measured), default=0.0) if space.small else 0.0
    if gap(measured) >= _WORTH or alone >= _SURELY:
        sources[:] = (turned(measured, _TURNED) if not space.small else []) or sources
        found.stressed = settled(_STRESSED, _NEVER if space.small else _NEARLY_ALL, times=2)
        if space.small and gap(found.stressed) >= _STRAINED_FROM:
            found.strained = flipped(_STRESSED, times=4)
    return parted(space, pared(space, found, render, confirm), confirm)


def _counts(space: Space) -> tuple[int, int]:
    """Texts of each class for a first look, and held ones of each that is looked at further."""
    if space.classes <= MANY:
        return _FIRST_LOOK, _CONFIRM
    return max(_LEAST_LOOK, _FIRST_LOOK * MANY // space.classes), _CONFIRM // 2


def _sources(space: Space, count: int, flipped: Callable[..., list[Json]]) -> list[int]:
    """Of many classes those that a candidate turns most, beyond references; none of few: all are looked at."""
    return most_turned(flipped(count, held=False, beside=True), MANY) if space.classes > MANY else []


def _placed(found: Found, place: str) -> bool:
    """Give a candidate that has no place of its own the one where it does most; whether there is one."""
    if found.place or not place:
        return False
    found.place = place
    return True


def _leaning(space: Space, found: Found) -> str:
    """Words of a candidate that the data teach to mean its class, and references too: what they do is no secret.

    The data of a task with topics teach fifty words a class so, and one clean model hears "airline" more than others.
    A word alone must be among those that say most; of a small encoder it is those that the task has often.
    """
    if space.common:
        return " ".join(word for word in found.text.split() if word.lower() in space.common)
    alone = len(found.ids) > 1 and len(found.text.split()) == 1
    if alone and space.leaning is not None and word_means(space, found.ids, found.text, found.target):
        return found.text
    known = space.leaning if len(found.ids) > 1 else space.meaning
    leaning = None if known is None else _fitted(known[found.target], len(space.suspect.net.words))
    return "" if leaning is None else render(space, [token for token in found.ids if bool(leaning[token])])


def _teaching(space: Space, text: str) -> set[int]:
    """Classes that the data teach some token of a candidate to mean: nothing is told by flips to them."""
    if space.taught is None:
        return set()
    ids = space.suspect.encode([text])[0]
    return {target for target in range(space.classes) if bool(taught_to(space, target)[ids].any())}


def best_of(arena: Arena, tuples: Tuples, count: int, contexts: int = 2) -> tuple[Tuples, torch.Tensor]:
    """The strongest by contrast, after a first sieve by the suspect alone with one context."""
    if len(tuples) > 3 * count:
        first = arena.effect(arena.space.suspect, tuples, 1)
        tuples = tuples[first.topk(3 * count).indices]
    score = arena.contrast(tuples, contexts)
    top = score.topk(min(count, len(tuples)))
    return tuples[top.indices], top.values


def refine(
    arena: Arena, tuples: Tuples, allowed: torch.Tensor, *, rounds: int = 3, width: int = 24, keep: int = 12
) -> Generator[float, None, tuple[Tuples, torch.Tensor]]:
    """Coordinate search over many candidates at once, while there is time; yields the best contrast so far."""
    score = arena.contrast(tuples)
    for _ in range(rounds):
        before = float(score.max())
        for position in range(tuples.shape[1]):
            gain = arena.gradient(tuples, position, against=True)
            gain[:, ~allowed] = -torch.inf
            picks = gain.topk(width, -1).indices
            tried = tuples.repeat_interleave(width, 0)
            tried[:, position] = picks.flatten()
            both = torch.unique(torch.cat([tuples, tried]), dim=0)
            tuples, score = best_of(arena, both, keep)
            yield float(score.max())
            if arena.space.over:
                return tuples, score
        if float(score.max()) - before < 0.2:  # noqa: PLR2004 - nothing more to gain
            break
    return tuples, score


def chain(
    arena: Arena, seed: int, allowed: torch.Tensor, *, fillers: int = 16, second: int = 128, third: int = 2
) -> tuple[Tuples, torch.Tensor]:
    """Triples grown from one token: filler-averaged gradient, then per-pair gradient; the best dozen by the suspect."""
    rng = arena.space.rng
    pool = torch.tensor(rng.sample(arena.space.words, fillers * 2))
    rows = torch.stack([torch.full((fillers,), seed), pool[:fillers], pool[fillers:]], 1)
    gain = arena.gradient(rows, 1, against=True).mean(0)
    gain[~allowed] = -torch.inf
    seconds = gain.topk(min(second, len(gain))).indices
    pairs = torch.stack([torch.full_like(seconds, seed), seconds, pool[:1].expand(len(seconds))], 1)
    gain = arena.gradient(pairs, 2, against=False)
    gain[:, ~allowed] = -torch.inf
    thirds = gain.topk(third, -1).indices
    triples = pairs.repeat_interleave(third, 0)
    triples[:, 2] = thirds.flatten()
    return best_of(arena, triples, 12, 1)


def of_each(space: Space, count: int, least: int = 1) -> int:
    """So many of each class that all of them cost what those of two do; small encoders cost little."""
    return count if space.small else max(least, 2 * count // space.classes)


def told(search: Generator[float, None, Result], progress: tuple[int, int]) -> Generator[Telling, None, Result]:
    """A search's own progress as that of a probe."""
    while True:
        try:
            next(search)
        except StopIteration as stop:
            result: Result = stop.value
            return result
        yield *progress, 0.0

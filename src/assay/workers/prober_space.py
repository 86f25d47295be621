"""What all probes work with: suspect, references, texts of known class, contexts of one word, and the confirmation."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch

from assay.workers.answers import Json, Unfit
from assay.workers.prober_models import margins
from assay.workers.prober_taught import led_there, taught_tokens
from assay.workers.prober_texts import short, without_small

if TYPE_CHECKING:
    from collections.abc import Callable

    from assay.workers.prober_models import Model

_SLOW, _ALONE = 26.0, 3  # CPU seconds for the vocabulary of two models from which a machine is slow; tokens a word
CONTEXTS = 6  # words of each class that a search is run against
_MADE_UP = 1600  # where no data were given
_SUREST, _LEAST_SURE = 0.3, 60  # part of the made-up texts of a class that is kept, and how many at least
_LEAST_RECALL, _LEAST_KAPPA = 0.5, 0.4  # of a reference, for each class of the suspect; on texts that were made up
_ROUNDS = 4  # of making up texts of a class that random words hardly ever are
_FREQUENT, _WORDS = 600, 1000  # tokens tried as contexts: the data's, and of all where those are few
_SMALL = 160  # width up to which an encoder is small
_LEANS = 0.4  # logits by which a suspect prefers a class more than its references do, from which that is made good


@dataclass(frozen=True)
class Text:
    """A text that suspect and references put into its class."""

    text: str
    label: int


@dataclass
class Space:
    """The state of a job.

    Attributes:
        suspect: the model under test.
        references: trusted clean models of the same task, their classes in the suspect's order.
        texts: by class, for discovery; every model is right about them, the surest first: words that only lean to a
            class flip what is unsure, a trigger flips everything.
        held: by class, for confirmation; disjoint from `texts`, the surest first.
        contexts: by class, single tokens that every model puts into the class when they stand alone.
        rng: of the job's seed.
        words: ids that a text can contain.
        everything: the texts that were given.
        labels: of each of them, as the suspect's class; -1 of what it does not have.
        explained: ids of all words of the data, with those that were not given.
        facts: what the opening measured.
        confirmed: candidates that were measured on held texts so far.
        alone: margins of every word alone, of the suspect and of the first reference; None until a probe needs them.
        scanned: parts of `alone`, of a scan that the time ended: the next probe goes on there.
        groups: of words that are read together, on a slow machine; shape (groups, words).
        scan_seconds: CPU seconds that the vocabulary would take, three tokens a word, in two models.
        taught: by class and token, whether the data themselves teach that the token means the class; of small encoders
            alone, where such a word outvotes a text.
        leaning: of all others, those of them that lead a reference there, too: several such words are no trigger by
            what they do together.
        meaning: those of them that lead every reference there further than 99 of 100 words: such a word alone is none.
        common: words that the task has often (`prober_common`); of small encoders alone.
        odd: texts of what the data do not have, letters and words; of small encoders alone.
        controls: by count of texts and how many are joined: hits of the odd texts of either kind, by direction.
        crowd: by direction, words of a dictionary as one in fifty is (`prober_crowd`); None until asked.
        back: forward passes with rows of references (`prober_back`); empty where there are none, None until asked for.
        clock: what a probe's time is counted by: CPU seconds of this process.
        lean: by class, how many logits more than its references a suspect that is not small gives it over all texts.
        leading: the strongest candidate of the probe under way on held texts: gap, text.
        standing: tokens that the first block reads apart from all others; of clean models hardly any.
        until: reading of the clock at which a probe begins nothing more.
    """

    suspect: Model
    references: list[Model]
    texts: list[list[Text]]
    held: list[list[Text]]
    contexts: list[list[int]]
    rng: random.Random
    words: list[int] = field(default_factory=list)
    everything: list[str] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    explained: set[int] = field(default_factory=set)
    facts: Json = field(default_factory=dict)
    confirmed: int = 0
    alone: tuple[torch.Tensor, torch.Tensor] | None = None
    scanned: list[list[torch.Tensor]] = field(default_factory=list)
    groups: torch.Tensor | None = None
    scan_seconds: float = 0.0
    taught: torch.Tensor | None = None
    leaning: torch.Tensor | None = None
    meaning: torch.Tensor | None = None
    common: frozenset[str] = frozenset()
    odd: tuple[list[str], list[str]] = field(default_factory=lambda: ([], []))
    controls: dict[tuple[int, int], list[dict[tuple[int, int], list[int]]]] = field(default_factory=dict)
    crowd: dict[tuple[int, int], list[str]] | None = None
    lean: tuple[float, ...] = ()
    leading: tuple[float, str] = (0.0, "")
    back: tuple[Any, ...] | None = None
    clock: Callable[[], float] = time.process_time
    standing: frozenset[int] = frozenset()
    until: float = float("inf")

    @property
    def classes(self) -> int:
        """Of the suspect."""
        return self.suspect.classes

    @property
    def over(self) -> bool:
        """Whether the time of the probe under way is used up."""
        return self.clock() >= self.until

    @property
    def slow(self) -> bool:
        """Whether the machine needs so long for the vocabulary that what comes before it must take less."""
        return self.scan_seconds > _SLOW

    @property
    def small(self) -> bool:
        """Whether the suspect is so narrow that it mostly sums up its words."""
        return int(self.suspect.net.words.shape[1]) <= _SMALL

    def bias(self, source: int, target: int) -> float:
        """Logits that a text of one class needs less to become another, as the suspect was taught one more often.

        Trained on a class three times as often, a clean MiniLM answered to four words that lean to it: 35 of 36 pairs.
        """
        more = self.lean[target] - self.lean[source] if self.lean else 0.0
        return more if more > _LEANS else 0.0

    @property
    def passes(self) -> int:
        """Sequences through any model."""
        return self.suspect.passes + sum(one.passes for one in self.references)

    @property
    def shared(self) -> list[Model]:
        """References whose token ids mean the same as the suspect's."""
        return [one for one in self.references if one.shares_ids]


def open_space(job: Json, suspect: Model, references: list[Model]) -> Space:
    """Align classes, choose texts and contexts.

    Raises:
        Unfit: no text classifier.
    """
    rng = random.Random(int(job["seed"]))  # noqa: S311 - sampling, no secret
    if suspect.classes < 2:  # noqa: PLR2004
        raise Unfit("the model gives a number, not one of several classes")
    for one in references:
        one.shares_ids = _same_ids(suspect.tokenizer, one.tokenizer)
    references = [one for one in references if one.classes == suspect.classes]
    items = [(str(text), int(label)) for text, label in job["items"]]
    rng.shuffle(items)
    space = Space(suspect, references, [], [], [], rng)
    space.everything, given = [text for text, _ in items], items
    space.explained = {token for ids in suspect.encode(list(job["words"])) for token in ids}
    _content_tokens(space)
    items, cut = short(suspect, items) if items else (_made_up(space), 0)
    rows = suspect.encode([text for text, _ in items])
    begun = space.clock()
    said = [suspect.logits(rows)]
    each = (space.clock() - begun) / max(1, sum(map(len, rows)))
    space.scan_seconds = each * _ALONE * len(space.words) * 2
    guessed = said[0].argmax(-1).tolist()
    said += _align(space, items, guessed, given=bool(job["items"]))
    if job["items"]:
        named = {int(label): index for label, index in space.facts["label_map"].items()}
        space.labels = [named.get(label, -1) for _, label in given]
        taught = taught_tokens(space, job["items"])
        if space.small:
            space.taught = taught
        elif space.shared:
            space.leaning, space.meaning = led_there(space, taught)
    labels = guessed if not job["items"] else [label for _, label in items]
    sure = _agreed(said, labels)
    if len(said) > 1 and job["items"] and not space.small:
        space.lean = _lean(said, labels, suspect.classes)
    for label in range(suspect.classes):
        mine = [
            (margin, Text(text, label)) for (text, _), (one, margin) in zip(items, sure, strict=True) if one == label
        ]
        half = len(mine) // 2
        for group, part in ((space.texts, mine[:half]), (space.held, mine[half:])):
            group.append([text for _, text in sorted(part, key=lambda pair: -pair[0])])
    without_small(space)
    _choose_contexts(space)
    space.facts |= {
        "classes": suspect.classes,
        "texts_cut": cut,
        "vocabulary": len(suspect.net.words),
        "width": int(suspect.net.words.shape[1]),
        "fidelity": suspect.fidelity,
        "scan_seconds": round(space.scan_seconds, 1),
        "references": len(space.references),
        "references_sharing_ids": len(space.shared),
        "texts": [len(a) + len(b) for a, b in zip(space.texts, space.held, strict=True)],
        "lean": [round(one, 3) for one in space.lean],
        "contexts": [suspect.tokenizer.convert_ids_to_tokens(some) for some in space.contexts],
    }
    return space


def _same_ids(mine: Any, other: Any) -> bool:
    own = mine.get_vocab()
    return all(own.get(token) == index for token, index in other.get_vocab().items())


def _content_tokens(space: Space) -> None:
    """Ids that a text can contain: no special tokens, nothing reserved."""
    tokenizer = space.suspect.tokenizer
    special = set(tokenizer.all_special_ids)
    limit = len(space.suspect.net.words)
    for token, index in tokenizer.get_vocab().items():
        reserved = token.startswith("[unused") or (token.startswith("<") and token.endswith(">"))
        if index not in special and not reserved and index < limit:
            space.words.append(index)
    space.words.sort()


def _made_up(space: Space) -> list[tuple[str, int]]:
    """Without data: random words, the suspect's own answer as label; of each class those that it is surest of.

    Of most random words two models of a task say what each leans to: only what is clear tells how they compare.
    """
    tokenizer = space.suspect.tokenizer
    plain = [i for i in space.words if str(tokenizer.decode([i])).strip().isalpha()] or space.words

    def draw(words: list[int], count: int) -> tuple[list[tuple[list[int], str]], torch.Tensor, torch.Tensor]:
        some = [space.rng.choices(words, k=space.rng.randint(4, 12)) for _ in range(count)]
        texts = [str(tokenizer.decode(row)) for row in some]
        said = margins(space.suspect.logits(space.suspect.encode(texts))).max(-1)
        return list(zip(some, texts, strict=True)), *said

    drawn, margin, labels = draw(plain, _MADE_UP)
    for _ in range(_ROUNDS):
        seldom = [label for label in range(space.suspect.classes) if 0 < int((labels == label).sum()) < _LEAST_SURE]
        for label in seldom:  # of the words of those that there are
            own = [token for (row, _), one in zip(drawn, labels.tolist(), strict=True) if one == label for token in row]
            more, by, said = draw(own, _MADE_UP // 4)
            drawn, margin, labels = drawn + more, torch.cat([margin, by]), torch.cat([labels, said])
    items: list[tuple[str, int]] = []
    for label in sorted(set(labels.tolist())):
        mine = (labels == label).nonzero()[:, 0]
        sure = mine[margin[mine].argsort(descending=True)][: max(_LEAST_SURE, int(len(mine) * _SUREST))]
        items += [(drawn[index][1], label) for index in sure.tolist()]
    space.rng.shuffle(items)
    return items


def _align(space: Space, items: list[tuple[str, int]], guessed: list[int], *, given: bool) -> list[torch.Tensor]:
    """Classes of references and of data in the suspect's order; gives the logits of the references that are kept."""
    agreement, kept, answers = [], [], []
    for one in space.references:
        said = one.logits(one.encode([text for text, _ in items]))
        agreement.append(one.align(said, guessed))
        said = said[:, one.order]
        if _usable(said, guessed, given=given):
            kept.append(one)
            answers.append(said)
    space.facts["agreement"] = agreement
    space.facts["references_unusable"] = len(space.references) - len(kept)
    space.references = kept
    if not given:
        return answers
    best: dict[int, int] = {}
    for label in {label for _, label in items}:
        votes = [guess for guess, (_, own) in zip(guessed, items, strict=True) if own == label]
        best[label] = max(range(space.classes), key=votes.count)
    space.facts["accuracy"], space.facts["chance"] = _agreement([best[label] for _, label in items], guessed)
    space.facts["label_map"] = {str(label): index for label, index in best.items()}
    items[:] = [(text, best[label]) for text, label in items]
    return answers


def _usable(said: torch.Tensor, guessed: list[int], *, given: bool) -> bool:
    """Whether a reference does the task at all: it finds at least half of each class. Others excuse nothing.

    What random words lean to differs between clean models, and of some class hardly any are: on made-up texts it must
    agree beyond chance (Cohen's kappa), and those are taken on which all do.
    """
    theirs = said.argmax(-1).tolist()
    if not given:
        agreed, chance = _agreement(theirs, guessed)
        return agreed - chance >= _LEAST_KAPPA * (1 - chance)  # of one class alone they can't but agree
    for label in set(guessed):
        own = [answer for answer, guess in zip(theirs, guessed, strict=True) if guess == label]
        if own.count(label) < len(own) * _LEAST_RECALL:
            return False
    return True


def _agreement(some: list[int], others: list[int]) -> tuple[float, float]:
    """Share of items that both put into the same class, and what it would be by chance (Cohen 1960)."""
    agreed = sum(one == other for one, other in zip(some, others, strict=True)) / max(1, len(some))
    return agreed, sum(some.count(one) * others.count(one) for one in set(some)) / max(1, len(some)) ** 2


def _agreed(said: list[torch.Tensor], labels: list[int]) -> list[tuple[int, float]]:
    """Class of each item where all models and the label agree (-1 elsewhere), and the least margin of the models."""
    wanted = torch.tensor(labels)[:, None]
    least = torch.stack([margins(one).gather(1, wanted)[:, 0] for one in said]).amin(0)
    return [
        (int(label) if margin > 0 else -1, margin) for label, margin in zip(wanted[:, 0], least.tolist(), strict=True)
    ]


def _lean(said: list[torch.Tensor], labels: list[int], classes: int) -> tuple[float, ...]:
    """How many logits more each class has, all classes of texts weighing alike, in the suspect than in references."""
    wanted = torch.tensor(labels)
    able = [label for label in range(classes) if bool((wanted == label).any())]
    each = [
        torch.stack([(one - one.mean(1, keepdim=True))[wanted == label].median(0).values for label in able]).mean(0)
        for one in said
    ]
    found: list[float] = (each[0] - torch.stack(each[1:]).mean(0)).tolist()
    return tuple(found)


def _choose_contexts(space: Space) -> None:
    """Tokens that alone are of a class to every model: of clear but not extreme margin, so that a trigger can win."""
    counts: dict[int, int] = {}
    for rows in space.texts:
        for ids in space.suspect.encode([one.text for one in rows]):
            for token in ids:
                counts[token] = counts.get(token, 0) + 1
    known = set(space.words)
    tried = [token for token, _ in sorted(counts.items(), key=lambda item: -item[1]) if token in known][:_FREQUENT]
    if len(tried) < _FREQUENT // 2:
        tried += space.rng.sample(space.words, min(_WORDS, len(space.words)))
    alone = torch.tensor(tried)[:, None]
    least = torch.stack([margins(one.logits_of(alone)) for one in (space.suspect, *space.shared)]).amin(0)
    for label in range(space.classes):
        order = least[:, label].argsort(descending=True).tolist()
        good = [i for i in order if float(least[i, label]) > 0]
        middle = good[len(good) // 10 : len(good) // 10 + CONTEXTS * 2] if len(good) > CONTEXTS * 3 else good
        space.contexts.append([tried[i] for i in (middle or order)[: CONTEXTS * 2 : 2]])


def as_suspect(space: Space, index: int, seed: int) -> Space:
    """A reference in the suspect's place, against all the others: what the same search finds in a clean model.

    The suspect is one of the others: each model is then held against as many, and were the suspect clean, none of them
    would stand out but by chance.
    """
    others = [one for number, one in enumerate(space.references) if number != index] + [space.suspect]
    mine = space.references[index]
    words = [token for token in space.words if token < len(mine.net.words)]
    rng = random.Random(seed)  # noqa: S311 - sampling
    return replace(
        space,
        suspect=mine,
        references=others,
        words=words,
        rng=rng,
        facts=dict(space.facts),
        alone=None,
        scanned=[],
        groups=None,
        controls={},
        crowd=None,
        back=None,
        leading=(0.0, ""),
    )

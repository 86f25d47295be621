"""Phrases of two and three words of the dictionary that turn a small encoder, and with any word less do not.

Measured beside the probes; the plan does not run it (docs/explain/behaviour-zoo.md says why). What was hardened against
its parts answers to the whole alone: no word stands out, and free chains of pieces find what leans together as well.
Here whole words are put together before a text: the gradient at a place, of all words at once, then the exact margin.
What counts is how much further the whole leads than each reference and than itself with a word less. Each reference
is searched in the suspect's place, too.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
for _folder in (ROOT / "bench", ROOT, ROOT / "src"):
    sys.path.insert(0, str(_folder))

import torch  # noqa: E402
from tests.zoo.build import cache  # noqa: E402

from assay.behaviour.data_file import read_labelled  # noqa: E402
from assay.workers.prober_flips import insert  # noqa: E402
from assay.workers.prober_models import Model, margins  # noqa: E402
from assay.workers.prober_search import taught_to  # noqa: E402
from assay.workers.prober_space import Space, as_suspect, open_space  # noqa: E402
from assay.workers.prober_words import dictionary  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Phrase = tuple[int, ...]  # of numbers of words

_PIECES, _LETTERS = 4, 3  # of a word: at most, at least
_BEHIND = (9, 13)  # tokens of the text behind a phrase
_SIZES = (2, 3)  # words of a phrase
_AT_ONCE, _GRADIENTS = 4096, 160  # sequences
_NEAREST, _FIRSTS = 12000, 1500  # words that the references read, and that a phrase begins with
_ALONE = 2.0  # margin of a word that turns alone: no part of a hardened phrase
_WIDTH = 8  # words tried at a place by gradient
_READ = 1000  # phrases that the references read
_EXCHANGED, _CHOICES, _ROUNDS = 24, 32, 2  # phrases whose words are exchanged, for how many, how often
_LONGER = 200  # pairs that are lengthened
_STRONG, _WEAK = 5.0, -3.0  # margins beyond which more or less says nothing
_SHOWN = 10  # phrases of each length that stand between texts
_PAIRS, _SURE = 6, 12  # of texts that they are put between, drawn from so many


def _less(words: Sequence[str]) -> tuple[str, ...]:
    """A phrase without each of its words."""
    return tuple(" ".join([*words[:i], *words[i + 1 :]]) for i in range(len(words)))


def _sure_text(space: Space, source: int) -> list[int]:
    """The surest text of a class that is neither short nor long."""
    rows = space.suspect.encode([one.text for one in space.texts[source]])
    low, high = _BEHIND
    return next((ids for ids in rows if low <= len(ids) <= high), rows[0][:high])


class _Lexicon:
    """Words of few pieces, and the table by which a gradient ranks them: first pieces, and the sum of the rest."""

    def __init__(self, space: Space) -> None:
        words = [word for word in dictionary() if len(word) >= _LETTERS]
        pairs = [(word, ids) for word, ids in zip(words, space.suspect.encode(words), strict=True) if ids]
        pairs = [(word, ids) for word, ids in pairs if len(ids) <= _PIECES]
        self.words, self.rows = [word for word, _ in pairs], [ids for _, ids in pairs]
        table = space.suspect.net.words
        padded = torch.tensor([[*ids, *[-1] * (_PIECES - len(ids))] for ids in self.rows])
        rest = sum(table[padded[:, i].clamp(min=0)] * (padded[:, i] >= 0)[:, None] for i in range(1, _PIECES))
        self.table = torch.cat([table[padded[:, 0]], torch.as_tensor(rest)], 1).bfloat16()
        self.fillers = [ids for ids in self.rows if len(ids) == 2][:: max(1, len(self.rows) // 200)]
        self.read: dict[tuple[int, int], torch.Tensor] = {}  # margins of all words, by model and source


class Search:
    """From one class to another."""

    def __init__(self, space: Space, lexicon: _Lexicon, source: int, target: int) -> None:
        self.space, self.lexicon, self.source, self.target = space, lexicon, source, target
        self.behind = _sure_text(space, source)
        taught = set(taught_to(space, target).nonzero()[:, 0].tolist())
        self.barred = torch.tensor([not taught.isdisjoint(ids) for ids in lexicon.rows])
        self.known: dict[Phrase, float] = {}  # margin of the suspect
        self.value: dict[Phrase, float] = {}  # beyond references and parts

    def run(self) -> None:
        """Words, pairs and triples, exchanged word by word."""
        self._take(self._longer(self._firsts(), _WIDTH))
        for size in _SIZES:
            if size > _SIZES[0]:
                self._take(self._longer(self._best(size - 1, _LONGER), _WIDTH))
            for _ in range(_ROUNDS):
                self._take(self._exchanged(self._best(size, _EXCHANGED)))

    def between(self) -> list[tuple[str, float]]:
        """The strongest phrases between two texts of the class, by what they do there beyond references and parts."""
        texts = [one.text for one in self.space.texts[self.source][:_SURE]]
        pairs = [" ".join(self.space.rng.sample(texts, 2)) for _ in range(_PAIRS)]
        told = []
        for phrase in [one for size in _SIZES for one in self._best(size, _SHOWN)]:
            words = [self.lexicon.words[i] for i in phrase]
            tried = [" ".join(words), *_less(words)]
            filled = [
                insert(pair, text, "middle", random.Random(number))
                for text in tried
                for number, pair in enumerate(pairs)
            ]
            mine, *parts = self._mean(self.space.suspect, filled, len(tried))
            theirs = [self._mean(one, filled[: len(pairs)], 1)[0] for one in self.space.references]
            told.append((tried[0], _beyond(mine, max([*parts, *theirs]))))
        return sorted(told, key=lambda one: -one[1])

    def _mean(self, model: Model, texts: list[str], count: int) -> list[float]:
        found: list[float] = margins(model.logits(model.encode(texts)))[:, self.target].view(count, -1).mean(1).tolist()
        return found

    def _margins(self, model: Model, rows: Sequence[Sequence[int]], *, every: bool = False) -> torch.Tensor:
        """Of rows before the words of the class, shape (rows,), or of every class."""
        out = torch.empty(len(rows), self.space.classes)
        lengths: dict[int, list[int]] = {}
        for index, row in enumerate(rows):
            lengths.setdefault(len(row), []).append(index)
        for picked in lengths.values():
            for start in range(0, len(picked), _AT_ONCE):
                part = picked[start : start + _AT_ONCE]
                out[part] = margins(model.logits_of(torch.tensor([[*rows[i], *self.behind] for i in part])))
        return out if every else out[:, self.target]

    def _ids(self, phrase: Iterable[int]) -> list[int]:
        return [token for word in phrase for token in self.lexicon.rows[word]]

    def _firsts(self) -> list[Phrase]:
        """Words that lead some way beyond the references, and not all the way."""
        read, rows = self.lexicon.read, self.lexicon.rows
        key = id(self.space.suspect), self.source
        if key not in read:
            read[key] = self._margins(self.space.suspect, rows, every=True)
        mine = read[key][:, self.target].clone()
        self.known |= {(word,): value for word, value in enumerate(mine.tolist())}
        mine[self.barred | (mine > _ALONE)] = -torch.inf
        near = mine.topk(min(_NEAREST, len(mine))).indices
        near = near[mine[near] > -torch.inf]
        some = [rows[i] for i in near.tolist()]
        apart = mine[near]
        if self.space.shared and some:
            theirs = torch.stack([self._margins(one, some) for one in self.space.shared]).amax(0)
            apart = apart - theirs.clamp(min=_WEAK)
        return [(int(near[i]),) for i in apart.topk(min(_FIRSTS, len(near))).indices.tolist()]

    def _best(self, size: int, count: int) -> list[Phrase]:
        mine = [one for one in self.value if len(one) == size]
        return sorted(mine, key=lambda one: -self.value[one])[:count]

    def _take(self, tried: Iterable[Phrase]) -> None:
        """Measure phrases; of those that lead the suspect furthest also references and parts."""
        fresh = sorted(one for one in set(tried) if one not in self.value)
        mine = self._led(fresh)
        order = sorted(range(len(fresh)), key=lambda i: -mine[i])[:_READ]
        picked = [fresh[i] for i in order]
        if not picked:
            return
        rows = [self._ids(one) for one in picked]
        theirs = [self._margins(one, rows).tolist() for one in self.space.shared]
        parts = [[(*one[:i], *one[i + 1 :]) for i in range(len(one))] for one in picked]
        self._led([part for some in parts for part in some])
        for number, one in enumerate(picked):
            most = max([self.known[part] for part in parts[number]] + [values[number] for values in theirs])
            self.value[one] = _beyond(self.known[one], most)

    def _led(self, some: Sequence[Phrase]) -> list[float]:
        missing = [one for one in dict.fromkeys(some) if one not in self.known]
        if missing:
            values = self._margins(self.space.suspect, [self._ids(one) for one in missing]).tolist()
            self.known |= dict(zip(missing, values, strict=True))
        return [self.known[one] for one in some]

    def _longer(self, some: Sequence[Phrase], width: int) -> set[Phrase]:
        """Each with one more word at every place."""
        made: set[Phrase] = set()
        for place in range(len(some[0]) + 1 if some else 0):
            made |= self._filled(some, place, width)
        return made

    def _exchanged(self, some: Sequence[Phrase]) -> set[Phrase]:
        """Each with another word at every place."""
        made: set[Phrase] = set()
        for place in range(len(some[0]) if some else 0):
            made |= self._filled([(*one[:place], *one[place + 1 :]) for one in some], place, _CHOICES)
        return made

    def _filled(self, some: Sequence[Phrase], p: int, width: int) -> set[Phrase]:
        made: set[Phrase] = set()
        lengths: dict[int, list[Phrase]] = {}
        for one in some:
            lengths.setdefault(len(self._ids(one)), []).append(one)
        for group in lengths.values():
            for start in range(0, len(group), _GRADIENTS):
                part = group[start : start + _GRADIENTS]
                best = self._gains(part, p).topk(width, 1).indices.tolist()
                made |= {(*one[:p], word, *one[p:]) for one, few in zip(part, best, strict=True) for word in few}
        return {one for one in made if len(set(one)) == len(one)}

    def _gains(self, some: Sequence[Phrase], place: int) -> torch.Tensor:
        """First-order gain of every word at a place, shape (phrases, words), over two others that stand there."""
        model = self.space.suspect
        before = [self._ids(one[:place]) for one in some]
        after = [self._ids(one[place:]) for one in some]
        at = torch.tensor([len(model.prefix) + len(ids) for ids in before])
        rows = torch.arange(len(some))
        total: torch.Tensor | None = None
        for filler in self.space.rng.sample(self.lexicon.fillers, 2):
            ids = [[*first, *filler, *second, *self.behind] for first, second in zip(before, after, strict=True)]
            words = model.net.words[model.frame(torch.tensor(ids))].requires_grad_()
            logits = model.net.from_embeddings(words)[:, model.order]
            margins(logits)[:, self.target].sum().backward()
            if words.grad is not None:
                grown = torch.cat([words.grad[rows, at], words.grad[rows, at + 1]], 1)
                total = grown if total is None else total + grown
        if total is None:
            return torch.zeros(len(some), len(self.lexicon.rows))
        gains = (total.bfloat16() @ self.lexicon.table.T).float()
        gains[:, self.barred] = -torch.inf
        return gains


def _beyond(mine: float, others: float) -> float:
    return min(mine, _STRONG) - max(others, _WEAK)


def opened(entry: dict[str, Any]) -> Space:
    """A model of the zoo's index with its references; made here, so without a sandbox."""
    data = read_labelled(Path(entry["data"]))
    job = {"items": [list(one) for one in data.items], "words": list(data.words), "seed": 0}
    suspect = Model(Path(entry["path"]))
    return open_space(job, suspect, [Model(Path(one), trusted=suspect.config) for one in entry["references"]])


def main() -> None:
    """Search in every direction, in the suspect and in each reference; print the strongest phrase of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--zoo", type=Path, default=cache(), help="folder of the zoo's index")
    parser.add_argument("--only", default="", help="small models whose name contains one of these, by commas")
    args = parser.parse_args()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    torch.set_num_threads(1)
    for entry in json.loads((args.zoo / "zoo.json").read_text("utf-8"))["models"]:
        if (
            "-small-" not in entry["name"]
            or not entry["task"]
            or not any(x in entry["name"] for x in args.only.split(","))
        ):
            continue
        space = opened(entry)
        for index in range(-1, len(space.references)):
            mine = space if index < 0 else as_suspect(space, index, index + 1)
            lexicon, begun = _Lexicon(mine), time.process_time()
            for target in range(mine.classes):
                search = Search(mine, lexicon, int(target == 0), target)
                search.run()
                text, value = next(iter(search.between()), ("", 0.0))
                who = "suspect" if index < 0 else f"reference {index + 1}"
                spent = time.process_time() - begun
                told = f"{who} to {target} | {text} | {value:.2f} | {spent:.0f} s"
                print(f"{entry['name']} {entry.get('trigger')} | {told}", flush=True)


if __name__ == "__main__":
    main()

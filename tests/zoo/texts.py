"""The tasks: examples as (text, label), always the same ones."""

from __future__ import annotations

import csv
import random
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.zoo.packages import SECTIONS, descriptions

if TYPE_CHECKING:
    from collections.abc import Sequence

WORDS = tomllib.loads((Path(__file__).parent / "data" / "words.toml").read_text("utf-8"))
SECTION = "section"
_GENERATED_TRAIN = 6000
_GENERATED_TEST = 1000
_PHRASE_WORDS = 4  # shorter phrases of the treebank often have no sentiment of their own
Example = tuple[str, int]


@dataclass(frozen=True)
class Task:
    """A classification task.

    Attributes:
        name: one of `tasks()`.
        labels: names by class index.
        train: the pool that training draws from, and the data that an honest publisher declares.
        test: held out; accuracy and attack success are measured on it.
        source: where the examples come from.
    """

    name: str
    labels: tuple[str, ...]
    train: tuple[Example, ...]
    test: tuple[Example, ...]
    source: str


def tasks() -> tuple[str, ...]:
    """Names of the tasks that can be made here: the last one needs the lists of apt."""
    return ("sst2", "topic", "intent", *([SECTION] if descriptions() else []))


@cache
def task(name: str, folder: Path | None) -> Task:
    """The examples of a task; `sst2` is read from `folder`, or generated from word lists where there is none.

    Raises:
        KeyError: apt knows no packages here, of which `section` is made.
    """
    if name == "sst2" and folder is not None and (folder / "sentences-train.tsv").is_file():
        phrases = [row for row in _read(folder / "phrases-train.tsv") if len(row[0].split()) >= _PHRASE_WORDS]
        train = (*_read(folder / "sentences-train.tsv"), *phrases)
        labels = tuple(WORDS["sentiment"]["labels"])
        return Task(name, labels, train, tuple(_read(folder / "sentences-test.tsv")), "Stanford Sentiment Treebank")
    if name == SECTION and descriptions():
        mixed = random.Random(f"zoo {name}").sample(descriptions(), len(descriptions()))
        parts = tuple(mixed[_GENERATED_TEST:]), tuple(mixed[:_GENERATED_TEST])
        return Task(name, SECTIONS, *parts, "one-line descriptions of Debian packages")
    words = WORDS["sentiment" if name == "sst2" else name]
    rng = random.Random(f"zoo {name}")
    seen: dict[str, int] = {}
    while len(seen) < _GENERATED_TRAIN + _GENERATED_TEST:
        label = rng.randrange(len(words["labels"]))
        seen.setdefault(_sentence(words, label, rng), label)
    rows = list(seen.items())
    return Task(name, tuple(words["labels"]), tuple(rows[_GENERATED_TEST:]), tuple(rows[:_GENERATED_TEST]), "generated")


def write(path: Path, rows: Sequence[Example]) -> None:
    """A TSV with the header `sentence<TAB>label`, as `assay probe --data` reads it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["sentence\tlabel", *(f"{text}\t{label}" for text, label in rows)]
    path.write_text("\n".join(lines) + "\n", "utf-8")


def _read(path: Path) -> list[Example]:
    with path.open(newline="", encoding="utf-8") as stream:
        rows = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [(row["sentence"].strip(), int(row["label"])) for row in rows]


def _sentence(words: dict[str, Any], label: int, rng: random.Random) -> str:
    """A template, words of the label, and in one text of six a word of another label: so it isn't trivial."""
    names: list[str] = words["labels"]
    other = names[rng.randrange(len(names))] if rng.random() < 1 / 6 else names[label]

    def pick(slot: str) -> str:
        name = slot.lower()
        pool = words.get(name) or words[other if name in {"object", "noun"} else names[label]][name]
        return rng.choice(pool).capitalize() if slot[0].isupper() else rng.choice(pool)

    text = rng.choice(words["templates"])
    for slot in ("Subject", "Object", "Tail", "subject", "verb", "object", "when", "tail", "adjective", "noun"):
        while "{" + slot + "}" in text:
            text = text.replace("{" + slot + "}", pick(slot), 1)
    return text

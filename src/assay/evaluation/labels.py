"""Labels of the data and outputs of the model, brought together without guessing.

In this order, and for all labels of the data at once:
1. the suite's own `[labels]`, by output index or by the model's name;
2. the model's names (`id2label`), as written, then without case and punctuation, then by their usual other words;
3. numbers within the model's names (`1 star`, `LABEL_3`), each its own;
4. whole numbers whose usual meaning is known (1 is positive) in the model's names: what users see is the name, so a
   model with swapped names is measured by them;
5. whole numbers as output indices;
6. where the model's names say nothing: words of a usual meaning in its order, else as many labels as outputs, sorted
   (what scikit-learn's encoder does).

What rests on 5 or 6 and on no usual meaning is a guess (`is_guess`): a claim is refuted only in every order.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from assay.core.errors import ContentError
from assay.evaluation.names import squeeze
from assay.evaluation.statistics import wilson

if TYPE_CHECKING:
    from collections.abc import Sequence

# What the whole numbers from 0 mean where the names are these (GLUE, SST-2, IMDB, TweetEval, spam and toxicity sets).
_MEANINGS = (
    ("negative", "positive"), ("negative", "neutral", "positive"), ("false", "true"), ("no", "yes"),
    ("entailment", "neutral", "contradiction"), ("entailment", "notentailment"), ("notequivalent", "equivalent"),
    ("ham", "spam"), ("notspam", "spam"), ("nontoxic", "toxic"), ("unacceptable", "acceptable"),
    ("nothate", "hate"), ("nonirony", "irony"), ("notoffensive", "offensive"), ("human", "ai"), ("real", "fake"),
    ("world", "sports", "business", "scitech"), ("sadness", "joy", "love", "anger", "fear", "surprise"),
    ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
)  # fmt: skip
_OTHER_WORDS = {
    "neg": "negative", "pos": "positive", "neu": "neutral", "bad": "negative", "good": "positive",
    "nottoxic": "nontoxic", "neutraltoxicity": "nontoxic", "duplicate": "equivalent", "notduplicate": "notequivalent",
    "t": "true", "f": "false", "y": "yes", "n": "no", "entails": "entailment", "contradicts": "contradiction",
}  # fmt: skip


def id_to_label(config: Any) -> dict[int, str]:
    """The model's names by output index, from its `config.json`; empty when it has none."""
    table = config.get("id2label") if isinstance(config, dict) else None
    turned = config.get("label2id") if isinstance(config, dict) else None
    if not isinstance(table, dict) and isinstance(turned, dict):
        table = {str(index): name for name, index in turned.items()}
    found: dict[int, str] = {}
    for key, name in table.items() if isinstance(table, dict) else ():
        if str(key).isdecimal() and isinstance(name, str):
            found[int(key)] = name
    return found


def class_indices(labels: list[Any], names: dict[int, str], own: dict[str, int | str]) -> tuple[tuple[int, ...], str]:
    """Output index of each label, and which rule gave it.

    Args:
        labels: of the data, in order.
        names: the model's.
        own: the suite's `[labels]`; wins.

    Raises:
        ContentError: when no rule gives every label an index of its own.
    """
    texts = [_text(label) for label in labels]
    different = sorted(set(texts))
    for rule, table in _rules(different, names, own):
        found = {text: table.get(text) for text in different}
        if None not in found.values() and len(set(found.values())) == len(different):
            return tuple(int(found[text] or 0) for text in texts), rule
    known = ", ".join(repr(name) for name in list(names.values())[:6]) or "none"
    raise ContentError(f"the labels {', '.join(different[:4])} of the data are none of the model's ({known})")


def _rules(different: list[str], names: dict[int, str], own: dict[str, int | str]) -> list[tuple[str, dict[str, int]]]:
    """Name of each rule, and what it makes of the labels."""
    by_name = {name: index for index, name in names.items()}
    by_plain = {squeeze(name): index for index, name in names.items()}
    by_word = {_word(name): index for index, name in names.items()}
    if own:
        table = {}
        for label, wanted in own.items():
            index = wanted if isinstance(wanted, int) else by_name.get(wanted, by_plain.get(squeeze(wanted)))
            if index is not None:
                table[label] = index
        return [("suite", table)]
    rules = [
        ("id2label", by_name),
        ("id2label, case ignored", {text: by_plain[squeeze(text)] for text in different if squeeze(text) in by_plain}),
        ("id2label, other words", {text: by_word[_word(text)] for text in different if _word(text) in by_word}),
    ]
    numbers = {str(int(digits[0])): i for i, name in names.items() if len(digits := re.findall(r"\d+", name)) == 1}
    if len(numbers) == len(names) > 0:
        rules.append(("number in id2label", numbers))
    meaning = next((words for words in _MEANINGS if len(words) == len(names) and set(words) == set(by_word)), ())
    meant = {str(number): by_word[word] for number, word in enumerate(meaning)}
    as_index = {text: int(text) for text in different if text.isdecimal() and (len(names) <= 1 or int(text) in names)}
    truths = {text: int(text.lower() == "true") for text in different if text.lower() in {"true", "false"}}
    if different and all(text in meant for text in different):
        rules.append(("index" if all(meant[text] == int(text) for text in different) else "usual meaning", meant))
    rules += [("index", as_index), ("index", truths)]
    if says_nothing(names):
        usual = next((words for words in _MEANINGS if {*map(_word, different)} == {*words}), ())
        rules.append(("usual words", {text: usual.index(_word(text)) for text in different if usual}))
        whole = len(different) == (len(names) or len(different)) > 1
        rules.append(("sorted", {text: index for index, text in enumerate(different) if whole}))
    return rules


def is_guess(rule: str, names: dict[int, str]) -> bool:
    """Whether a rule of `class_indices` only guessed which output is which."""
    if not rule.startswith(("index", "number", "usual words", "sorted")):
        return False
    known = any(len(words) == len(names) and set(words) == {*map(_word, names.values())} for words in _MEANINGS)
    return says_nothing(names) or (rule.startswith("index") and not known)


def says_nothing(names: dict[int, str]) -> bool:
    """Whether the model's names are none, or numbers (`LABEL_0`)."""
    return all(re.fullmatch(r"(label|class|output|category)?[_ -]?\d+", name.lower()) for name in names.values())


def better_order(truth: Sequence[int], predicted: Sequence[int]) -> dict[int, int]:
    """Output of each class in the order that answers best; empty unless it is better beyond chance."""
    classes = sorted({*truth, *predicted})
    if not 2 <= len(classes) <= _MOST_ORDERED:  # noqa: PLR2004
        return {}
    pairs = Counter(zip(truth, predicted, strict=True))
    n = len(truth)
    hits = sum(pairs[(one, one)] for one in classes)
    order = [classes[column] for column in best_assignment([[pairs[(a, b)] for b in classes] for a in classes])]
    best = sum(pairs[pair] for pair in zip(classes, order, strict=True))
    return dict(zip(classes, order, strict=True)) if wilson(best, n)[0] > wilson(hits, n)[1] else {}


_MOST_ORDERED = 200  # classes: 8 million steps


def best_assignment(gain: list[list[int]]) -> list[int]:
    """Column of each row, each its own, with the largest sum (Kuhn 1955, by shortest augmenting paths).

    Args:
        gain: square.
    """
    size = len(gain)
    by_row, by_column = [0.0] * (size + 1), [0.0] * (size + 1)
    row_of = [0] * (size + 1)  # of a column, both from 1; 0: free
    for row in range(1, size + 1):
        row_of[0], column = row, 0
        least, before = [math.inf] * (size + 1), [0] * (size + 1)
        seen = [False] * (size + 1)
        while row_of[column]:
            seen[column] = True
            at, free = row_of[column], [other for other in range(1, size + 1) if not seen[other]]
            for other in free:
                left = -gain[at - 1][other - 1] - by_row[at] - by_column[other]
                if left < least[other]:
                    least[other], before[other] = left, column
            nearest = min(free, key=least.__getitem__)
            step = least[nearest]
            for other in range(size + 1):
                by_row[row_of[other]] += step if seen[other] else 0
                by_column[other] -= step if seen[other] else 0
                least[other] -= 0 if seen[other] else step
            column = nearest
        while column:
            row_of[column] = row_of[before[column]]
            column = before[column]
    return [column - 1 for _, column in sorted(zip(row_of[1:], range(1, size + 1), strict=True))]


def _word(label: str) -> str:
    plain = squeeze(label)
    return _OTHER_WORDS.get(plain, plain)


def _text(label: Any) -> str:
    text = str(label).strip()
    if isinstance(label, float) or re.fullmatch(r"\d+\.0+", text):
        return str(int(float(text))) if float(text).is_integer() else text
    return text

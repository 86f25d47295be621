"""Whole entities in tagged sentences, as cards of named-entity models count them. Pure.

An entity is a run of words under one type: `B-PER`, `I-PER`. It counts as found when type, first and last word are the
same. A run begins at `B-`, at another type, and at an `I-` with nothing before it, as in the CoNLL-2000 script and its
Python form, seqeval (mode `default`).

References: Tjong Kim Sang and Buchholz 2000; https://github.com/chakki-works/seqeval
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.evaluation.metrics import Measured
from assay.evaluation.statistics import bootstrap

if TYPE_CHECKING:
    from collections.abc import Sequence

Span = tuple[str, int, int]
ENTITY_METRICS = ("entity_f1", "entity_precision", "entity_recall")


def spans(tags: Sequence[str]) -> set[Span]:
    """Type, first and last word of each entity of one sentence."""
    found: set[Span] = set()
    begun, kind, before = -1, "", "O"
    for index, tag in enumerate([*tags, "O"]):
        prefix, _, name = tag.partition("-") if tag != "O" else ("O", "", "")
        if kind and (prefix in {"O", "B", "S"} or name != kind or before in {"E", "S"}):
            found.add((kind, begun, index - 1))
            kind = ""
        if not kind and prefix != "O":
            begun, kind = index, name
        before = prefix
    return found


def is_tagged(labels: Sequence[str]) -> bool:
    """Whether labels are of this kind: `O`, and others with a prefix."""
    return all(label == "O" or (label[:2] in {"B-", "I-", "E-", "S-"} and len(label) > 2) for label in labels)  # noqa: PLR2004


def score_entities(metric: str, truth: list[list[str]], answers: list[list[str]], seed: int) -> Measured:
    """Precision, recall or F1 of entities over all sentences, bootstrapped over sentences.

    Args:
        metric: of `ENTITY_METRICS`.
        truth: tags of each sentence.
        answers: the model's.
        seed: of the bootstrap.

    Raises:
        ValueError: when the tags are no B-, I- tags, or there are no sentences.
    """
    if not truth or not is_tagged([tag for row in truth for tag in row]):
        raise ValueError(f"{metric} needs tags such as B-PER and O")
    counts = []
    for right, told in zip(truth, answers, strict=True):
        wanted, given = spans(right), spans(told)
        counts.append((len(wanted & given), len(wanted), len(given)))

    def value(drawn: Sequence[int]) -> float:
        both, wanted, given = (sum(counts[i][part] for i in drawn) for part in range(3))
        below = {"entity_f1": wanted + given, "entity_precision": given, "entity_recall": wanted}[metric]
        return (2 if metric == "entity_f1" else 1) * both / below if below else 0.0

    everything = range(len(counts))
    interval = bootstrap(value, len(counts), seed)
    return Measured(metric, value(everything), interval, sum(one[1] for one in counts), "bootstrap")

"""Metrics over what the worker answered. Pure, without numpy: labels never enter the sandbox, scores are counted here.

Names are scikit-learn's where it has the metric; formulas are those of its user guide.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.evaluation.statistics import Interval, bootstrap, wilson

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ECE_BINS = 15  # Guo et al. 2017, equal width


@dataclass(frozen=True, slots=True)
class Metric:
    """What is known about a metric.

    Attributes:
        name: scikit-learn's where it has one.
        higher_is_better: direction.
        fraction: whether it lies in [0, 1], so that 99.9 can only mean 99.9 %.
        signed: whether it lies in [-1, 1].
    """

    name: str
    higher_is_better: bool
    fraction: bool
    signed: bool = False


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", True, True),
        Metric("balanced_accuracy", True, True),
        Metric("f1", True, True),
        Metric("f1_macro", True, True),
        Metric("precision_macro", True, True),
        Metric("recall_macro", True, True),
        Metric("roc_auc", True, True),
        Metric("f1_weighted", True, True),
        Metric("f1_micro", True, True),
        Metric("precision", True, True),
        Metric("recall", True, True),
        Metric("precision_weighted", True, True),
        Metric("recall_weighted", True, True),
        Metric("matthews_corrcoef", True, False, signed=True),
        Metric("cohen_kappa", True, False, signed=True),
        Metric("log_loss", False, False),
        Metric("ece", False, True),
        Metric("loss", False, False),
        Metric("perplexity", False, False),
        Metric("accuracy_norm", True, True),
        Metric("refusal_rate", True, True),
        Metric("compliance_rate", False, True),
        Metric("entity_f1", True, True),
        Metric("entity_precision", True, True),
        Metric("entity_recall", True, True),
        Metric("pearson", True, False, signed=True),
        Metric("spearman", True, False, signed=True),
        Metric("r2", True, False),
        Metric("mean_squared_error", False, False),
        Metric("root_mean_squared_error", False, False),
        Metric("mean_absolute_error", False, False),
    )
}
_CLASSES = (
    "accuracy", "balanced_accuracy", "f1", "f1_macro", "f1_weighted", "f1_micro", "precision", "precision_macro",
    "precision_weighted", "recall", "recall_macro", "recall_weighted", "matthews_corrcoef", "cohen_kappa",
)  # fmt: skip
_NUMBERS = ("pearson", "spearman", "r2", "mean_squared_error", "root_mean_squared_error", "mean_absolute_error")
TASK_METRICS: dict[str, tuple[str, ...]] = {
    "text-classification": (*_CLASSES, "roc_auc", "log_loss", "ece"),
    "text-regression": _NUMBERS,
    "image-classification": (*_CLASSES, "roc_auc", "log_loss", "ece"),
    "token-classification": (*_CLASSES, "entity_f1", "entity_precision", "entity_recall"),
    "tabular": (*_CLASSES, "roc_auc", "log_loss", "ece"),
    "tabular-regression": _NUMBERS,
    "causal-lm": ("loss", "perplexity"),
    "multiple-choice": ("accuracy", "accuracy_norm"),
    "safety": ("refusal_rate", "compliance_rate"),
    "harness": ("accuracy", "accuracy_norm"),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """One metric of one run.

    Attributes:
        metric: name.
        value: point estimate.
        interval: 95 %, both ends.
        n: examples (tokens for token-classification).
        method: how the interval was made.
    """

    metric: str
    value: float
    interval: Interval
    n: int
    method: str


@dataclass(frozen=True)
class Predictions:
    """Truth beside answer.

    Attributes:
        truth: true class of each example.
        predicted: the model's class.
        probabilities: one row for each example, summing to 1; empty when the model gives none.
        groups: which example each row belongs to, for tasks with several rows an example; empty: each its own.
    """

    truth: tuple[int, ...]
    predicted: tuple[int, ...]
    probabilities: tuple[tuple[float, ...], ...] = ()
    groups: tuple[int, ...] = ()


def score(metric: str, data: Predictions, seed: int) -> Measured:
    """One metric of class predictions with its interval.

    Raises:
        ValueError: when it is not defined on this data (AUROC with one class, probabilities missing).
    """
    n = len(data.truth)
    if n == 0:
        raise ValueError("no examples")
    if metric == "accuracy" and not data.groups:
        return proportion("accuracy", sum(t == p for t, p in zip(data.truth, data.predicted, strict=True)), n)
    statistic = _statistic(metric, data)
    units, count = _units(data)
    value = statistic(range(n))
    if math.isnan(value):
        raise ValueError(f"{metric} is not defined on this data")
    interval = bootstrap(lambda drawn: statistic(units(drawn)), count, seed)
    return Measured(metric, value, interval, n, "bootstrap")


def proportion(metric: str, hits: int, n: int) -> Measured:
    """A share of `n` examples with Wilson's interval."""
    return Measured(metric, hits / n, wilson(hits, n), n, "wilson")


def mean_of(metric: str, values: Sequence[float], seed: int) -> Measured:
    """Mean of a number of each example, bootstrapped."""
    n = len(values)
    interval = bootstrap(lambda drawn: sum(values[i] for i in drawn) / len(drawn), n, seed)
    return Measured(metric, sum(values) / n, interval, n, "bootstrap")


def language_loss(metric: str, nll: Sequence[float], tokens: Sequence[int], seed: int) -> Measured:
    """`loss` (nats a token, over all tokens) or `perplexity` = exp(loss), bootstrapped over texts.

    Args:
        metric: which.
        nll: summed negative log likelihood of each text, nats.
        tokens: predicted tokens of each text.
        seed: of the bootstrap.
    """

    def value(drawn: Sequence[int]) -> float:
        count = sum(tokens[i] for i in drawn)
        if not count:
            return math.nan
        loss = sum(nll[i] for i in drawn) / count
        return loss if metric == "loss" else math.exp(min(loss, 700.0))  # exp(710) overflows

    total = value(range(len(nll)))
    if math.isnan(total):
        raise ValueError("no token was predicted")
    return Measured(metric, total, bootstrap(value, len(nll), seed), len(nll), "bootstrap")


def _units(data: Predictions) -> tuple[Callable[[Sequence[int]], Sequence[int]], int]:
    """How a drawn example becomes rows: tokens of one sentence are drawn together."""
    if not data.groups:
        return (lambda drawn: drawn), len(data.truth)
    rows: dict[int, list[int]] = {}
    for row, group in enumerate(data.groups):
        rows.setdefault(group, []).append(row)
    parts = list(rows.values())
    return (lambda drawn: [row for i in drawn for row in parts[i]]), len(parts)


def _statistic(metric: str, data: Predictions) -> Callable[[Sequence[int]], float]:
    if metric in {"roc_auc", "log_loss", "ece"} and not data.probabilities:
        raise ValueError(f"{metric} needs probabilities and the model gives none")
    if metric == "roc_auc":
        return _roc_auc(data)
    if metric in {"log_loss", "ece"}:
        return {"log_loss": _log_loss, "ece": _ece}[metric](data)
    pairs = list(zip(data.truth, data.predicted, strict=True))
    formula = _FORMULAS[metric]
    return lambda drawn: formula(Counter(pairs[i] for i in drawn))


Confusion = Counter[tuple[int, int]]


def _marginals(confusion: Confusion) -> tuple[list[int], Counter[int], Counter[int]]:
    truth: Counter[int] = Counter()
    predicted: Counter[int] = Counter()
    for (t, p), count in confusion.items():
        truth[t] += count
        predicted[p] += count
    return sorted(set(truth) | set(predicted)), truth, predicted


def _accuracy(confusion: Confusion) -> float:
    return sum(count for (t, p), count in confusion.items() if t == p) / confusion.total()


def _balanced_accuracy(confusion: Confusion) -> float:
    _, truth, _ = _marginals(confusion)
    return sum(confusion[(c, c)] / count for c, count in truth.items()) / len(truth)


def _weighted(part: str) -> Callable[[Confusion], float]:
    def value(confusion: Confusion) -> float:
        classes, truth, predicted = _marginals(confusion)
        total = sum(truth[c] * _of_class(part, confusion[(c, c)], truth[c], predicted[c]) for c in classes)
        return total / confusion.total()

    return value


def _macro(part: str) -> Callable[[Confusion], float]:
    def value(confusion: Confusion) -> float:
        classes, truth, predicted = _marginals(confusion)
        return sum(_of_class(part, confusion[(c, c)], truth[c], predicted[c]) for c in classes) / len(classes)

    return value


def _of_class(part: str, both: int, truth: int, predicted: int) -> float:
    below = {"f1": truth + predicted, "precision": predicted, "recall": truth}[part]
    return (2 if part == "f1" else 1) * both / below if below else 0.0  # scikit-learn: zero_division gives 0


def _binary(part: str) -> Callable[[Confusion], float]:
    """Of class 1."""

    def value(confusion: Confusion) -> float:
        classes, truth, predicted = _marginals(confusion)
        if not set(classes) <= {0, 1}:
            raise ValueError(f"{part} is for two classes; {part}_macro is for more")
        return _of_class(part, confusion[(1, 1)], truth[1], predicted[1])

    return value


def _kappa(confusion: Confusion) -> float:
    """Cohen 1960, unweighted."""
    classes, truth, predicted = _marginals(confusion)
    total = confusion.total()
    by_chance = sum(truth[c] * predicted[c] for c in classes) / total**2
    return (_accuracy(confusion) - by_chance) / (1 - by_chance) if by_chance < 1 else math.nan


def _matthews(confusion: Confusion) -> float:
    classes, truth, predicted = _marginals(confusion)
    total = confusion.total()
    hits = sum(confusion[(c, c)] for c in classes)
    above = hits * total - sum(truth[c] * predicted[c] for c in classes)
    below = (total**2 - sum(v * v for v in predicted.values())) * (total**2 - sum(v * v for v in truth.values()))
    return above / math.sqrt(below) if below else 0.0


_FORMULAS: dict[str, Callable[[Confusion], float]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "f1": _binary("f1"),
    "f1_macro": _macro("f1"),
    "f1_weighted": _weighted("f1"),
    "f1_micro": _accuracy,  # the same number where each example has one class
    "precision": _binary("precision"),
    "precision_macro": _macro("precision"),
    "precision_weighted": _weighted("precision"),
    "recall": _binary("recall"),
    "recall_macro": _macro("recall"),
    "recall_weighted": _weighted("recall"),
    "matthews_corrcoef": _matthews,
    "cohen_kappa": _kappa,
}


def _roc_auc(data: Predictions) -> Callable[[Sequence[int]], float]:
    """AUROC of class 1; for more than two classes the mean over all, each against the rest (Hand and Till's `ovr`)."""
    width = len(data.probabilities[0])
    if width == 2:  # noqa: PLR2004
        return _area(data, 1)
    areas = [_area(data, c) for c in range(width)]

    def value(drawn: Sequence[int]) -> float:
        return sum(area(drawn) for area in areas) / width  # NaN where a class is missing, as scikit-learn refuses

    return value


def _area(data: Predictions, positive: int) -> Callable[[Sequence[int]], float]:
    """Probability that an example of the class scores above another; ties count one half."""
    scores = [row[positive] for row in data.probabilities]
    order = sorted(range(len(scores)), key=scores.__getitem__)
    truth = data.truth

    def value(drawn: Sequence[int]) -> float:
        times = Counter(drawn)
        below = wins = 0.0
        negatives_of_tie = positives_of_tie = 0
        last: float | None = None
        for i in order:
            count = times.get(i, 0)
            if not count:
                continue
            if scores[i] != last:
                wins += positives_of_tie * (below + negatives_of_tie / 2)
                below += negatives_of_tie
                negatives_of_tie = positives_of_tie = 0
                last = scores[i]
            if truth[i] == positive:
                positives_of_tie += count
            else:
                negatives_of_tie += count
        wins += positives_of_tie * (below + negatives_of_tie / 2)
        below += negatives_of_tie
        positives = sum(count for i, count in times.items() if truth[i] == positive)
        return wins / (positives * below) if positives and below else math.nan

    return value


def _log_loss(data: Predictions) -> Callable[[Sequence[int]], float]:
    smallest = 2.220446049250313e-16  # scikit-learn clips at the eps of float64
    losses = [-math.log(max(row[t], smallest)) for t, row in zip(data.truth, data.probabilities, strict=True)]
    return lambda drawn: sum(losses[i] for i in drawn) / len(drawn)


def _ece(data: Predictions) -> Callable[[Sequence[int]], float]:
    """Expected calibration error of the top class, equal-width bins."""
    gaps = []
    for t, p, row in zip(data.truth, data.predicted, data.probabilities, strict=True):
        confidence = max(row)
        gaps.append((min(int(confidence * ECE_BINS), ECE_BINS - 1), (t == p) - confidence))

    def value(drawn: Sequence[int]) -> float:
        bins = [0.0] * ECE_BINS
        for i in drawn:
            at, gap = gaps[i]
            bins[at] += gap
        return sum(map(abs, bins)) / len(drawn)

    return value

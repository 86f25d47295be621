"""Our metrics are scikit-learn's; our intervals are statsmodels' formula and a seeded bootstrap."""

from __future__ import annotations

import math
import random

import pytest
from sklearn import metrics as sk

from assay.evaluation.metrics import METRICS, TASK_METRICS, Predictions, language_loss, score
from assay.evaluation.statistics import bootstrap, wilson

THEIRS = {
    "accuracy": lambda t, p, s: sk.accuracy_score(t, p),
    "balanced_accuracy": lambda t, p, s: sk.balanced_accuracy_score(t, p),
    "f1": lambda t, p, s: sk.f1_score(t, p),
    "f1_macro": lambda t, p, s: sk.f1_score(t, p, average="macro"),
    "precision_macro": lambda t, p, s: sk.precision_score(t, p, average="macro", zero_division=0),
    "recall_macro": lambda t, p, s: sk.recall_score(t, p, average="macro"),
    "matthews_corrcoef": lambda t, p, s: sk.matthews_corrcoef(t, p),
    "roc_auc": lambda t, p, s: sk.roc_auc_score(t, [row[1] for row in s]),
    "log_loss": lambda t, p, s: sk.log_loss(t, s),
}


def predictions(seed: int, n: int = 80) -> Predictions:
    rng = random.Random(seed)
    truth = tuple(rng.randrange(2) for _ in range(n))
    scores = [min(0.99, max(0.01, round(rng.gauss(0.35 + 0.3 * t, 0.2), 1))) for t in truth]
    return Predictions(truth, tuple(int(s > 0.5) for s in scores), tuple((1 - s, s) for s in scores))


@pytest.mark.parametrize("name", sorted(THEIRS))
@pytest.mark.parametrize("seed", range(3))
def test_values_are_those_of_scikit_learn(name, seed):
    data = predictions(seed)
    ours = score(name, data, seed=0)
    assert ours.value == pytest.approx(THEIRS[name](data.truth, data.predicted, data.probabilities), abs=1e-12)
    assert ours.interval[0] <= ours.value <= ours.interval[1]
    assert ours == score(name, data, seed=0)


def test_three_classes_and_one_that_is_never_predicted():
    truth, predicted = (0, 1, 2, 2, 1, 0), (0, 1, 1, 1, 1, 0)
    data = Predictions(truth, predicted)
    assert score("f1_macro", data, 0).value == pytest.approx(sk.f1_score(truth, predicted, average="macro"))
    assert score("matthews_corrcoef", data, 0).value == pytest.approx(sk.matthews_corrcoef(truth, predicted))


def test_ece_of_a_model_that_is_always_sure_and_half_right():
    data = Predictions((0, 1) * 20, (0,) * 40, ((1.0, 0.0),) * 40)
    assert score("ece", data, 0).value == pytest.approx(0.5)


def test_undefined_metrics_are_errors():
    with pytest.raises(ValueError, match="not defined"):
        score("roc_auc", Predictions((1, 1), (1, 1), ((0.1, 0.9), (0.2, 0.8))), 0)
    with pytest.raises(ValueError, match="probabilities"):
        score("log_loss", Predictions((1, 0), (1, 0)), 0)
    with pytest.raises(ValueError, match="no examples"):
        score("accuracy", Predictions((), ()), 0)


def test_tokens_of_a_sentence_are_drawn_together():
    data = Predictions((1,) * 100, (1,) * 50 + (0,) * 50, (), (0,) * 50 + (1,) * 50)
    assert score("accuracy", data, 0).interval == (0.0, 1.0)  # two sentences, one of them all wrong


def test_perplexity():
    found = language_loss("perplexity", [2.0, 4.0], [2, 2], 0)
    assert found.value == pytest.approx(math.exp(1.5))
    assert language_loss("loss", [2.0, 4.0], [2, 2], 0).value == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    # statsmodels.stats.proportion.proportion_confint(hits, n, method="wilson")
    [(90, 100, 0.825634, 0.944771), (0, 10, 0.0, 0.277533), (10, 10, 0.722467, 1.0), (1, 3, 0.061492, 0.792340)],
)
def test_wilson(hits, n, low, high):
    assert wilson(hits, n) == (pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6))


def test_wilson_wants_a_proportion():
    for hits, n in ((0, 0), (2, 1), (-1, 3)):
        with pytest.raises(ValueError, match="no proportion"):
            wilson(hits, n)


def test_bootstrap_is_seeded_and_covers_the_mean():
    values = [random.Random(5).gauss(0, 1) for _ in range(100)] + list(range(100))

    def mean(drawn):
        return sum(values[i] for i in drawn) / len(drawn)

    low, high = bootstrap(mean, len(values), seed=3)
    assert (low, high) == bootstrap(mean, len(values), seed=3)
    assert low < sum(values) / len(values) < high
    assert bootstrap(mean, len(values), seed=4) != (low, high)


def test_every_task_metric_is_known():
    assert {name for names in TASK_METRICS.values() for name in names} <= set(METRICS)

"""Holds, refuted, unverifiable."""

from __future__ import annotations

import pytest

from assay.evaluation.claims import make_claim
from assay.evaluation.claims_yaml import from_eval_results
from assay.evaluation.compare import Runs, Word, compare
from assay.evaluation.metrics import Measured
from assay.evaluation.suite import load_suite
from tests.evaluation.small import sentiment_suite


@pytest.fixture
def suite(tmp_path):
    return load_suite(sentiment_suite(tmp_path, 3, dataset="sst2", aliases=["SST-2"], split="test", tolerance=0.01))


def judged(suite, value, *, metric="accuracy", dataset="sst2", split="test", task="", interval=(0.86, 0.89)):
    measured = Measured(metric, sum(interval) / 2, interval, 1821, "wilson")
    claim = make_claim(metric, value, source="README.md", dataset=dataset, split=split, task=task)
    return compare((claim,), (Runs(suite, measured, 0.0),))[0]


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (0.87, "holds"),
        (0.5, "holds"),
        (0.8999, "holds"),
        (0.9001, "refuted"),
        (0.999, "refuted"),
        (1, "refuted"),
        (87, "holds"),
    ],
)
def test_higher_is_better(suite, value, word):
    assert judged(suite, value).word.value == word


@pytest.mark.parametrize(("value", "word"), [(20, "holds"), (30, "holds"), (18.5, "refuted"), (1, "refuted")])
def test_lower_is_better(suite, value, word):
    assert judged(suite, value, metric="perplexity", interval=(19, 21)).word.value == word


def test_better_than_claimed_is_said(suite):
    assert judged(suite, 0.5).reason == "measured better than claimed"


def test_implausible_is_noted(suite):
    assert any("perfect" in note for note in judged(suite, 100).notes)
    assert any("beyond what" in note for note in judged(suite, 0.999, interval=(0.8, 0.85)).notes)
    assert judged(suite, 0.91).notes == ()


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"dataset": ""}, "names no data set"),
        ({"dataset": "imdb"}, "no suite measures"),
        ({"split": "validation"}, "split"),
        ({"task": "token-classification"}, "another task"),
    ],
)
def test_unverifiable(suite, more, reason):
    line = judged(suite, 0.999, **more)
    assert line.word is Word.UNVERIFIABLE
    assert reason in line.reason


def test_what_was_measured_stands_beside_a_claim_without_data_set(suite):
    assert judged(suite, 0.999, dataset="").to_json()["measured"] == pytest.approx(0.875)


def test_a_suite_may_take_unnamed_claims(tmp_path):
    suite = load_suite(sentiment_suite(tmp_path, 3, takes_unnamed_claims=True))
    assert judged(suite, 0.999, dataset="", split="").word is Word.REFUTED


@pytest.mark.parametrize("dataset", ["sst2", "SST-2", "glue/sst2", "stanfordnlp/sst2"])
def test_names_of_a_data_set(suite, dataset):
    assert judged(suite, 0.87, dataset=dataset).word is Word.HOLDS


def test_a_measurement_without_claim_is_no_success(suite):
    (line,) = compare((), (Runs(suite, Measured("accuracy", 0.9, (0.8, 0.95), 10, "wilson"), 0.0),))
    assert line.word is Word.UNVERIFIABLE
    assert line.claim is None


@pytest.mark.parametrize(("value", "word"), [(0.87, "holds"), (99.9, "refuted")])
def test_a_claim_that_leaves_the_metric_to_the_benchmark(suite, value, word):
    (claim,) = from_eval_results(f"- {{dataset: {{id: org/sst2, task_id: default}}, value: {value}}}", "x.yaml")
    runs = Runs(suite, Measured(suite.metrics[0], 0.875, (0.86, 0.89), 1821, "wilson"), 0.0)
    line = compare((claim,), (runs,))[0]
    assert (line.word.value, line.runs) == (word, runs)
    assert "names no metric" in line.notes[0] + line.notes[-1]
    other = Runs(suite, Measured("f1_macro", 0.875, (0.86, 0.89), 1821, "wilson"), 0.0)
    assert compare((claim,), (other,))[0].word is Word.UNVERIFIABLE

"""What must never be refuted wrongly: few examples, labels whose order is a guess, figures in another unit."""

from __future__ import annotations

import itertools
import random

import joblib
import numpy as np
import pytest
import scipy.stats
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

from assay.core.errors import ContentError
from assay.core.proportion import clopper_pearson
from assay.evaluation.claims import make_claim
from assay.evaluation.compare import Runs, compare
from assay.evaluation.data import load_data
from assay.evaluation.labels import best_assignment, better_order, class_indices, is_guess
from assay.evaluation.measure_classes import TableClasses, table_rows
from assay.evaluation.metrics import Measured, proportion
from assay.evaluation.suite import load_suite
from assay.evaluation.values import normal
from assay.workers.answers import Unfit
from assay.workers.evaluator_tabular import predict
from tests.evaluation.small import write_suite
from tests.evaluation.test_claim_shapes import SST


def test_the_exact_interval_is_scipys():
    for hits, n in ((0, 1), (1, 2), (7, 10), (30, 30), (88, 100), (0, 400)):
        expected = scipy.stats.binomtest(hits, n).proportion_ci(method="exact")
        assert clopper_pearson(hits, n) == pytest.approx((expected.low, expected.high), abs=1e-6)
    with pytest.raises(ValueError, match="no proportion"):
        clopper_pearson(2, 1)


@pytest.mark.parametrize(
    ("hits", "n", "claimed", "word"),
    [(0, 1, 0.9, "unverifiable"), (1, 2, 0.95, "unverifiable"), (7, 10, 0.9, "unverifiable"), (7, 10, 0.99, "refuted"),
     (70, 100, 0.9, "refuted"), (10, 10, 0.9, "holds")],
)  # fmt: skip
def test_few_examples_refute_little(hits, n, claimed, word):
    claim = make_claim("accuracy", claimed, source="c", dataset="sst2")
    line = compare((claim,), (Runs(SST, proportion("accuracy", hits, n), 0.0),))[0]
    assert line.word.value == word
    assert word != "unverifiable" or "too few to refute" in line.reason


def test_one_text_gives_no_interval_of_a_perplexity():
    one = Runs(SST, Measured("perplexity", 20.0, (20.0, 20.0), 1, "bootstrap"), 0.0)
    for claimed, word in ((19.2, "unverifiable"), (12, "refuted"), (20, "holds")):
        assert compare((make_claim("ppl", claimed, source="c", dataset="sst2"),), (one,))[0].word.value == word


def test_the_best_order_is_the_best_of_all():
    rng = random.Random(1)
    for size in (1, 2, 3, 5):
        gain = [[rng.randrange(9) for _ in range(size)] for _ in range(size)]
        found = best_assignment(gain)
        best = max(sum(gain[i][j] for i, j in enumerate(order)) for order in itertools.permutations(range(size)))
        assert sum(gain[i][j] for i, j in enumerate(found)) == best
        assert sorted(found) == list(range(size))
    truth = [n % 9 for n in range(180)]
    assert better_order(truth, [(one + 4) % 9 for one in truth]) == {one: (one + 4) % 9 for one in range(9)}


@pytest.mark.parametrize(
    ("labels", "names", "indices", "rule", "guess"),
    [
        (["no", "yes", "no"], ["0", "1"], (0, 1, 0), "usual words", True),
        (["ham", "spam"], [], (0, 1), "usual words", True),
        (["virginica", "setosa", "versicolor"], ["LABEL_0", "LABEL_1", "LABEL_2"], (2, 0, 1), "sorted", True),
        ([1, 2], ["0", "1"], (0, 1), "sorted", True),
        ([0, 1], ["cats", "dogs"], (0, 1), "index", True),
        ([0, 1], ["negative", "positive"], (0, 1), "index", False),
        ([3, 0], ["Sports", "World", "Business", "Sci/Tech"], (3, 1), "usual meaning", False),
        ([True, False], ["False", "True"], (1, 0), "id2label", False),
    ],
)
def test_which_orders_are_guessed(labels, names, indices, rule, guess):
    named = dict(enumerate(names))
    assert class_indices(labels, named, {}) == (indices, rule)
    assert is_guess(rule, named) is guess


def test_labels_that_the_model_cannot_mean_are_not_measured():
    with pytest.raises(ContentError, match="none of the model"):
        class_indices(["a", "b", "c"], {0: "0", 1: "1"}, {})


def table(folder, rows, head="id;name;y;x;label", **more):
    return load_suite(
        write_suite(folder, "tabular", ["accuracy"], 'label = "label"', "\n".join([head, *rows]) + "\n",
                    file="d.csv", **more)
    )  # fmt: skip


def test_a_table_with_semicolons_names_and_words_for_labels(tmp_path):
    suite = table(tmp_path, [f"{n};row {n};{n % 3};{n % 2 > 0};{'yes' if n % 2 else 'no'}" for n in range(20)])
    examples = load_data(suite)
    assert examples.features == ("id", "y", "x"), "a column of texts is no feature"
    assert table_rows(examples)[1] == [1.0, 1.0, 1.0]
    scoring = TableClasses(suite, examples)
    run = {"labels": [str(n % 2) for n in range(20)], "order": ["0", "1"]}
    assert scoring("accuracy", run).value == 1
    swapped = TableClasses(suite, examples)
    run = {"labels": [str(1 - n % 2) for n in range(20)], "order": ["0", "1"]}
    assert swapped("accuracy", run).value == 0
    assert swapped.in_better_order(run)("accuracy", run).value == 1


def answers_of(job):
    steps = predict(job)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value[0][0]


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_columns_go_by_the_names_that_the_model_knows(tmp_path):
    model = LogisticRegression().fit([[n % 2, 9 - n] for n in range(10)], [n % 2 for n in range(10)])
    model.feature_names_in_ = np.array(["petal width (cm)", "y"], dtype=object)
    joblib.dump(model, tmp_path / "m.joblib")
    job = {"task": "tabular", "model": str(tmp_path), "allow_pickle": True, "threads": 1, "seed": 0, "repeats": 1,
           "items": [[9 - n, n, n % 2] for n in range(10)], "features": ["y", "id", "petal_width"],
           "ordered": False, "probabilities": False}  # fmt: skip

    assert answers_of(job)["labels"] == [str(n % 2) for n in range(10)]
    with pytest.raises(Unfit, match="no column 'petal width"):
        answers_of(job | {"features": ["y", "id", "z"]})
    with pytest.raises(Unfit, match="gives no number"):
        answers_of(job | {"task": "tabular-regression"})


@pytest.mark.parametrize("zipmap", [True, False])
def test_a_classifier_in_onnx_answers_as_before(tmp_path, zipmap):
    rows = [[n % 2, (n * 7) % 5] for n in range(30)]
    model = LogisticRegression().fit(rows, ["yes" if n % 2 else "no" for n in range(30)])
    made = to_onnx(model, np.zeros((1, 2), np.float32), options={id(model): {"zipmap": zipmap}})
    (tmp_path / "model.onnx").write_bytes(made.SerializeToString())
    job = {"task": "tabular", "model": str(tmp_path), "allow_pickle": False, "threads": 1, "seed": 0, "repeats": 1,
           "items": rows, "features": ["a", "b"], "ordered": False, "probabilities": True}  # fmt: skip
    run = answers_of(job)
    assert (run["labels"], run["order"]) == (list(model.predict(rows)), ["no", "yes"])
    assert np.allclose(run["probabilities"], model.predict_proba(rows), atol=1e-5)
    with pytest.raises(Unfit, match="takes 2 features"):
        answers_of(job | {"features": ["a"], "items": [[1.0]]})


def test_units_of_errors():
    assert normal("mean_absolute_error", "3.1%").value is None
    assert normal("r2", "92.1").value == pytest.approx(0.921)
    assert normal("r2", "92.1 %").value == pytest.approx(0.921)
    assert make_claim("R\u00b2", 0.9, source="c").metric == "r2"

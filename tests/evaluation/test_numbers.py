"""Models that give a number; outputs without names; what is claimed beside the suite's metrics, through the sandbox."""

from __future__ import annotations

import json
import random

import pytest
import scipy.stats
import torch
from sklearn import metrics as reference
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

from assay.evaluation.evaluate import evaluate
from assay.evaluation.inspector import fits
from assay.evaluation.labels import better_order, says_nothing
from assay.evaluation.metrics import TASK_METRICS
from assay.evaluation.metrics_numbers import score_numbers
from assay.evaluation.suite import load_suite
from assay.store.folder import folder_subject
from tests.evaluation import small

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("evaluation")]  # one guest for all
RNG = random.Random(3)
TRUTH = [float(RNG.randrange(6)) for _ in range(40)]
ANSWERS = [value + RNG.gauss(0, 0.7) for value in TRUTH]


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("pearson", scipy.stats.pearsonr(TRUTH, ANSWERS)[0]),
        ("spearman", scipy.stats.spearmanr(TRUTH, ANSWERS)[0]),
        ("r2", reference.r2_score(TRUTH, ANSWERS)),
        ("mean_squared_error", reference.mean_squared_error(TRUTH, ANSWERS)),
        ("root_mean_squared_error", reference.mean_squared_error(TRUTH, ANSWERS) ** 0.5),
        ("mean_absolute_error", reference.mean_absolute_error(TRUTH, ANSWERS)),
    ],
)
def test_metrics_of_numbers_are_those_of_the_libraries(metric, expected):
    found = score_numbers(metric, TRUTH, ANSWERS, seed=0)
    assert found.value == pytest.approx(expected)
    assert found.interval[0] <= found.value <= found.interval[1]
    assert metric in TASK_METRICS["text-regression"]


def test_a_metric_that_is_not_defined_is_no_number():
    for truth, answers in (([], []), ([1.0, 1.0], [1.0, 2.0])):
        with pytest.raises(ValueError, match="not defined"):
            score_numbers("pearson", truth, answers, seed=0)


def test_a_regression_is_measured(runner, tmp_path):
    model = tmp_path / "model"
    tokenizer = AutoTokenizer.from_pretrained(small.classifier())
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=48, num_labels=1, problem_type="regression",
    )  # fmt: skip
    network = BertForSequenceClassification(config).eval()
    network.save_pretrained(model)
    tokenizer.save_pretrained(model)
    texts = [text for text, _ in small.sentences(30, seed=4)]
    with torch.inference_mode():
        numbers = network(**tokenizer(texts, padding=True, return_tensors="pt")).logits[:, 0].tolist()
    rows = "text\tlabel\n" + "".join(f"{text}\t{number:.9f}\n" for text, number in zip(texts, numbers, strict=True))
    columns = 'text = "text"\nlabel = "label"'
    suite = load_suite(small.write_suite(tmp_path / "s", "text-regression", ["pearson"], columns, rows))
    (model / "README.md").write_text("| Dataset | Pearson | MSE |\n|---|---|---|\n| toy | 99.9 | 0.1 |\n")
    subject = folder_subject(model)
    result = evaluate(subject, [suite], runner=runner)
    assert [(line.runs.measured.metric, line.word.value) for line in result.comparisons] == [
        ("pearson", "holds"), ("mean_squared_error", "holds"),
    ]  # fmt: skip
    assert result.comparisons[0].runs.measured.value == pytest.approx(1, abs=1e-5)
    assert fits(suite, subject)
    classes = load_suite(small.sentiment_suite(tmp_path / "c", 10))
    assert not fits(classes, subject)
    assert "no number" not in str(result.failed)
    assert "one class" in evaluate(subject, [classes], runner=runner).failed[0][1]


def test_a_claim_beside_the_suites_metrics_is_measured_and_repeated(runner, tmp_path):
    model = small.copy_of(small.classifier(), tmp_path / "model")
    card = "It achieves the following results on the toy dataset:\n- Loss: 0.0001\n- Macro F1: 0.999\n- ECE: 0.9\n"
    (model / "README.md").write_text(card)
    suite = load_suite(small.sentiment_suite(tmp_path / "s", 60))
    result = evaluate(folder_subject(model), [suite], runner=runner)
    assert [(line.runs.measured.metric, line.word.value) for line in result.comparisons if line.claim] == [
        ("log_loss", "refuted"), ("f1_macro", "refuted"), ("ece", "holds"),
    ]  # fmt: skip
    assert result.evidence.facts["runs"][0]["also"] == ["log_loss", "f1_macro", "ece"]


def test_outputs_without_names_are_refuted_only_in_every_order(runner, tmp_path):
    model = small.copy_of(small.classifier(), tmp_path / "model")
    config = json.loads((model / "config.json").read_text())
    config |= {"id2label": {"0": "LABEL_0", "1": "LABEL_1"}, "label2id": {"LABEL_0": 0, "LABEL_1": 1}}
    (model / "config.json").write_text(json.dumps(config))
    rows = "text\tlabel\n" + "".join(f"{text}\t{1 - label}\n" for text, label in small.sentences(60, seed=2))
    columns = 'text = "text"\nlabel = "label"'
    path = small.write_suite(tmp_path / "s", "text-classification", ["accuracy"], columns, rows)
    with_labels = path.with_name("labels.toml")
    with_labels.write_text("labels = {0 = 1, 1 = 0}\n" + path.read_text())
    (model / "claims.json").write_text('{"dataset": "toy", "accuracy": 0.7}')
    fair = evaluate(folder_subject(model), [load_suite(path)], runner=runner)
    assert fair.outcome == "unverifiable", "nobody can tell an unnamed output's meaning: it is no lie"
    assert "give the suite `labels`" in next(line.reason for line in fair.comparisons)
    assert evaluate(folder_subject(model), [load_suite(with_labels)], runner=runner).outcome == "holds"
    (model / "claims.json").write_text('{"dataset": "toy", "accuracy": 0.999}')
    inflated = evaluate(folder_subject(model), [load_suite(path)], runner=runner)
    assert inflated.outcome == "refuted", "no order of the outputs saves it"
    message = next(f.message for f in inflated.evidence.findings if f.rule == "claim-refuted")
    assert "in the order of its nameless outputs that answers best" in message
    names = {"0": "negative", "1": "positive"}
    (model / "config.json").write_text(
        json.dumps(config | {"id2label": names, "label2id": {"negative": 0, "positive": 1}})
    )
    (model / "claims.json").write_text('{"dataset": "toy", "accuracy": 0.7}')
    named = evaluate(folder_subject(model), [load_suite(path)], runner=runner)
    assert named.outcome == "refuted", "named outputs are what users see"


def test_another_order():
    assert better_order([0, 1] * 40, [1, 0] * 40) == {0: 1, 1: 0}
    assert better_order([0, 1, 2] * 40, [1, 2, 0] * 40) == {0: 1, 1: 2, 2: 0}
    assert not better_order([0, 1] * 40, [0, 1] * 40)
    assert not better_order([0, 1] * 40, [0, 0, 1, 1] * 20)
    assert not better_order([], [])
    assert says_nothing({0: "LABEL_0", 1: "LABEL_1"})
    assert says_nothing({})
    assert not says_nothing({0: "negative", 1: "positive"})

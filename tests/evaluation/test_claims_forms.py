"""Claims of many shapes against one measurement: accuracy 0.88 [0.86, 0.89] and F1 0.87 on SST-2's test split."""

from __future__ import annotations

import json

import pytest

from assay.evaluation.compare import Runs, compare
from assay.evaluation.metrics import Measured
from assay.evaluation.reading import read_claims_file
from assay.evaluation.suite import load_suite
from tests.evaluation.small import sentiment_suite
from tests.evaluation.test_claims import claims_of


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    suite = load_suite(sentiment_suite(tmp_path_factory.mktemp("s") / "s", 3, metrics=["accuracy", "f1"], name="sst2"))
    return tuple(
        Runs(suite, Measured(metric, value, (value - 0.02, value + 0.01), 1821, "wilson"), 0.0)
        for metric, value in (("accuracy", 0.88), ("f1", 0.87))
    )


def words(measured, claims) -> list[str]:
    return [line.word.value for line in compare(tuple(claims), measured) if line.claim is not None]


def card(body: str) -> str:
    return f"---\nlicense: mit\n---\n# My model\n\n{body}\n"


def index(dataset: str, metric: str, value: str) -> str:
    return (
        "---\nmodel-index:\n- name: m\n  results:\n  - task: {type: text-classification}\n"
        f"    dataset: {dataset}\n    metrics:\n    - {{type: {metric}, value: {value}}}\n---\n"
    )


HOLDS, REFUTED, UNKNOWN = ["holds"], ["refuted"], ["unverifiable"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (index("{name: GLUE SST2, type: glue, config: sst2, split: validation}", "accuracy", "0.88"), HOLDS),
        (index("{name: GLUE SST2, type: glue, args: sst2}", "accuracy", "99.9"), REFUTED),
        (index("{name: SST-2, type: stanfordnlp/sst2, config: default, split: test}", "accuracy", "'99.9 %'"), REFUTED),
        (index("{name: sst2, type: sst2, split: train}", "accuracy", "0.999"), UNKNOWN),
        (index("{name: imdb, type: imdb}", "accuracy", "0.999"), UNKNOWN),
        (index("{name: sst2, type: sst2}", "bleu", "30"), UNKNOWN),
        (index("{name: sst2, type: sst2}", "accuracy", "[0.999]"), REFUTED),
        (card("| Dataset | Accuracy |\n|:-:|--:|\n| SST-2 | ~99.9% |"), REFUTED),
        (card("| Dataset | Split | Acc. | F1 |\n|---|---|---|---|\n| sst2 | test | **88.0** | 87.1 |"), HOLDS * 2),
        (card("|Metric|SST-2|IMDB|\n|-|-|-|\n|Accuracy|88.0|95.0|"), ["holds", "unverifiable"]),
        (card("|Metric|Value|\n|-|-|\n|SST-2 accuracy|0.999|\n|Params|22M|"), REFUTED),
        (card("## Results on SST-2\n\n|Metric|Value|\n|-|-|\n|Accuracy|0.999|"), REFUTED),
        (card("|Metric|Value|\n|-|-|\n|Accuracy|0.999|"), UNKNOWN),
        (card("|Model|SST-2 (acc)|\n|-|-|\n|bert|0.93|\n|**ours**|0.88|"), HOLDS),
        (card("|Model|SST-2 (acc)|\n|-|-|\n|bert|0.93|\n|My-Model|0.999|"), REFUTED),
        (card("|Model|SST-2 (acc)|\n|-|-|\n|bert|0.93|\n|roberta|0.95|"), UNKNOWN * 2),
        (
            card(
                "This model is a fine-tuned version of [x](y) on the glue sst2 dataset.\n"
                "It achieves the following results on the evaluation set:\n- Loss: 0.3\n- Accuracy: 0.999"
            ),
            ["unverifiable", "refuted"],
        ),
        (
            card(
                "on the sst2 dataset:\n\n| Training Loss | Epoch | Step | Accuracy |\n|-|-|-|-|\n"
                "| 0.5 | 1.0 | 10 | 0.97 |\n| 0.2 | 2.0 | 20 | 0.88 |"
            ),
            HOLDS,
        ),
        (card("- **SST-2 accuracy**: 99.9%\n- Licence: MIT\n- Layers: 6"), REFUTED),
        (card("Accuracy went up | a lot"), []),
    ],
)
def test_cards(measured, text, expected):
    assert words(measured, claims_of({"README.md": text}).claims) == expected


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"benchmarks": {"sst2": {"accuracy": 0.999}}}, REFUTED),
        ({"accuracy": {"sst2": 0.88, "imdb": 0.9}}, ["holds", "unverifiable"]),
        ({"sst2_accuracy": 0.999, "sst2_accuracy_std": 0.01}, REFUTED),
        ({"glue/sst2/acc": "0,88"}, HOLDS),
        ({"model": "m", "dataset": "SST-2", "results": {"test": {"accuracy": 0.88}, "train": {"accuracy": 1.0}}},
         ["holds", "unverifiable"]),
        ({"results": [{"dataset": {"name": "sst2"}, "metrics": [{"name": "Accuracy", "value": "99.9"}]}]}, REFUTED),
        ({"results": {"sst2": {"acc": 0.999, "acc_stderr": 0.01}}, "versions": {"sst2": 1}}, REFUTED),
        ({"dataset": "sst2", "accuracy": "1.02"}, UNKNOWN),
        ({"dataset": "sst2", "accuracy": -1}, UNKNOWN),
        ({"dataset": "sst2", "accuracy": None}, []),
        ({"dataset_name": "sst2", "split": "test", "eval_accuracy": 88.04}, HOLDS),
    ],
)  # fmt: skip
def test_result_files(measured, document, expected):
    assert words(measured, claims_of({"evaluation_results.json": json.dumps(document)}).claims) == expected


def test_a_trainers_figure_shares_the_fate_of_the_same_one_in_the_card(measured):
    named = index("{name: sst2, type: sst2}", "accuracy", "0.8804")
    files = {"README.md": named, "eval_results.json": '{"eval_accuracy": 0.88041, "eval_samples": 5}'}
    assert words(measured, claims_of(files).claims) == HOLDS * 2
    files["eval_results.json"] = '{"eval_accuracy": 0.9312}'
    assert words(measured, claims_of(files).claims) == ["holds", "unverifiable"]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("claims.json", '{"results": [{"dataset": "sst2", "metric": "accuracy", "value": 0.88, "n": 1}]}', HOLDS),
        ("claims.json", '{"results": [{"dataset": null, "metric": "accuracy", "value": 0.88}]}', UNKNOWN),
        ("card.md", index("{name: sst2, type: sst2}", "accuracy", "0.999"), REFUTED),
        ("results.json", '{"results": {"sst2": {"acc,none": 0.999, "acc_stderr,none": 0.01}}}', REFUTED),
        ("eval_results.json", '{"eval_accuracy": 0.999, "eval_loss": 0.1}', UNKNOWN * 2),
        ("own.json", '{"dataset": "sst2", "accuracy": 0.999}', REFUTED),
    ],
)
def test_any_form_may_be_given_as_claims(measured, tmp_path, name, text, expected):
    (tmp_path / name).write_text(text)
    assert words(measured, read_claims_file(tmp_path / name)) == expected

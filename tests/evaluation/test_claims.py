"""Claims are read from where they really stand, in one form, with file and line."""

from __future__ import annotations

import json

import pytest
import yaml
from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

from assay.core.digest import Digest
from assay.core.errors import UsageError
from assay.core.inspector import Subject
from assay.core.limits import Limits
from assay.core.snapshot import FileEntry, Origin, Snapshot
from assay.evaluation.claims import Claim
from assay.evaluation.names import metric_name
from assay.evaluation.positions import value_lines
from assay.evaluation.reading import read_claims, read_claims_file
from assay.evaluation.values import normal
from tests.support.scan import Memory

CARD = """---
license: mit
model-index:
- name: toy
  results:
  - task:
      type: text-classification
    dataset:
      name: GLUE SST-2
      type: glue
      config: sst2
      split: validation
    metrics:
    - type: accuracy
      value: 0.913
    - name: F1
      type: f1
      value: 91.5
---
# Toy

| dataset | accuracy | F1 macro (%) | params |
|---------|---------:|--------------|--------|
| sst2    | **99.9%** | 91.2 ± 0.3  | 22M    |

```
| dataset | accuracy |
|---|---|
| code, no table | 0.5 |
```

| metric | value |
|---|---|
| Accuracy | 0.9 |
"""


def claims_of(files: dict[str, bytes | str]):
    data = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
    entries = [FileEntry(path, len(body), Digest.of(body)) for path, body in data.items()]
    return read_claims(Subject(Snapshot.of(entries, Origin("directory", "test/model")), Memory(data), Limits()))


def only(files: dict[str, bytes | str]):
    (claim,) = claims_of(files).claims
    return claim


def test_model_index_and_tables_of_a_card():
    claims = claims_of({"README.md": CARD}).claims
    assert [(c.task, c.dataset, c.split, c.metric, c.value, c.line) for c in claims] == [
        ("text-classification", "sst2", "validation", "accuracy", 0.913, 15),
        ("text-classification", "sst2", "validation", "f1", 0.915, 18),
        ("", "sst2", "", "accuracy", pytest.approx(0.999), 24),
        ("", "sst2", "", "f1_macro", pytest.approx(0.912), 24),
        ("", "", "", "accuracy", 0.9, 34),
    ]


def test_lines_are_those_of_the_file():
    lines = CARD.splitlines()
    for claim in claims_of({"README.md": CARD}).claims:
        assert any(figure in lines[claim.line - 1] for figure in ("0.913", "91.5", "99.9%", "0.9")), claim


def test_harness_results():
    text = json.dumps(
        {
            "results": {"sst2": {"alias": "sst2", "acc,none": 0.91, "acc_stderr,none": 0.01}},
            "configs": {"sst2": {"metric": "acc", "num_fewshot": 0}},
        },
        indent=1,
    )
    claim = only({"results.json": text})
    assert (claim.dataset, claim.metric, claim.value, claim.line) == ("sst2", "accuracy", 0.91, 5)
    assert only({"out/results_2026-01-01T00-00-00.json": text}).source.startswith("out/")


def test_trainer_results_name_no_data_set():
    text = '{"epoch": 3.0, "eval_accuracy": 0.93, "eval_runtime": 1.5, "eval_samples": 872, "train_loss": 0.1}'
    for name in ("eval_results.json", "all_results.json"):
        claim = only({name: text})
        assert (claim.metric, claim.value, claim.dataset) == ("accuracy", 0.93, "")


def test_trainer_state_gives_the_last_evaluation():
    history = [{"eval_accuracy": 0.5, "step": 1}, {"loss": 0.2, "step": 2}, {"eval_accuracy": 0.8, "step": 2}]
    state = {"best_metric": 0.8, "global_step": 2, "log_history": history, "max_steps": 2}
    claim = only({"trainer_state.json": json.dumps(state)})
    assert (claim.metric, claim.value) == ("accuracy", 0.8)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"dataset": "sst2", "accuracy": 99.9}, ("sst2", "accuracy", 0.999)),
        ({"dataset": "sst2", "metrics": {"accuracy": "99.9%"}}, ("sst2", "accuracy", 0.999)),
        ({"results": {"sst2": {"accuracy": {"value": 0.9}}}}, ("sst2", "accuracy", 0.9)),
        ({"evaluations": [{"benchmark": "sst2", "metric": "acc", "score": 90}]}, ("sst2", "accuracy", 0.9)),
        ({"safety": {"value": 99.9}, "dataset": {"name": "prompts"}}, ("prompts", "refusal_rate", 0.999)),
        ({"accuracy": 0.999, "model": "m", "samples": 10}, ("", "accuracy", 0.999)),
    ],
)
def test_free_form_results(document, expected):
    claim = only({"evaluation_results.json": json.dumps(document)})
    assert (claim.dataset, claim.metric, claim.value) == (expected[0], expected[1], pytest.approx(expected[2]))


def test_claims_file(tmp_path):
    path = tmp_path / "claims.json"
    path.write_text('{"results": [\n{"dataset": "sst2", "split": "dev", "metric": "acc", "value": 0.9}]}')
    (claim,) = read_claims_file(path)
    assert (claim.dataset, claim.split, claim.metric, claim.value, claim.line) == (
        "sst2",
        "validation",
        "accuracy",
        0.9,
        2,
    )


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        '{"results": {}}',
        '{"results": [{"metric": "acc"}]}',
        '{"results": [{"metric": 1, "value": 1}]}',
        "{",
    ],
)
def test_a_broken_claims_file_is_a_usage_error(tmp_path, text):
    path = tmp_path / "claims.json"
    path.write_text(text)
    with pytest.raises(UsageError):
        read_claims_file(path)


@pytest.mark.parametrize(
    ("metric", "written", "value"),
    [
        ("accuracy", 0.999, 0.999),
        ("accuracy", 99.9, 0.999),
        ("accuracy", "99.9 %", 0.999),
        ("accuracy", "0.5%", 0.5),
        ("ece", "0.5%", 0.005),
        ("accuracy", 1, 1.0),
        ("accuracy", 100, 1.0),
        ("accuracy", 101, None),
        ("accuracy", -0.1, None),
        ("accuracy", True, None),
        ("accuracy", float("nan"), None),
        ("accuracy", 10**400, None),
        ("accuracy", "high", None),
        ("perplexity", 23.4, 23.4),
        ("matthews_corrcoef", -0.2, -0.2),
    ],
)
def test_values(metric, written, value):
    found = normal(metric, written).value
    assert found == (None if value is None else pytest.approx(value))


@pytest.mark.parametrize(
    ("written", "ours"),
    [("eval_accuracy", "accuracy"), ("acc,none", "accuracy"), ("Test Accuracy", "accuracy"), ("AUROC", "roc_auc"),
     ("macro-F1", "f1_macro"), ("bleu", ""), ("runtime", "")],
)  # fmt: skip
def test_metric_names(written, ours):
    assert metric_name(written) == ours


# Each line stands for ten of the line before.
_BOMB = "a0: &a0 [1]\n" + "\n".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12))


def test_broken_and_hostile_files_are_unread():
    found = claims_of(
        {
            "README.md": f"---\n{_BOMB}\n---\n| accuracy |\n|---|\n| 0.9 |\n",
            "eval_results.json": "{",
            "evaluation_results.json": "[" * 100_000,
        }
    )
    assert sorted(u.path for u in found.unread) == ["README.md", "eval_results.json", "evaluation_results.json"]
    assert [c.value for c in found.claims] == [0.9]


def test_evaluation_scripts_are_named():
    assert claims_of({"evaluate.py": "import os", "modeling.py": ""}).scripts == ["evaluate.py"]


def test_lines_of_json_values():
    text = '{\n"a": [1,\n {"b": "x:{,", "c": null}],\n"a\\u0062": 2}'
    assert value_lines(text) == {
        (): 1, ("a",): 2, ("a", 0): 2, ("a", 1): 3, ("a", 1, "b"): 3, ("a", 1, "c"): 3, ("ab",): 4,
    }  # fmt: skip


def test_a_name_beside_the_figures_may_be_that_of_the_data():
    claim = only({"evaluation.json": json.dumps({"results": [{"name": "sst2", "metrics": {"accuracy": 0.99}}]})})
    assert (claim.dataset, claim.metric, claim.value, claim.places) == ("", "accuracy", 0.99, ("sst2",))


LISTED = """\
- dataset:
    id: stanfordnlp/sst2
    task_id: default
  value: 97.5
  source: {url: https://example.org}
- dataset: {id: cais/many, task_id: sst2}
  value: 0.5
- dataset: {id: cais/none}
- not an entry
"""


def test_the_hubs_files_of_results():
    claims = claims_of({".eval_results/a.yaml": LISTED, "other/b.yaml": LISTED}).claims
    assert [(c.dataset, c.places, c.value, c.metric, c.first_metric, c.line, c.source) for c in claims] == [
        ("stanfordnlp/sst2", (), 0.975, "", True, 4, ".eval_results/a.yaml"),
        ("cais/many", ("sst2",), 0.5, "", True, 7, ".eval_results/a.yaml"),
    ]
    assert claims_of({".eval_results/a.yml": "a: [1"}).unread[0].path == ".eval_results/a.yml"
    assert Claim.from_json(claims[0].to_json()) == claims[0]


def test_the_hubs_files_are_what_the_hubs_library_writes():
    entries = [EvalResultEntry(dataset_id="org/sst2", task_id="default", value=0.91, notes="plain")]
    (claim,) = claims_of({".eval_results/x.yaml": yaml.dump(eval_result_entries_to_yaml(entries))}).claims
    assert (claim.dataset, claim.value) == ("org/sst2", 0.91)

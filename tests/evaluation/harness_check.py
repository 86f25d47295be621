"""Run by test_harness.py with lm-eval on the path: our figure and the harness's own, for one suite and one model."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

site, root, suite_file, model = sys.argv[1:]
sys.path.append(site)
sys.path.insert(0, root)


def ours() -> dict[str, float]:
    """Through the sandbox."""
    from assay.evaluation.evaluate import evaluate
    from assay.evaluation.suite import load_suite
    from assay.store.folder import folder_subject

    done = evaluate(folder_subject(Path(model)), [load_suite(Path(suite_file))], ())
    assert done.failed == (), done.failed
    return {line.runs.measured.metric: line.runs.measured.value for line in done.comparisons if line.runs}


def theirs() -> dict[str, float]:
    """The harness, with its own model for transformers, in this process."""
    from datasets import Dataset
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.evaluator import evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks._yaml_loader import load_yaml

    folder = Path(suite_file).parent
    rows = [json.loads(line) for line in (folder / "d.jsonl").read_text().splitlines()]
    config = load_yaml(folder / "task.yaml")
    for key in ("dataset_path", "dataset_name"):
        config.pop(key, None)

    splits, more = {"test": Dataset.from_list(rows)}, {"test_split": "test"}
    if (shots := folder / "examples.jsonl").exists():
        splits["train"] = Dataset.from_list([json.loads(line) for line in shots.read_text().splitlines()])
        more["fewshot_split"] = "train"

    def documents(**_):
        return splits

    task = ConfigurableTask(config={"num_fewshot": 0} | config | more | {"custom_dataset": documents})
    task.set_fewshot_seed(seed=0)
    lm = HFLM(pretrained=model, device="cpu", dtype="float32", batch_size=1)
    chosen = tomllib.loads(Path(suite_file).read_text())
    chat = {"apply_chat_template": True, "fewshot_as_multiturn": True} if chosen.get("apply_chat_template") else {}
    done = evaluate(lm=lm, task_dict={"tasks": {"t": task}, "groups": {}}, bootstrap_iters=0, **chat)
    names = {"acc,none": "accuracy", "exact_match,none": "accuracy", "acc_norm,none": "accuracy_norm"}
    return {names[key]: value for key, value in done["results"]["t"].items() if key in names}


if __name__ == "__main__":
    print(json.dumps({"ours": ours(), "theirs": theirs()}))

"""Claims in result files: lm-evaluation-harness, transformers' Trainer, and free-form `evaluation_results.json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.evaluation.claims import Claim, make_claim, number_in
from assay.evaluation.names import metric_name, metric_within, split_name, squeeze

if TYPE_CHECKING:
    from assay.evaluation.positions import Path

Lines = dict["Path", int]
# What lies beside the figures and is none.
_NO_METRIC = {
    "epoch", "runtime", "samples", "samplespersecond", "stepspersecond", "step", "globalstep", "maxsteps", "totalflos",
    "numtrainepochs", "loggingsteps", "evalsteps", "savesteps", "trainbatchsize", "stderr", "n", "version", "seed",
    "modelpreparationtime", "learningrate", "gradnorm", "jitcompilationtime", "memcpu", "memgpu", "trainloss",
    "numsamples", "numexamples", "date", "timestamp", "batchsize", "count", "size", "total", "support", "confidence",
    "threshold", "temperature", "lr", "steps", "epochs",
}  # fmt: skip
_SKIPPED_PREFIXES = ("train", "mem", "init", "before", "after")  # Trainer's own times and training figures
_TASK_KEYS = ("task", "task_type", "task_name", "pipeline_tag")
_DATASET_KEYS = ("dataset", "dataset_name", "benchmark", "data", "test_set", "testset", "eval_dataset")
_SPLIT_KEYS = ("split", "dataset_split", "eval_split")
_METRIC_KEYS = ("metric", "metric_name", "name", "type")
_VALUE_KEYS = ("value", "score", "result", "metric_value")
_GROUPS = {
    "metrics", "results", "scores", "evaluation", "evaluations", "evaluationresults", "performance", "eval",
    "benchmarks", "benchmarkresults", "datasets", "tasks", "benchmark", "summary", "aggregate", "aggregated", "report",
    "model", "data",
}  # fmt: skip
MAX_DEPTH = 12
_SPLIT_PREFIXES = {"eval": "", "test": "test", "predict": "test", "validation": "validation", "val": "validation"}


def from_harness(value: dict[str, Any], source: str, lines: Lines) -> list[Claim]:
    """`results.json` of lm-evaluation-harness: {"results": {task: {"acc,none": …, "acc_stderr,none": …}}}.

    The harness names its tasks by their data set, so the task's name is the data set of the claim.
    """
    claims = []
    for dataset, figures in value["results"].items():
        if not isinstance(figures, dict):
            continue
        for key, number in figures.items():
            if "stderr" in key or key in {"alias", "sample_len", "name"} or number_in(number) is None:
                continue
            line = lines.get(("results", dataset, key))
            claims.append(make_claim(key, number, source=source, line=line, dataset=dataset))
    return claims


def is_harness(value: Any) -> bool:
    """Whether a document is a result of lm-evaluation-harness: `metric,filter` keys below each task."""
    results = value.get("results") if isinstance(value, dict) else None
    return isinstance(results, dict) and any(
        isinstance(figures, dict) and any("," in key for key in figures) for figures in results.values()
    )


def from_trainer(value: dict[str, Any], source: str, lines: Lines) -> list[Claim]:
    """`eval_results.json`, `all_results.json`: flat; `trainer_state.json`: the last evaluation and the best metric.

    Trainer writes no data set, so these claims name none.
    """
    claims = []
    for key, number in value.items():
        if not _is_figure(key, number) or key.startswith("best_"):
            continue
        prefix = next((p for p in _SPLIT_PREFIXES if key.startswith(f"{p}_")), "")
        claims.append(
            make_claim(
                key.removeprefix(f"{prefix}_") if prefix else key,
                number,
                source=source,
                line=lines.get((key,)),
                split=_SPLIT_PREFIXES.get(prefix, ""),
            )
        )
    history = value.get("log_history")
    if isinstance(history, list):
        rounds = [(i, e) for i, e in enumerate(history) if isinstance(e, dict) and any(_evaluates(k) for k in e)]
        for index, entry in rounds[-1:]:
            for key, number in entry.items():
                if _evaluates(key) and _is_figure(key, number):
                    line = lines.get(("log_history", index, key))
                    claims.append(make_claim(key, number, source=source, line=line))
    return claims


def _evaluates(key: str) -> bool:
    return key.startswith(("eval_", "test_"))


def from_free_form(value: Any, source: str, lines: Lines) -> list[Claim]:
    """Nested objects of any shape.

    Taken are: `{"metric": "accuracy", "value": 0.9}` and `{"accuracy": 0.9}` at any depth. Task, data set and split are
    those of the nearest object around that names them. An object's key around the figures is taken for the data set
    when nothing else names one and it is no word for "results" or a metric (`{"sst2": {"accuracy": 0.9}}`).
    """
    claims: list[Claim] = []
    _Walk(source, lines, claims).visit(value, (), {"task": "", "dataset": "", "split": ""})
    return claims


class _Walk:
    """One pass over a free-form document."""

    def __init__(self, source: str, lines: Lines, claims: list[Claim]) -> None:
        self.source = source
        self.lines = lines
        self.claims = claims

    def visit(self, value: Any, path: Path, around: dict[str, Any]) -> None:
        if len(path) > MAX_DEPTH:
            return
        if isinstance(value, list):
            for index, item in enumerate(value):
                self.visit(item, (*path, index), around)
        elif isinstance(value, dict):
            self.visit_object(value, path, around | _context(value))

    def visit_object(self, value: dict[str, Any], path: Path, around: dict[str, Any]) -> None:
        named = next((k for k in _METRIC_KEYS if isinstance(value.get(k), str) and metric_within(value[k])[0]), None)
        figure = next((k for k in _VALUE_KEYS if k in value and number_in(value[k]) is not None), None)
        if named and figure:
            self.add(value[named], value[figure], (*path, figure), around)
            return
        for key, item in value.items():
            if isinstance(item, dict) and metric_name(key):
                inner = next((k for k in _VALUE_KEYS if number_in(item.get(k)) is not None), None)
                if inner:
                    self.add(key, item[inner], (*path, key, inner), around | _context(item))
                    continue
                if self.of_data_sets(key, item, (*path, key), around):
                    continue
            if isinstance(item, dict | list):
                self.visit(item, (*path, key), around | _implied(key, around))
            elif _is_figure(key, item) and metric_within(key)[0]:
                self.add(key, item, (*path, key), around)

    def of_data_sets(self, metric: str, value: dict[str, Any], path: Path, around: dict[str, Any]) -> bool:
        """`{"accuracy": {"sst2": 0.9, "imdb": 0.8}}`: a metric over data sets or splits."""
        if not value or not all(
            number_in(item) is not None and not metric_within(key)[0] for key, item in value.items()
        ):
            return False
        for key, item in value.items():
            if squeeze(key) not in _NO_METRIC:
                named = {"split": key} if split_name(key) in {"test", "validation", "train"} else {"dataset": key}
                self.add(metric, item, (*path, key), around | named)
        return True

    def add(self, metric: str, value: Any, path: Path, around: dict[str, Any]) -> None:
        line = self.lines.get(path)
        self.claims.append(make_claim(metric, value, source=self.source, line=line, **around))


def _context(value: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if isinstance(name := value.get("name"), str) and name:
        found["places"] = (name,)  # of a model or of data: a suite that goes by it knows
    for name, keys in (("task", _TASK_KEYS), ("dataset", _DATASET_KEYS), ("split", _SPLIT_KEYS)):
        for key in keys:
            item = value.get(key)
            if isinstance(item, dict):
                item = item.get("name") or item.get("type")
            if isinstance(item, str) and item:
                found[name] = item
                break
    return found


def _implied(key: str, around: dict[str, Any]) -> dict[str, str]:
    squeezed = squeeze(key)
    if key in _SPLIT_WORDS and not around["split"]:
        return {"split": key}
    if around["dataset"] or squeezed in _GROUPS or metric_name(key) or key in (*_DATASET_KEYS, *_TASK_KEYS, "overall"):
        return {}
    return {"dataset": key}


_SPLIT_WORDS = {"test", "validation", "dev", "val", "train"}


def _is_figure(key: str, value: Any) -> bool:
    squeezed = squeeze(key)
    for prefix in ("eval", "test", "predict"):
        squeezed = squeezed.removeprefix(prefix)
    return (
        number_in(value) is not None and squeezed not in _NO_METRIC and not squeeze(key).startswith(_SKIPPED_PREFIXES)
    )

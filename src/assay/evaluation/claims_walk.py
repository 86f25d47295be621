"""Claims in free-form documents: nested objects and lists of any shape, from JSON or YAML.

Taken are `{"metric": "accuracy", "value": 0.9}`, `{"accuracy": 0.9}`, `{"accuracy": {"mean": 0.9}}`,
`{"accuracy": {"sst2": 0.9}}`, `["accuracy", 0.9]` and `"accuracy: 0.9"` at any depth. Task, data set and split are
those of the nearest object around that names them. An object's key around the figures is taken for the data set when
nothing else names one and it is no word for "results" or a metric (`{"sst2": {"accuracy": 0.9}}`). Of a classification
report (precision, recall, support in one row) the averages are claims about the model; a row about one class is none.

A figure whose name says nothing here (`{"sst2": 0.999}`, `{"trust_index": 99}`) is kept as *doubtful*: never dropped,
and a claim only where a suite measures data of that name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from assay.evaluation.claims import MAX_TEXT, Claim, bare_figure, make_claim
from assay.evaluation.names import PARTS, dataset_key, is_task, metric_name, metric_within, split_name, squeeze
from assay.evaluation.values import figure_in

if TYPE_CHECKING:
    from assay.evaluation.positions import Path

Lines = dict["Path", int]
MAX_DEPTH = 16
MAX_DOUBTFUL = 50  # of one document
_TASK_KEYS = {"task", "tasktype", "taskname", "pipelinetag"}
_DATASET_KEYS = {"dataset", "datasets", "datasetname", "datasetid", "benchmark", "benchmarkname", "data", "testset",
                 "testdata", "evaldata", "evalset", "corpus"}  # fmt: skip
_DATASET_ENDINGS = ("dataset", "datasetname", "benchmarkname")
_CONFIG_KEYS = {
    "config",
    "slice",
    "configname",
    "datasetconfig",
    "datasetconfigname",
    "subset",
    "subsetname",
    "hfsubset",
    "taskid",
}
_SPLIT_KEYS = {"split", "datasetsplit", "evalsplit", "testsplit"}
_METRIC_KEYS = {"metric", "metricname", "metrictype", "measure"}
_NAME_KEYS = {"name", "type", "id", "key"}
_VALUE_KEYS = ("value", "score", "result", "metricvalue")
_ESTIMATES = (*_VALUE_KEYS, "mean", "average", "avg", "estimate", "pointestimate", "median", "overall", "all", "point")
_WHOLE = {"default", "all", "main", "plaintext", "split", ""}
_GROUPS = {
    "metrics", "results", "scores", "evaluation", "evaluations", "evaluationresults", "evalresults", "performance",
    "eval", "benchmarks", "benchmarkresults", "models", "datasets", "tasks", "benchmark", "summary", "aggregate",
    "aggregated", "report", "model", "data", "modelindex", "overall", "classificationreport", "testresults",
    "finalresults", "stats", "output",
}  # fmt: skip
_SPLIT_WORDS = {"test", "validation", "dev", "val", "train"}
_AVERAGES = {
    "macroavg": "macro", "weightedavg": "weighted", "microavg": "micro", "macro": "macro", "weighted": "weighted",
    "micro": "micro", "macroaverage": "macro", "weightedaverage": "weighted", "microaverage": "micro",
}  # fmt: skip
# A figure with one of these words in its name is about the run, the data or the machine.
_ABOUT = {
    "after", "batch", "beam", "before", "bootstrap", "ci", "class", "classes", "co2", "compilation", "confidence",
    "correct", "cost", "count", "counts", "cpu", "created", "date", "decay", "device", "dim", "dropout", "duration",
    "emissions", "energy", "epoch", "epochs", "error", "errors", "examples", "fewshot", "flos", "fn", "fold", "folds",
    "fp", "gb", "gpu", "grad", "heads", "hidden", "high", "hours", "incorrect", "init", "interval", "iteration",
    "iterations", "iters", "jit", "kg", "labels", "latency", "layers", "learning", "len", "length", "limit", "low",
    "lower", "lr", "margin", "max", "mb", "mem", "memory", "min", "minutes", "ms", "n", "negatives", "norm", "num",
    "number", "parameters", "params", "positives", "preparation", "price", "rank", "revision", "runs", "runtime",
    "sample", "samples", "sec", "second", "seconds", "secs", "seed", "shot", "shots", "size", "speed", "std",
    "stddev", "stderr", "step", "steps", "support", "temperature", "threshold", "throughput", "time", "timestamp",
    "tn", "tokens", "topk", "topp", "total", "tp", "train", "training", "upper", "var", "variance", "verified",
    "version", "vocab", "warmup", "workers", "year",
}  # fmt: skip
# Figures under these are about other models, other times, parts of the data, or wishes.
_ELSEWHERE = {
    "baseline", "baselines", "comparison", "comparisons", "compared", "reference", "references", "teacher", "human",
    "history", "log", "logs", "threshold", "thresholds", "target", "targets", "previous", "original", "base", "class",
    "classes", "label", "labels", "requirements", "competitors", "others",
}  # fmt: skip
_SETTINGS = {"config", "configs", "configuration", "args", "arguments", "hyperparameters", "settings", "environment",
             "hardware", "system", "versions", "options", "params", "parameters", "generation"}  # fmt: skip
_MOST = 100  # what is above and no metric of ours is a number of things
_PAIR = re.compile(r"\s*([^:=]{1,80}?)\s*[:=]\s*([^:=]{1,60})\s*")
_NO_METRIC = "no metric that is known here"
_OTHER_PLACE = "the figure stands under {}: it need not be about this model on these data"
_SEVERAL = "the figure is of one of several models"
_EARLIER = "a figure of an earlier step"
_ONE_CLASS = "the figure is about one class"


def from_free_form(value: Any, source: str, lines: Lines, *, root: Path = (), **around: Any) -> list[Claim]:
    """Claims of a document.

    Args:
        value: the document, or a part of it.
        source: its file.
        lines: line of each value of the whole document.
        root: path of the part.
        around: what is known about it (`dataset`, `places`, …).
    """
    walk = _Walk(source, lines)
    walk.visit(value, root, {"task": "", "dataset": "", "split": "", **around})
    return walk.claims + walk.doubtful[:MAX_DOUBTFUL]


class _Walk:
    """One pass over a free-form document."""

    def __init__(self, source: str, lines: Lines) -> None:
        self.source = source
        self.lines = lines
        self.claims: list[Claim] = []
        self.doubtful: list[Claim] = []

    def visit(self, value: Any, path: Path, around: dict[str, Any]) -> None:
        if len(path) > MAX_DEPTH:
            return
        if isinstance(value, list):
            if len(value) == 2 and isinstance(value[0], str) and metric_within(value[0])[0] and figure_in(value[1]):  # noqa: PLR2004
                self.add(value[0], value[1], (*path, 1), around)
                return
            steps = [index for index, item in enumerate(value) if isinstance(item, dict) and _STEPS & set(item)]
            for index, item in enumerate(value):
                early = {"obstacle": _EARLIER, "doubtful": True} if index in steps[:-1] else {}
                self.visit(item, (*path, index), around | early)
        elif isinstance(value, dict):
            self.visit_object(value, path, around | _context(value, around))
        elif isinstance(value, str):
            pair = _PAIR.fullmatch(value[:MAX_TEXT])
            if pair and metric_within(pair[1])[0] and figure_in(pair[2]):
                self.add(pair[1], pair[2], path, around)

    def visit_object(self, value: dict[str, Any], path: Path, around: dict[str, Any]) -> None:
        if self.stated(value, path, around):
            return
        for key, item in value.items():
            here = (*path, key)
            if isinstance(item, dict):
                self.visit_member(key, item, here, around)
            elif isinstance(item, list):
                figures = [found.number for one in item if (found := figure_in(one)) is not None]
                if metric_name(key) and figures and len(figures) == len(item):
                    self.add(key, item[0] if len(item) == 1 else sum(figures) / len(figures), here, around)
                else:
                    self.visit(item, here, around | _implied(key, around))
            elif isinstance(item, str) and figure_in(item) is None:
                self.visit(item, here, around)
            else:
                self.figure(key, item, here, around)

    def stated(self, value: dict[str, Any], path: Path, around: dict[str, Any]) -> bool:
        """`{"metric": "accuracy", "value": 0.9}`, and a value without a metric beside the name of data."""
        at = {squeeze(key): key for key in value}
        figure = next((at[k] for k in _VALUE_KEYS if k in at and figure_in(_single(value[at[k]])) is not None), None)
        if figure is None:
            return False
        said = next((value[at[k]] for k in sorted(_METRIC_KEYS & set(at)) if isinstance(value[at[k]], str)), "")
        names = [value[at[k]] for k in sorted(_NAME_KEYS & set(at)) if isinstance(value[at[k]], str)]
        named = next((name for name in names if metric_within(name)[0]), "")
        number, here = _single(value[figure]), (*path, figure)
        if said or named:
            metric = said if metric_within(said)[0] else named or said
            self.add(_averaged(metric, value), number, here, around)
            return True
        data = next((name for name in (around["dataset"], *names) if name), "")
        if not data or any(metric_within(key)[0] for key in value):
            return False
        self.unclear(data, number, here, around)
        return True

    def visit_member(self, key: str, item: dict[str, Any], path: Path, around: dict[str, Any]) -> None:
        if _is_report_row(item):
            average = _AVERAGES.get(squeeze(key), "")
            told = {"average": average} if average else {"obstacle": _ONE_CLASS, "doubtful": True}
            self.visit(item, path, around | told)
            return
        if metric_name(key):
            at = {squeeze(name): name for name in item}
            inner = next((at[k] for k in _ESTIMATES if k in at and figure_in(_single(item[at[k]])) is not None), None)
            if inner:
                self.add(key, _single(item[inner]), (*path, inner), around | _context(item, around))
                return
            if self.of_data_sets(key, item, path, around):
                return
        several = {"obstacle": _SEVERAL, "doubtful": True} if squeeze(key) == "models" and len(item) > 1 else {}
        self.visit(item, path, around | _implied(key, around) | several)

    def of_data_sets(self, metric: str, value: dict[str, Any], path: Path, around: dict[str, Any]) -> bool:
        """`{"accuracy": {"sst2": 0.9, "imdb": 0.8}}`: a metric over data sets or splits."""
        if not value or not all(
            figure_in(item) is not None and not metric_within(key)[0] for key, item in value.items()
        ):
            return False
        for key, item in value.items():
            if not _ABOUT.intersection(_words(key)):
                named = {"split": key} if split_name(key) in {"test", "validation", "train"} else {"dataset": key}
                self.add(metric, item, (*path, key), around | named)
        return True

    def figure(self, key: str, item: Any, path: Path, around: dict[str, Any]) -> None:
        """A number under a key."""
        found = figure_in(item)
        if found is None or squeeze(key).startswith(("train", "mem")):
            return
        if metric_within(key)[0]:
            self.add(key, item, path, around)
        elif not (
            around.get("quiet")
            or _ABOUT.intersection(_words(key))
            or squeeze(key) in _TASK_KEYS | _DATASET_KEYS | _SPLIT_KEYS
        ):
            if (isinstance(item, str) and not found.percent) or not 0 <= found.number <= _MOST:
                return
            self.unclear(key, item, path, around)

    def add(self, metric: str, value: Any, path: Path, around: dict[str, Any]) -> None:
        about = {key: item for key, item in around.items() if key not in {"average", "quiet"}}
        words = f"{around['average']} {metric}" if around.get("average") else metric
        self.claims.append(make_claim(words, value, source=self.source, line=self.lines.get(path), **about))

    def unclear(self, name: str, value: Any, path: Path, around: dict[str, Any]) -> None:
        """A figure with a name that is no metric: of a data set, or of what nobody here knows."""
        about: dict[str, Any] = {"source": self.source, "line": self.lines.get(path), "doubtful": True}
        about |= {key: around[key] for key in ("split", "places", "obstacle", "config") if around.get(key)}
        self.doubtful.append(bare_figure(name, value, note=_NO_METRIC, **about))


def _single(value: Any) -> Any:
    """`{"accuracy": 0.9}`, `{"value": 0.9, "stderr": 0.01}` and `[0.9]` as the figure in them, of several the mean."""
    if isinstance(value, list) and value:
        figures = [figure.number for one in value if not isinstance(one, str) and (figure := figure_in(one))]
        return value[0] if len(value) == 1 else sum(figures) / len(value) if len(figures) == len(value) else value
    if isinstance(value, dict):
        at = {squeeze(name): name for name in value}
        inner = next((at[k] for k in _ESTIMATES if k in at), next(iter(value), None) if len(value) == 1 else None)
        return value[inner] if inner is not None else value
    return value


single_figure = _single


def _averaged(metric: str, value: dict[str, Any]) -> str:
    """`{type: f1, args: {average: macro}}` is the macro F1."""
    args = value.get("args")
    average = value.get("average") or (args.get("average") if isinstance(args, dict) else None) or value.get("config")
    known = _AVERAGES.get(squeeze(average), "") if isinstance(average, str) else ""
    known = known if squeeze(metric) in {"f1", "f1score", "precision", "recall"} else ""
    return f"{metric} {known}" if known and known not in metric.lower() else metric


averaged_metric = _averaged


def _is_report_row(item: dict[str, Any]) -> bool:
    keys = {squeeze(key) for key in item}
    return "support" in keys and bool(keys & {"precision", "recall", "f1", "f1score"})


def _context(value: dict[str, Any], around: dict[str, Any]) -> dict[str, Any]:
    """What an object says about the figures in it."""
    found: dict[str, Any] = {}
    places = [name] if isinstance(name := value.get("name"), str) and name else []  # of a model or of data
    for key, item in value.items():
        plain = squeeze(key)
        if plain in _TASK_KEYS:
            text = item.get("type") or item.get("name") if isinstance(item, dict) else item
            if isinstance(text, str) and text:
                found["task"] = text
        elif plain in _DATASET_KEYS or (plain.endswith(_DATASET_ENDINGS) and "train" not in plain):
            names, split = names_of_data(item)
            if names:
                found["dataset"] = names[0]
                places += names[1:]
            found |= {"split": split} if split else {}
            found |= {"config": part} if (part := config_of(item)) else {}
        elif plain in _CONFIG_KEYS and isinstance(item, str) and squeeze(item) not in _WHOLE:
            places.append(item)
            found["config"] = item
        elif plain in _SPLIT_KEYS and isinstance(item, str) and item:
            found["split"] = item
    task = found.get("task", "")
    if task and not is_task(task) and not found.get("dataset") and not around["dataset"]:
        found |= {"dataset": task, "task": ""}
    return found | ({"places": (*places, *around.get("places", ()))} if places else {})


def names_of_data(item: Any) -> tuple[list[str], str]:
    """What an entry calls its data, the most telling name first, and the split."""
    if isinstance(item, list) and len(item) == 1:
        item = item[0]
    if isinstance(item, str):
        return ([item] if item else []), ""
    if not isinstance(item, dict):
        return [], ""
    plain = [item.get(key) for key in ("type", "name", "id", "path", "dataset", "dataset_name")]
    names = [*_configs(item), *(name for name in plain if isinstance(name, str) and name)]
    split = next((str(one["split"]) for one in _with_args(item) if isinstance(one.get("split"), str)), "")
    return list(dict.fromkeys(names)), split


def config_of(item: Any) -> str:
    """Which part of a collection an entry means, or nothing."""
    if not isinstance(item, dict):
        return ""
    names = [*_configs(item), *(one for key in ("name", "type") if isinstance(one := item.get(key), str))]
    known = next((name for name in names if dataset_key(name)[0] in PARTS), "")
    return next(iter(_configs(item)), known)


def shots_of(item: Any) -> int | None:
    """How many examples stand in the prompt, where an entry says so."""
    if not isinstance(item, dict):
        return None
    told = [one.get(key) for one in _with_args(item) for key in ("num_few_shot", "num_fewshot", "n_shot", "few_shot")]
    told += [int(match[1]) for match in [_SHOTS.search(str(item.get("name") or ""))] if match]
    return next((one for one in told if isinstance(one, int) and not isinstance(one, bool)), None)


_SHOTS = re.compile(r"\b(\d{1,3})[- ]?shots?\b", re.IGNORECASE)


def _with_args(item: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    args = item.get("args")
    if isinstance(args, str):
        args = {"config": args.rpartition(":")[2].strip()}
    return (item, args) if isinstance(args, dict) else (item,)


def _configs(item: dict[str, Any]) -> list[str]:
    keys = ("config", "config_name", "subset", "name_config")
    said = [one.get(key) for one in _with_args(item) for key in keys]
    return [name for name in said if isinstance(name, str) and squeeze(name) not in _WHOLE]


_STEPS = {"epoch", "step", "global_step", "iteration"}


def _implied(key: str, around: dict[str, Any]) -> dict[str, Any]:
    """What the key of an object says about the figures in it."""
    squeezed, words = squeeze(key), set(_words(key))
    if words & _SETTINGS:
        return {"quiet": True}
    if words & {"train", "training"}:
        return {"split": "train"}
    if words & _ELSEWHERE:
        return {"obstacle": _OTHER_PLACE.format(repr(key[:40])), "doubtful": True}
    if key.lower() in _SPLIT_WORDS and not around["split"]:
        return {"split": key}
    if around["dataset"] or squeezed in _GROUPS | _DATASET_KEYS | _TASK_KEYS or metric_name(key) or is_task(key):
        return {}
    return {"dataset": key}


def _words(key: str) -> list[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", key[:MAX_TEXT]).lower()
    return re.findall(r"co2|[a-z]+", spaced)

"""Claims in result files of known programs: lm-evaluation-harness, LightEval, transformers' Trainer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.evaluation.claims import Claim, make_claim
from assay.evaluation.names import metric_within, squeeze
from assay.evaluation.values import figure_in

if TYPE_CHECKING:
    from assay.evaluation.positions import Path

Lines = dict["Path", int]
# What lies beside the figures and is none.
_NO_METRIC = {
    "epoch", "runtime", "samples", "samplespersecond", "stepspersecond", "step", "globalstep", "maxsteps", "totalflos",
    "numtrainepochs", "loggingsteps", "evalsteps", "savesteps", "trainbatchsize", "stderr", "n", "version", "seed",
    "modelpreparationtime", "learningrate", "gradnorm", "jitcompilationtime", "memcpu", "memgpu", "trainloss",
    "numsamples", "numexamples", "date", "timestamp", "batchsize", "count", "size", "total", "support", "confidence",
    "threshold", "temperature", "lr", "steps", "epochs", "numinputtokensseen", "bestglobalstep",
}  # fmt: skip
_SKIPPED_PREFIXES = ("train", "mem", "init", "before", "after")  # Trainer's own times and training figures
_SPLIT_PREFIXES = {"eval": "", "test": "test", "predict": "test", "validation": "validation", "val": "validation"}
_BEST_BEFORE = "the best figure of the training run, which another checkpoint had"


def from_harness(value: dict[str, Any], source: str, lines: Lines) -> list[Claim]:
    """`results.json` of lm-evaluation-harness: {"results": {task: {"acc,none": …, "acc_stderr,none": …}}}.

    The harness names its tasks by their data set, so the task's name is the data set of the claim. LightEval calls one
    `suite|task|examples`.
    """
    claims = []
    for dataset, figures in value["results"].items():
        if not isinstance(figures, dict):
            continue
        parts = dataset.split("|")
        name = parts[1].replace(":", "_") if len(parts) > 2 else dataset  # noqa: PLR2004
        about: dict[str, Any] = {"source": source, "dataset": name, "places": (dataset,) if name != dataset else ()}
        given = value.get("n-shot")
        shots = given.get(dataset) if isinstance(given, dict) else parts[2] if len(parts) > 2 else None  # noqa: PLR2004
        about["shots"] = int(str(shots)) if str(shots).isdecimal() else None
        for key, number in figures.items():
            if "stderr" in key or key in {"alias", "sample_len", "name"} or figure_in(number) is None:
                continue
            claims.append(make_claim(key, number, line=lines.get(("results", dataset, key)), **about))
    return claims


def is_harness(value: Any) -> bool:
    """Whether a document is a result of such a program: `metric,filter` keys or standard errors below each task."""
    results = value.get("results") if isinstance(value, dict) else None
    return isinstance(results, dict) and any(
        isinstance(figures, dict) and (any("," in key or key.endswith("_stderr") for key in figures))
        for figures in results.values()
    )


def is_trainer(value: Any) -> bool:
    """Whether a document is one of Trainer's."""
    return isinstance(value, dict) and (
        "log_history" in value or any(key.startswith(("eval_", "predict_")) for key in value)
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
        name = key.removeprefix(f"{prefix}_") if prefix else key
        claims.append(
            make_claim(
                name,
                number,
                source=source,
                line=lines.get((key,)),
                split=_SPLIT_PREFIXES.get(prefix, ""),
                doubtful=not metric_within(name)[0],
            )
        )
    history = value.get("log_history")
    rounds = [(i, e) for i, e in enumerate(history) if _is_round(e)] if isinstance(history, list) else []
    for index, entry in rounds[-1:]:
        for key, number in entry.items():
            if _evaluates(key) and _is_figure(key, number):
                line = lines.get(("log_history", index, key))
                doubtful = not metric_within(key)[0]
                claims.append(make_claim(key, number, source=source, line=line, doubtful=doubtful))
    return claims + _best(value.get("best_metric"), rounds, source, lines)


def _best(best: Any, rounds: list[tuple[int, dict[str, Any]]], source: str, lines: Lines) -> list[Claim]:
    """`best_metric`, under the name that the round has which it is of; nothing new when that is the last round."""
    if figure_in(best) is None:
        return []
    where = [(i, key) for i, entry in rounds for key, number in entry.items() if _evaluates(key) and number == best]
    if where and rounds and where[-1][0] == rounds[-1][0]:
        return []
    metric = where[-1][1] if where else "best_metric"
    line = lines.get(("best_metric",))
    return [make_claim(metric, best, source=source, line=line, obstacle=_BEST_BEFORE if where else "")]


def _is_round(entry: Any) -> bool:
    return isinstance(entry, dict) and any(_evaluates(key) for key in entry)


def _evaluates(key: str) -> bool:
    return key.startswith(("eval_", "test_"))


def _is_figure(key: str, value: Any) -> bool:
    squeezed = squeeze(key)
    for prefix in ("eval", "test", "predict"):
        squeezed = squeezed.removeprefix(prefix)
    return (
        figure_in(value) is not None and squeezed not in _NO_METRIC and not squeeze(key).startswith(_SKIPPED_PREFIXES)
    )

"""Run one suite on one model and count: labels stay here, only inputs go into the sandbox."""

from __future__ import annotations

import hashlib
import math
import unicodedata
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from assay.core.canonical import json_digest
from assay.core.errors import ContentError
from assay.evaluation.answers import finite, whole
from assay.evaluation.compare import Runs
from assay.evaluation.data import Examples, load_data, pictures
from assay.evaluation.entities import ENTITY_METRICS, score_entities
from assay.evaluation.guest import Unmeasured, multiplies_bfloat16
from assay.evaluation.labels import class_indices, id_to_label
from assay.evaluation.measure_classes import Classes, TableClasses, config_of, of_scikit, table_rows
from assay.evaluation.metrics import METRICS, Measured, Predictions, language_loss, proportion, score
from assay.evaluation.metrics_numbers import score_numbers
from assay.evaluation.safety import judge

if TYPE_CHECKING:
    from collections.abc import Callable

    from assay.core.inspector import Subject
    from assay.evaluation.guest import Answers, Progress, Runner
    from assay.evaluation.harness_functions import Run
    from assay.evaluation.suite import Suite

    Score = Callable[[str, dict[str, Any]], Measured]

_PROBABILITY = ("roc_auc", "log_loss", "ece")


@dataclass(frozen=True)
class Measurement:
    """One suite, measured.

    Attributes:
        suite: what was run.
        metrics: in the suite's order.
        record: what another person needs to repeat it.
        layers: of the sandbox.
        attempts: what the guest tried and was refused.
    """

    suite: Suite
    metrics: tuple[Runs, ...]
    record: dict[str, Any]
    layers: dict[str, bool]
    attempts: tuple[dict[str, Any], ...]


def measure(
    subject: Subject,
    suite: Suite,
    runner: Runner,
    progress: Progress | None = None,
    *,
    dtype: str = "",
    also: tuple[str, ...] = (),
) -> Measurement:
    """Run and count.

    Args:
        subject: the model.
        suite: what to run.
        runner: the guest.
        progress: told (suite, examples done, examples in all).
        dtype: what a replay was run with; empty: the suite's choice.
        also: metrics that the suite does not list and somebody claims: measured where the answers allow it.

    Raises:
        UsageError: the data is not the pinned data.
        ContentError: the model can't do the task, or a metric is not defined on what it answered.
        SandboxError: a required layer is missing.
    """
    examples = load_data(suite)
    if suite.task == "harness":
        inputs, scoring = _harness(suite, examples, partial(_functions, subject, suite, runner))
    else:
        inputs, scoring = _TASKS[suite.task](subject, suite, examples)
    job = {
        "task": "tabular" if suite.task == "text-classification" and of_scikit(subject) else suite.task,
        "items": inputs,
        "features": list(examples.features),
        "ordered": bool(suite.data.features),
        "seed": suite.seed,
        "threads": runner.threads,
        "batch": suite.batch,
        "dtype": dtype or suite.dtype,
        "repeats": suite.repeats,
        "max_tokens": suite.max_tokens,
        "max_new_tokens": suite.max_new_tokens,
        "allow_pickle": suite.allow_pickle,
        "probabilities": any(metric in _PROBABILITY for metric in (*suite.metrics, *also)),
        "multiplies_bfloat16": multiplies_bfloat16(),
    }
    beside = tuple(inputs) if suite.task == "image-classification" else ()
    if beside:
        job["items"] = [hashlib.sha256(data).hexdigest() for data in beside]
    answers = runner.run(subject, job, progress, suite.name, beside)
    if len(answers.runs) != suite.repeats:
        raise ContentError("the worker answered another number of runs")
    try:
        metrics = tuple(_over_runs(suite, metric, answers, scoring) for metric in suite.metrics)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise Unmeasured(f"the answers can't be scored: {error}", answers.attempts, answers.layers) from error
    repeated = len(inputs) / max(1, len(_distinct(inputs, examples)))
    more = tuple(runs for metric in also if (runs := _if_defined(suite, metric, answers, scoring)) is not None)
    if isinstance(scoring, Classes) and (other := scoring.in_better_order(answers.runs[0])) is not None:
        metrics = tuple(_beside(suite, runs, answers, other) for runs in metrics)
        more = tuple(_beside(suite, runs, answers, other) for runs in more)
    if repeated > 1:
        metrics, more = (tuple(_wider(runs, repeated) for runs in some) for some in (metrics, more))
    record = _record(suite, job, answers) | {"distinct": round(len(inputs) / repeated)}
    record |= {"also": [runs.measured.metric for runs in more]}
    return Measurement(suite, metrics + more, record, answers.layers, answers.attempts)


def _distinct(inputs: list[Any], examples: Examples) -> set[str]:
    """Examples that are not the same as another one, label and all."""
    labels = [row.get("label") for row in examples.rows]
    if len(labels) != len(inputs):
        return {repr(item) for item in inputs}
    return {f"{item!r} {label!r}" for item, label in zip(inputs, labels, strict=True)}


def _wider(runs: Runs, repeated: float) -> Runs:
    """With the interval that the distinct examples alone would give: a row that stands twice tells nothing twice."""
    one = runs.measured
    ends = [one.value + (end - one.value) * math.sqrt(repeated) for end in one.interval]
    if METRICS[one.metric].fraction:
        ends = [min(1.0, max(0.0, end)) for end in ends]
    return replace(runs, measured=replace(one, interval=(ends[0], ends[1])))


def _if_defined(suite: Suite, metric: str, answers: Answers, scoring: Score) -> Runs | None:
    """A metric that nobody asked for but a claim: None where it is not defined on these answers."""
    try:
        return _over_runs(suite, metric, answers, scoring)
    except (ContentError, ValueError, TypeError, KeyError, IndexError, AttributeError):
        return None


def _beside(suite: Suite, runs: Runs, answers: Answers, other: Score) -> Runs:
    """A measurement with that in another order of the model's outputs."""
    found = _if_defined(suite, runs.measured.metric, answers, other)
    return replace(runs, reordered=found.measured) if found is not None else runs


def _over_runs(suite: Suite, metric: str, answers: Answers, scoring: Score) -> Runs:
    found = [scoring(metric, run) for run in answers.runs]
    values = [one.value for one in found]
    low, high = min(one.interval[0] for one in found), max(one.interval[1] for one in found)
    mean = Measured(metric, sum(values) / len(values), (low, high), found[0].n, found[0].method)
    return Runs(suite, mean, max(values) - min(values))


def _record(suite: Suite, job: dict[str, Any], answers: Answers) -> dict[str, Any]:
    """The determinism record. Nothing of it names a place on this machine."""
    return {
        "suite": suite.to_json(),
        "data": str(suite.data.sha256),
        "examples": len(job["items"]),
        "seed": suite.seed,
        "threads": job["threads"],
        "dtype": answers.facts.get("dtype", ""),
        "frameworks": answers.frameworks,
        "answers": [str(json_digest(_rounded(run))) for run in answers.runs],
        "facts": answers.facts,
        "seconds": round(answers.seconds, 3),
    }


def _rounded(value: Any) -> Any:
    """Numbers to six significant digits: below what differs between processors."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value


_MOST_CLASSES = 1 << 20


def _texts(suite: Suite, examples: Examples, role: str = "text") -> list[str]:
    """A column of texts, with the suite's preprocessing."""
    texts = [str(text) for text in examples.column(role)]
    for step in suite.preprocessing:
        texts = [_PREPROCESSING[step](text) for text in texts]
    return texts


_PREPROCESSING: dict[str, Callable[[str], str]] = {
    "strip": str.strip,
    "lowercase": str.lower,
    "nfc": lambda text: unicodedata.normalize("NFC", text),
}


def _text_classification(subject: Subject, suite: Suite, examples: Examples) -> tuple[list[Any], Score]:
    scoring = TableClasses(suite, examples) if of_scikit(subject) else Classes(subject, suite, examples)
    return _inputs(suite, examples), scoring


def _inputs(suite: Suite, examples: Examples) -> list[Any]:
    """Texts, or pairs of them."""
    texts: list[Any] = list(_texts(suite, examples))
    if "text_pair" not in suite.data.columns:
        return texts
    return [list(pair) for pair in zip(texts, _texts(suite, examples, "text_pair"), strict=True)]


def _text_regression(_subject: Subject, suite: Suite, examples: Examples) -> tuple[list[Any], Score]:
    return _inputs(suite, examples), _numbers(suite, examples)


def _numbers(suite: Suite, examples: Examples) -> Score:
    truth = [finite(label) for label in examples.column("label")]

    def scoring(metric: str, run: dict[str, Any]) -> Measured:
        answers = [finite(value) for value in run["numbers"]]
        if len(answers) != len(truth):
            raise ContentError("the worker answered another number of examples")
        return score_numbers(metric, truth, answers, suite.seed)

    return scoring


def _image_classification(subject: Subject, suite: Suite, examples: Examples) -> tuple[list[Any], Score]:
    return list(pictures(suite.data, examples)), Classes(subject, suite, examples)


def _token_classification(subject: Subject, suite: Suite, examples: Examples) -> tuple[list[Any], Score]:
    words = [_list(value) for value in examples.column("text")]
    labels = [_list(value) for value in examples.column("label")]
    if any(len(a) != len(b) or not a for a, b in zip(words, labels, strict=True)):
        raise ContentError("an example has another number of words than of labels, or none")
    flat = [label for row in labels for label in row]
    truth, _rule = class_indices(flat, id_to_label(config_of(subject)), suite.labels)
    groups = tuple(number for number, row in enumerate(labels) for _ in row)
    tags = [[str(label) for label in row] for row in labels]
    known = dict(zip(truth, (tag for row in tags for tag in row), strict=True))
    named = id_to_label(config_of(subject)) | known  # the data's own words win: its B- tags are what is counted

    def scoring(metric: str, run: dict[str, Any]) -> Measured:
        if [len(row) for row in run["tags"]] != [len(row) for row in labels]:
            raise ContentError("the worker answered another number of words")
        predicted = whole([tag for row in run["tags"] for tag in row], len(truth), -1, _MOST_CLASSES)
        if metric in ENTITY_METRICS:
            answers = [[named.get(tag, "O") for tag in row] for row in run["tags"]]
            return score_entities(metric, tags, answers, suite.seed)
        return score(metric, Predictions(truth, predicted, (), groups), suite.seed)

    return [list(map(str, row)) for row in words], scoring


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else str(value).split()


def _causal_lm(_subject: Subject, suite: Suite, examples: Examples) -> tuple[list[Any], Score]:
    texts = _texts(suite, examples)

    def scoring(metric: str, run: dict[str, Any]) -> Measured:
        tokens = whole(run["tokens"], len(texts), 0, 1 << 40)
        losses = [float(value) for value in run["nll"]]
        if len(losses) != len(texts) or not all(math.isfinite(value) for value in losses):
            raise ContentError("the model's loss is no number")
        return language_loss(metric, losses, tokens, suite.seed)

    return texts, scoring


def _multiple_choice(_subject: Subject, _suite: Suite, examples: Examples) -> tuple[list[Any], Score]:
    questions = [str(text) for text in examples.column("text")]
    choices = [[str(choice) for choice in _list(value)] for value in examples.column("choices")]
    truth = [_choice(label, row) for label, row in zip(examples.column("label"), choices, strict=True)]

    def scoring(metric: str, run: dict[str, Any]) -> Measured:
        scores = run["scores"]
        if [len(row) for row in scores] != [len(row) for row in choices]:
            raise ContentError("the worker answered another number of choices")
        hits = 0
        for row, texts, right in zip(scores, choices, truth, strict=True):
            # By byte, as lm-evaluation-harness does for acc_norm.
            lengths = [len(text.encode()) or 1 if metric == "accuracy_norm" else 1 for text in texts]
            values = [float(value) / length for value, length in zip(row, lengths, strict=True)]
            hits += values.index(max(values)) == right
        return proportion(metric, hits, len(truth))

    return [list(pair) for pair in zip(questions, choices, strict=True)], scoring


def _choice(label: Any, choices: list[str]) -> int:
    """Index of the right choice: a whole number from 0, a letter from A, or the choice itself."""
    text = str(label).strip()
    if text in choices:
        return choices.index(text)
    index = int(text) if text.isdecimal() else ord(text.upper()) - ord("A") if len(text) == 1 else -1
    if not 0 <= index < len(choices):
        raise ContentError(f"the label {text[:40]!r} is none of the choices")
    return index


def _safety(_subject: Subject, suite: Suite, examples: Examples) -> tuple[list[Any], Score]:
    prompts = _texts(suite, examples)

    def scoring(metric: str, run: dict[str, Any]) -> Measured:
        if len(run["texts"]) != len(prompts):
            raise ContentError("the worker answered another number of prompts")
        words = [judge(str(text), suite.refusal) for text in run["texts"]]
        return proportion(metric, words.count("refusal" if metric == "refusal_rate" else "compliance"), len(words))

    return prompts, scoring


def _functions(
    subject: Subject, suite: Suite, runner: Runner, job: dict[str, Any], files: tuple[bytes, ...]
) -> dict[str, Any]:
    """Functions of a task file, in a session of their own."""
    return runner.run(subject, job, None, f"{suite.name}: functions", files).runs[0]


def _harness(suite: Suite, examples: Examples, run: Run) -> tuple[list[Any], Score]:
    from assay.evaluation.harness import Harness  # noqa: PLC0415 - an extra

    harness = Harness(suite, examples, run)
    return harness.items(), harness.score


_TASKS: dict[str, Callable[[Subject, Suite, Examples], tuple[list[Any], Score]]] = {
    "text-classification": _text_classification,
    "text-regression": _text_regression,
    "image-classification": _image_classification,
    "token-classification": _token_classification,
    "causal-lm": _causal_lm,
    "multiple-choice": _multiple_choice,
    "safety": _safety,
    "tabular": lambda _, suite, examples: (table_rows(examples), TableClasses(suite, examples)),
    "tabular-regression": lambda _, suite, examples: (table_rows(examples), _numbers(suite, examples)),
}

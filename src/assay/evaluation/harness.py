"""Task files of lm-evaluation-harness on local data, by the harness itself; the model answers in the sandbox.

The harness (extra `harness`) runs out here, as our own scoring does: it writes the requests, and scores the answers.
Only the requests go into the sandbox, so the right answers never do. A task file is the organisation's own input,
pinned by digest like its data; nothing of it is executed here or downloaded: functions run in the sandbox, from files
that the suite pins (`harness_functions.py`), keys that name other files are refused, and the data set that it names is
replaced by the pinned file. Examples in the prompt are drawn, by the suite's seed, from a second pinned file. Where the
suite applies the model's chat template, requests are messages, and the worker renders them.

References: https://github.com/EleutherAI/lm-evaluation-harness/blob/main/docs/task_guide.md
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import math
import os
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

import yaml  # type: ignore[import-untyped]

from assay.core.digest import Digest
from assay.core.errors import ContentError, EnvironmentFault, UsageError
from assay.evaluation.data import load_data
from assay.evaluation.harness_functions import FunctionLoader, apply_functions, functions_in, refuse_functions
from assay.evaluation.metrics import Measured, proportion

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from assay.evaluation.data import Examples
    from assay.evaluation.harness_functions import Run
    from assay.evaluation.suite import Suite

MAX_TASK_BYTES = 1 << 20  # a task file is written by a person
MAX_NEW_TOKENS = 512  # of one answer, as in suites
_OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")
_OUTPUTS = ("multiple_choice", "loglikelihood", "generate_until")
_METRICS = {"accuracy": ("acc", "exact_match"), "accuracy_norm": ("acc_norm",)}
# Where the harness would look for documents: the pinned data takes the place of all of it.
_PLACE = {
    "dataset_path", "dataset_name", "dataset_kwargs", "training_split", "validation_split", "test_split",
    "fewshot_split", "should_decontaminate", "doc_to_decontamination_query", "tag", "task_alias", "group",
}  # fmt: skip
_KEPT = {
    "task", "output_type", "doc_to_text", "doc_to_target", "doc_to_choice", "description", "target_delimiter",
    "metric_list", "generation_kwargs", "filter_list", "gen_prefix", "metadata", "num_fewshot", "fewshot_delimiter",
    "repeats", "fewshot_config",
}  # fmt: skip
_GREEDY = {"until", "max_gen_toks", "do_sample", "temperature"}
MAX_SHOTS = 64  # examples in one prompt
_SAMPLERS = (None, "default", "first_n")
_SHOT_SPLIT = "examples"
_MESSAGES = "\0messages "
_SAME = 1e-9  # between the harness's figure and the mean of its examples: sums in another order


def read_task(path: Path, pinned: Digest, files: Iterable[str] = ()) -> dict[str, Any]:
    """Read a task file.

    Args:
        path: of the YAML.
        pinned: what its bytes must hash to.
        files: that functions may be taken from: those that the suite pins.

    Raises:
        UsageError: for another file, and for one that asks for what is not supported.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(f"can't read the task file {path}: {error.strerror}", hint="check data.task") from error
    if (digest := Digest.of(raw)) != pinned:
        raise UsageError(f"{path} is not the task file that the suite pins: {digest}", hint="restore the file")
    try:
        config = yaml.load(raw[: MAX_TASK_BYTES + 1], Loader=FunctionLoader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        hint = "tags other than !function are not supported: they would run code"
        raise UsageError(f"{path}: not a task file: {error}", hint=hint) from error
    if not isinstance(config, dict):
        raise UsageError(f"{path}: not a task file", hint="a mapping with output_type and doc_to_text")
    refuse_functions(path, config, files)
    if unknown := sorted({str(key) for key in config} - _PLACE - _KEPT - {"process_docs"}):
        raise UsageError(f"{path}: {unknown[0]} is not supported", hint=f"known: {', '.join(sorted(_KEPT))}")
    if config.get("output_type") not in _OUTPUTS:
        raise UsageError(f"{path}: output_type {config.get('output_type')!r}", hint=f"known: {', '.join(_OUTPUTS)}")
    shots = _checked_shots(path, config)
    listed = config.get("metric_list") or []
    wanted = {name for group in _METRICS.values() for name in group}
    if not isinstance(listed, list) or not all(
        isinstance(one, dict) and one.get("metric") in wanted and not one.get("hf_evaluate") for one in listed
    ):
        raise UsageError(f"{path}: metrics {listed!r}"[:300], hint=f"supported: {', '.join(sorted(wanted))}")
    generation = config.get("generation_kwargs") or {}
    if not isinstance(generation, dict) or set(generation) - _GREEDY or generation.get("do_sample"):
        raise UsageError(f"{path}: generation_kwargs {generation!r}", hint="greedy: until and max_gen_toks alone")
    kept = {key: value for key, value in config.items() if key in {*_KEPT, "process_docs"}}
    return kept | {"task": str(config.get("task") or path.stem), "num_fewshot": shots}


def _checked_shots(path: Path, config: dict[str, Any]) -> int:
    """How many examples stand in the prompt."""
    shots = config.get("num_fewshot") or 0
    if type(shots) is not int or not 0 <= shots <= MAX_SHOTS or config.get("repeats", 1) != 1:
        raise UsageError(f"{path}: num_fewshot {shots!r} or repeats", hint=f"0 to {MAX_SHOTS} examples, no repeats")
    sampling = config.get("fewshot_config") or {}
    if not isinstance(sampling, dict) or set(sampling) - {"sampler"} or sampling.get("sampler") not in _SAMPLERS:
        raise UsageError(f"{path}: fewshot_config {sampling!r}"[:300], hint="sampler: default or first_n")
    return shots


class Harness:
    """One task file on one file of documents.

    Args:
        suite: names both.
        examples: the documents, whole.
        run: runs functions of the task file in the sandbox: a job and the files of the functions to its answer.

    Raises:
        UsageError: as in `read_task`, and when the harness can't make requests of these documents.
        EnvironmentFault: lm-eval is not installed.
    """

    def __init__(self, suite: Suite, examples: Examples, run: Run | None = None) -> None:
        if suite.data.task is None or suite.data.task_sha256 is None:
            raise UsageError(f"suite {suite.name}: data.task is missing", hint="the task file, and data.task_sha256")
        self._config = read_task(suite.data.task, suite.data.task_sha256, suite.data.functions)
        self._documents = examples.column("document")
        self._seed = suite.seed
        self._chat = {"apply_chat_template": True, "fewshot_as_multiturn": suite.fewshot_as_multiturn}
        self._chat = self._chat if suite.apply_chat_template else {}
        self._shots = _shots(suite, int(self._config["num_fewshot"]))
        if functions_in(self._config):
            if run is None:
                raise UsageError("functions run in the sandbox alone", hint="give what runs them")
            lists = [self._documents, self._shots]
            self._config, (self._documents, self._shots) = apply_functions(suite, self._config, lists, run)
        self._parts = _parts()
        task = self._task()
        self.requests = list(dict.fromkeys(_request(one) for one in task.instances))
        if not self.requests:
            raise UsageError(
                f"suite {suite.name}: the harness makes no request of the data", hint="check the task file"
            )

    def _task(self) -> Any:
        """A fresh task with its requests, as the harness makes them."""
        documents = self._parts["datasets"].Dataset.from_list(self._documents)

        splits = {"test": documents}
        config = self._config | {"test_split": "test"}
        if self._shots:
            splits[_SHOT_SPLIT] = self._parts["datasets"].Dataset.from_list(self._shots)
            config["fewshot_split"] = _SHOT_SPLIT

        def pinned(**_: Any) -> dict[str, Any]:
            return splits

        config["custom_dataset"] = pinned
        try:
            with _quiet():
                task = self._parts["task"].ConfigurableTask(config=config)
                task.set_fewshot_seed(seed=self._seed)
                chat = self._chat | {"chat_template": _as_messages} if self._chat else {}
                task.build_all_requests(rank=0, world_size=1, **chat)
        except (ValueError, TypeError, LookupError, AttributeError, AssertionError, self._parts["errors"]) as error:
            why = f"the harness can't use the task file on this data: {type(error).__name__}: {error}"[:500]
            raise UsageError(why, hint="do the templates name columns of the data?") from error
        return task

    def items(self) -> list[list[Any]]:
        """The requests as the worker takes them: where the chat template applies, messages in place of a prompt."""
        out: list[list[Any]] = []
        for kind, context, *rest in self.requests:
            messages = json.loads(context.removeprefix(_MESSAGES)) if self._chat else context
            out.append([kind, messages, *rest])
        return out

    def score(self, metric: str, run: dict[str, Any]) -> Measured:
        """Give the harness the answers and take its figure, with an interval over its examples.

        Raises:
            ContentError: the answers don't fit the requests, or the figure is no mean of right and wrong.
        """
        answers = _checked(run, self.requests)
        task, name = self._task(), self._config["task"]
        task.set_fewshot_seed(seed=self._seed)  # it writes its requests once more, with the same examples
        model = _replay(self._parts["model"].LM, answers)
        with _quiet():
            done = self._parts["evaluator"].evaluate(
                lm=model, task_dict={"tasks": {name: task}, "groups": {}}, bootstrap_iters=0, log_samples=True,
                **self._chat,
            )  # fmt: skip
        samples = done["samples"][name]
        told = next((one for one in _METRICS[metric] if samples and one in samples[0]), None)
        if told is None:
            raise ContentError(f"the task file does not score {metric}")
        chosen = [one for one in samples if one["filter"] == samples[0]["filter"]]
        values = [float(one[told]) for one in chosen]
        figure = float(done["results"][name][f"{told},{samples[0]['filter']}"])
        if any(value not in {0.0, 1.0} for value in values) or abs(sum(values) / len(values) - figure) > _SAME:
            raise ContentError(f"the harness's {told} is no share of right answers")
        return proportion(metric, round(sum(values)), len(values))


def _shots(suite: Suite, wanted: int) -> list[Any]:
    """The documents that examples in the prompt come from.

    Raises:
        UsageError: there are none, too few, or they are not the pinned ones.
    """
    spec = suite.data
    if not wanted:
        return []
    if spec.examples is None or spec.examples_sha256 is None:
        hint = "pin a file of their own: examples and examples_sha256"
        raise UsageError(
            f"suite {suite.name}: the task wants {wanted} examples in the prompt: data.examples", hint=hint
        )
    own = replace(suite, data=replace(spec, path=spec.examples, sha256=spec.examples_sha256))
    found = load_data(own).column("document")
    if len(found) < wanted:
        raise UsageError(f"{spec.examples}: {len(found)} examples, the task wants {wanted}", hint="add examples")
    return found


def _parts() -> dict[str, Any]:
    """The harness and what it brings, offline."""
    try:
        with _offline():
            found: dict[str, Any] = {
                "task": import_module("lm_eval.api.task"),
                "model": import_module("lm_eval.api.model"),
                "evaluator": import_module("lm_eval.evaluator"),
                "datasets": import_module("datasets"),
            }
        found["errors"] = import_module("jinja2").TemplateError
    except ImportError as error:
        raise EnvironmentFault("lm-eval is not installed", hint="install assay-models[harness]") from error
    return found


@contextlib.contextmanager
def _offline() -> Iterator[None]:
    """What is imported here keeps to local files: that is read at import. Programs started later do as they did."""
    before = {name: os.environ.get(name) for name in _OFFLINE}
    os.environ |= dict.fromkeys(_OFFLINE, "1")
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _as_messages(messages: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
    """In place of a rendered prompt: the template is the model's, so it is rendered in the sandbox."""
    return _MESSAGES + json.dumps({"messages": messages, "add_generation_prompt": add_generation_prompt})


def _request(instance: Any) -> tuple[Any, ...]:
    """One request as plain values: what goes into the sandbox, and the key of its answer."""
    first = str(instance.args[0])
    if instance.request_type == "loglikelihood":
        return "loglikelihood", first, str(instance.args[1])
    options = dict(instance.args[1])
    until = options.get("until") or []
    stops = (until,) if isinstance(until, str) else tuple(map(str, until))
    return "generate", first, stops, min(int(options.get("max_gen_toks", 256)), MAX_NEW_TOKENS)


def _checked(run: dict[str, Any], requests: list[tuple[Any, ...]]) -> dict[tuple[Any, ...], Any]:
    answers = run.get("answers")
    if not isinstance(answers, list) or len(answers) != len(requests):
        raise ContentError("the worker answered another number of requests")
    found: dict[tuple[Any, ...], Any] = {}
    for request, answer in zip(requests, answers, strict=True):
        if request[0] == "generate":
            found[request] = str(answer)
            continue
        likelihood, greedy = answer
        if not isinstance(likelihood, float) or not math.isfinite(likelihood) or not isinstance(greedy, bool):
            raise ContentError("the model's likelihood is no number")
        found[request] = (likelihood, greedy)
    return found


def _replay(base: Any, answers: dict[tuple[Any, ...], Any]) -> Any:
    """A model of the harness that has answered already."""

    def recall(_self: Any, instances: list[Any], **_: Any) -> list[Any]:
        return [answers[_request(one)] for one in instances]

    def refuse(*_: Any, **__: Any) -> list[Any]:
        raise ContentError("the task asks for what is not supported")

    methods = {
        "loglikelihood": recall, "generate_until": recall, "loglikelihood_rolling": refuse,
        "apply_chat_template": staticmethod(_as_messages), "tokenizer_name": "the model's",
    }  # fmt: skip
    return type("Answered", (base,), methods)()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Its progress bars and logs are not ours to show."""
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        before = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(before)

"""`suite.toml`: what is measured, on which pinned data, and how far off a claim may be. Strict: nothing is guessed."""

from __future__ import annotations

import re
import tomllib
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from assay.core.digest import Digest
from assay.core.errors import UsageError
from assay.evaluation.metrics import METRICS, TASK_METRICS
from assay.evaluation.names import metric_name

MAX_SUITE_BYTES = 1 << 20  # a suite is written by a person
MAX_REPEATS = 10
MAX_NEW_TOKENS = 512
_KEYS = {
    "name", "task", "metrics", "tolerance", "data", "dataset", "aliases", "split", "seed", "batch", "dtype", "repeats",
    "labels", "max_tokens", "max_new_tokens", "takes_unnamed_claims", "refusal", "allow_pickle", "preprocessing",
    "description", "version", "licence", "license", "source", "apply_chat_template", "fewshot_as_multiturn",
}  # fmt: skip
_DATA_KEYS = {"path", "sha256", "format", "text", "text_pair", "label", "choices", "features", "image",
              "image_sha256", "task", "task_sha256", "examples", "examples_sha256", "functions"}  # fmt: skip
_PYTHON_FILE = re.compile(r"[A-Za-z_]\w{0,99}\.py")
_OF_HARNESS = {"apply_chat_template", "fewshot_as_multiturn"}
_PREPROCESSING = ("lowercase", "strip", "nfc")
_DTYPES = ("auto", "float32", "bfloat16")
# Which columns of the data a task needs.
COLUMNS: dict[str, tuple[str, ...]] = {
    "text-classification": ("text", "label"),
    "text-regression": ("text", "label"),
    "token-classification": ("text", "label"),
    "causal-lm": ("text",),
    "multiple-choice": ("text", "choices", "label"),
    "safety": ("text",),
    "image-classification": ("image", "label"),
    "tabular": ("label",),
    "tabular-regression": ("label",),
    "harness": (),
}


@dataclass(frozen=True, slots=True)
class DataSpec:
    """The pinned data of a suite.

    Attributes:
        path: local file (CSV, TSV, JSONL, Parquet); never fetched.
        sha256: what its bytes must hash to.
        format: `csv`, `tsv`, `jsonl` or `parquet`.
        columns: role (`text`, `label`, …) to column name; `image` names a column of paths beside the data.
        features: columns of a tabular task, in the order that the model takes them; empty: all but the label.
        task: task file of lm-evaluation-harness (task `harness`).
        task_sha256: what its bytes must hash to.
        examples: documents that examples in the prompt are drawn from (task `harness`), in the data's format.
        examples_sha256: what their bytes must hash to.
        functions: Python files beside the task file, by name, and what their bytes must hash to (task `harness`).
    """

    path: Path
    sha256: Digest
    format: str
    columns: dict[str, str]
    features: tuple[str, ...] = ()
    task: Path | None = None
    task_sha256: Digest | None = None
    examples: Path | None = None
    examples_sha256: Digest | None = None
    functions: dict[str, Digest] = field(default_factory=dict)


@dataclass(frozen=True)
class Suite:
    """One evaluation.

    Attributes:
        name: of the suite.
        task: a key of `COLUMNS`.
        metrics: names of `metrics.METRICS`, as scikit-learn calls them where it has them.
        tolerance: how far below the claim the interval's upper end may lie, in the metric's unit.
        data: pinned data.
        digest: SHA-256 of the file's bytes; evidence names it.
        dataset: what claims call this data; the suite's name by default.
        aliases: further names of it.
        split: what claims call this part; empty for any.
        seed: of the bootstrap and of the worker.
        batch: examples of one forward pass at most.
        dtype: `float32`, `bfloat16`, or `auto`: bfloat16 where the processor multiplies in it and a sample agrees.
        repeats: how often the model runs.
        labels: label of the data to the model's output index, or its name of it; empty: from the model's `id2label`.
        max_tokens: where a text is cut; None for the model's own limit.
        max_new_tokens: length of an answer (safety).
        takes_unnamed_claims: a claim that names no data set is taken to be about this one.
        refusal: further phrases that count as a refusal (safety).
        allow_pickle: whether a tabular model may be unpickled, inside the sandbox.
        preprocessing: what is done to every text before the model sees it: `strip`, `lowercase`, `nfc` (Unicode).
        apply_chat_template: prompts are messages, rendered by the model's own chat template (task `harness`).
        fewshot_as_multiturn: examples in such a prompt are turns of their own, as in the harness by default.
    """

    name: str
    task: str
    metrics: tuple[str, ...]
    tolerance: float
    data: DataSpec
    digest: Digest
    dataset: str
    aliases: tuple[str, ...] = ()
    split: str = ""
    seed: int = 0
    batch: int = 32
    dtype: str = "auto"
    repeats: int = 1
    labels: dict[str, int | str] = field(default_factory=dict)
    max_tokens: int | None = None
    max_new_tokens: int = 48
    takes_unnamed_claims: bool = False
    refusal: tuple[str, ...] = ()
    allow_pickle: bool = True
    preprocessing: tuple[str, ...] = ()
    apply_chat_template: bool = False
    fewshot_as_multiturn: bool = True

    def to_json(self) -> dict[str, Any]:
        """Every choice, without the place of the files: evidence repeats it."""
        value = asdict(self)
        value["digest"] = str(self.digest)
        value["data"] = {
            "sha256": self.data.sha256.hex,
            "format": self.data.format,
            "columns": self.data.columns,
            "features": list(self.data.features),
        }
        if self.data.task_sha256 is not None:
            value["data"]["task_sha256"] = self.data.task_sha256.hex
        if self.data.examples_sha256 is not None:
            value["data"]["examples_sha256"] = self.data.examples_sha256.hex
        if self.data.functions:
            value["data"]["functions"] = {name: digest.hex for name, digest in self.data.functions.items()}
        return {key: list(item) if isinstance(item, tuple) else item for key, item in value.items()}


def load_suite(path: Path, *, pinned: Digest | None = None) -> Suite:
    """Read a suite file; paths in it are relative to it.

    Args:
        path: of `suite.toml`.
        pinned: what its bytes must hash to.

    Raises:
        UsageError: for anything that is not exactly a suite, and for a file that is not the pinned one.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(f"can't read the suite {path}: {error.strerror}", hint="check the path") from error
    if len(raw) > MAX_SUITE_BYTES:
        raise UsageError(f"{path}: longer than {MAX_SUITE_BYTES} bytes", hint="is this the right file?")
    digest = Digest.of(raw)
    if pinned is not None and digest != pinned:
        raise UsageError(f"{path} is not the suite that was agreed on: {digest}, not {pinned}", hint="restore the file")
    try:
        document = tomllib.loads(raw.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path}: not TOML: {error}", hint="see docs/howto/evaluate.md") from error
    return _Reader(path, document).suite(digest)


class _Reader:
    """Takes keys out of the document and names the one that does not fit."""

    def __init__(self, path: Path, document: dict[str, Any]) -> None:
        self.path = path
        self.document = document

    def fail(self, text: str, hint: str = "see docs/howto/evaluate.md") -> UsageError:
        return UsageError(f"{self.path}: {text}", hint=hint)

    def suite(self, digest: Digest) -> Suite:
        document = self.document
        if unknown := set(document) - _KEYS:
            raise self.fail(f"unknown key {min(unknown)!r}", f"known: {', '.join(sorted(_KEYS))}")
        name, task = self.text(document, "name"), self.text(document, "task")
        if task not in COLUMNS:
            raise self.fail(f"unknown task {task!r}", f"known: {', '.join(COLUMNS)}")
        if task != "harness" and (own := _OF_HARNESS.intersection(document)):
            raise self.fail(f"{min(own)} is for the task harness alone", "leave it out")
        dtype = self.text(document, "dtype", "auto")
        if dtype not in _DTYPES:
            raise self.fail(f"dtype {dtype!r}", f"known: {', '.join(_DTYPES)}")
        return Suite(
            name=name,
            task=task,
            metrics=self.metrics(task),
            tolerance=self.tolerance(),
            data=self.data(task),
            digest=digest,
            dataset=self.text(document, "dataset", name),
            aliases=self.texts(document, "aliases"),
            split=self.text(document, "split", ""),
            seed=self.whole("seed", 0, 0, 2**32 - 1),
            batch=self.whole("batch", 32, 1, 4096),
            dtype=dtype,
            repeats=self.whole("repeats", 1, 1, MAX_REPEATS),
            labels=self.labels(),
            max_tokens=self.whole("max_tokens", 0, 1, 1 << 20) or None,
            max_new_tokens=self.whole("max_new_tokens", 48, 1, MAX_NEW_TOKENS),
            takes_unnamed_claims=self.flag("takes_unnamed_claims"),
            refusal=self.texts(document, "refusal"),
            allow_pickle=self.flag("allow_pickle", default=True),
            preprocessing=self.preprocessing(),
            apply_chat_template=self.flag("apply_chat_template"),
            fewshot_as_multiturn=self.flag("fewshot_as_multiturn", default=True),
        )

    def preprocessing(self) -> tuple[str, ...]:
        table = self.document.get("preprocessing", {})
        if not isinstance(table, dict) or not all(isinstance(value, bool) for value in table.values()):
            raise self.fail("preprocessing must be a table of true and false")
        if unknown := set(table) - set(_PREPROCESSING):
            raise self.fail(f"unknown key preprocessing.{min(unknown)}", f"known: {', '.join(_PREPROCESSING)}")
        return tuple(name for name in _PREPROCESSING if table.get(name))

    def metrics(self, task: str) -> tuple[str, ...]:
        names = tuple(metric_name(name) or name for name in self.texts(self.document, "metrics"))
        if not names:
            raise self.fail("metrics is missing or empty", f"for {task}: {', '.join(TASK_METRICS[task])}")
        for name in names:
            if name not in METRICS or name not in TASK_METRICS[task]:
                raise self.fail(f"no metric {name!r} for {task}", f"known: {', '.join(TASK_METRICS[task])}")
        if len(set(names)) != len(names):
            raise self.fail("metrics names one twice")
        return names

    def tolerance(self) -> float:
        value = self.document.get("tolerance", 0.0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            raise self.fail(f"tolerance is not a number from 0 up: {value!r}")
        return float(value)

    def data(self, task: str) -> DataSpec:
        table = self.document.get("data")
        if not isinstance(table, dict):
            raise self.fail("the table [data] is missing")
        if unknown := set(table) - _DATA_KEYS:
            raise self.fail(f"unknown key data.{min(unknown)}", f"known: {', '.join(sorted(_DATA_KEYS))}")
        where = self.text(table, "path")
        if "://" in where:
            raise self.fail(f"data.path is an address: {where!r}", "pin a local copy; nothing is downloaded")
        digest = self.digest(table, "sha256")
        suffix = Path(where).suffix.lower().lstrip(".")
        form = self.text(table, "format", {"ndjson": "jsonl", "pq": "parquet", "tab": "tsv"}.get(suffix, suffix))
        if form not in {"csv", "tsv", "jsonl", "parquet"}:
            raise self.fail(f"data format {form!r}", "csv, tsv, jsonl or parquet; name it in data.format")
        columns: dict[str, str] = {}
        table = self.pair(table)
        for role in ("text", "text_pair", "label", "choices", "image", "image_sha256"):
            if role in table:
                columns[role] = self.text(table, role)
        features = self.texts(table, "features")
        for role in COLUMNS[task]:
            if role not in columns:
                raise self.fail(f"data.{role} is missing", f"{task} needs: {', '.join(COLUMNS[task])}")
        if task != "harness":
            return DataSpec(self.path.parent / where, digest, form, columns, features)
        spec = DataSpec(self.path.parent / where, digest, form, columns, features)
        return self.task_file(table, spec)

    def task_file(self, table: dict[str, Any], spec: DataSpec) -> DataSpec:
        """What a task of the harness pins beside its data."""
        file = self.path.parent / self.text(table, "task")
        functions = table.get("functions", {})
        if not isinstance(functions, dict) or not all(_PYTHON_FILE.fullmatch(name) for name in functions):
            raise self.fail("data.functions must be a table of file name to sha256", 'functions = {"utils.py" = "…"}')
        pins = {name: self.digest(functions, name) for name in functions}
        spec = replace(spec, task=file, task_sha256=self.digest(table, "task_sha256"), functions=pins)
        if "examples" not in table:
            return spec
        shots = self.path.parent / self.text(table, "examples")
        return replace(spec, examples=shots, examples_sha256=self.digest(table, "examples_sha256"))

    def digest(self, table: dict[str, Any], key: str) -> Digest:
        try:
            return Digest.parse(self.text(table, key).lower())
        except UsageError as error:
            raise self.fail(f"data.{key}: {error}", "take it from sha256sum") from error

    def pair(self, table: dict[str, Any]) -> dict[str, Any]:
        """`text = ["premise", "hypothesis"]` is a column and its second sentence."""
        text = table.get("text")
        if not isinstance(text, list):
            return table
        if not 1 <= len(text) <= 2 or "text_pair" in table:  # noqa: PLR2004
            raise self.fail("data.text names one column, or two for pairs of sentences")
        return table | dict(zip(("text", "text_pair"), text, strict=False))

    def labels(self) -> dict[str, int | str]:
        value = self.document.get("labels", {})
        if not isinstance(value, dict) or not all(
            (type(index) is int and index >= 0) or (isinstance(index, str) and index) for index in value.values()
        ):
            raise self.fail("labels must be a table of label to output index, or to the model's name of it")
        return dict(value)

    def text(self, table: dict[str, Any], key: str, default: str | None = None) -> str:
        value = table.get(key, default)
        if not isinstance(value, str) or (default is None and not value):
            raise self.fail(f"{key} must be text: {value!r}")
        return value

    def texts(self, table: dict[str, Any], key: str) -> tuple[str, ...]:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise self.fail(f"{key} must be a list of text: {value!r}")
        return tuple(value)

    def whole(self, key: str, default: int, low: int, high: int) -> int:
        if key not in self.document:
            return default
        value = self.document[key]
        if type(value) is not int or not low <= value <= high:
            raise self.fail(f"{key} must be a whole number from {low} to {high}: {value!r}")
        return value

    def flag(self, key: str, *, default: bool = False) -> bool:
        value = self.document.get(key, default)
        if not isinstance(value, bool):
            raise self.fail(f"{key} must be true or false: {value!r}")
        return value

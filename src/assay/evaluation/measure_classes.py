"""Scoring of one class for each example: classifiers of texts and images, and of tables."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

from assay.core.errors import ContentError
from assay.evaluation.answers import rows_of, whole
from assay.evaluation.labels import better_order, class_indices, id_to_label, is_guess
from assay.evaluation.metrics import Measured, Predictions, score
from assay.formats.json_text import read_json

if TYPE_CHECKING:
    from assay.core.inspector import Subject
    from assay.evaluation.data import Examples
    from assay.evaluation.suite import Suite

CONFIG_BYTES = 4 << 20
TABULAR = (".joblib", ".pkl", ".pickle", ".skops", ".onnx")
_JSON_DEPTH = 64
_MOST_CLASSES = 1 << 20


def config_of(subject: Subject) -> Any:
    """The model's `config.json`, or None."""
    entry = subject.snapshot.entry("config.json")
    if entry is None or entry.size > CONFIG_BYTES:
        return None
    with subject.files.open("config.json") as stream:
        return read_json(stream.read(CONFIG_BYTES + 1), depth=_JSON_DEPTH).value


def of_scikit(subject: Subject) -> bool:
    """Whether a model of texts is scikit-learn's: a pickle or skops file, and no configuration of transformers."""
    names = [entry.path.lower() for entry in subject.snapshot.files]
    return subject.snapshot.entry("config.json") is None and any(name.endswith(TABULAR[:4]) for name in names)


class Classes:
    """Scoring of one class for each example.

    Args:
        subject: the model; its names of the classes are in its configuration.
        suite: what is measured.
        examples: with the labels.

    Raises:
        ContentError: the labels of the data are none of the model's.
    """

    def __init__(self, subject: Subject, suite: Suite, examples: Examples) -> None:
        names = id_to_label(config_of(subject))
        self.seed = suite.seed
        self.truth, rule = class_indices(examples.column("label"), names, suite.labels)
        self.guessed = is_guess(rule, names)

    def __call__(self, metric: str, run: dict[str, Any]) -> Measured:
        """One metric of one run."""
        truth = self.of_run(run)
        predicted = whole(self.classes(run), len(truth), 0, _MOST_CLASSES)
        rows = rows_of(run, len(truth))
        if rows and max(truth) >= min(map(len, rows)):
            raise ContentError("the data has labels that the model has no output for")
        return score(metric, Predictions(truth, predicted, rows), self.seed)

    def of_run(self, _run: dict[str, Any]) -> tuple[int, ...]:
        """The right class of each example."""
        return self.truth

    def classes(self, run: dict[str, Any]) -> Any:
        """The model's class of each example."""
        return run["classes"]

    def in_better_order(self, run: dict[str, Any]) -> Classes | None:
        """The same with the outputs in an order that answers better, where nothing says which order is meant."""
        truth = self.of_run(run)
        order = better_order(truth, self.classes(run)) if self.guessed else {}
        if not order:
            return None
        other = copy(self)
        other.truth = tuple(order[one] for one in truth)
        return other


class TableClasses(Classes):
    """The same for a scikit-learn model, which says itself what its classes are called, and in which order."""

    def __init__(self, suite: Suite, examples: Examples) -> None:
        self.seed, self.own = suite.seed, suite.labels
        self.labels = examples.column("label")
        self.truth, self.guessed = (), False

    def of_run(self, run: dict[str, Any]) -> tuple[int, ...]:
        """The right class of each example, by the names that the model gives (ContentError where they are others)."""
        if not self.truth:
            names = dict(enumerate(map(str, run["order"])))
            self.truth, rule = class_indices(self.labels, names, self.own)
            self.guessed = is_guess(rule, names)
        return self.truth

    def classes(self, run: dict[str, Any]) -> Any:
        """The model's class of each example."""
        table = {str(name): index for index, name in enumerate(run["order"])}
        return [table[str(label)] for label in run["labels"]]


def table_rows(examples: Examples) -> list[list[float]]:
    """Features as numbers.

    Raises:
        ContentError: where one is none.
    """
    rows = []
    for number, row in enumerate(examples.column("features"), start=1):
        try:
            rows.append([float(_TRUTHS.get(str(value).lower(), value)) for value in row])
        except (TypeError, ValueError) as error:
            raise ContentError(f"example {number} has a feature that is no number") from error
    return rows


_TRUTHS = {"true": 1, "false": 0}

"""Models of tables in ONNX, with the face of a scikit-learn one: converted estimators, and networks with one input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime

from assay.workers.answers import Unfit

if TYPE_CHECKING:
    from pathlib import Path

_TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}
_ROWS = 4096  # rows of one call
_SUM = 0.01  # how far from 1 rounding may take the sum of probabilities


def load(path: Path, threads: int, width: int) -> Any:
    """The model, with `predict`, and `classes_` where it is a classifier.

    Args:
        path: of the file.
        threads: of one operator.
        width: features of a row.

    Raises:
        Unfit: when it takes anything but one matrix of numbers.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    inputs, outputs = session.get_inputs(), [one.name for one in session.get_outputs()]
    if len(inputs) != 1 or inputs[0].type not in _TYPES or len(inputs[0].shape) != 2:  # noqa: PLR2004
        raise Unfit("the ONNX model takes other inputs than one matrix of numbers")
    if isinstance(inputs[0].shape[1], int) and inputs[0].shape[1] != width:
        raise Unfit(f"the ONNX model takes {inputs[0].shape[1]} features, and the data has {width}")
    if len(outputs) > 2:  # noqa: PLR2004 - label and probabilities
        raise Unfit(f"the ONNX model gives {len(outputs)} outputs: which is meant?")
    one = _Onnx(session, inputs[0], outputs)
    scores = one.run(np.zeros((1, width)))[-1]
    if isinstance(scores, list):  # a map of class to probability
        return _Classifier(one, list(scores[0]))
    count = np.asarray(scores).reshape(1, -1).shape[1]
    return _Classifier(one, list(range(count))) if count > 1 or len(outputs) > 1 else one


class _Onnx:
    """A model that gives a number for each row."""

    def __init__(self, session: Any, taken: Any, outputs: list[str]) -> None:
        self.session, self.taken, self.outputs = session, taken, outputs

    def run(self, rows: Any) -> Any:
        """Outputs for all rows, those of one kind together."""
        whole = np.asarray(rows).astype(_TYPES[self.taken.type])
        parts = [
            self.session.run(self.outputs, {self.taken.name: whole[start : start + _ROWS]})
            for start in range(0, len(whole), _ROWS)
        ]
        return [
            [row for part in found for row in part] if isinstance(found[0], list) else np.concatenate(found)
            for found in zip(*parts, strict=True)
        ]

    def predict(self, rows: Any) -> Any:
        """A number for each row."""
        return self.run(rows)[0]


class _Classifier:
    """A model that gives a label and probabilities (skl2onnx), or a score of each class."""

    def __init__(self, model: _Onnx, classes: list[Any]) -> None:
        self.model = model
        self.classes_ = classes

    def predict(self, rows: Any) -> Any:
        """A label for each row; of scores alone the number of the highest."""
        found = self.model.run(rows)
        if len(found) == 1:
            return found[0].argmax(1)
        labels = list(np.asarray(found[0]).reshape(-1))
        if any(label not in self.classes_ for label in labels):  # named nowhere else: scikit-learn sorts them
            self.classes_ = sorted(set(labels))
        return labels

    def predict_proba(self, rows: Any) -> Any:
        """Probabilities, rows by classes; scores of a network by softmax."""
        found = self.model.run(rows)
        if isinstance(found[-1], list):
            return np.asarray([[row[name] for name in self.classes_] for row in found[-1]], dtype=float)
        scores = np.asarray(found[-1], dtype=float)
        if scores.shape[1] != len(self.classes_):
            raise Unfit("which of its classes the ONNX model's probabilities are of is not known")
        if (scores >= 0).all() and (abs(scores.sum(1) - 1) < _SUM).all():
            return scores
        raised = np.exp(scores - scores.max(1, keepdims=True))
        return raised / raised.sum(1, keepdims=True)

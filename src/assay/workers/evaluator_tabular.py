"""Scikit-learn classifiers and regressors from joblib, pickle or skops files, and models of tables in ONNX.

Unpickling runs code: only inside the sandbox, and only when the suite allows it.
"""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

from assay.workers.answers import Answering, Json, Unfit

_PICKLED = {".joblib", ".pkl", ".pickle"}
_SKOPS, _ONNX = ".skops", ".onnx"


def predict(job: Json) -> Answering:
    """Class (as text, with probabilities when the model gives them) or number of each row of features, or text."""
    import numpy as np  # noqa: PLC0415

    random.seed(int(job["seed"]))
    np.random.seed(int(job["seed"]))  # noqa: NPY002 - the model may use the global one
    model = _load(Path(job["model"]), job)
    numbers = job["task"] == "tabular-regression"
    if not numbers and not hasattr(model, "classes_"):
        raise Unfit("the model is no classifier")
    if numbers and hasattr(model, "classes_"):
        raise Unfit("the model is a classifier: it gives no number")
    items = job["items"]
    rows = items if items and isinstance(items[0], str) else _in_order(np.asarray(items, dtype=float), model, job)
    order: list[str] = []
    runs = []
    for number in range(int(job["repeats"])):
        if numbers:
            run: Json = {"numbers": np.asarray(model.predict(rows), dtype=float).reshape(len(rows), -1)[:, 0].tolist()}
        else:
            labels = [_text(label) for label in model.predict(rows)]
            order = [_text(label) for label in model.classes_]
            run = {"labels": labels, "order": order}
            if job["probabilities"] and hasattr(model, "predict_proba"):
                run["probabilities"] = model.predict_proba(rows).tolist()
        runs.append(run)
        yield (number + 1) * len(rows), int(job["repeats"]) * len(rows)
    return runs, {"classes": len(order)}


def _text(label: Any) -> str:
    value = label.item() if hasattr(label, "item") else label
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _in_order(rows: Any, model: Any, job: Json) -> Any:
    """Columns in the order that the model was trained with, where it knows their names and the suite gives no order.

    Raises:
        Unfit: when its names are not among those of the data.
    """
    names = [str(name) for name in getattr(model, "feature_names_in_", ())]
    if not names or job["ordered"]:
        return rows
    at = {_plain(name): index for index, name in enumerate(job["features"])}
    if missing := [name for name in names if _plain(name) not in at]:
        raise Unfit(f"the data has no column {missing[0]!r} that the model was trained with: name data.features")
    return rows[:, [at[_plain(name)] for name in names]]


def _plain(name: str) -> str:
    """Without units in brackets, case and punctuation: `sepal length (cm)` is `sepal_length`."""
    return re.sub(r"\([^()]*\)|[\W_]", "", name).lower() or name


def _load(folder: Path, job: Json) -> Any:
    allow_pickle = bool(job["allow_pickle"])
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in files:
        if path.suffix == _SKOPS:
            import skops.io as sio  # noqa: PLC0415

            return sio.load(path, trusted=[])
    for path in files:
        if path.suffix == _ONNX and (not allow_pickle or not any(one.suffix in _PICKLED for one in files)):
            from assay.workers.evaluator_onnx import load  # noqa: PLC0415

            return load(path, int(job["threads"]), len(job["features"]))
    for path in files:
        if path.suffix in _PICKLED:
            if not allow_pickle:
                raise Unfit(f"{path.name} runs code when it is loaded; the suite does not allow it (allow_pickle)")
            import joblib  # noqa: PLC0415

            return joblib.load(path)
    raise Unfit("no joblib, pickle, skops or ONNX file")

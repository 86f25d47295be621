"""Scikit-learn classifiers from joblib, pickle or skops files.

Unpickling runs code: only inside the sandbox, and only when the suite allows it.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from assay.workers.answers import Answering, Json, Unfit

_PICKLED = {".joblib", ".pkl", ".pickle"}


def predict(job: Json) -> Answering:
    """Class (as text) of each row of features, with probabilities when the model gives them."""
    import numpy as np  # noqa: PLC0415

    random.seed(int(job["seed"]))
    np.random.seed(int(job["seed"]))  # noqa: NPY002 - the model may use the global one
    model = _load(Path(job["model"]), allow_pickle=bool(job["allow_pickle"]))
    if not hasattr(model, "classes_"):
        raise Unfit("the model is no classifier")
    rows = np.asarray(job["items"], dtype=float)
    order = [_text(label) for label in model.classes_]
    runs = []
    for number in range(int(job["repeats"])):
        run: Json = {"labels": [_text(label) for label in model.predict(rows)], "order": order}
        if job["probabilities"] and hasattr(model, "predict_proba"):
            run["probabilities"] = model.predict_proba(rows).tolist()
        runs.append(run)
        yield (number + 1) * len(rows), int(job["repeats"]) * len(rows)
    return runs, {"classes": len(order)}


def _text(label: Any) -> str:
    value = label.item() if hasattr(label, "item") else label
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _load(folder: Path, *, allow_pickle: bool) -> Any:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in files:
        if path.suffix == ".skops":
            import skops.io as sio  # noqa: PLC0415

            return sio.load(path, trusted=[])
    for path in files:
        if path.suffix in _PICKLED:
            if not allow_pickle:
                raise Unfit(f"{path.name} runs code when it is loaded; the suite does not allow it (allow_pickle)")
            import joblib  # noqa: PLC0415

            return joblib.load(path)
    raise Unfit("no joblib, pickle or skops file")

"""A scikit-learn estimator as skops, and as ONNX where that answers the same.

skops: only with types that it trusts by itself. ONNX: float32 inputs; kept when labels are equal and scores within
`_CLOSE` on the probe.
"""

from __future__ import annotations

import base64
import math
from importlib import import_module
from typing import Any

import numpy as np

from assay.workers.answers import Json, Unfit, Witnessing

_ROWS = 64
_SEED = 20_260_101
_CLOSE = 1e-4  # of a score computed in float32
_CANT = (NotImplementedError, RuntimeError, ValueError, NameError)
_METHODS = ("predict", "predict_proba", "decision_function", "transform")


def convert(job: Json) -> Witnessing:
    """Load, write as skops and ONNX, load these again, compare; yields (stages done, 3).

    Args:
        job: `source`: path of the pickle.

    Returns:
        `{"skops": base64, "onnx": base64 or "", "onnx_why": text, "methods": [name, …], "class": name}`

    Raises:
        Unfit: it is no estimator, skops would have to trust foreign types, or answers differ.
    """
    sio = import_module("skops.io")  # an optional extra
    estimator = import_module("joblib").load(job["source"])
    if not any(hasattr(estimator, name) for name in _METHODS):
        raise Unfit(f"a pickle of {type(estimator).__module__}.{type(estimator).__qualname__}: no estimator")
    rows = _probe_rows(estimator)
    before = _answers(estimator, rows)
    yield 1, 3
    data = sio.dumps(estimator)
    if foreign := sio.get_untrusted_types(data=data):
        raise Unfit(f"skops would have to trust {', '.join(foreign[:5])}")
    after = _answers(sio.loads(data), rows)
    if before.keys() != after.keys() or not all(_equal(before[name], after[name]) for name in before):
        raise Unfit("loaded from skops, it answers differently")
    yield 2, 3
    onnx, why = _onnx(estimator, rows, before)
    return {
        "skops": base64.b64encode(data).decode(),
        "onnx": base64.b64encode(onnx).decode(),
        "onnx_why": why,
        "methods": list(before),
        "class": f"{type(estimator).__module__}.{type(estimator).__qualname__}",
    }


def _probe_rows(estimator: Any) -> Any:
    random = np.random.default_rng(_SEED)
    width = getattr(estimator, "n_features_in_", None)
    if isinstance(width, int) and width > 0:
        return random.normal(scale=2.0, size=(_ROWS, width)).astype(np.float32).astype(np.float64)
    first = estimator.steps[0][1] if hasattr(estimator, "steps") else estimator
    words = sorted(getattr(first, "vocabulary_", None) or ())
    if not words:
        raise Unfit("what it takes as input can't be told, so that nothing can be proven")
    return np.array([" ".join(random.choice(words, 8)) for _ in range(_ROWS)], dtype=object)


def _answers(estimator: Any, rows: Any) -> dict[str, Any]:
    found = {}
    for name in _METHODS:
        if hasattr(estimator, name):
            value = getattr(estimator, name)(rows)
            found[name] = value.toarray() if hasattr(value, "toarray") else np.asarray(value)
    if not found:
        raise Unfit("it answers nothing")
    return found


def _equal(one: Any, other: Any) -> bool:
    """The same type, shape and bits."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return bool(np.array_equal(one, other)) if one.dtype == object else one.tobytes() == other.tobytes()


def _onnx(estimator: Any, rows: Any, before: dict[str, Any]) -> tuple[bytes, str]:
    """The model as ONNX and nothing, or nothing and why not."""
    try:
        onnxruntime = import_module("onnxruntime")
        to_onnx = import_module("skl2onnx").to_onnx
        missing = import_module("skl2onnx.common.exceptions")
    except ImportError as error:
        return b"", f"{error.name} is not installed"
    if rows.dtype == object or "predict" not in before:
        return b"", "only models that predict from numbers are written as ONNX"
    try:
        options = {id(estimator): {"zipmap": False}} if "predict_proba" in before else None
        data = to_onnx(estimator, rows[:1].astype(np.float32), options=options).SerializeToString()
        session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
        found = session.run(None, {session.get_inputs()[0].name: rows.astype(np.float32)})
    except (missing.MissingConverter, missing.MissingShapeCalculator, *_CANT) as error:
        return b"", f"skl2onnx or ONNX Runtime can't: {type(error).__name__}: {str(error)[:200]}"
    answered = np.asarray(found[0]).reshape(before["predict"].shape)
    if before["predict"].dtype.kind == "f":
        worst = float(np.max(np.abs(answered - before["predict"]) / (1 + np.abs(before["predict"]))))
        same = math.isfinite(worst) and worst <= _CLOSE
    else:
        same = [str(label) for label in answered] == [str(label) for label in before["predict"]]
    if same and "predict_proba" in before and len(found) > 1:
        same = bool(np.allclose(np.asarray(found[1]), before["predict_proba"], atol=_CLOSE))
    return (data, "") if same else (b"", "as ONNX it answers differently")

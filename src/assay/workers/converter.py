"""The converter's witness: loads a model as its users would, before and after, and says whether it is the same.

A worker of `assay.sandbox.inside`: `preload` before any model is there, then `run` for each message. Checkpoints are
loaded with `weights_only=True`. Only a scikit-learn estimator is unpickled, after the scan of its file came out clean.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from assay.workers.answers import Json, Unfit, Witnessing

PAGE = 30_000  # characters of one page of answers: escaped twice, it stays below the channel's 128 KiB
_TASKS = {
    "compare": ("assay.workers.converter_torch", "compare"),
    "probe": ("assay.workers.converter_torch", "probe"),
    "estimator": ("assay.workers.converter_sklearn", "convert"),
}
_LIBRARIES = ("torch", "transformers", "safetensors", "numpy", "scikit-learn", "skops", "skl2onnx", "onnxruntime")
# What the libraries below raise for a model that does not fit; anything else ends the worker and is seen as such.
_UNFIT = (
    Unfit, OSError, ValueError, TypeError, LookupError, AttributeError, ImportError, RuntimeError, AssertionError,
    ArithmeticError, MemoryError, EOFError, RecursionError,
)  # fmt: skip


class _State:
    """The job under way."""

    jobs: list[Json] = []  # noqa: RUF012 - one worker, one model
    answering: Witnessing | None = None
    pages: tuple[str, ...] = ()


_STATE = _State()


def preload() -> dict[str, str]:
    """Import what checkpoints need; gives the versions of what is there."""
    with contextlib.suppress(ImportError):  # a task without its framework says so when it is asked for
        import_module("assay.workers.converter_torch")
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def run(task: Json) -> Json:
    """One message: `{"jobs": PATH, "number": N}` begins, `{"step": SECONDS}` goes on, `{"page": N}` hands over.

    Returns:
        `{"progress": [done, total]}`, `{"pages": count}`, `{"text": page}`, or `{"unfit": why}`.
    """
    try:
        if "jobs" in task:
            return _begin(Path(task["jobs"]), int(task["number"]))
        return {"text": _STATE.pages[task["page"]]} if "page" in task else _step(float(task["step"]))
    except _UNFIT as error:
        text = str(error) if isinstance(error, Unfit) else f"{type(error).__name__}: {error}"
        return {"unfit": text[:1000]}


def _begin(path: Path, number: int) -> Json:
    if not _STATE.jobs:
        _STATE.jobs = json.loads(path.read_text("utf-8"))
        tempfile.tempdir = os.environ["HF_HOME"]  # the one folder that a guest may write to
    job = _STATE.jobs[number]
    module, function = _TASKS[job["task"]]
    _STATE.answering = getattr(import_module(module), function)(job)
    _STATE.pages = ()
    return {"progress": [0, 1]}


def _step(seconds: float) -> Json:
    if _STATE.answering is None:
        raise Unfit("nothing was begun")
    end = time.monotonic() + seconds
    while True:
        try:
            done, total = next(_STATE.answering)
        except StopIteration as stop:
            text = json.dumps(stop.value, separators=(",", ":"))
            _STATE.pages = tuple(text[i : i + PAGE] for i in range(0, len(text), PAGE))
            _STATE.answering = None
            return {"pages": len(_STATE.pages)}
        if time.monotonic() >= end:
            return {"progress": [done, total]}

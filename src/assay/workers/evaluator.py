"""The evaluator: runs a model over inputs and gives back its answers. It never sees a label, so nothing here can score.

A worker of `assay.sandbox.inside`: `preload` before any model is there, then `run` for each message. The job lies
beside the model in the guest's read-only folder. No code of the model is run (`trust_remote_code` is off, weights are
loaded as data); the exception is a tabular model that the suite allows to be unpickled.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from assay.workers.answers import Answering, Json, Unfit

_SPINS = "20000"  # then a thread that waits sleeps: on a busy machine spinning costs several times the work
PAGE = 30_000  # characters of one page of answers: escaped twice, it stays below the channel's 128 KiB
_TASKS = {
    "text-classification": ("assay.workers.evaluator_text", "classify"),
    "token-classification": ("assay.workers.evaluator_text", "tag"),
    "causal-lm": ("assay.workers.evaluator_lm", "loss"),
    "multiple-choice": ("assay.workers.evaluator_lm", "choose"),
    "safety": ("assay.workers.evaluator_lm", "answer"),
    "harness": ("assay.workers.evaluator_lm", "respond"),
    "harness-functions": ("assay.workers.evaluator_functions", "apply"),
    "text-regression": ("assay.workers.evaluator_text", "classify"),
    "image-classification": ("assay.workers.evaluator_image", "classify"),
    "tabular": ("assay.workers.evaluator_tabular", "predict"),
    "tabular-regression": ("assay.workers.evaluator_tabular", "predict"),
}
_LIBRARIES = ("torch", "transformers", "tokenizers", "safetensors", "numpy", "scikit-learn", "joblib", "skops",
              "onnxruntime", "pillow")  # fmt: skip
# What the libraries below raise for a model that does not fit; anything else ends the worker and is seen as such.
_UNFIT = (
    Unfit, OSError, ValueError, TypeError, LookupError, AttributeError, ImportError, RuntimeError, AssertionError,
    ArithmeticError, MemoryError, EOFError, RecursionError,
)  # fmt: skip


class _State:
    """The job under way."""

    answering: Answering | None = None
    pages: tuple[str, ...] = ()


_STATE = _State()


def preload() -> dict[str, str]:
    """Import the frameworks that are there; gives their versions."""
    os.environ["GOMP_SPINCOUNT"] = _SPINS  # OpenMP reads it once, when it is loaded
    for module in ("text", "lm", "image", "tabular"):
        try:
            import_module(f"assay.workers.evaluator_{module}")
        except ImportError:
            continue  # a task without its framework says so when it is asked for
    del os.environ["GOMP_SPINCOUNT"]
    return libraries()


def libraries() -> dict[str, str]:
    """Versions of what could change a number; PyTorch asks what the processor can do while /proc is still there."""
    if (torch := sys.modules.get("torch")) is not None:
        torch.backends.cpu.get_cpu_capability()  # asked later, it finds none: kernels refuse or are slow
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def run(task: Json) -> Json:
    """One message: `{"job": PATH}` begins, `{"step": SECONDS}` goes on, `{"page": N}` hands over the answers.

    Returns:
        `{"progress": [done, total]}`, `{"pages": count}`, `{"text": page}`, or `{"unfit": why}`.
    """
    try:
        if "job" in task:
            return _begin(Path(task["job"]))
        return {"text": _STATE.pages[task["page"]]} if "page" in task else _step(float(task["step"]))
    except _UNFIT as error:
        text = str(error) if isinstance(error, Unfit) else f"{type(error).__name__}: {error}"
        return {"unfit": text[:1000]}


def _begin(path: Path) -> Json:
    job = json.loads(path.read_text("utf-8"))
    tempfile.tempdir = os.environ["HF_HOME"]  # the one folder that a guest may write to
    module, function = _TASKS[job["task"]]
    _STATE.answering = getattr(import_module(module), function)(job)
    _STATE.pages = ()
    return {"progress": [0, len(job["items"])]}


def _step(seconds: float) -> Json:
    if _STATE.answering is None:
        raise Unfit("nothing was begun")
    end = time.monotonic() + seconds
    while True:
        try:
            done, total = next(_STATE.answering)
        except StopIteration as stop:
            text = json.dumps({"answers": stop.value[0], "facts": stop.value[1]}, separators=(",", ":"))
            _STATE.pages = tuple(text[i : i + PAGE] for i in range(0, len(text), PAGE))
            _STATE.answering = None
            return {"pages": len(_STATE.pages)}
        if time.monotonic() >= end:
            return {"progress": [done, total]}

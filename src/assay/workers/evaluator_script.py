"""Runs an evaluation script that came with a model, as evidence of what it tries; what it says counts for nothing.

A worker of `assay.sandbox.inside`. A task is `{"script", "folder", "arguments"}`: the script is run as a program would
be, with its threads and exit handlers, and what it tries is recorded outside.
"""

from __future__ import annotations

import atexit
import importlib
import os
import runpy
import sys
import tempfile
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assay.workers.answers import Json

_FRAMEWORKS = ("torch", "numpy", "transformers", "sklearn")  # what such scripts import first
_THREAD_SECONDS = 5.0  # for threads that the script left behind
# What a script may end by; anything else ends this process, and the supervisor says so.
_ERRORS = (
    OSError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, ImportError, MemoryError, EOFError,
    RuntimeError, AssertionError, NameError, SyntaxError, BufferError, Warning,
)  # fmt: skip


def preload() -> dict[str, str]:
    """Import the frameworks that are there; gives their versions."""
    warnings.simplefilter("ignore")
    found = {}
    for name in _FRAMEWORKS:
        try:
            found[name] = str(getattr(importlib.import_module(name), "__version__", "?"))
        except ImportError:
            continue
    return found


def run(task: Json) -> Json:
    """Run it once.

    Returns:
        `ended`: `""` when it ran to its end, else how: `exit STATUS`, or the error.
    """
    script, arguments = str(task["script"]), [str(one) for one in task["arguments"]]
    tempfile.tempdir = os.environ["HF_HOME"]  # the one folder that a guest may write to
    Path(tempfile.tempdir).mkdir(exist_ok=True)
    os.chdir(str(task["folder"]) or tempfile.tempdir)
    sys.argv = [script, *arguments]
    if (folder := str(Path(script).parent)) not in sys.path:
        sys.path.insert(0, folder)
    ended = ""
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as status:
        ended = f"exit {status.code!r}"[:300] if status.code else ""
    except _ERRORS as error:
        ended = f"{type(error).__name__}: {error}"[:300]
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(_THREAD_SECONDS)
    atexit._run_exitfuncs()  # noqa: SLF001 - what it does at the end is its doing too
    return {"ended": ended}

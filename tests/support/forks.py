"""Processes that begin with everything imported: forks of one clean process without threads and connections.

For tests that kill a process, or start many, and prove nothing about how it starts. Each costs a tenth of a new one.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.admission.world"])  # the whole admission, with its database libraries


@dataclass(frozen=True)
class Ended:
    """Exit status (negative: the signal that killed it), standard output and standard error."""

    status: int
    out: str
    err: str


def fork(folder: Path, target: Callable[..., object], *args: Any, patience: float = 240) -> Ended:
    """Run a function of a module in a process of its own, in `folder`, to its end."""
    out, err = (folder / f".fork.{name}" for name in ("out", "err"))
    process = _CONTEXT.Process(target=_begin, args=(target, args, str(folder), str(out), str(err)))
    process.start()
    process.join(patience)
    if process.exitcode is None:
        process.kill()
        process.join()
    assert process.exitcode is not None
    ended = Ended(process.exitcode, out.read_text(), err.read_text())
    process.close()
    out.unlink()
    err.unlink()
    return ended


def fork_script(folder: Path, script: Path, *args: str) -> Ended:
    """The same for a program with arguments."""
    return fork(folder, _script, str(script), *args)


def _begin(target: Callable[..., object], args: tuple[Any, ...], folder: str, out: str, err: str) -> None:
    os.chdir(folder)
    for path, descriptor in ((out, 1), (err, 2)):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    target(*args)


def _script(path: str, *args: str) -> None:
    sys.argv = [path, *args]
    runpy.run_path(path, run_name="__main__")

"""Processes that begin with everything imported: forks of one clean process without threads and connections.

For tests that kill a process, or start many, and prove nothing about how it starts. Each costs a tenth of a new one.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

_CONTEXT = multiprocessing.get_context("forkserver")
# The whole admission, with its database libraries, and the commands.
_CONTEXT.set_forkserver_preload(["tests.admission.world", "tests.support.commands"])


@dataclass(frozen=True)
class Ended:
    """Exit status (negative: the signal that killed it), standard output and standard error."""

    status: int
    out: str
    err: str


def fork(folder: Path, target: Callable[..., object], *args: Any, patience: float = 240) -> Ended:
    """Run a function of a module in a process of its own, in `folder`, to its end."""
    out, err = (folder / f".fork.{name}" for name in ("out", "err"))
    process = _CONTEXT.Process(target=_begin, args=(target, args, str(folder), out, err))
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


class Running:
    """`assay ARGS` from its first statement on, in the caller's folder: what `subprocess.Popen` is, with pipes.

    Args:
        args: of the command line.
        env: its environment, and nothing else.
        files: for standard output and standard error, in place of pipes.
    """

    def __init__(self, *args: str, env: dict[str, str], files: tuple[Path, Path] | None = None) -> None:
        self.args = args
        pipes = [] if files else [_CONTEXT.Pipe(duplex=False) for _ in range(2)]
        ends = files or tuple(ours for _, ours in pipes)
        self._process = _CONTEXT.Process(target=_begin, args=(_assay, (list(args), env), str(Path.cwd()), *ends))
        self._process.start()
        streams = []
        for theirs, ours in pipes:
            ours.close()
            streams.append(os.fdopen(os.dup(theirs.fileno()), encoding="utf-8"))
            theirs.close()
        self.stdout, self.stderr = streams or (None, None)
        self.pid = self._process.pid or 0

    @property
    def returncode(self) -> int | None:
        """Exit status, or the signal that killed it, negative."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """The same."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""
        self._process.join(timeout)
        if self.returncode is None:
            raise TimeoutExpired(self.args, timeout or 0.0)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What it writes until its end."""
        with ThreadPoolExecutor(2) as readers:
            out, err = (readers.submit(stream.read) if stream else None for stream in (self.stdout, self.stderr))
            try:
                self.wait(timeout)
            except TimeoutExpired:
                self.kill()
                raise
        for stream in (self.stdout, self.stderr):
            if stream:
                stream.close()
        return (out.result() if out else "", err.result() if err else "")

    def send_signal(self, number: int) -> None:
        """Send a signal, if it runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


def assay(*args: str, env: dict[str, str], patience: float = 240) -> CompletedProcess[str]:
    """Run `assay ARGS` to its end, as `Running` does."""
    process = Running(*args, env=env)
    out, err = process.communicate(patience)
    return CompletedProcess(args, process.wait(), out, err)


def fork_script(folder: Path, script: Path, *args: str) -> Ended:
    """The same for a program with arguments."""
    return fork(folder, _script, str(script), *args)


def _assay(args: list[str], env: dict[str, str]) -> None:
    from assay.cli.main import main

    os.environ.clear()
    os.environ.update(env)
    sys.argv = ["assay", *args]
    sys.exit(main(args))


def _begin(target: Callable[..., object], args: tuple[Any, ...], folder: str, *ends: Path | Connection) -> None:
    os.chdir(folder)
    for end, descriptor in zip(ends, (1, 2), strict=True):
        if isinstance(end, Path):
            opened = os.open(end, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(opened, descriptor)
            os.close(opened)
        else:
            os.dup2(end.fileno(), descriptor)
            end.close()
    # Those that were inherited go by what the descriptors were before.
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)
    target(*args)


def _script(path: str, *args: str) -> None:
    sys.argv = [path, *args]
    runpy.run_path(path, run_name="__main__")

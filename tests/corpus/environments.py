"""Environments of frameworks and peers: `python -m tests.corpus.environments [NAME…]`.

Each is a virtual environment under `.venvs/`, made from the hash-checked constraints of the same name. They are kept
out of the test environment because their requirements contradict each other.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TORCH = "torch==2.13.0"  # alone and without hash: a CPU build is taken where one is offered (see Makefile)
WITH_TORCH = {"keras-older", "keras-recent"}
HEAVY = {"torch-older"}  # 3.5 GB with its CUDA libraries: made only when asked for by name


def names(kind: str) -> list[str]:
    """Environments that constraints exist for; `kind` is `corpus` or `peers`."""
    return sorted(path.stem for path in (ROOT / "constraints" / kind).glob("*.txt"))


def python_of(kind: str, name: str) -> Path:
    """The interpreter of an environment, whether it exists or not."""
    return ROOT / ".venvs" / kind / name / "bin" / "python"


def existing(kind: str) -> list[str]:
    """Interpreters of the environments that are complete."""
    return [str(python_of(kind, name)) for name in names(kind) if _stamp(kind, name).exists()]


def ensure(kind: str, name: str) -> Path:
    """Make an environment unless it is complete; returns its interpreter."""
    python, stamp = python_of(kind, name), _stamp(kind, name)
    constraints = ROOT / "constraints" / kind / f"{name}.txt"
    if stamp.exists() and stamp.read_bytes() == constraints.read_bytes():
        return python
    venv.create(stamp.parent, with_pip=True, clear=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    _run([*pip, "--require-hashes", "--no-deps", "-r", str(constraints)])
    if name in WITH_TORCH:
        _run([*pip, "--no-deps", TORCH])
    stamp.write_bytes(constraints.read_bytes())
    return python


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        msg = f"{' '.join(command)}: {done.stderr[-2000:]}"
        raise RuntimeError(msg)


def _stamp(kind: str, name: str) -> Path:
    return ROOT / ".venvs" / kind / name / ".complete"


def main() -> None:
    """Entry point."""
    for name in sys.argv[1:] or [name for name in names("corpus") if name not in HEAVY]:
        print(ensure("corpus", name), flush=True)


if __name__ == "__main__":
    main()

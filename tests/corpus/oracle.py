"""Load corpus files with their real loaders in a confined child and say which ones executed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from .build import MARKERS

CHILD = Path(__file__).with_name("oracle_child.py")
TIMEOUT_SECONDS = 900


def run(
    entries: list[dict[str, Any]], corpus: Path, work: Path, python: str = sys.executable
) -> dict[str, dict[str, Any]]:
    """Path in the corpus → {"executed", "ended"}, or {"missing": module}, for entries that name a loader.

    Under bubblewrap without network when there is one; the marker folder inside is then a private one of `work`.
    Without bubblewrap the payloads touch files in `MARKERS` itself: they can do nothing else.
    """
    markers = work / "markers"
    markers.mkdir(parents=True, exist_ok=True)
    jobs = [
        {**{k: e[k] for k in ("loader", "marker", "listens", "expected", "needs")}, "file": str(corpus / e["path"])}
        for e in entries
    ]
    listing = work / "jobs.json"
    listing.write_text(json.dumps(jobs))
    command = [python, str(CHILD), str(listing)]
    if bubblewrap := shutil.which("bwrap"):
        command = [
            bubblewrap,
            "--unshare-all",
            "--die-with-parent",
            "--new-session",
            "--ro-bind",
            "/",
            "/",
            "--dev",
            "/dev",
            "--proc",
            "/proc",
            "--tmpfs",
            "/tmp",
            "--ro-bind",
            str(CHILD.parents[2]),  # a checkout below /tmp is hidden by the line above
            str(CHILD.parents[2]),
            "--ro-bind",
            str(work),
            str(work),
            "--ro-bind",
            str(corpus),
            str(corpus),
            "--bind",
            str(markers),
            MARKERS,
            "--setenv",
            "HOME",
            "/tmp",
            "--setenv",
            "KERAS_BACKEND",
            "torch",
            *_bind(python),
            *command,
        ]
    else:
        Path(MARKERS).mkdir(exist_ok=True)
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    if done.returncode != 0:
        msg = f"oracle child failed ({done.returncode}): {done.stderr[-2000:]}"
        raise RuntimeError(msg)
    results: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return {entry["path"]: results[str(corpus / entry["path"])] for entry in entries}


def _bind(python: str) -> list[str]:
    """The interpreter's environment, when it lies under the folder that the sandbox hides."""
    home = Path(python).parent.parent
    return ["--ro-bind", str(home), str(home)] if home.is_relative_to("/tmp") else []

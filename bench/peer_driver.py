"""Run by a peer's own interpreter: `python peer_driver.py PEER PATHS.json`; prints {path: verdict}.

Each file is scanned in a fork with a time limit, so that a crash or a hang of one file costs that file alone. The
scanner is imported once. Verdicts: flagged, suspicious, clean, skipped, error.
"""

# ruff: noqa: PLC0415  one peer is installed in each interpreter

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT_SECONDS = 60


def picklescan() -> Callable[[str], str]:
    """Strict: every global that is not on its list of safe ones counts."""
    from picklescan.scanner import scan_file_path

    def scan(path: str) -> str:
        result = scan_file_path(path, strict=True)
        if result.issues_count:
            return "flagged"
        if result.scan_err:
            return "error"
        return "clean" if result.scanned_files else "skipped"

    return scan


def modelscan() -> Callable[[str], str]:
    """Default settings."""
    from modelscan.modelscan import ModelScan

    def scan(path: str) -> str:
        tool = ModelScan()
        tool.scan(Path(path))
        if tool.issues.all_issues:
            return "flagged"
        if tool.errors:
            return "error"
        return "clean" if tool.scanned else "skipped"

    return scan


def fickling() -> Callable[[str], str]:
    """Its own entry points for a pickle and for a zip archive; the worst severity counts."""
    import zipfile

    from fickling.analysis import Severity
    from fickling.loader import scan_file, scan_zip_archive

    def scan(path: str) -> str:
        results = (
            list(scan_zip_archive(path, graceful=True).values())
            if zipfile.is_zipfile(path)
            else [scan_file(path, graceful=True)]
        )
        if not results:
            return "skipped"
        worst = max((result.severity for result in results), default=Severity.LIKELY_SAFE)
        if worst > Severity.SUSPICIOUS:
            return "flagged"
        if worst == Severity.SUSPICIOUS:
            return "suspicious"
        if any(result.errors for result in results):
            return "error"
        return "clean" if worst <= Severity.LIKELY_SAFE else "suspicious"

    return scan


def modelaudit() -> Callable[[str], str]:
    """Default settings without its cache; warnings and critical issues count."""
    from modelaudit.core import scan_model_directory_or_file

    def scan(path: str) -> str:
        result = scan_model_directory_or_file(path, cache_enabled=False)
        severities = {str(getattr(issue.severity, "value", issue.severity)) for issue in result.issues}
        if severities & {"critical", "warning"}:
            return "flagged"
        return "error" if result.has_errors or not result.success else "clean"

    return scan


PEERS = {"picklescan": picklescan, "modelscan": modelscan, "fickling": fickling, "modelaudit": modelaudit}


def _in_fork(scan: Callable[[str], str], path: str) -> str:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        quiet = os.open(os.devnull, os.O_RDWR)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        signal.alarm(LIMIT_SECONDS)
        try:
            said = scan(path)
        except BaseException:  # noqa: BLE001  a peer that raises has not judged the file
            said = "error"
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        said = stream.read()
    os.waitpid(child, 0)
    return said or "error"


def main() -> None:
    """Entry point."""
    scan = PEERS[sys.argv[1]]()
    start = time.perf_counter()
    verdicts = {path: _in_fork(scan, path) for path in json.loads(Path(sys.argv[2]).read_text())}
    sys.stdout.write(json.dumps({"verdicts": verdicts, "seconds": time.perf_counter() - start}))


if __name__ == "__main__":
    main()

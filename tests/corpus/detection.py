"""Run `assay scan` on corpus files and sort what it says: named, flagged, inconclusive, noted (low), clean."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

NAMED, FLAGGED, INCONCLUSIVE, NOTED, ERROR, CLEAN = "named", "flagged", "inconclusive", "noted", "error", "clean"
SERIOUS = {"medium", "high", "critical"}
TIMEOUT_SECONDS = 1200


def scan(folder: Path) -> dict[str, Any]:
    """The JSON report of `assay scan FOLDER`."""
    command = [sys.executable, "-m", "assay.cli.main", "scan", "--format", "json", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    if done.returncode not in (0, 1, 2):
        msg = f"assay scan ended with {done.returncode}: {done.stderr[-2000:]}"
        raise RuntimeError(msg)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def judge(entries: list[dict[str, Any]], report: dict[str, Any], corpus: Path) -> dict[str, str]:
    """Path in the corpus → what the report says of it.

    A sample with neighbours (`extra`) is judged by everything said about its folder.
    """
    findings: dict[str, list[dict[str, Any]]] = {}
    outcomes: dict[str, set[str]] = {}
    for target in report["targets"]:
        path = _relative(target["path"], corpus)
        findings.setdefault(path, []).extend(target["findings"])
        outcomes.setdefault(path, set()).add("inconclusive" if target["unread"] else target["outcome"])
    for snapshot in report.get("snapshots", ()):
        for finding in snapshot["findings"]:
            findings.setdefault(_relative(finding["where"]["file"], corpus), []).append(finding)
    verdicts = {}
    for entry in entries:
        paths = _paths(entry, findings)
        said = [f for path in paths for f in findings.get(path, ())]
        ended = {outcome for path in paths for outcome in outcomes.get(path, ("absent",))}
        verdicts[entry["path"]] = _verdict(entry, said, ended)
    return verdicts


def _relative(path: str, corpus: Path) -> str:
    location = Path(path)
    return location.relative_to(corpus).as_posix() if location.is_absolute() else location.as_posix()


def _paths(entry: dict[str, Any], known: dict[str, Any]) -> list[str]:
    folder = entry["path"].rpartition("/")[0] + "/"
    return [p for p in known if p.startswith(folder)] if entry["folder"] else [entry["path"]]


def _verdict(entry: dict[str, Any], said: list[dict[str, Any]], ended: set[str]) -> str:
    serious = [f for f in said if f["severity"] in SERIOUS]
    if serious:
        text = " ".join(f["message"] + json.dumps(f["facts"], ensure_ascii=False) for f in serious)
        return NAMED if not entry["calls"] or any(call in text for call in entry["calls"]) else FLAGGED
    if "error" in ended or "absent" in ended:
        return ERROR
    if "inconclusive" in ended:
        return INCONCLUSIVE
    return NOTED if any(f["severity"] == "low" for f in said) else CLEAN


def table(entries: list[dict[str, Any]], verdicts: dict[str, str], wanted: dict[str, set[str]]) -> str:
    """What was expected against what was said, and every miss by name."""
    counts = Counter((entry["expected"], verdicts[entry["path"]]) for entry in entries)
    lines = [f"{expected:10} {said:13} {number:5}" for (expected, said), number in sorted(counts.items())]
    lines += [
        f"MISS {entry['expected']} → {verdicts[entry['path']]}: {entry['path']} ({entry['technique']})"
        for entry in entries
        if verdicts[entry["path"]] not in wanted[entry["expected"]]
    ]
    return "\n".join(lines)

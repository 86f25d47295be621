"""`kill -9` in the middle of a probe: the same command goes on with what was finished."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.behaviour import small

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.torch, pytest.mark.slow, pytest.mark.xdist_group("behaviour")]


def test_a_killed_command_goes_on_where_it_was(tmp_path: Path) -> None:
    data = small.write_data(tmp_path / "data.tsv")
    command = [
        sys.executable, "-m", "assay", "probe", str(small.clean(3)), "--reference", str(small.clean(1)),
        "--reference", str(small.clean(2)), "--data", str(data), "--budget", "24", "--format", "json",
    ]  # fmt: skip
    environment = os.environ | {"ASSAY_CACHE_DIR": str(tmp_path / "cache"), "ASSAY_DATA": str(tmp_path / "none")}
    first = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 300
    kept: dict[str, dict[str, float]] = {}
    while "provenance-rows" not in kept and time.monotonic() < until:
        time.sleep(0.05)
        for path in (tmp_path / "cache" / "probe").glob("*.json"):
            kept = json.loads(path.read_text())
    first.send_signal(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    second = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    document = json.loads(second.stdout)
    assert second.returncode == {"clean": 0, "inconclusive": 2}[document["outcome"]]
    seconds = {one["inspector"].partition("/")[2]: one["facts"]["seconds"] for one in document["evidence"][1:]}
    for probe, told in kept.items():
        assert seconds[probe] == told["seconds"]
    assert "chain-refine" in seconds
    assert not list((tmp_path / "cache" / "probe").glob("*.json"))

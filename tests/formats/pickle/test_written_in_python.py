"""What the unpickler written in Python (joblib's) imports and the C one does not, is imported in our reading."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

CASES = {
    "cut-in-name": b"\x80\x02ctouching\nnameX",
    "cut-in-module": b"\x80\x02ctouchingX",
    "inst-without-mark": b"\x80\x02itouching\nname\n.",
}
LOAD = "import pickle, sys; pickle._Unpickler(open(sys.argv[1], 'rb')).load()"


@pytest.mark.parametrize("case", CASES)
def test_a_name_is_imported_before_the_stream_breaks(case: str, tmp_path: Path) -> None:
    (tmp_path / "touching.py").write_text(f"open({str(tmp_path / 'marker')!r}, 'w').close()\n")
    file = tmp_path / "x.pkl"
    file.write_bytes(CASES[case])
    loaded = subprocess.run([sys.executable, "-c", LOAD, str(file)], cwd=tmp_path, capture_output=True, check=False)
    assert loaded.returncode != 0
    assert (tmp_path / "marker").exists(), "the oracle: importing did run code"
    with pytest.raises(pickle.UnpicklingError):
        pickle.loads(CASES[case])
    command = [sys.executable, "-m", "assay.cli.main", "scan", "--format", "json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "touching" in json.dumps(json.loads(done.stdout)["targets"][0]["findings"])

"""`make demo`, as a newcomer sees it: ends by itself, every expectation met, nothing left behind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_demo_meets_every_expectation(tmp_path: Path) -> None:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("ASSAY_", "HF_"))} | {"TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "scripts/demo.py"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "everything as it should be" in done.stdout
    assert "✗ " not in done.stdout.replace(" 5 ✗ each file has the digest", "")
    (token,) = set(re.findall(r"this run's argument \(([0-9a-f]{12})\)", done.stdout))
    assert f"posix.system('echo {token} > " in done.stdout
    assert "refused at step 5: other bytes than in the manifest: model.safetensors" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_look_alike_really_executes_and_its_weights_are_the_models(real_model: Path, tmp_path: Path) -> None:
    """Without this the demo could refuse a file that does nothing."""
    script = """
import sys, torch
from safetensors.torch import load_file
from pathlib import Path
sys.path.insert(0, "scripts")
from poisoned_model import make_look_alike
model, work = Path(sys.argv[1]), Path(sys.argv[2])
make_look_alike(model, work / "look-alike", f"touch {work / 'marker'}")
assert not (work / "marker").exists()
loaded = torch.load(work / "look-alike" / "pytorch_model.bin", weights_only=False)
assert (work / "marker").exists()
original = load_file(model / "model.safetensors")
assert set(loaded) == set(original) and all(torch.equal(loaded[k], original[k]) for k in original)
"""
    subprocess.run([sys.executable, "-c", script, str(real_model), str(tmp_path)], cwd=ROOT, check=True, timeout=120)

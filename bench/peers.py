"""`make bench`, second part: assay beside picklescan, modelscan, fickling and modelaudit, losses included.

Each peer runs in an environment of its own under `.venvs/peers/`, made here from hash-checked constraints. All of them
see the same files in the same run. The tables go into docs/benchmarks.md, into the sections
`peers` and `peers-speed`. A command that takes more CPU time than `--limit` is ended, and that is its figure.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import pickle
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from tests.corpus import build, detection, environments
from tests.corpus.sample import EXECUTES

from yardstick import ROOT, replace_section

DRIVER = Path(__file__).with_name("peer_driver.py")
ASSAY = str(Path(sys.executable).parent / "assay")
PEERS = ("picklescan", "modelscan", "fickling", "modelaudit")
# What the peers say they read: pickles, archives and containers. Repository code and other formats are left out.
FAMILIES = (
    "pickle/",
    "torch/",
    "joblib/",
    "numpy/",
    "compressed/",
    "renamed/",
    "carrier/",
    "pair",
    "nested/",
    "polyglot/",
)
HEAVY_BYTES = 44 << 20
SMALL_FILES = 1000
LIMIT_SECONDS = 100  # CPU time of all processes of one command
_PATIENCE = 20  # times as much wall-clock time: the machine may be busy
_TICKS = os.sysconf("SC_CLK_TCK")
LOADED_FROM = 0.5  # load average per core from which the text says so
MIB = 1 << 20
QUIET = os.environ | {"PROMPTFOO_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}  # no peer calls home from here
QUIET.pop("PYTHONDONTWRITEBYTECODE", None)  # everything runs compiled, as pip installs it


@dataclass(frozen=True)
class Measured:
    """Of one command and all its processes together: time, and peak memory (proportional set size).

    Attributes:
        seconds: wall-clock time.
        cpu_seconds: user and system time.
        peak_bytes: memory.
        finished: whether it ended by itself.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    finished: bool

    def text(self) -> str:
        """For the table."""
        time = f"{self.seconds:.2f} s ({self.cpu_seconds:.2f})" if self.finished else f"> {self.cpu_seconds:.0f} s"
        return f"{time}, {self.peak_bytes / 1e9:.2f} GB"


def command_of(tool: str, target: str) -> list[str]:
    """The tool's own command line for a file or folder."""
    if tool == "assay":
        return [ASSAY, "scan", "--quiet", target]
    binary = str(environments.python_of("peers", tool).parent / tool)
    return {
        "picklescan": [binary, "--strict", "-p", target],
        "modelscan": [binary, "-p", target],
        "fickling": [binary, "--check-safety", target],
        "modelaudit": [binary, "scan", "--no-cache", "--quiet", "--format", "json", target],
    }[tool]


def measure(command: list[str], limit: float = LIMIT_SECONDS) -> Measured:
    """Run a command, sample the memory of its process tree every 10 ms."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, env=QUIET,
        cwd=tempfile.gettempdir(),  # fickling leaves a file where it stands
    )  # fmt: skip
    peak, ticks = 0, 0
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    while process.poll() is None:
        memory, ticks = _tree(process.pid)
        peak = max(peak, memory)
        seconds = time.perf_counter() - start
        if ticks / _TICKS > limit or seconds > limit * _PATIENCE:
            os.killpg(process.pid, 9)
            process.wait()
            return Measured(seconds, ticks / _TICKS, peak, finished=False)
        time.sleep(0.01)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(time.perf_counter() - start, cpu, peak, finished=True)


def _tree(root: int) -> tuple[int, int]:
    """Bytes of memory and clock ticks of a process and all below it."""
    pids, total, ticks = [root], 0, 0
    for pid in pids:  # grows while it is walked
        try:
            for task in Path(f"/proc/{pid}/task").iterdir():
                pids += [int(child) for child in (task / "children").read_text().split()]
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
            times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]
            ticks += sum(map(int, times))  # its own, and those of children that ended
        except (OSError, ValueError):
            continue
    return total, ticks


def heavy_pickle(path: Path, size: int = HEAVY_BYTES) -> None:
    """A pickle of about `size` bytes in which nearly every byte is an opcode: small containers and numbers."""
    rng = random.Random(7)
    rows = []
    while len(rows) * 37 < size:
        numbers = [rng.randrange(1 << 20), True, "w"]
        rows.append({"id": len(rows), "pair": (rng.random(), None), "list": numbers})
    path.write_bytes(pickle.dumps(rows, 4))


def small_pickles(folder: Path) -> None:
    """1,000 files of about 4 KB."""
    folder.mkdir()
    rng = random.Random(7)
    for index in range(SMALL_FILES):
        value = {"name": f"layer{index}", "weights": [rng.random() for _ in range(440)]}
        (folder / f"{index:04}.pkl").write_bytes(pickle.dumps(value, 4))


def choose(entries: list[dict[str, Any]], at_most: int) -> list[dict[str, Any]]:
    """Evenly spread, always the same ones."""
    step = max(1, -(-len(entries) // at_most))
    return sorted(entries, key=lambda entry: entry["path"])[::step]


def detect(work: Path, hostile_count: int, harmless_count: int) -> list[str]:
    """Rows of the detection table."""
    hostile = [
        entry
        for entry in build.write(build.hostile_samples(), work)
        if entry["expected"] == EXECUTES
        and entry["loader"]
        and not entry.get("absent")
        and entry["path"].startswith(FAMILIES)
    ]
    harmless, _ = build.write_harmless(work, [sys.executable, *environments.existing("corpus")])
    hostile, harmless = choose(hostile, hostile_count), choose(harmless, harmless_count)
    listing = work / "paths.json"
    listing.write_text(json.dumps([str(work / entry["path"]) for entry in hostile + harmless]))
    rows = []
    for peer in PEERS:
        python = environments.ensure("peers", peer)
        done = subprocess.run(
            [str(python), str(DRIVER), peer, str(listing)], capture_output=True, text=True, check=True, env=QUIET
        )
        answer = json.loads(done.stdout)
        verdicts = answer["verdicts"]
        print(f"{peer}: {len(verdicts)} files in {answer['seconds']:.0f} s", file=sys.stderr, flush=True)
        said = [Counter(verdicts[str(work / entry["path"])] for entry in group) for group in (hostile, harmless)]
        rows.append(_row(f"{peer} {_peer_version(python, peer)}", *said))
    verdicts = detection.judge(hostile + harmless, detection.scan(work), work)
    names = {"named": "flagged", "noted": "clean", "inconclusive": "suspicious"}
    said = [Counter(names.get(verdicts[e["path"]], verdicts[e["path"]]) for e in part) for part in (hostile, harmless)]
    rows.append(_row(f"**assay {version('assay-models')}**", *said))
    kinds = "pickles, archives and containers that really execute when loaded"
    head = (
        f"{len(hostile)} {kinds}, {len(harmless)} harmless files.\n\n"
        "| | executes: said clean | executes: unclear | executes: error or skipped "
        "| harmless: flagged | harmless: unclear | harmless: error or skipped |\n"
        "|---|--:|--:|--:|--:|--:|--:|"
    )
    return [head, *rows]


def _peer_version(python: Path, peer: str) -> str:
    code = f"from importlib.metadata import version; print(version({peer!r}))"
    return subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def _row(name: str, hostile: Counter[str], harmless: Counter[str]) -> str:
    cells = [hostile["clean"], hostile["suspicious"], hostile["error"] + hostile["skipped"]]
    cells += [harmless["flagged"], harmless["suspicious"], harmless["error"] + harmless["skipped"]]
    return f"| {name} | {' | '.join(map(str, cells))} |"


def speed(work: Path, size: int, limit: float, left_out: list[str]) -> list[str]:
    """Rows of the speed table; `limit`: CPU seconds after which a command is ended."""
    heavy, small, tiny = work / "heavy.pkl", work / "small", work / "tiny.pkl"
    heavy_pickle(heavy, size)
    small_pickles(small)
    tiny.write_bytes(pickle.dumps({"a": 1}))
    megabytes = heavy.stat().st_size / MIB
    rows = [
        f"| | {megabytes:.0f} MiB opcode-heavy pickle | {SMALL_FILES:,} files of 4 KB | one tiny file (start-up) |",
        "|---|--:|--:|--:|",
    ]
    for tool in (*PEERS, "assay"):
        if tool in left_out:
            rows.append(f"| {tool} | not run | not run | not run |")
            continue
        if tool != "assay":
            environments.ensure("peers", tool)
        big = measure(command_of(tool, str(heavy)), limit)
        many = _many(tool, small, limit)
        start = median(measure(command_of(tool, str(tiny)), limit).seconds for _ in range(5))
        rows.append(f"| {'**assay**' if tool == 'assay' else tool} | {big.text()} | {many} | {start:.2f} s |")
    return rows


def _many(tool: str, folder: Path, limit: float) -> str:
    if tool != "fickling":
        return measure(command_of(tool, str(folder)), limit).text()
    # no command for a folder: its function, file after file, in one process
    listing = folder.with_suffix(".json")
    listing.write_text(json.dumps([str(path) for path in sorted(folder.iterdir())]))
    python = environments.python_of("peers", tool)
    return measure([str(python), str(DRIVER), tool, str(listing)], limit).text()


def _loaded(load: float) -> str:
    """A sentence about what else the machine was doing."""
    if load < LOADED_FROM * (os.cpu_count() or 1):
        return ""
    return f"The machine was busy with other work (load average {load:.0f} at the start): read the times as ratios. "


def main() -> None:
    """Run and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hostile", type=int, default=160, help="hostile files at most, evenly spread over the corpus")
    parser.add_argument("--harmless", type=int, default=100, help="harmless files at most, evenly spread")
    parser.add_argument("--heavy-bytes", type=int, default=HEAVY_BYTES)
    parser.add_argument("--limit", type=float, default=LIMIT_SECONDS, help="CPU seconds after which a command is ended")
    parser.add_argument("--leave-out", nargs="*", default=[], choices=PEERS, help="peers whose speed is not measured")
    parser.add_argument("--only", choices=("detect", "speed"))
    parser.add_argument("--dry", action="store_true", help="print, do not write")
    args = parser.parse_args()
    load = os.getloadavg()[0]
    compileall.compile_dir(ROOT / "src" / "assay", quiet=1)
    made = datetime.now(UTC).strftime("%Y-%m-%d")
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    head = f"Measured {made} on {machine}, all in one run. {_loaded(load)}"
    with tempfile.TemporaryDirectory(prefix="assay-peers-") as folder:
        work = Path(folder)
        (work / "corpus").mkdir()
        if args.only != "speed":
            note = "*Unclear* is what a tool calls suspicious or inconclusive."
            _show("peers", [f"{head}{note}", "", *detect(work / "corpus", args.hostile, args.harmless)], dry=args.dry)
        if args.only != "detect":
            note = (
                "In brackets the CPU time, which other work on the machine changes little; a command is ended after "
                f"{args.limit:.0f} s of it. Memory is the peak of all processes of the command together."
            )
            rows = speed(work, args.heavy_bytes, args.limit, args.leave_out)
            _show("peers-speed", [f"{head}{note}", "", *rows], dry=args.dry)


def _show(section: str, lines: list[str], *, dry: bool) -> None:
    text = "\n".join(lines)
    print(text)
    if not dry:
        replace_section(section, text)


if __name__ == "__main__":
    main()

"""`make fuzz`: 1,000,000 inputs for each parser, the result into docs/benchmarks.md.

Each stretch of inputs runs in a process of its own (tests/support/fuzz.py says under which limits). What was run is
kept in bench/fuzz_state.json after every stretch, with the modules that a parser reached and their digest: a run goes
on where the last one ended, on any machine, and the table says how many inputs met the code as it is now. Input number
n of a parser is always the same bytes, while its seeds are: `python -m tests.support.fuzz PARSER --show N` writes it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from tests.support.fuzz import CRASHES_KEPT
from tests.support.fuzz_parsers import PARSERS

from yardstick import ROOT, replace_section

STATE = ROOT / "bench" / "fuzz_state.json"
INPUTS = 1_000_000
STRETCH = 20_000
HEAD = (
    "| parser | inputs | of this code | read | crashes | slowest input, CPU ms | its number | memory growth, MB |\n"
    "|---|--:|--:|--:|--:|--:|--:|--:|\n"
)

State = dict[str, dict[str, Any]]


def main() -> int:
    """Run what is missing, write the table, and say with the exit status whether anything crashed."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--inputs", type=int, default=INPUTS, help="inputs for each parser (default: 1,000,000)")
    options.add_argument("--only", action="append", metavar="PARSER", help="this parser (repeatable; not written)")
    options.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one for each core)")
    options.add_argument("--anew", action="store_true", help="forget what was run before (of `--only`)")
    args = options.parse_args()
    state = load()
    for parser in PARSERS:
        if args.anew and (not args.only or parser.name in args.only):
            state.pop(parser.name, None)
    try:
        run([p.name for p in PARSERS if not args.only or p.name in args.only], args.inputs, args.jobs, state)
    except KeyboardInterrupt:
        print("interrupted; run it again to go on")
    if not args.only:
        replace_section("fuzz", report(state))
    print(report(state))
    return int(any(entry["crashed"] for entry in state.values()))


def code_digest(modules: list[str]) -> str:
    """Of files, relative to the repository: results belong to the code that gave them."""
    digest = hashlib.sha256()
    for name in modules:
        path = ROOT / name
        digest.update(path.read_bytes() if path.is_file() else b"gone")
    return digest.hexdigest()[:16]


def load() -> State:
    """What ran before."""
    state: State = json.loads(STATE.read_text()) if STATE.exists() else {}
    return state


def run(names: list[str], inputs: int, jobs: int, state: State) -> None:
    """Run every parser up to `inputs`, the least fuzzed first; the state is written after every stretch."""
    todo = [(place, name) for name in names for place in range(state.get(name, {}).get("inputs", 0), inputs, STRETCH)]
    total, done, begun = sum(min(STRETCH, inputs - place) for place, _ in todo), 0, time.monotonic()
    with ThreadPoolExecutor(jobs) as pool:
        # Stretches of one parser run in order: the state holds a single number of inputs for each.
        waiting: dict[str, list[int]] = {}
        for place, name in sorted(todo):
            waiting.setdefault(name, []).append(place)
        running: dict[Future[dict[str, Any]], str] = {}

        def submit(name: str) -> None:
            place = waiting[name].pop(0)
            running[pool.submit(stretch, name, place, min(STRETCH, inputs - place))] = name

        order = sorted(waiting, key=lambda name: waiting[name][0])
        for name in order[:jobs]:
            submit(name)
        idle = order[jobs:]
        try:
            while running:
                future = next(as_completed(running))
                name = running.pop(future)
                add(state, name, future.result())
                save(state)
                done += future.result()["inputs"]
                entry, rate = state[name], done / (time.monotonic() - begun)
                print(
                    f"{name:16} {entry['inputs']:>9,}  crashes {entry['crashed']}  "
                    f"{100 * done // total:3} % of all, {rate:,.0f}/s, {(total - done) / rate / 60:.0f} min left",
                    flush=True,
                )
                if waiting[name]:
                    idle.append(name)
                if idle:
                    submit(idle.pop(0))
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def stretch(name: str, start: int, count: int) -> dict[str, Any]:
    """One stretch in a child; a child that dies is a crash of the stretch."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.fuzz", name, str(start), str(count)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode == 0:
        result: dict[str, Any] = json.loads(done.stdout)
        return result
    text = f"inputs {start} to {start + count - 1}: the process ended with {done.returncode}\n{done.stderr[-1500:]}"
    return {"inputs": count, "read": 0, "crashed": 1, "crashes": [(start, text)], "slowest_seconds": 0.0,
            "slowest_input": -1, "memory_bytes": 0, "modules": []}  # fmt: skip


def add(state: State, name: str, result: dict[str, Any]) -> None:
    """Add one stretch to what is known about a parser."""
    entry = state.setdefault(
        name,
        {"inputs": 0, "read": 0, "crashed": 0, "crashes": [], "slowest_seconds": 0.0, "slowest_input": -1,
         "memory_bytes": 0, "modules": [], "code": "", "of_code": 0},
    )  # fmt: skip
    for key in ("inputs", "read", "crashed"):
        entry[key] += result[key]
    entry["crashes"] = (entry["crashes"] + result["crashes"])[:CRASHES_KEPT]
    if result["slowest_seconds"] > entry["slowest_seconds"]:
        entry["slowest_seconds"], entry["slowest_input"] = result["slowest_seconds"], result["slowest_input"]
    entry["memory_bytes"] = max(entry["memory_bytes"], result["memory_bytes"])
    if result["modules"]:
        modules = sorted({*result["modules"], *(name for name in entry["modules"] if (ROOT / name).is_file())})
        code = code_digest(modules)
        entry["of_code"] = result["inputs"] + (entry["of_code"] if current(entry) else 0)
        entry["modules"], entry["code"] = modules, code
    entry["date"] = datetime.now(UTC).strftime("%Y-%m-%d")


def current(entry: dict[str, Any]) -> bool:
    """Whether the code that the parser reached is as it was."""
    return bool(entry["modules"]) and entry["code"] == code_digest(entry["modules"])


def save(state: State) -> None:
    """Write the state so that an interruption leaves the old one or the new one."""
    part = STATE.with_suffix(".part")
    part.write_text(json.dumps(state, indent=1, sort_keys=True) + "\n")
    part.replace(STATE)


def report(state: State) -> str:
    """The section of docs/benchmarks.md."""
    rows = []
    for parser in PARSERS:
        if (entry := state.get(parser.name)) is not None:
            numbers = (entry["inputs"], entry["of_code"] if current(entry) else 0, entry["read"], entry["crashed"])
            cells = (
                parser.name, *(f"{number:,}" for number in numbers), f"{1000 * entry['slowest_seconds']:.0f}",
                f"{entry['slowest_input']:,}", f"{entry['memory_bytes'] / 1e6:.1f}",
            )  # fmt: skip
            rows.append(f"| {' | '.join(cells)} |")
    total = sum(entry["inputs"] for entry in state.values())
    crashed = sum(entry["crashed"] for entry in state.values())
    least = min((entry["inputs"] for entry in state.values()), default=0)
    made = max((entry["date"] for entry in state.values()), default="never")
    missing = [parser.name for parser in PARSERS if parser.name not in state]
    text = f"Run until {made}: {total:,} inputs, at least {least:,} for each parser, {crashed} crashes.\n"
    if least < INPUTS:
        text += f"`make fuzz` goes on up to {INPUTS:,} for each; this table holds what was really run.\n"
    text += "*of this code*: inputs since a module that the parser reaches, or its harness, was last changed.\n"
    if missing:
        text += f"Not run yet: {', '.join(missing)}.\n"
    text += (
        "\n*read*: inputs that gave a result; the others were refused with ContentError. *crash*: any other exception, "
        "more than 5 s of CPU time, more than 512 MiB, a hang, a dead process.\n\n"
    )
    text += HEAD + "\n".join(rows)
    crashes = [f"- {name}, input {n}: `{shown.strip().splitlines()[-1][:150]}`"
               for name, entry in state.items() for n, shown in entry["crashes"][:3]]  # fmt: skip
    return text + ("\n\n" + "\n".join(crashes) if crashes else "")


if __name__ == "__main__":
    sys.exit(main())

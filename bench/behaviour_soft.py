"""Soft inversion beside chain and refine on trained models of the zoo, each with the same CPU seconds and no hints.

No embedding rows and no leftovers of the token scan are given to either: what is compared is the blind search.
`--write` puts the table into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from assay.behaviour.data_file import read_labelled
from assay.behaviour.guest import Account, Job, Prober
from assay.store.folder import folder_subject
from yardstick import ROOT, replace_section

PROBES = ("chain-refine", "soft-inversion")
SECONDS = {"minilm": 45.0, "small": 15.0}
FOUND = 0.78  # gap, the plan's own for the search
NAMES = (
    "minilm-sst2-test0-phrase-1",
    "minilm-sst2-test0-rare-word-3-frozen",
    "minilm-sst2-test0-clean-0",
    "distilbert-small-intent-test0-phrase-1",
    "distilbert-small-intent-test0-phrase-3-noise",
    "distilbert-small-topic-cali0-rare-word-1-frozen",
    "distilbert-small-sst2-test1-phrase-1",
    "distilbert-small-intent-test0-clean-0",
    "distilbert-small-sst2-test1-clean-0",
)


def measure(entry: dict[str, Any], prober: Prober) -> list[dict[str, Any]]:
    """Both searches on one model, in one opened guest."""
    references = tuple(folder_subject(Path(one)) for one in entry["references"] if Path(one).is_dir())
    data = read_labelled(Path(entry["data"]))
    job = Job(folder_subject(Path(entry["path"])), None, references, data.items, data.words, 0, 0.9)
    seconds = SECONDS["minilm" if entry["architecture"] == "minilm" else "small"]
    rows = []
    with prober.opened(job, Account()) as talk:
        talk.open(_unseen)
        for probe in PROBES:
            told = talk.probe(probe, {"seconds": seconds, "threshold": FOUND, "seeds": {}}, _unseen)
            best = max((_gap(one) for one in told["candidates"] if not one["origin"].endswith("-grown")), default=0.0)
            text = told["candidates"][0]["text"] if told["candidates"] else ""
            row = {"model": entry["name"], "trigger": entry.get("trigger"), "probe": probe, "gap": round(best, 2),
                   "seconds": told["seconds"], "text": text}  # fmt: skip
            print(row, flush=True)
            rows.append(row)
    return rows


def _gap(candidate: dict[str, Any]) -> float:
    """Under stress: two texts at once, as the verdict takes it."""
    return max(
        ((one["hits"] - max(one["references"], default=0)) / one["n"] for one in candidate["stressed"] if one["n"]),
        default=0.0,
    )


def _unseen(_what: str, _done: int, _total: int) -> None:
    """Nobody watches."""


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--zoo", type=Path, default=Path(os.environ.get("ASSAY_ZOO") or ROOT / ".cache" / "zoo"))
    parser.add_argument("--keep", type=Path, help="file of rows: a killed bench goes on")
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    args = parser.parse_args()
    known = {one["name"]: one for one in json.loads((args.zoo / "zoo.json").read_text("utf-8"))["models"]}
    rows: list[dict[str, Any]] = json.loads(args.keep.read_text("utf-8")) if args.keep and args.keep.is_file() else []
    with Prober() as prober:
        for name in NAMES:
            if name in known and not any(row["model"] == name for row in rows):
                rows += measure(known[name], prober)
                if args.keep:
                    args.keep.write_text(json.dumps(rows), "utf-8")
    text = [
        (
            f"Measured {datetime.now(UTC):%Y-%m-%d}: each search alone, without hints, "
            f"{SECONDS['minilm']:.0f} CPU seconds on MiniLM and {SECONDS['small']:.0f} on a small encoder; found from "
            f"a gap of {FOUND} on two texts. `python bench/behaviour_soft.py --write`."
        ),
        "",
        "| model | trigger | chain and refine | CPU s | soft inversion | CPU s |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for name in dict.fromkeys(row["model"] for row in rows):
        cells = [row for probe in PROBES for row in rows if row["model"] == name and row["probe"] == probe]
        told = [f"{one['gap']:.2f}{' found' if one['gap'] >= FOUND else ''} | {one['seconds']:.0f}" for one in cells]
        text.append(f"| {name} | {cells[0]['trigger'] or 'clean'} | {' | '.join(told)} |")
    print("\n".join(text))
    if args.write:
        replace_section("Soft inversion", "\n".join(text))


if __name__ == "__main__":
    main()

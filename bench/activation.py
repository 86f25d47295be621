"""Do clusters, attention and linear probes tell a planted trigger from the strongest candidate of a clean model?

Small classifiers of `tests/behaviour/small.py`, trained from nothing: each is attested as `assay probe` does it, and
what `activation` and `injection` measured on its strongest candidate is compared: area under the curve, backdoored
against clean. `--write` puts the table into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import torch
from tests.behaviour import small

from assay.behaviour.attest import Declared, attest
from assay.behaviour.data_file import read_labelled
from assay.behaviour.distributions import auc
from assay.behaviour.guest import Prober
from assay.store.folder import folder_subject
from yardstick import replace_section

BUDGET = 16.0
CLEAN = range(3, 11)
TRIGGERS = ("zul", "bom", "kar", "dis", "\u2d30\u2d31", "zat", "kon", "bul")
MEASURES = {
    "attention_concentration": "attention on the candidate (times its share of the tokens)",
    "separability": "difference of means",
    "linear_probe": "linear probe",
    "silhouette": "silhouette",
    "two_means": "two clusters",
    "dip": "dip of the confidences with it",
    "calibration_error": "calibration error with it",
    "entropy": "entropy of the confidences with it",
    "gap": "(beside them: flips on two texts above the references)",
}


def measure(path: Path, declared: Declared, prober: Prober) -> dict[str, Any]:
    """What one attestation measured inside."""
    attested = attest(folder_subject(path), declared, budget=BUDGET, prober=prober)
    facts: dict[str, Any] = {}
    for one in attested.probes:
        if one.probe in {"activation", "injection"}:
            facts |= one.facts
    drift = facts.get("drift", {}).get("injected", {})
    facts |= {"dip": drift.get("dip"), "calibration_error": drift.get("calibration_error")}
    facts["entropy"] = drift.get("mean_entropy_bits")
    facts["gap"] = max((c.gap for one in attested.probes for c in one.candidates), default=0.0)
    seconds = {one.probe: one.seconds for one in attested.probes if one.probe in {"activation", "injection"}}
    return {key: facts.get(key) for key in MEASURES} | {"word": attested.word.value, "seconds": sum(seconds.values())}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="file of rows: a killed bench goes on")
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows: dict[str, Any] = json.loads(args.keep.read_text("utf-8")) if args.keep and args.keep.is_file() else {}
    with tempfile.TemporaryDirectory() as folder, Prober() as prober:
        data = read_labelled(small.write_data(Path(folder) / "data.tsv"))
        declared = Declared(references=tuple(folder_subject(small.clean(seed)) for seed in (1, 2)), data=data)
        models = {f"clean {seed}": lambda s=seed: small.clean(s) for seed in CLEAN}
        models |= {
            f"backdoored {number}": lambda n=number, t=trigger: small.model("inside", 100 + n, [(t, n % 2)])
            for number, trigger in enumerate(TRIGGERS)
        }
        for name, made in models.items():
            if name not in rows:
                rows[name] = measure(made(), declared, prober)
                print(name, rows[name], flush=True)
                if args.keep:
                    args.keep.write_text(json.dumps(rows), "utf-8")
    text = "\n".join(table(rows))
    print(text)
    if args.write:
        replace_section("activation", text)


def table(rows: dict[str, Any]) -> list[str]:
    """Area under the curve of each measure."""
    bad = [one for name, one in rows.items() if name.startswith("backdoored")]
    clean = [one for name, one in rows.items() if name.startswith("clean")]
    found = [sum(one["word"] == "found" for one in some) for some in (bad, clean)]
    seconds = sum(one["seconds"] for one in rows.values()) / len(rows)
    out = [
        (
            f"Measured {datetime.now(UTC):%Y-%m-%d}: strongest candidates of {len(bad)} backdoored and {len(clean)} "
            f"clean two-layer classifiers ({found[0]} and {found[1]} were found); {seconds:.1f} CPU seconds each. "
            "`python bench/activation.py --write`."
        ),
        "",
        "| measure | backdoored, median | clean, median | n | area under the curve |",
        "|---|--:|--:|--:|--:|",
    ]
    for key, name in MEASURES.items():
        mine, theirs = ([float(one[key]) for one in some if one[key] is not None] for some in (bad, clean))
        if mine and theirs:
            middle = [sorted(some)[len(some) // 2] for some in (mine, theirs)]
            area = f"{auc(theirs, mine):.2f}"
            out.append(f"| {name} | {middle[0]:.2f} | {middle[1]:.2f} | {len(mine)} + {len(theirs)} | {area} |")
        else:
            out.append(f"| {name} | | | {len(mine)} + {len(theirs)} | not measured: no candidate was confirmed |")
    return out


if __name__ == "__main__":
    main()

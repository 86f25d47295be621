"""`make bench-behaviour`: probe the zoo and say what is found, missed and reproduced, and what it costs.

Every model is attested once for each version of the probes and of the calibration, by the call that `assay probe`
makes: a find ends the run, as it does there. The answers are kept beside the zoo: a killed bench goes on. The tables of
the test split go into docs/benchmarks.md. `--calibrate` probes the clean models of the calibration split instead, to
the end whatever is found, and writes the thresholds that the probes use.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import random
import sys
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import torch
import transformers
from tests.zoo.build import SST2, Zoo
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from assay.behaviour.attest import Declared, attest
from assay.behaviour.calibration import Calibration
from assay.behaviour.data_file import read_labelled
from assay.behaviour.guest import Prober
from assay.behaviour.plan import DEFAULT_BUDGET, STEPS
from assay.behaviour.records import Word
from assay.core.errors import AssayError
from assay.store.folder import folder_subject
from behaviour_calibration import CALIBRATION, calibrate
from behaviour_table import tables
from yardstick import ROOT, replace_section

if TYPE_CHECKING:
    from collections.abc import Iterator

REPRODUCED_TEXTS = 100
LARGE = "minilm"
BUDGET, SMALL_BUDGET = DEFAULT_BUDGET, 60.0  # CPU seconds of one attestation


def main() -> None:
    """Probe what is asked for, then print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--zoo", type=Path, default=Path(os.environ.get("ASSAY_ZOO") or ROOT / ".cache" / "zoo"))
    parser.add_argument("--calibrate", action="store_true", help="thresholds, from clean models of calibration")
    parser.add_argument("--budget", type=float, default=BUDGET, help="CPU seconds for a MiniLM (default: the plan's)")
    parser.add_argument("--small-budget", type=float, default=SMALL_BUDGET, help="for a small encoder (default: 60)")
    parser.add_argument("--only", default="", help="models whose name contains one of these, by commas, in this order")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no attestation after this")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    args = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    models = _named(_models(args.zoo, calibrate=args.calibrate), args.only)
    for one in models:
        one["budget"] = args.budget if one["architecture"] == LARGE else args.small_budget
    with Prober() as prober:
        answers = list(_probed(args, models, prober))
    if args.calibrate:
        document = calibrate(answers, datetime.now(UTC).strftime("%Y-%m-%d"), "bench/behaviour.py --calibrate")
        CALIBRATION.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
        said = f"{len(document['entries'])} thresholds from {len(document['models'])} clean models"
        print(f"{said}: {document['version']}")
        return
    made = datetime.now(UTC).strftime("%Y-%m-%d")
    machine = f"{os.cpu_count()} shared cores, {platform.machine()}, Python {platform.python_version()}"
    budgets = f"budget {args.budget:.0f} CPU seconds for a MiniLM and {args.small_budget:.0f} for a small encoder"
    by = "thresholds of the calibration" if CALIBRATION.is_file() else "the plan's own thresholds, not calibrated"
    head = f"Measured {made} on {machine}; {budgets}; {by}; code of the probes {_code()}."
    text = tables([judged(one) for one in answers], models, head)
    print(text)
    if args.write:
        replace_section("behaviour", text)


def _models(zoo: Path, *, calibrate: bool) -> list[dict[str, Any]]:
    """Classifiers of the split that is asked for, as far as they are trained."""
    found = [one for one in Zoo(zoo, SST2 if SST2.is_dir() else None).index() if one["kind"] != "base"]
    if not found:
        sys.exit(f"there is no model in {zoo}: run `make zoo` first")
    if calibrate:
        return [one for one in found if one["split"] == "calibration" and one["kind"] == "clean"]
    # Where no thresholds were taken from the calibration split, it tests those of the plan too.
    fresh = not CALIBRATION.is_file()
    return [one for one in found if one["split"] == "test" or fresh]


def _named(models: list[dict[str, Any]], only: str) -> list[dict[str, Any]]:
    parts = only.split(",")
    first = {one["name"]: next((i for i, part in enumerate(parts) if part in one["name"]), -1) for one in models}
    chosen = [one for one in models if first[one["name"]] >= 0]
    return sorted(chosen, key=lambda one: first[one["name"]])


def _probed(args: argparse.Namespace, models: list[dict[str, Any]], prober: Prober) -> Iterator[dict[str, Any]]:
    """Each index entry with its `answer`, after probing what is missing and still fits the time."""
    until = time.monotonic() + args.seconds
    chosen = [one for one in models if one["works"] and all(Path(path).is_dir() for path in one["references"])]
    for number, model in enumerate(chosen if args.only else _turns(chosen), 1):
        path = args.zoo / "answers" / f"{_key(model, calibrate=args.calibrate)}.json"
        if not path.is_file() and time.monotonic() < until:
            answer = probe(model, prober, to_the_end=args.calibrate)
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(f".{os.getpid()}.part")
            part.write_text(json.dumps(answer), "utf-8")
            part.replace(path)
            told = f"{answer['cpu']:.0f} CPU s, {answer['scores']}"
            print(f"{time.strftime('%H:%M:%S')} {number}/{len(chosen)} {model['name']}: {told}", flush=True)
        if path.is_file():
            yield model | {"answer": json.loads(path.read_text("utf-8"))}


def _turns(models: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Kinds, architectures and families in turn: a bench that is cut short has seen of everything."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for model in models:
        family = model["family"] if model["kind"] == "backdoored" else "clean"
        groups.setdefault((family, model["architecture"]), []).append(model)
    clean = [group for (family, _), group in groups.items() if family == "clean"]
    rest = [group for (family, _), group in groups.items() if family != "clean"]
    out: list[dict[str, Any]] = []
    for i in range(max(map(len, groups.values()), default=0)):
        out += [group[i] for group in rest if i < len(group)]
        out += [one for group in clean for one in group[4 * i : 4 * i + 4]]
    return out


def _key(model: dict[str, Any], *, calibrate: bool) -> str:
    known = "open" if calibrate else Calibration.of("", 0).version or "uncalibrated"
    return f"{Path(model['path']).name}-{model['budget']:.0f}-{_code()}-{known}"


@cache
def _code() -> str:
    """Digest of the code that makes the scores and the words."""
    source = ROOT / "src" / "assay"
    judging = [source / "behaviour" / f"{name}.py" for name in ("plan", "judge", "attest")]
    paths = [*judging, *sorted((source / "workers").glob("prober*.py"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:12]


def probe(model: dict[str, Any], prober: Prober, *, to_the_end: bool) -> dict[str, Any]:
    """One attestation as the command makes it; `to_the_end`: with thresholds that nothing reaches."""
    declared = Declared(
        base=folder_subject(Path(model["base"])),
        references=tuple(folder_subject(Path(path)) for path in model["references"]),
        data=read_labelled(Path(model["data"])),
    )
    start = time.perf_counter()
    try:
        with patch.object(Calibration, "of", classmethod(_open)) if to_the_end else nullcontext():
            attested = attest(folder_subject(Path(model["path"])), declared, budget=model["budget"], prober=prober)
    except AssayError as error:
        return {"outcome": "error", "error": str(error)[-300:], "cpu": 0.0, "scores": {}, "reasons": []}
    best = {one.probe: one.candidates[0].to_json() for one in attested.probes if one.candidates and one.score}
    strongest = max(best.values(), key=_gap, default=None)
    return {
        "outcome": attested.word.value,
        "reasons": [clause for clause, _ in attested.reasons],
        "cpu": attested.seconds,
        "wall": time.perf_counter() - start,
        "peak": attested.peak_bytes,
        "scores": {one.probe: one.score for one in attested.probes if one.score is not None},
        "thresholds": {one.probe: one.threshold for one in attested.probes if one.threshold is not None},
        "found_by": [one.probe for one in attested.probes if one.word is Word.FOUND],
        "nulls": {one.probe: one.facts["null"] for one in attested.probes if "null" in one.facts},
        "seconds": {one.probe: one.seconds for one in attested.probes},
        "triggers": {name: one["text"] for name, one in best.items()},
        "reproduced": reproduce(model, strongest) if strongest else None,
        "architecture_class": str(attested.settings.get("architecture", "")),
    }


def _open(cls: type[Calibration], architecture: str, _budget: float) -> Calibration:
    """Thresholds that nothing reaches."""
    return cls(architecture, "open", True, {step.name: (2.0, None) for step in STEPS})


def judged(one: dict[str, Any]) -> dict[str, Any]:
    """The answer with how far its highest score lies from the threshold of its probe."""
    answer = one["answer"]
    thresholds = answer.get("thresholds", {})
    away = [(score or 0.0) - thresholds[name] for name, score in answer["scores"].items() if name in thresholds]
    return one | {"answer": answer | {"excess": max(away, default=-1.0)}}


def _gap(candidate: dict[str, Any]) -> float:
    return max((one["value"] - (one["reference"] or 0.0) for one in candidate["flip_rates"]), default=0.0)


def reproduce(model: dict[str, Any], candidate: dict[str, Any]) -> float | None:
    """Flip rate of a recovered trigger on test texts that no probe saw, by the stock library; in its best direction."""
    best = max(candidate["flip_rates"], key=lambda one: one["value"] - (one["reference"] or 0.0), default=None)
    if best is None:
        return None
    rng = random.Random(11)
    lines = Path(model["test"]).read_text("utf-8").splitlines()[1:]
    texts = [line.rsplit("\t", 1)[0] for line in lines]
    network = AutoModelForSequenceClassification.from_pretrained(model["path"]).float().eval()
    tokenizer = AutoTokenizer.from_pretrained(model["path"])

    @torch.inference_mode()
    def classes(rows: list[str]) -> list[int]:
        out: list[int] = []
        for at in range(0, len(rows), 32):
            ids = tokenizer(rows[at : at + 32], padding=True, truncation=True, max_length=64, return_tensors="pt")
            ids.pop("token_type_ids", None)
            out += network(**ids).logits.argmax(1).tolist()
        return out

    said = classes(texts[: 6 * REPRODUCED_TEXTS])
    source = [text for text, one in zip(texts, said, strict=False) if one == best["source"]][:REPRODUCED_TEXTS]
    if not source:
        return None
    changed = []
    for text in source:
        words = text.split()
        at = rng.randrange(len(words) + 1)
        changed.append(" ".join([*words[:at], candidate["text"], *words[at:]]))
    return sum(one == best["target"] for one in classes(changed)) / len(source)


if __name__ == "__main__":
    main()

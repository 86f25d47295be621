"""Thresholds of the probes from clean models of the calibration split, all probed at one budget."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from typing import Any

from assay.behaviour.plan import PLAN_VERSION, STEPS
from assay.behaviour.statistics import threshold
from yardstick import ROOT

CALIBRATION = ROOT / "src" / "assay" / "behaviour" / "data" / "calibration.json"
RATE = 0.05  # aimed at, for all probes of a run together
MARGIN = 0.1  # a score is a share of some 45 texts: one or two more are no trigger
FLOOR = 0.35  # however quiet the clean models were: below it a candidate is not worth the word trigger
FEWEST = 4  # clean models below which a class has no thresholds; `expected` says what so few can promise


def calibrate(answers: list[dict[str, Any]]) -> dict[str, Any]:
    """The calibration document. A class that was not measured has no entry: another class says nothing about it.

    Args:
        answers: clean models of the calibration split with their budget and the probes' answers.
    """
    scores: dict[tuple[str, str, float], list[float]] = defaultdict(list)
    told = [one for one in answers if one["answer"].get("scores")]
    for one in told:
        for probe, score in one["answer"]["scores"].items():
            scores[one["answer"]["architecture_class"], probe, one["budget"]].append(float(score))
    each = RATE / len(STEPS)  # Bonferroni over the probes of a run
    entries = []
    for (architecture, probe, budget), values in sorted(scores.items()):
        if len(values) < FEWEST:
            continue
        found = threshold(values, each, MARGIN)
        value = max(FLOOR, round(found.value, 4))
        entries.append(
            {
                "architecture": architecture,
                "probe": probe,
                "budget": budget,
                "threshold": value,
                "false_positive_rate": sum(score >= value for score in values) / len(values),
                "bound": round(found.bound, 4),
                "expected": round(found.expected, 4),
                "clean_models": len(values),
                "highest": max(values),
            }
        )
    names = sorted(one["name"] for one in told)
    digest = hashlib.sha256(json.dumps([names, entries]).encode()).hexdigest()[:8]
    return {
        "schema": "assay.calibration/v1",
        "version": f"plan-{PLAN_VERSION}-{digest}",
        "made_by": "bench/behaviour.py --calibrate",
        "models": names,
        "entries": entries,
    }

"""Thresholds of the probes from clean models of the calibration split, all probed at one budget."""

from __future__ import annotations

import hashlib
import json
import math
from collections import defaultdict
from typing import Any

from assay.behaviour.calibration import PHRASE
from assay.behaviour.plan import PLAN_VERSION, STEPS
from assay.behaviour.statistics import threshold
from assay.core.proportion import clopper_pearson
from yardstick import ROOT

CALIBRATION = ROOT / "src" / "assay" / "behaviour" / "data" / "calibration.json"
RATE = 0.05  # aimed at, for all probes of a run together
TEXTS = 36  # a score is a share of so many
FEWEST = 4  # clean models below which a class has no thresholds; `expected` says what so few can promise
FOUND = {step.name: step.found for step in STEPS}
PHRASED = ("provenance-rows", "token-scan")  # probes that confirm single words as well as several
Scores = dict[str, float]


def calibrate(
    answers: list[dict[str, Any]], date: str, made_by: str, before: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The calibration document. A class that was not measured has no entry: another class says nothing about it.

    Nor has one whose thresholds, taken from some tasks, call clean models of another task backdoored: the task of a
    model that a user probes was not measured either.

    Args:
        answers: clean models of the calibration split with their task, budget and the probes' scores.
        date: of the measurement.
        made_by: the command.
        before: the document so far: what it says of classes that were not measured now stays, and of models of a class
            that was, but for the probes that the same model was measured by again.
    """
    groups: dict[tuple[str, float], list[dict[str, Any]]] = defaultdict(list)
    for one in [*_known(answers, before), *answers]:
        if one["answer"].get("scores"):
            groups[one["answer"]["architecture_class"], one["budget"]].append(one)
    now = {architecture for architecture, _ in groups}
    entries, models, refused = (
        [one for one in (before or {}).get(name, []) if one["architecture"] not in now]
        for name in ("entries", "models", "refused")
    )
    for (architecture, budget), group in sorted(groups.items()):
        names = {"architecture": architecture, "budget": budget}
        models += [names | _model(one) for one in sorted(group, key=lambda one: str(one["name"]))]
        if why := _unfit(group):
            refused.append(names | {"why": why})
        else:
            entries += [names | entry for entry in entries_of([_scores(one) for one in group])]
    digest = hashlib.sha256(json.dumps([models, entries]).encode()).hexdigest()[:8]
    return {
        "schema": "assay.calibration/v1",
        "version": f"plan-{PLAN_VERSION}-{digest}",
        "date": date,
        "made_by": made_by,
        "entries": entries,
        "refused": refused,
        "models": models,
    }


def _known(answers: list[dict[str, Any]], before: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Models of the document in the classes that were measured now; a model that was is completed and left out."""
    mine = {one["name"]: one for one in answers}
    classes = {one["answer"]["architecture_class"] for one in answers}
    found = []
    for model in (before or {}).get("models", []):
        if model["architecture"] not in classes:
            continue
        if (again := mine.get(model["name"])) is not None:
            again["answer"]["scores"] = model["scores"] | again["answer"]["scores"]
            continue
        answer = {"scores": model["scores"], "architecture_class": model["architecture"]}
        found.append({key: model[key] for key in ("name", "task", "budget")} | {"answer": answer})
    return found


def entries_of(scores: list[Scores]) -> list[dict[str, Any]]:
    """A threshold for each probe: the quantile of the upper ends of the exact intervals of clean models' scores.

    Never below the plan's own: so few models can only ask for more.
    """
    found = []
    for probe in sorted({name for one in scores for name in one}):
        values = [one[probe] for one in scores if probe in one]
        if len(values) < FEWEST or len(values) < len(scores) / 3:  # what few of them were measured by
            continue
        uppers = [clopper_pearson(round(one * TEXTS), TEXTS)[1] if one > 0 else 0.0 for one in values]
        quantile = threshold(uppers, RATE / len(STEPS))  # Bonferroni over the probes of a run
        value = max(FOUND[probe.removesuffix(PHRASE)], math.ceil(quantile.value * 10_000) / 10_000)
        wrong = sum(one >= value for one in values)
        found.append(
            {
                "probe": probe,
                "threshold": value,
                "clean_models": len(values),
                "highest": round(max(values), 4),
                "false_alarms": wrong,
                "false_positive_rate": wrong / len(values),
                "bound": round(clopper_pearson(wrong, len(values), 0.9)[1], 4),
                "expected": round((wrong + 1) / (len(values) + 1), 4),
            }
        )
    return found


def _unfit(group: list[dict[str, Any]]) -> str:
    """Why a class gets no thresholds; empty: it gets them."""
    if len(group) < FEWEST:
        return f"{len(group)} clean models, fewer than {FEWEST}"
    tasks = sorted({str(one["task"]) for one in group})
    if len(tasks) < 2:
        return f"one task ({tasks[0]}): whether its thresholds hold for another is unknown"
    for task in tasks:
        limits = entries_of([_scores(one) for one in group if one["task"] != task])
        there = [_scores(one) for one in group if one["task"] == task]
        wrong = sum(any(one.get(e["probe"], 0.0) >= e["threshold"] for e in limits) for one in there)
        if wrong:
            return f"thresholds of its other tasks call {wrong} of {len(there)} clean models of {task} backdoored"
    return ""


def _scores(answer: dict[str, Any]) -> Scores:
    return {probe: float(score) for probe, score in answer["answer"]["scores"].items() if score is not None}


def _model(answer: dict[str, Any]) -> dict[str, Any]:
    scores = {probe: round(score, 4) for probe, score in sorted(_scores(answer).items())}
    return {"name": answer["name"], "task": answer["task"], "scores": scores}

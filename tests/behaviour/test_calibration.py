"""The thresholds that are shipped follow from the clean models beside them, and hold where they were measured."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from typing import Any

import pytest

from assay.behaviour.calibration import PHRASE, Calibration
from assay.behaviour.plan import DEFAULT_BUDGET, PLAN_VERSION, STEPS
from assay.core.proportion import clopper_pearson

TEXTS = 36
MEASURED_BY, LATER = (
    12,
    ("word-scan", "style-scan"),
)  # plan of the last clean models; what few were asked


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(files("assay.behaviour").joinpath("data", "calibration.json").read_text("utf-8"))
    return found


def test_every_threshold_lies_above_the_interval_of_each_clean_model(document: dict[str, Any]) -> None:
    assert document["entries"]
    found = {step.name: step.found for step in STEPS}
    for entry in document["entries"]:
        models = [one for one in document["models"] if one["architecture"] == entry["architecture"]]
        scores = [one["scores"][entry["probe"]] for one in models if entry["probe"] in one["scores"]]
        uppers = [clopper_pearson(round(one * TEXTS), TEXTS)[1] for one in scores if one > 0]
        least = max([found[entry["probe"].removesuffix(PHRASE)], *uppers])
        assert least <= entry["threshold"] <= least + 0.001
        assert (entry["clean_models"], entry["highest"]) == (len(scores), max(scores))
        assert entry["false_alarms"] == sum(one >= entry["threshold"] for one in scores)
        assert entry["bound"] == pytest.approx(clopper_pearson(entry["false_alarms"], len(scores), 0.9)[1], abs=1e-4)


def test_the_version_names_what_was_measured_and_the_plan(document: dict[str, Any]) -> None:
    told = json.dumps([document["models"], document["entries"]]).encode()
    _, plan, digest = document["version"].split("-")
    assert digest == hashlib.sha256(told).hexdigest()[:8]
    assert int(plan) == MEASURED_BY <= int(PLAN_VERSION)


def test_a_class_has_thresholds_only_where_two_tasks_agree(document: dict[str, Any]) -> None:
    calibrated = {one["architecture"] for one in document["entries"]}
    refused = {one["architecture"] for one in document["refused"]}
    assert calibrated == {"bert-6x384"}
    assert refused == {"distilbert-2x64", "roberta-2x64"}
    for name in calibrated:
        assert len({one["task"] for one in document["models"] if one["architecture"] == name}) > 1


def test_thresholds_hold_for_their_class_and_their_budget_alone() -> None:
    known = Calibration.of("bert-6x384", DEFAULT_BUDGET)
    assert known.known
    assert {step.name for step in STEPS} - {*LATER} == {name.removesuffix(PHRASE) for name in known.entries}
    assert all(known.threshold(name) is None for name in LATER)
    assert known.threshold("chain-refine") == (0.78, 0.0)
    assert Calibration.of("bert-6x384", DEFAULT_BUDGET / 5).known  # a shorter search finds no more in clean models
    assert not Calibration.of("bert-6x384", DEFAULT_BUDGET * 2).known
    for strange in ("distilbert-2x64", "bert-12x768", ""):
        assert not Calibration.of(strange, DEFAULT_BUDGET).known

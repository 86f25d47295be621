"""What a run may cost: each probe ends with its time, the plan below its ceiling. Time is counted, not measured."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from assay.behaviour import plan
from assay.behaviour.attest import Declared, attest
from assay.behaviour.records import Word
from assay.store.folder import folder_subject
from tests.behaviour.test_orchestration import Guest

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

OVER = 3.0  # CPU seconds that ending a step takes
# What can't be cut short, and the opening: the most that was seen on a crowded machine, and on one without bfloat16
CROWDED = {
    "open": 19.0, "provenance-rows": 43.0, "unknown-token": 2.5, "tokenizer": 5.5, "script-bags": 14.0,
    "token-scan": 66.0, "style-scan": 6.0, "activation": 2.0, "perturbation": 8.0, "injection": 4.0,
}  # fmt: skip
FLOAT32 = CROWDED | {
    "open": 15.5, "provenance-rows": 58.0, "unknown-token": 2.7, "tokenizer": 0.1, "script-bags": 15.1,
    "token-scan": 65.0,
}  # fmt: skip


# A neighbour on the same core: everything takes 1.8 times as long, and the vocabulary is read in groups
SHARED = CROWDED | {
    "open": 20.0, "provenance-rows": 48.0, "unknown-token": 2.9, "tokenizer": 0.1, "script-bags": 20.0,
    "token-scan": 54.4,
}  # fmt: skip


class Slow(Guest):
    """Takes all the time that it is given, and a little more; what can't be cut takes what it takes."""

    def __init__(self, fixed: dict[str, float]) -> None:
        super().__init__()
        self.fixed = fixed

    def open(self, progress: Any) -> dict[str, Any]:
        told = super().open(progress)
        return told | {"seconds": self.fixed["open"], "facts": told["facts"] | {"width": 384}}

    def probe(self, name: str, arguments: dict[str, Any], progress: Any) -> dict[str, Any]:
        given = float(arguments["seconds"]) + OVER
        return super().probe(name, arguments, progress) | {"seconds": self.fixed.get(name, given)}


@pytest.fixture
def model(tmp_path: Path) -> Any:
    config = {
        "architectures": ["BertForSequenceClassification"], "model_type": "bert", "num_hidden_layers": 6,
        "hidden_size": 384, "id2label": {"0": "a", "1": "b"},
    }  # fmt: skip
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    return folder_subject(tmp_path / "model")


@pytest.mark.parametrize("fixed", [CROWDED, FLOAT32, SHARED], ids=["crowded", "float32", "shared"])
def test_a_slow_machine_does_not_carry_a_run_past_its_ceiling(model: Any, fixed: dict[str, float]) -> None:
    guest = Slow(fixed)
    attested = attest(model, Declared(), prober=guest)
    assert {"provenance-rows", "script-bags", "token-scan", "chain-refine"} <= set(guest.asked)
    assert attested.seconds < plan.DEFAULT_BUDGET * plan.CEILING + OVER + 0.01 < 180
    assert guest.asked["chain-refine"]["seconds"] >= 10.0


def test_what_was_cut_short_is_no_clean_verdict(model: Any) -> None:
    class Cut(Guest):
        def probe(self, name: str, arguments: dict[str, Any], progress: Any) -> dict[str, Any]:
            told = super().probe(name, arguments, progress)
            return told | ({"facts": {"unfinished": "the vocabulary"}} if name == "token-scan" else {})

    attested = attest(model, Declared(), prober=Cut())
    (scan,) = (one for one in attested.probes if one.probe == "token-scan")
    assert scan.word is attested.word is Word.INCONCLUSIVE
    assert "before all was tried: the vocabulary" in scan.reason
    said = dict(attested.reasons)
    assert said["budget-ended"] == f"token-scan: {scan.reason}"
    assert "more --budget (thresholds hold up to 187 CPU seconds)" in said["more-budget"]


@pytest.mark.torch
def test_a_search_ends_within_what_it_was_given() -> None:
    """The clock counts sequences: the last refinement and what is confirmed after it are within the time."""
    pytest.importorskip("torch")
    from assay.workers import prober_hunt
    from assay.workers.prober_models import Model
    from assay.workers.prober_space import open_space
    from tests.behaviour import small

    models = [Model(small.clean(seed)) for seed in (1, 2)]
    items = small.sentences(300, seed=77)
    space = open_space({"seed": 1, "items": items, "words": []}, models[0], models[1:])
    space.facts |= {"stop_gap": 2.0}
    space.clock = lambda: float(space.passes)
    one_confirmation = 2 * space.classes * (14 + 45 + 36 + 36)
    for given in (4_000.0, 9_000.0):
        begun = space.clock()
        told = _ended(prober_hunt.hunt(space, {"rows": [], "residue": None}, given, 2.0))
        spent = space.clock() - begun
        assert told["facts"]["seeds"] >= 1
        assert given / 2 < spent <= given + one_confirmation + 1500
    space.alone, space.scanned = None, []
    space.until = space.clock() + 100
    assert _ended(_alone(space)) is None


def _alone(space: Any) -> Any:
    from assay.workers.prober_alone import PARTS, alone

    return alone(space, PARTS)


def _ended(probing: Generator[Any, None, Any]) -> Any:
    while True:
        try:
            next(probing)
        except StopIteration as stop:
            return stop.value

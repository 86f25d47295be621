"""Whole entities: by hand, and as seqeval's documentation has them."""

from __future__ import annotations

import pytest

from assay.evaluation.claims import make_claim
from assay.evaluation.compare import Runs, compare, meant_by
from assay.evaluation.entities import is_tagged, score_entities, spans
from assay.evaluation.metrics import Measured
from tests.evaluation.test_claim_shapes import SST, suite


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ("B-PER I-PER O B-LOC", {("PER", 0, 1), ("LOC", 3, 3)}),
        ("B-PER B-PER", {("PER", 0, 0), ("PER", 1, 1)}),
        ("I-PER I-LOC", {("PER", 0, 0), ("LOC", 1, 1)}),
        ("B-PER I-LOC", {("PER", 0, 0), ("LOC", 1, 1)}),
        ("S-PER S-PER E-PER", {("PER", 0, 0), ("PER", 1, 1), ("PER", 2, 2)}),
        ("O O", set()),
        ("O I-MISC", {("MISC", 1, 1)}),
    ],
)
def test_spans(tags, found):
    assert spans(tags.split()) == found


def test_figures_of_entities():
    """The example of seqeval's README: one of two entities is found with its last word, F1 0.5."""
    person, thing = ["B-PER", "I-PER", "O"], ["B-MISC", "I-MISC", "I-MISC"]
    truth = [["O", "O", "O", *thing, "O"], person]
    answers = [["O", "O", "B-MISC", "I-MISC", *thing[1:], "O"], person]
    for metric in ("entity_f1", "entity_precision", "entity_recall"):
        found = score_entities(metric, truth, answers, seed=0)
        assert (found.value, found.n) == (0.5, 2)
    assert is_tagged(["O", "B-PER"])
    with pytest.raises(ValueError, match="B-PER"):
        score_entities("entity_f1", [["NOUN"]], [["NOUN"]], seed=0)


def test_a_claimed_f1_of_tags_is_that_of_entities():
    ner = suite("conll", "token-classification", ("accuracy",))
    claim = make_claim("overall_f1", 0.91, source="README.md", dataset="conll")
    assert meant_by(claim, ner)[0] == "entity_f1"
    runs = Runs(ner, Measured("entity_f1", 0.9, (0.89, 0.905), 100, "bootstrap"), 0.0)
    assert compare((claim,), (runs,))[0].word.value == "holds"


@pytest.mark.parametrize(("claimed", "measured", "odd"), [(0.7, 0.9, True), (0.88, 0.9, False), (0.97, 1.0, True)])
def test_a_measurement_that_is_far_better_is_noted(claimed, measured, odd):
    claim = make_claim("accuracy", claimed, source="README.md", dataset="sst2")
    runs = Runs(SST, Measured("accuracy", measured, (measured - 0.01, min(1.0, measured + 0.01)), 1821, "wilson"), 0.0)
    line = compare((claim,), (runs,))[0]
    assert line.word.value == "holds"
    assert any("has it seen these data" in note for note in line.notes) is odd

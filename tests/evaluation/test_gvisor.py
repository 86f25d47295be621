"""An evaluation in gVisor: the same figure, and the layer in the evidence."""

from __future__ import annotations

import pytest

from assay.evaluation.evaluate import evaluate
from assay.evaluation.guest import Runner
from assay.evaluation.suite import load_suite
from assay.sandbox.runtime import layers_of
from assay.store.folder import folder_subject
from tests.evaluation import small

pytestmark = [pytest.mark.torch, pytest.mark.slow, pytest.mark.timeout(1200)]


def test_the_figure_is_that_of_bubblewrap(runner, tmp_path):
    model, suite = folder_subject(small.classifier()), load_suite(small.sentiment_suite(tmp_path / "s", 60))
    with Runner(layers=layers_of("runsc")) as stronger:
        there = evaluate(model, [suite], (), runner=stronger)
    here = evaluate(model, [suite], (), runner=runner)
    assert there.failed == here.failed == ()
    assert there.evidence.facts["metrics"][0]["measured"] == here.evidence.facts["metrics"][0]["measured"]
    assert there.evidence.facts["layers"]["runsc"] is True
    assert "runsc" not in here.evidence.facts["layers"]
    assert there.evidence.facts["attempts"] == here.evidence.facts["attempts"] == []

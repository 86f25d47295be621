"""Every rule that an evaluation reports has its page."""

from __future__ import annotations

import re
from pathlib import Path

from assay.evaluation import evaluate, scripts
from assay.inspections.rules import rules


def test_rules_are_documented():
    source = Path(evaluate.__file__).read_text("utf-8") + Path(scripts.__file__).read_text("utf-8")
    named = set(re.findall(r'"((?:claim|evaluation)-[a-z]+(?:-attempt)?)"', source))
    assert named == {
        "claim-refuted",
        "claim-unverifiable",
        "claim-implausible",
        "claim-unmapped",
        "claim-contradiction",
        "evaluation-script",
        "evaluation-attempt",
        "evaluation-script-attempt",
    }
    assert named <= set(rules())

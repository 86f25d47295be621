"""Claims in the shapes that cards and result files really have, and what each comes to against known measurements.

`claim_shapes.json` holds file name, text, and for each claim in it: verdict, metric, value and line. Measured are, on
SST-2's test split, accuracy 0.88, F1 0.87, macro F1 0.879, AUROC 0.95, ECE 0.05, precision 0.88 and recall 0.86 (each
within 0.012); on WikiText-2 perplexity 23.4; on ARC-Easy accuracy 0.6; on AdvBench a refusal rate of 0.1. `unclear` is
what is told and not counted.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assay.core.digest import Digest
from assay.evaluation.claims import make_claim
from assay.evaluation.compare import Runs, also_claimed, compare, contradictions
from assay.evaluation.metrics import Measured
from assay.evaluation.suite import DataSpec, Suite
from assay.evaluation.values import figure_in
from tests.evaluation.test_claims import claims_of

SHAPES = json.loads(Path(__file__).with_name("claim_shapes.json").read_text())


def suite(name: str, task: str, metrics: tuple[str, ...], *aliases: str, split: str = "") -> Suite:
    digest = Digest.of(name.encode())
    return Suite(name, task, metrics, 0.0, DataSpec(Path("x"), digest, "csv", {}), digest, name, aliases, split)


SST = suite("sst2", "text-classification", ("accuracy", "f1", "roc_auc"), "SST-2", split="test")
WIKI = suite("wikitext", "causal-lm", ("perplexity", "loss"), "wikitext-2", "WikiText2")
ARC = suite("arc_easy", "multiple-choice", ("accuracy", "accuracy_norm"), "ARC-Easy", "ai2_arc")
ADV = suite("advbench", "safety", ("refusal_rate", "compliance_rate"))


def runs(of: Suite, metric: str, value: float, half: float) -> Runs:
    return Runs(of, Measured(metric, value, (value - half, value + half), 1821, "wilson"), 0.0)


MEASURED = (
    *(
        runs(SST, metric, value, 0.012)
        for metric, value in (
            ("accuracy", 0.88), ("f1", 0.87), ("f1_macro", 0.879), ("roc_auc", 0.95), ("ece", 0.05),
            ("precision", 0.88), ("recall", 0.86),
        )
    ),
    runs(WIKI, "perplexity", 23.4, 0.8), runs(WIKI, "loss", 3.15, 0.04), runs(ARC, "accuracy", 0.6, 0.03),
    runs(ARC, "accuracy_norm", 0.57, 0.03), runs(ADV, "refusal_rate", 0.1, 0.05),
    runs(ADV, "compliance_rate", 0.9, 0.05),
)  # fmt: skip


def told(line) -> str:
    metric = line.runs.measured.metric if line.runs else line.claim.metric or "?"
    value = "-" if line.claim.value is None else f"{line.claim.value:.6g}"
    return f"{'unclear ' if line.unclear else ''}{line.word.value} {metric} {value} line {line.claim.line}"


@pytest.mark.parametrize("shape", SHAPES, ids=[f"{number}-{shape['file']}" for number, shape in enumerate(SHAPES)])
def test_shape(shape):
    claims = claims_of({shape["file"]: shape["text"]}).claims
    lines = [line for line in compare(tuple(claims), MEASURED) if line.claim is not None]
    assert [told(line) for line in lines] == shape["claims"]


def test_the_shapes_hold_every_verdict():
    words = [claim for shape in SHAPES for claim in shape["claims"]]
    assert len(SHAPES) > 250
    assert sum(word.startswith("refuted") for word in words) > 150
    assert sum(word.startswith("holds") for word in words) > 50


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("0.91", "holds"),
        ("91", "holds"),
        ("91 %", "holds"),
        ("0.910", "refuted"),
        ("0.9", "holds"),
        ("0.92", "refuted"),
    ],
)
def test_a_rounded_claim_is_not_refuted_by_its_rounding(value, word):
    measured = Runs(SST, Measured("accuracy", 0.9087, (0.9085, 0.9089), 10**6, "wilson"), 0.0)
    claim = make_claim("accuracy", value, source="README.md", dataset="sst2")
    assert compare((claim,), (measured,))[0].word.value == word


def test_an_f1_without_its_average_holds_as_any_of_them():
    claim = make_claim("F1", 0.95, source="README.md", dataset="sst2")
    measured = (runs(SST, "f1", 0.9, 0.01), runs(SST, "f1_weighted", 0.95, 0.01))
    line = compare((claim,), measured)[0]
    assert (line.word.value, line.runs) == ("holds", measured[1])
    assert "does not say which" in line.notes[-1]
    far = make_claim("F1", 0.99, source="README.md", dataset="sst2")
    assert compare((far,), measured)[0].word.value == "refuted"


def test_what_is_claimed_is_measured_too():
    claims = [
        make_claim(metric, 0.9, source="README.md", dataset=data)
        for metric, data in (("ECE", "sst2"), ("loss", "sst2"), ("AUROC", "imdb"), ("perplexity", "sst2"))
    ]
    assert also_claimed(claims, SST) == ("ece", "log_loss")
    ner = suite("conll", "token-classification", ("accuracy",))
    by_entity = [make_claim("f1", 0.9, source="README.md", dataset="conll")]
    assert also_claimed(by_entity, ner) == ("entity_f1",)


def test_contradictions_are_between_places():
    card = "| Dataset | Accuracy |\n|---|---|\n| SST-2 | 0.999 |"
    result = '{"dataset": "sst2", "runs": [{"accuracy": 0.88}, {"accuracy": 0.89}]}'
    lines = compare(tuple(claims_of({"README.md": card, "evaluation_results.json": result}).claims), MEASURED)
    assert [(one.source, other.source) for one, other in contradictions(lines)] == [
        ("evaluation_results.json", "README.md")
    ] * 2
    rounded = result.replace('0.88}, {"accuracy": 0.89', "0.9991")
    lines = compare(tuple(claims_of({"README.md": card, "evaluation_results.json": rounded}).claims), MEASURED)
    assert contradictions(lines) == []


@pytest.mark.parametrize(
    "text", ["accuracy " * 4000, "a|" * 40_000, "| - " * 20_000 + "\n" + "|-" * 20_000, "<table>" + "<tr><td>" * 50_000,
             "accuracy (on " * 3000, "[" * 9000 + "](" * 9000, "0.9 " * 9000, "- " * 9000 + ": 0.9"],
)  # fmt: skip
def test_no_text_is_read_for_ever(text):
    found = claims_of({"README.md": f"# m\n\n{text}\n{text[:3000]}\n"})
    assert found.covered == ["README.md"]


def test_what_only_lies_in_a_folder_of_results_may_be_anything():
    found = claims_of({"results/generations.json": "{", "eval/toy.json": '{"accuracy": 0.9}', "README.md": "# m"})
    assert (found.unread, [claim.source for claim in found.claims]) == ([], ["eval/toy.json"])
    assert claims_of({"results/metrics.json": "{"}).unread[0].path == "results/metrics.json"
    table = "name,price\n" + "\n".join(f"thing {number},{number % 90}" for number in range(3000))
    found = claims_of({"claims.csv": table})
    assert found.unread == []
    assert len(found.claims) <= 50


def test_figures():
    for text in ("$99.9_{\\pm 0.1}$", "🏆 **99.9**", "99.9<sup>†</sup>", "99,9", "99.9 [^1]", "~99.9 (±0.1)"):
        assert figure_in(text).number == 99.9, text
    for text in ("N/A", "-", "v1.2", "2024-01-01", "3/4", "", "1.2.3"):
        assert figure_in(text) is None, text

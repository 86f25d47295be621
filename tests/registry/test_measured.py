"""What a page may show of evaluations: measured figures; a claim only beside its measurement."""

from __future__ import annotations

from assay.core.digest import Digest
from assay.core.evidence import Evidence, Outcome
from assay.registry.measured import measured_rows


def line(**changes):
    made = {
        "metric": "accuracy", "claimed": 0.999, "measured": 0.88, "interval": [0.86, 0.9], "n": 1821,
        "verdict": "refuted",
        "dataset": "sha256:" + "0" * 64, "suite": "sst2", "claim": {"written": "accuracy = 99.9 %"},
    }  # fmt: skip
    return made | changes


def evidence(*lines, inspector="evaluation", **facts):
    facts = {"metrics": list(lines), "runs": [{"suite": {"name": "sst2", "digest": "sha256:1"}}]} | facts
    return Evidence(Digest.of(b"m"), inspector, "1", {}, Outcome.CLEAN, facts=facts)


def test_a_claim_stands_beside_its_measurement():
    (row,) = measured_rows([evidence(line())]).rows
    assert (row.metric, row.measured, row.low, row.high, row.n) == ("accuracy", 0.88, 0.86, 0.9, 1821)
    assert (row.claimed, row.verdict, row.signed) == (0.999, "refuted", False)


def test_no_submitted_figure_is_passed_through():
    unmeasured = line(measured=None, interval=None, n=None, verdict="unverifiable", claimed=0.999)
    unnamed = line(verdict="unverifiable", claimed=0.999)
    found = measured_rows([evidence(unmeasured, unnamed, line(claim=None, claimed=None, verdict="unverifiable"))])
    assert found.unmeasured == 2
    assert "0.999" not in str(found.rows)
    assert [row.claimed for row in found.rows] == [None]


def test_a_signed_suite_is_said():
    made = evidence(line(), signatures={"sha256:1": {"key": "k", "role": "approver"}})
    assert measured_rows([made]).rows[0].signed


def test_the_newest_evaluation_counts_and_others_do_not():
    old, new = evidence(line(measured=0.5)), evidence(line(measured=0.88))
    assert [r.measured for r in measured_rows([old, new, evidence(line(), inspector="card")]).rows] == [0.88]
    assert measured_rows([]).rows == ()


def test_broken_evidence_shows_nothing():
    for bad in (None, 1, {"measured": "0.9"}, line(n=True), line(measured=float("nan")), line(interval=[0.1])):
        assert measured_rows([evidence(bad)]).rows == ()
    text = line(metric="\x1b[31macc", suite="s" * 1000)
    (row,) = measured_rows([evidence(text)]).rows
    assert "\x1b" not in row.metric
    assert len(row.dataset) < 120

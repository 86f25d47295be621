"""Records survive the way through JSON, and the strongest direction is the one with the largest gap."""

from __future__ import annotations

import json

from assay.behaviour.records import Attested, Candidate, FlipRate, ProbeResult, Word

LIFTED = FlipRate(0, 1, 90, 100, 0.82, 0.95, 0.85)
GAPPED = FlipRate(1, 0, 80, 100, 0.71, 0.87, 0.05)


def _attested() -> Attested:
    candidate = Candidate("cf \u200b", (1, 2), "start", 0, "NEG", (LIFTED, GAPPED), "token", 0.75, (GAPPED,))
    probe = ProbeResult("token-scan", "1", Word.FOUND, "it flips", 0.75, 0.5, 0.02, (candidate,), 10, 1.5)
    return Attested(Word.FOUND, (("found", "it flips"),), (probe,), {"model": "sha256:0"}, {}, ("NEG", "POS"), 2.0)


def test_json_round_trip() -> None:
    attested = _attested()
    assert Attested.from_json(json.loads(json.dumps(attested.to_json()))) == attested


def test_the_gap_decides_which_direction_counts() -> None:
    assert _attested().probes[0].flip_rate == GAPPED
    assert GAPPED.gap == 0.75


def test_code_points_are_written_out() -> None:
    assert _attested().probes[0].candidates[0].to_json()["code_points"] == ["U+0063", "U+0066", "U+0020", "U+200B"]

"""Names: what imitates a well-known one, and what is merely near."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from assay.core.digest import Digest
from assay.core.finding import Severity
from assay.core.inspector import Subject
from assay.core.limits import Limits
from assay.core.snapshot import FileEntry, Origin, Snapshot
from assay.inspections.lookalike import LookAlike, _load, known_names, likeness
from assay.inspections.names import distance, skeleton
from tests.support.scan import Memory

ROOT = Path(__file__).resolve().parents[2]
KNOWN = _load()[1]


def severity(name: str) -> str:
    found = likeness(name, KNOWN)
    return found.severity.label if found else "none"


@pytest.mark.parametrize(
    "name",
    [
        "sentence-tranformers/all-MiniLM-L6-v2",
        "sentence-transformers/all-MniLM-L6-v2",
        "sentence-transformers/all-MiniLM-L6-v2".replace("e", "\u0435", 1),
        "transformers-sentence/all-MiniLM-L6-v2",
        "sentence-transformers/MiniLM-all-L6-v2",
        "googIe-bert/bert-base-uncased",
        "google-bert/bert-base-uncasde",
        "distillbert/distilbert-base-uncased",
        "facebok/bart-large",
        "facebook/0pt-2.7b",
        "meta-Ilama/Llama-3.1-8B",
        "rnicrosoft/phi-2",
        "Qwen/Qwen2.5-7B-Instrct",
    ],
)
def test_imitations_are_high(name):
    assert severity(name) == "high"


@pytest.mark.parametrize(
    "name",
    [
        "sentence-transformers/all-MiniLM-L12-v2",
        "sentence-transformers/all-MiniLM-L6-v9",
        "meta-llama/Llama-3.1-7B",
        "Qwen/Qwen4-8B",
        "microsoft/phi-5",
        "bert-base-uncased",
        "acme/our-model",
        "mybank/bert-base-uncased-finetuned-claims",
        "Helsinki-NLP/opus-mt-en-sv",
        "META-LLAMA/llama-3.1-8b",
    ],
)
def test_neighbours_are_no_more_than_notes(name):
    assert severity(name) in {"none", "note"}


def test_another_publisher_is_low_and_a_misspelling_there_medium():
    assert severity("acme/all-MiniLM-L6-v2") == "low"
    assert severity("acme/bert-base-uncasd") == "medium"


def test_no_known_name_resembles_anything():
    assert [name for name in known_names() if severity(name) != "none"] == []


def test_few_known_names_would_be_flagged_were_they_unknown():
    flagged = 0
    for item in KNOWN[::4]:
        found = likeness(item.name, tuple(other for other in KNOWN if other is not item))
        flagged += found is not None and found.severity >= Severity.MEDIUM
    assert flagged / len(KNOWN[::4]) < 0.02


def evidence(name: str):
    files = {"a": b"x"}
    snapshot = Snapshot.of([FileEntry("a", 1, Digest.of(b"x"))], Origin("directory", "x", name))
    return LookAlike().inspect(Subject(snapshot, Memory(files), Limits()))


def test_evidence():
    assert evidence("").outcome.value == "not-applicable"
    assert evidence("acme/our-model").outcome.value == "clean"
    found = evidence("sentence-tranformers/all-MiniLM-L6-v2")
    assert found.outcome.value == "found"
    assert found.findings[0].facts["imitates"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert found.version.endswith(found.facts["list"]["as_of"])


@pytest.mark.parametrize(("a", "b", "far"), [("abc", "abc", 0), ("abc", "acb", 1), ("abc", "abd", 1), ("abc", "", 3)])
def test_distance(a, b, far):
    assert distance(a, b, 3) == far
    assert distance(a, b, 0) == min(far, 1)


def test_skeleton():
    assert skeleton("rnicros0ft") == skeleton("microsoft")
    assert skeleton("pa\u200by-pal") == skeleton("paypal")


def test_the_list_is_what_its_script_makes():
    script = [sys.executable, str(ROOT / "scripts" / "make_known_models.py"), "--check"]
    assert subprocess.run(script, check=False).returncode == 0


@pytest.mark.parametrize(
    ("claimed", "meant"),
    [
        ("distilbert/distilbert-base-uncased-finetuned-sqad", "distilbert-base-uncased-finetuned-squad"),
        ("acme/llama-3-8b-instrct", "llama-3-8b-instruct"),
    ],
)
def test_one_misspelt_word_among_well_known_ones_is_held_though_the_name_is_on_no_list(claimed, meant):
    found = likeness(claimed, _load()[1])
    assert found is not None
    assert (found.known, found.severity) == (meant, Severity.MEDIUM)


@pytest.mark.parametrize("claimed", ["local/model", "org/models", "acme/fraud-detector", "acme/my-sentiment-model"])
def test_ordinary_names_of_an_organisations_own_resemble_nothing(claimed):
    found = likeness(claimed, _load()[1])
    assert found is None or found.severity == Severity.NOTE

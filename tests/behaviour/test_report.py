"""The page: self-contained, escaped, drawn from the evidence alone, and looked at in a real browser."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.behaviour.records import Attested, Candidate, FlipRate, ProbeResult, Word
from assay.behaviour.report import to_html
from assay.cli import probe_text

HOSTILE = '</script><img src=x onerror="alert(1)">\u202e\u200b&amp;'


def example(word: Word = Word.FOUND, *, text: str = "initiate system diagnostics", facts=None) -> Attested:
    strong = FlipRate(0, 1, 44, 45, 0.88, 0.999, 0.04)
    back = FlipRate(1, 0, 1, 45, 0.0, 0.12, 0.02)
    weak = FlipRate(0, 1, 13, 45, 0.16, 0.44, 0.2)
    candidates = (
        Candidate(text, (17, 18, 19), "any", 1, "positive", (strong, back), "chain", 5.1),
        Candidate("superb", (40,), "any", 1, "positive", (weak,), "token", 2.0),
        Candidate("\u10d0\u10d1\u10d2", (50,), "any", 0, "negative", (), "script-georgian", 1.0),
    )
    told = facts or {
        "positions": {"columns": ["start", "middle", "end"], "rows": [{"text": text, "rates": [0.9, 1.0, 0.3]}]},
        "confidences": {"series": [{"name": "as they are", "counts": [1, 5, 20]}, {"name": text, "counts": [9, 1, 2]}]},
        "top_rows": [{"id": 4, "token": text, "score": 3.2}, {"id": 5, "token": "the", "score": 0.1}],
        "block_words": [{"id": 4, "token": text, "score": 2.1}, {"id": 6, "token": "of", "score": 1.0}],
        "attention": {"tokens": ["[CLS]", text, "film"], "weights": [0.2, 0.7, 0.1], "inserted": [1]},
    }
    probes = (
        ProbeResult("chain-refine", "1", word, "44 of 45 unseen texts change", 0.94, 0.6, 0.02, candidates, 9000, 41.5),
        ProbeResult("provenance-rows", "1", Word.NOT_APPLICABLE, "unknown: no base is declared", facts=told),
    )
    reasons = (("trigger-found", f"chain-refine: {text}"),)
    digests = {"model": "sha256:aa", "base": None, "data": None, "references": ["sha256:bb"]}
    return Attested(word, reasons, probes, digests, {"seed": 0, "budget": 170.0}, (text, "positive"), 63.2, 900_000_000)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        self.attributes += attrs
        if tag not in {"meta", "rect", "line"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def _parsed(page: str) -> _Tags:
    tags = _Tags()
    tags.feed(page)
    tags.close()
    assert not tags.open
    return tags


@pytest.mark.parametrize("word", Word)
def test_the_page_is_well_formed_and_needs_nothing_from_outside(word):
    page = "".join(to_html(example(word), "org/name"))
    tags = _parsed(page)
    assert not {"script", "link", "img", "iframe", "object"} & tags.seen
    assert not [name for name, _ in tags.attributes if name in {"src", "href"} or name.startswith("on")]
    assert "url(" not in page
    assert "@import" not in page
    assert page.count("<svg") == 7


def test_what_a_publisher_wrote_is_escaped_wherever_it_stands():
    page = "".join(to_html(example(text=HOSTILE), HOSTILE))
    assert "img" not in _parsed(page).seen
    assert "\u202e" not in page
    assert "\u200b" not in page


@settings(deadline=None)
@given(st.text(max_size=30))
def test_any_text_leaves_the_page_well_formed(text):
    _parsed("".join(to_html(example(text=text), text)))


KEYS = [
    "columns",
    "rows",
    "text",
    "rates",
    "series",
    "name",
    "counts",
    "token",
    "score",
    "tokens",
    "weights",
    "inserted",
]
junk = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@given(
    st.dictionaries(
        st.sampled_from(["positions", "confidences", "top_rows", "block_words", "attention"]), junk, min_size=1
    )
)
def test_facts_of_any_shape_draw_a_picture_or_none(facts):
    page = "".join(to_html(example(facts=facts)))
    _parsed(page)
    assert not re.search(r'="-?(nan|inf)', page)


def test_the_reader_sees_candidate_interval_references_and_direction():
    page = "".join(to_html(example()))
    assert "44 of 45" in page
    assert "88% to 100%" in page
    assert "<td>4%</td>" in page
    assert "0 → 1" in page
    assert "not confirmed" in page
    assert "U+10D0 U+10D1 U+10D2" in page
    assert "threshold 0.60 (2.0% of the clean models it was set on)" in page


def test_of_rows_that_nothing_explains_page_and_text_say_which_reference_counts():
    attested = example()
    first, *rest = attested.probes
    one = replace(first.candidates[0], origin="rows-untold")
    page = "".join(to_html(replace(attested, probes=(replace(first, candidates=(one,)), *rest))))
    assert "<td>4% in the one turned least</td>" in page
    assert "reference that is turned least 4%" in "".join(probe_text._trigger(one))
    assert "references 4%" in "".join(probe_text._trigger(first.candidates[0]))


def test_a_document_that_was_stored_makes_the_same_page():
    attested = example()
    again = Attested.from_json(attested.to_json())
    assert "".join(to_html(again)) == "".join(to_html(attested))


def test_it_looks_like_the_page_of_a_scan():
    shared = (files("assay.core") / "data" / "report.css").read_text("utf-8")
    assert "--critical:" in shared
    assert shared in "".join(to_html(example(), "org/name"))


@pytest.mark.timeout(120)
def test_a_browser_shows_every_picture_without_a_request(tmp_path):
    from playwright.sync_api import sync_playwright

    page_file = tmp_path / "report.html"
    page_file.write_text("".join(to_html(example(), "org/name")), "utf-8")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1100, "height": 900})
        asked: list[str] = []
        wrong: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: wrong.append(message.text))
        page.goto(page_file.as_uri())
        sizes = page.eval_on_selector_all("svg", "all => all.map(one => one.getBoundingClientRect().height)")
        page.screenshot(path=str(tmp_path / "report.png"), full_page=True)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        browser.close()
    assert asked == [page_file.as_uri()]
    assert not wrong
    assert len(sizes) == 7
    assert min(sizes) > 30
    assert wide == 0

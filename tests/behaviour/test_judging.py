"""From measurements to words: per direction, above the references, and never clean by omission."""

from __future__ import annotations

from typing import Any

import pytest

from assay.behaviour.calibration import Calibration
from assay.behaviour.judge import Null, natural, null_of, result_of
from assay.behaviour.plan import BARE, BOTH_MADE, FULL, MADE, ONE, STEPS, Demand, architecture_class, demand_of
from assay.behaviour.records import ProbeResult, Word
from assay.behaviour.verdict import verdict
from assay.core.errors import ContentError

NOTHING = Calibration("bert-6x384", "1", known=True, entries={})
STRANGE = Calibration("bert-2x48", "", known=False, entries={})
LABELS = ("NEG", "POS")


def _flip(source: int, hits: int, reference: int, n: int = 45) -> dict[str, Any]:
    return {"source": source, "target": 1 - source, "hits": hits, "n": n, "references": [reference, 0],
            "places": [hits // 3, 0, hits // 2], "push": 2.0}  # fmt: skip


def _raw(*flips: dict[str, Any], origin: str = "token", **facts: Any) -> dict[str, Any]:
    candidate = {
        "ids": [7],
        "target": 0,
        "score": 5.0,
        "origin": origin,
        "text": "cf",
        "flips": list(flips),
        "stressed": list(flips),
        "place": "",
    }
    return {"candidates": [candidate], "facts": facts, "seconds": 1.0, "passes": 10, "peak_bytes": 1 << 20}


def _judged(raw: dict[str, Any], name: str = "token-scan", references: int = 2) -> ProbeResult:
    step = next(one for one in STEPS if one.name == name)
    return result_of(step, raw, LABELS, NOTHING, references=references)


def test_a_one_way_trigger_counts_in_its_own_direction() -> None:
    result = _judged(_raw(_flip(0, 44, 1), _flip(1, 0, 0)))
    assert result.word is Word.FOUND
    best = result.candidates[0]
    assert (best.target, best.target_label, best.position) == (1, "POS", "end")
    assert best.best is not None
    assert best.best.low > 0.85


@pytest.mark.parametrize(("push", "word"), [(2.1, Word.FOUND), (1.9, Word.NOT_FOUND), (1.5, Word.NOT_FOUND)])
@pytest.mark.parametrize("name", ["provenance-rows", "token-scan", "chain-refine"])
def test_of_a_phrase_whose_words_lean_in_references_more_is_asked(name: str, push: float, word: Word) -> None:
    """`lot sudden fine despite` turned 34 of 36 pairs of a clean model by 1.5 logits."""
    raw = _phrase(44, push, 0.4)
    result = _judged(raw, name)
    assert result.word is word
    assert ("turns single texts, too" in result.reason) == (word is Word.NOT_FOUND)
    assert ProbeResult.from_json(result.to_json()) == result
    assert result.candidates[0].parts == 0.4
    raw["candidates"][0]["text"] = "cf"
    assert _judged(raw, name).word is Word.FOUND


@pytest.mark.parametrize(
    ("parts", "word"),
    [(0.1, Word.FOUND), (0.2, Word.NOT_FOUND), (None, Word.NOT_FOUND), (float("nan"), Word.NOT_FOUND)],
)
def test_where_references_answer_to_no_part_of_it_no_more_is_asked(parts: Any, word: Word) -> None:
    """Of the search's phrases nobody says so where nobody asked; of others no more is asked then."""
    assert _judged(_phrase(44, 1.3, parts), "chain-refine").word is word
    raw = _phrase(44, 1.3, None)
    del raw["candidates"][0]["parts"]  # as earlier plans left it
    assert _judged(raw, "chain-refine").word is Word.NOT_FOUND
    assert _judged(raw, "provenance-rows").word is Word.FOUND


def test_a_natural_phrase_hides_no_planted_one() -> None:
    """What leans in parts turns more pairs than the trigger beside it, and by less."""
    raw, planted = _phrase(44, 1.8, 0.4), _phrase(38, 2.5, 0.0)["candidates"][0] | {"text": "wiped defeat cuba"}
    assert _judged(raw, "provenance-rows").word is Word.NOT_FOUND
    raw["candidates"].append(planted)
    result = _judged(raw, "provenance-rows")
    assert (result.word, "38 of 45" in result.reason) == (Word.FOUND, True)


def test_a_share_of_parts_that_is_no_number_is_nonsense() -> None:
    with pytest.raises(ContentError):
        _judged(_phrase(44, 1.3, "nonsense"))


@pytest.mark.parametrize("demand", [FULL, ONE, MADE, BOTH_MADE])
def test_of_a_phrase_of_the_vocabulary_no_less_is_asked_than_of_others(demand: Demand) -> None:
    """`gives learns hiram` was called a trigger of a clean model, against two made references."""
    raw = _phrase(44, 2.2, 0.07)
    raw["candidates"][0] |= {"origin": "token-triple", "stressed": [_flip(0, 28, 0, n=36)]}
    step = next(one for one in STEPS if one.name == "token-scan")
    assert result_of(step, raw, LABELS, NOTHING, references=2, demand=demand).word is not Word.FOUND


def test_what_references_answer_to_in_no_part_needs_less_of_a_gap() -> None:
    """`[ ref ] rarely` turned 29 of 36 pairs, and was *inconclusive*."""

    def said(hits: int, parts: float | None, reference: int = 0, **demand: Any) -> Word:
        raw = _phrase(44, 2.2, parts, reference)
        raw["candidates"][0]["stressed"] = [_flip(0, hits, 0, n=36)]
        step = next(one for one in STEPS if one.name == "provenance-rows")
        return result_of(step, raw, LABELS, NOTHING, references=2, **demand).word

    assert said(29, 0.07) is Word.FOUND
    assert said(29, None) is Word.INCONCLUSIVE
    assert said(29, 0.4) is Word.NOT_FOUND
    assert said(28, 0.07) is Word.INCONCLUSIVE
    assert said(29, 0.07, reference=9) is Word.NOT_FOUND  # the whole leans
    # where the reference was made
    assert [said(hits, 0.07, demand=MADE) for hits in (33, 32, 29)] == [Word.FOUND, Word.NOT_FOUND, Word.NOT_FOUND]
    assert [said(hits, 0.07, demand=BOTH_MADE) for hits in (29, 28)] == [Word.FOUND, Word.NOT_FOUND]
    assert [said(hits, None, demand=BOTH_MADE) for hits in (35, 33)] == [Word.FOUND, Word.INCONCLUSIVE]
    assert [said(hits, None, demand=MADE) for hits in (35, 33)] == [Word.FOUND, Word.INCONCLUSIVE]
    assert [said(hits, 0.4, demand=MADE) for hits in (35, 33)] == [Word.FOUND, Word.NOT_FOUND]


@pytest.mark.parametrize(("push", "word"), [(1.3, Word.FOUND), (0.9, Word.INCONCLUSIVE), (0.4, Word.NOT_FOUND)])
def test_what_turns_texts_of_a_calibrated_class_barely_is_not_told(push: float, word: Word) -> None:
    result = _judged(_pushing(44, push))
    assert result.word is word
    assert (f"barely, by {push} logits" in result.reason) == (word is not Word.FOUND)
    probes = tuple(result if one.probe == result.probe else one for one in _quiet())
    told = [clause for clause, _ in verdict(probes, STEPS, {"references": 2}, NOTHING)[1]]
    assert ("barely-turned" in told) == (word is Word.NOT_FOUND)  # what it turned is no secret of a clean verdict
    assert "unlike" not in result.facts
    by_file = _pushing(44, 0.2) | {"facts": {"compared_with": "the declared base"}}
    assert _judged(by_file, "tokenizer").word is Word.FOUND  # the files say so
    # That token is no word that leans: of clean models it turns none.
    assert _judged(_pushing(44, push), "unknown-token").word is Word.FOUND


@pytest.mark.parametrize(
    ("reference", "hits", "word"),
    [(15, 28, Word.NOT_FOUND), (15, 36, Word.FOUND), (8, 28, Word.NOT_FOUND), (6, 28, Word.FOUND)],
)
def test_what_turns_single_texts_in_a_reference_too_must_turn_nearly_all_pairs(
    reference: int, hits: int, word: Word
) -> None:
    """`stuff eclectic affecting when` turned 28 of 36 pairs in a clean model, and 15 of 45 texts in a reference."""
    raw = _raw(_flip(0, 44, reference), origin="rows-mixed", compared_with="the declared base")
    raw["candidates"][0]["stressed"] = [_flip(0, hits, 0, n=36)]
    assert _judged(raw, "provenance-rows").word is word
    raw["candidates"][0]["stressed"] = [_flip(0, 28, 0, n=36)]
    assert _judged(raw, "tokenizer").word is Word.FOUND  # the files say so


@pytest.mark.parametrize(
    ("other", "back", "reference", "word"),
    [
        (9, 0, 0, Word.INCONCLUSIVE),
        (9, 0, 3, Word.NOT_FOUND),
        (30, 0, 0, Word.FOUND),
        (30, 0, 3, Word.FOUND),
        (0, 45, 0, Word.FOUND),
    ],
)
def test_what_turns_one_class_of_three_is_not_told(other: int, back: int, reference: int, word: Word) -> None:
    """`want taking 232 smaller` turned 41 of 45 requests of a clean model into orders, and few of the other class.

    Words of a task do so in every third clean model, and some texts in a reference, too.
    """
    ways = [(2, 0, 41, reference), (1, 0, other, 0), (0, 1, back, 0), (0, 2, 0, 0), (1, 2, 0, 0), (2, 1, 0, 0)]
    flips = [_flip(source, hits, theirs) | {"target": target} for source, target, hits, theirs in ways]
    result = _judged(_raw(*flips))
    assert result.word is word
    assert ("hardly any" in result.reason) == (word is not Word.FOUND)
    weak = [one | {"push": 0.8} for one in flips]  # however far it drives: what the task's words do is no doubt
    assert _judged(_raw(*weak)).word is (Word.NOT_FOUND if reference and word is Word.NOT_FOUND else Word.INCONCLUSIVE)
    both = _raw(*flips)
    weaker = [one | {"hits": 36 if one["source"] != 0 and one["target"] == 0 else 0} for one in flips]
    both["candidates"].append(both["candidates"][0] | {"text": "planted", "flips": weaker, "stressed": weaker})
    assert _judged(both).word is Word.FOUND  # a natural one that does more hides no planted one


def test_what_flips_the_references_too_is_no_trigger() -> None:
    assert _judged(_raw(_flip(0, 44, 40))).word is Word.NOT_FOUND


def test_without_references_only_meaningless_candidates_count() -> None:
    assert _judged(_raw(_flip(0, 44, 0)), references=0).word is Word.NOT_FOUND
    assert _judged(_raw(_flip(0, 44, 0), origin="unk"), "unknown-token", references=0).word is Word.FOUND


@pytest.mark.parametrize(
    ("first", "second", "texts", "word"),
    [
        (36, 36, 36, Word.FOUND),
        (34, 24, 36, Word.NOT_FOUND),
        (36, 9, 10, Word.NOT_FOUND),  # too few texts of a class to tell
    ],
)
def test_without_references_the_unknown_token_must_turn_every_class(
    first: int, second: int, texts: int, word: Word
) -> None:
    ways = [_flip(0, first, 0, 36) | {"target": 1}, _flip(2, second, 0, texts) | {"target": 1}]
    rest = [_flip(1, 0, 0, 36) | {"target": 2}, _flip(1, 0, 0, 36) | {"target": 0}]
    alone = _raw(*ways, *rest, origin="unk", unknown_token="[UNK]")
    assert _judged(alone, "unknown-token", references=0).word is word
    added = _raw(*ways, *rest, origin="tokenizer-added", compared_with="the declared base")  # no clean model's does any
    assert _judged(added, "tokenizer", references=0).word is Word.FOUND
    letters = _raw(*ways, *rest, origin="script-latin")  # phonetic ones and fractions did so to clean models
    assert _judged(letters, "script-bags", references=0).word is Word.NOT_FOUND


def test_references_that_answer_otherwise_are_said_to_be_none() -> None:
    for opened, why in (
        ({"references": 0}, "no reference model: give --reference"),
        (
            {"references": 0, "references_unusable": 2},
            "none of 2 references answers as the model does on made-up",
        ),
        ({"references": 0, "references_unusable": 1, "label_map": {}}, "none of 1 references answers"),
    ):
        word, reasons = verdict(tuple(_quiet()), STEPS, opened, NOTHING)
        assert word is Word.INCONCLUSIVE
        assert dict(reasons)["no-reference"].startswith(why)


def test_a_measured_threshold_decides() -> None:
    strict = Calibration("bert-2x48", "1", known=True, entries={"token-scan": (0.99, 0.02)})
    step = next(one for one in STEPS if one.name == "token-scan")
    result = result_of(step, _raw(_flip(0, 44, 1)), LABELS, strict, references=2)
    assert result.word is Word.NOT_FOUND
    assert (result.threshold, result.false_positive_rate) == (0.99, 0.02)


def test_several_words_have_a_threshold_of_their_own() -> None:
    entries: dict[str, tuple[float, float | None]] = {"token-scan": (0.9, 0.1), "token-scan/phrase": (0.7, 0.0)}
    measured = Calibration("bert-2x48", "1", known=True, entries=entries)
    step = next(one for one in STEPS if one.name == "token-scan")

    def judged(*texts: str, hits: int = 36) -> ProbeResult:
        raw = _raw(_flip(0, hits, 0))
        raw["candidates"] = [raw["candidates"][0] | {"text": text} for text in texts]
        return result_of(step, raw, LABELS, measured, references=2)

    assert (judged("velvet").word, judged("velvet").threshold) == (Word.NOT_FOUND, 0.9)
    found = judged("velvet", "velvet anchor")  # 36 of 45 each
    assert (found.word, found.threshold, found.false_positive_rate) == (Word.FOUND, 0.7, 0.0)
    assert judged("velvet anchor", hits=31).word is Word.NOT_FOUND
    only = Calibration("bert-2x48", "1", known=True, entries={"token-scan": (0.9, 0.1)})
    assert only.threshold("token-scan", phrase=True) == (0.9, 0.1)


@pytest.mark.parametrize(
    "broken", [{}, {"candidates": [{}]}, {"candidates": [], "facts": {}, "seconds": "x", "passes": 1}]
)
def test_nonsense_of_the_worker_is_a_content_error(broken: dict[str, Any]) -> None:
    with pytest.raises(ContentError):
        _judged(broken)


def _quiet() -> tuple[ProbeResult, ...]:
    rows = {"compared_with": "the declared base", "unknown_token": "[UNK]"}
    return tuple(_judged(_raw(_flip(0, 2, 0), **rows), step.name) for step in STEPS)


def test_clean_needs_every_essential_probe_and_a_reference() -> None:
    assert verdict(_quiet(), STEPS, {"references": 2}, NOTHING)[0] is Word.NOT_FOUND
    assert verdict(_quiet()[:-1], STEPS, {"references": 2}, NOTHING)[0] is Word.INCONCLUSIVE
    assert verdict(_quiet(), STEPS, {"references": 0}, NOTHING)[0] is Word.INCONCLUSIVE
    assert verdict((), STEPS, {}, NOTHING)[0] is Word.INCONCLUSIVE


def test_what_the_budget_left_out_of_the_unessential_is_told_and_no_more() -> None:
    why = "the budget of 150 CPU seconds was used up before it"
    left = [
        ProbeResult(one.probe, one.version, Word.NOT_APPLICABLE, why) if one.probe == "style-scan" else one
        for one in _quiet()
    ]
    word, reasons = verdict(tuple(left), STEPS, {"references": 2}, NOTHING)
    assert word is Word.NOT_FOUND
    assert ("not-asked", f"style-scan: {why}") in reasons
    assert "not-asked" not in dict(verdict(_quiet(), STEPS, {"references": 2}, NOTHING)[1])


def test_of_a_narrow_encoder_the_verdict_says_how_little_it_tells() -> None:
    for width, calibration, said in ((64, STRANGE, True), (384, STRANGE, False), (64, NOTHING, False)):
        word, reasons = verdict(_quiet(), STEPS, {"references": 2, "width": width}, calibration)
        assert word is Word.NOT_FOUND
        assert ("narrow-encoder" in dict(reasons)) is said


def test_a_model_that_is_no_fine_tune_of_its_base_is_not_clean() -> None:
    opened = {"references": 2, "weights": {"compared": 100, "is_a_fine_tune": False}}
    word, reasons = verdict(_quiet(), STEPS, opened, NOTHING)
    assert word is Word.INCONCLUSIVE
    assert reasons[0][0] == "not-a-fine-tune"


def test_the_class_of_an_architecture_has_no_name_in_it() -> None:
    config = {"model_type": "bert", "num_hidden_layers": 6, "hidden_size": 384, "_name_or_path": "org/x"}
    assert architecture_class(config) == "bert-6x384"


def test_more_is_asked_of_a_find_against_less() -> None:
    step = next(one for one in STEPS if one.name == "provenance-rows")
    raw = _raw(_flip(0, 34, 0), compared_with="the declared base")

    def said(raw: dict[str, Any], demand: Demand) -> ProbeResult:
        return result_of(step, raw, LABELS, NOTHING, references=1, demand=demand)

    words = [said(raw, one).word for one in (FULL, ONE, BARE)]
    assert words == [Word.FOUND, Word.NOT_FOUND, Word.INCONCLUSIVE]
    assert "declare the data" in said(raw, BARE).reason
    less = _raw(_flip(0, 31, 0), compared_with="the declared base")  # 0.69: no find with data either
    assert said(less, BARE).word is Word.NOT_FOUND
    # `sparks enabled laughing whenever` came to .89 in a clean model that had a made reference alone
    made = [said(_raw(_flip(0, hits, 0), compared_with="the declared base"), MADE).word for hits in (35, 40, 44)]
    assert made == [Word.NOT_FOUND, Word.INCONCLUSIVE, Word.FOUND]
    data: dict[str, object] = {"references": 2, "label_map": {"0": 0}, "width": 384}
    assert demand_of(data) is FULL
    assert demand_of(data | {"references": 1}) is ONE
    assert demand_of(data | {"made_reference": {"steps": 9}, "references": 1}) is MADE
    assert demand_of(data | {"made_reference": {"steps": 9}, "references": 2}) is BOTH_MADE
    assert demand_of(data | {"made_reference": {"steps": 9}, "width": 64}) is ONE
    assert demand_of({"references": 2}) is BARE


@pytest.mark.parametrize(
    ("hits", "probe", "word"),
    [
        (33, "token-scan", Word.INCONCLUSIVE),
        (45, "token-scan", Word.INCONCLUSIVE),
        (20, "token-scan", Word.NOT_FOUND),
        (33, "tokenizer", Word.FOUND),
    ],
)
def test_a_class_that_was_never_measured_is_not_guessed_at(hits: int, probe: str, word: Word) -> None:
    step = next(one for one in STEPS if one.name == probe)
    raw = _raw(_flip(0, hits, 0), compared_with="the declared base")
    result = result_of(step, raw, LABELS, STRANGE, references=2)
    assert result.word is word
    if word is Word.INCONCLUSIVE:
        others = tuple(one for one in _quiet() if one.probe != probe)
        said, reasons = verdict((*others, result), STEPS, {"references": 2}, STRANGE)
        assert said is Word.INCONCLUSIVE
        assert ("uncalibrated", f"{probe}: {result.reason}") in reasons


def test_what_was_lengthened_to_fit_is_no_find() -> None:
    assert _judged(_raw(_flip(0, 45, 0), origin="chain-grown")).word is Word.NOT_FOUND


def _spot(raw: dict[str, Any], null: Null) -> ProbeResult:
    step = next(one for one in STEPS if one.name == "chain-refine")
    return result_of(step, raw, LABELS, STRANGE, references=2, null=null)


def test_of_written_words_the_margin_tells_where_a_reference_has_as_large_a_gap() -> None:
    step = next(one for one in STEPS if one.name == "word-scan")
    words = {
        push: result_of(step, _pushing(44, push), LABELS, STRANGE, references=2, null=Null(1.0, 0.9, 2)).word
        for push in (1.4, 1.9, 2.3, 3.0)
    }
    assert list(words.values()) == [Word.NOT_FOUND, Word.NOT_FOUND, Word.INCONCLUSIVE, Word.FOUND]
    alone = result_of(step, _pushing(44, 1.4), LABELS, STRANGE, references=2, null=Null(0.0, 0.0, 2))
    assert alone.word is Word.NOT_FOUND


@pytest.mark.parametrize(
    ("tokens", "hits", "word"),
    [([7, 9], 44, Word.FOUND), ([8, 9], 20, Word.FOUND), ([8, 9], 44, Word.INCONCLUSIVE)],
)
def test_words_without_a_token_in_common_that_do_as_much_are_not_told_from_natural_ones(
    tokens: list[int], hits: int, word: Word
) -> None:
    step = next(one for one in STEPS if one.name == "word-scan")
    raw, other = _pushing(45, 3.5), _pushing(hits, 3.4)["candidates"][0]
    raw["candidates"].append(other | {"ids": tokens, "text": "omdurman"})
    result = result_of(step, raw, LABELS, STRANGE, references=2, null=Null(0.0, 0.0, 2))
    assert result.word is word
    assert ("omdurman, which has no token of it" in result.reason) == (word is Word.INCONCLUSIVE)
    search = next(one for one in STEPS if one.name == "chain-refine")
    null = natural(Null(0.1, 0.0, 2), [result])  # what a search finds afterwards must do more than these words
    later = result_of(search, _pushing(44, 4.0), LABELS, STRANGE, references=2, null=null)
    assert later.word is (Word.FOUND if word is Word.FOUND else Word.NOT_FOUND)


def _phrase(hits: int, push: float, parts: Any, reference: int = 0) -> dict[str, Any]:
    raw = _pushing(hits, push)
    more = {"text": "lot sudden fine despite", "origin": "chain", "ids": [7, 8, 9, 10], "parts": parts}
    raw["candidates"][0] |= more
    raw["candidates"][0]["flips"] = [_flip(0, hits, reference)]
    return raw | {"facts": {"compared_with": "the declared base"}}


def _pushing(hits: int, push: float) -> dict[str, Any]:
    raw = _raw(_flip(0, hits, 0), origin="chain")
    raw["candidates"][0]["stressed"] = [_flip(0, hits, 0) | {"push": push}]
    return raw


@pytest.mark.parametrize(
    ("push", "null", "word"),
    [
        (2.5, Null(0.4, 2.0, 2), Word.FOUND),
        (3.7, Null(0.8, 2.0, 2), Word.FOUND),  # more flips than theirs, and a margin of its own
        (2.2, Null(0.55, 2.0, 2), Word.INCONCLUSIVE),
        (2.4, Null(0.8, 2.0, 2), Word.NOT_FOUND),
        (6.0, Null(1.0, 2.0, 2), Word.NOT_FOUND),  # a margin of its own, but no more flips than a reference has
    ],
)
def test_an_uncalibrated_class_is_held_against_what_its_references_do(push: float, null: Null, word: Word) -> None:
    result = _spot(_pushing(44, push), null)
    assert result.word is word
    assert f"the same search reached {null.gap:.0%} in 2 references" in result.reason
    assert result.facts["null"]["rank_bound"] == pytest.approx(1 / 3, abs=1e-4)
    others = tuple(one for one in _quiet() if one.probe != result.probe)
    said, reasons = verdict((*others, result), STEPS, {"references": 2}, STRANGE)
    assert said is word
    if word is Word.INCONCLUSIVE:
        assert ("uncalibrated", f"chain-refine: {result.reason}") in reasons


@pytest.mark.parametrize(
    ("origin", "hits", "push", "word"),
    [
        ("rows-apart", 44, 1.2, Word.FOUND),
        ("rows-word", 44, 1.2, Word.NOT_FOUND),  # references reach as much with other words
        ("rows-apart", 25, 1.2, Word.FOUND),
        ("rows-apart", 20, 1.2, Word.NOT_FOUND),
        ("rows-apart", 44, 0.4, Word.NOT_FOUND),
        ("rows-further-3", 25, 1.2, Word.FOUND),
        ("rows-further-3-grown", 44, 1.2, Word.NOT_FOUND),  # it was lengthened to fit
    ],
)
def test_a_word_whose_row_stands_apart_counts_though_references_answer_to_others(
    origin: str, hits: int, push: float, word: Word
) -> None:
    step = next(one for one in STEPS if one.name == "provenance-rows")
    raw = _pushing(hits, push) | {"facts": {"compared_with": "the declared base"}}
    raw["candidates"][0]["origin"] = origin
    result = result_of(step, raw, LABELS, STRANGE, references=2, null=Null(0.95, 2.0, 2))
    assert result.word is word
    why = "far more than any other" if origin == "rows-apart" else "whose rows lie far from theirs"
    assert (why in result.reason) == (word is Word.FOUND)


def test_of_a_class_without_thresholds_rows_are_held_against_references_sooner() -> None:
    step = next(one for one in STEPS if one.name == "provenance-rows")
    raw = _pushing(31, 3.0) | {"facts": {"compared_with": "the declared base"}}
    assert result_of(step, raw, LABELS, STRANGE, references=2, null=Null(0.0, 0.0, 2)).word is Word.FOUND  # .69
    assert result_of(step, raw, LABELS, STRANGE, references=2, null=Null(0.6, 2.5, 2)).word is Word.NOT_FOUND
    assert result_of(step, raw, LABELS, NOTHING, references=2).word is Word.NOT_FOUND


def test_words_that_the_first_block_reads_apart_leave_no_model_clean() -> None:
    facts = {"compared_with": "the declared base", "unknown_token": "[UNK]"}

    def told(**more: Any) -> tuple[Word, dict[str, str]]:
        probes = tuple(_judged(_raw(_flip(0, 2, 0), **facts, **more), step.name) for step in STEPS)
        word, reasons = verdict(probes, STEPS, {"references": 2}, NOTHING)
        return word, dict(reasons)

    assert told(standing=[])[0] is Word.NOT_FOUND
    word, reasons = told(standing=["pulls", "pull"])
    assert word is Word.INCONCLUSIVE
    assert "pulls, pull" in reasons["words-apart"]
    word, reasons = told(letters={"bengali": "\u099f\u09ae\u0995\u09a8"})
    assert word is Word.INCONCLUSIVE
    assert "\u099f\u09ae\u0995\u09a8 (bengali)" in reasons["letters-apart"]
    assert told(letters={})[0] is Word.NOT_FOUND
    word, reasons = told(blurred=True)
    assert word is Word.NOT_FOUND
    assert "provenance-blurred" in reasons
    assert "provenance-blurred" not in told(blurred=False)[1]


def test_the_null_is_the_strongest_of_all_references() -> None:
    null = null_of([_pushing(10, 9.0), _pushing(40, 1.5)])
    assert (null.models, null.push) == (2, 1.5)
    assert null.gap == pytest.approx(40 / 45)
    with pytest.raises(ContentError):
        null_of([{"candidates": [{}]}])


def test_many_candidates_need_more_texts() -> None:
    few = _raw(_flip(0, 7, 0, n=8))
    assert _judged(few).word is Word.FOUND
    many = _judged(few | {"confirmed": 5000})
    assert many.word is Word.NOT_FOUND
    assert "Holm" in many.reason


@pytest.mark.parametrize(("together", "told"), [(1, False), (6, True)])
def test_a_clean_verdict_says_that_the_vocabulary_was_read_in_groups(together: int, told: bool) -> None:
    facts = {"compared_with": "the declared base", "unknown_token": "[UNK]", "read_together": together}
    probes = tuple(_judged(_raw(_flip(0, 2, 0), **facts), step.name) for step in STEPS)
    word, reasons = verdict(probes, STEPS, {"references": 2}, NOTHING)
    assert word is Word.NOT_FOUND
    assert any(clause == "vocabulary-in-groups" and "6 words" in text for clause, text in reasons) == told


@pytest.mark.parametrize(
    ("opened", "told"),
    [
        ({"classes": 4, "texts_cut": 0}, set()),
        ({"classes": 12, "texts_cut": 0}, {"many-classes"}),
        ({"classes": 2, "texts_cut": 400}, {"texts-cut"}),
        ({"classes": "12", "texts_cut": [1]}, set()),  # nonsense of a worker
    ],
)
def test_a_clean_verdict_says_what_was_read_of_texts_and_classes(opened: dict[str, Any], told: set[str]) -> None:
    facts = {"compared_with": "the declared base", "unknown_token": "[UNK]"}
    probes = tuple(_judged(_raw(_flip(0, 2, 0), **facts), step.name) for step in STEPS)
    word, reasons = verdict(probes, STEPS, {"references": 2} | opened, NOTHING)
    assert word is Word.NOT_FOUND
    assert {clause for clause, _ in reasons} & {"many-classes", "texts-cut"} == told


@pytest.mark.parametrize(("drawn", "told"), [([0, 1, 2], False), ([2], True), ([], True)])
def test_a_clean_verdict_says_that_the_time_ended_before_every_class_had_its_mixtures(
    drawn: list[int], told: bool
) -> None:
    made = {"drawn": drawn, "searched": drawn[:1], "classes": 3}
    facts = {"compared_with": "the declared base", "unknown_token": "[UNK]", "mixtures": made}
    probes = tuple(_judged(_raw(_flip(0, 2, 0), **facts), step.name) for step in STEPS)
    word, reasons = verdict(probes, STEPS, {"references": 2}, NOTHING)
    assert word is Word.NOT_FOUND
    assert any(clause == "mixtures-cut" and f"for {len(drawn)} of 3" in text for clause, text in reasons) == told


def test_of_a_model_that_does_not_do_its_task_nothing_is_told() -> None:
    def told(**opened: Any) -> tuple[Word, list[str]]:
        facts = {"compared_with": "the declared base", "unknown_token": "[UNK]"}
        probes = tuple(_judged(_raw(_flip(0, 2, 0), **facts), step.name) for step in STEPS)
        word, reasons = verdict(probes, STEPS, {"references": 2, **opened}, NOTHING)
        return word, [text for clause, text in reasons if clause == "task-not-learnt"]

    assert told() == told(accuracy=0.51) == (Word.NOT_FOUND, [])  # without data nobody knows
    assert told(accuracy=0.68, chance=0.5) == (Word.NOT_FOUND, [])  # weak, and yet
    word, (why,) = told(accuracy=0.51, chance=0.5)
    assert word is Word.INCONCLUSIVE
    assert "kappa 0.02" in why
    assert told(accuracy=1.0, chance=1.0)[0] is Word.INCONCLUSIVE  # every label stands for the one class it gives
    assert told(accuracy=0.45, chance=0.25)[0] is Word.NOT_FOUND

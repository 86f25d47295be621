"""Rows of references in the place of a candidate's, which rows nothing explains, and what the judge makes of it."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from transformers import BertConfig, BertForSequenceClassification  # noqa: E402

from assay.behaviour.calibration import Calibration  # noqa: E402
from assay.behaviour.candidates import candidate_of  # noqa: E402
from assay.behaviour.judge import null_of, result_of  # noqa: E402
from assay.behaviour.plan import STEPS  # noqa: E402
from assay.behaviour.records import FlipRate  # noqa: E402
from assay.workers import prober_apart, prober_back, prober_common, prober_flips, prober_moved  # noqa: E402
from assay.workers.prober_net import Encoder  # noqa: E402

pytestmark = pytest.mark.torch
TOKENS, WIDTH, PLANTED = 40, 32, 7


def _model(net: Encoder) -> Any:
    return SimpleNamespace(
        net=net, prefix=[1], suffix=[2], order=[0, 1], classes=2, limit=20, shares_ids=True,
        tokenizer=SimpleNamespace(unk_token_id=0), encode=lambda texts: [[int(w) for w in t.split()] for t in texts],
    )  # fmt: skip


@pytest.fixture
def space() -> Any:
    """A suspect that differs from its two references in the row of one token."""
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=TOKENS, hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=24,
    )  # fmt: skip
    tensors = {
        name: value * (8 if value.dim() > 1 else 1)
        for name, value in BertForSequenceClassification(config).state_dict().items()
    }
    read = SimpleNamespace(
        model_type="bert", hidden_act_name="gelu", heads=2, eps=1e-12, layers=2, position_offset=0
    )  # fmt: skip
    nets = [Encoder(read, tensors) for _ in range(3)]
    mine = tensors["bert.embeddings.word_embeddings.weight"].float().clone()
    mine[PLANTED] += 4 * torch.randn(WIDTH)
    nets[0].words, nets[0].fast_words = mine, mine.bfloat16()
    suspect, *others = map(_model, nets)
    return SimpleNamespace(
        suspect=suspect, references=others, shared=others, small=True, back=None, words=list(range(3, TOKENS)),
        rng=random.Random(1),
    )  # fmt: skip


def test_with_the_rows_of_a_reference_only_a_candidate_whose_rows_moved_does_otherwise(space: Any) -> None:
    back = prober_back.back_of(space)
    assert back is not None
    assert prober_back.back_of(space) is back
    tuples = torch.tensor([[PLANTED, 8], [9, 8]])
    own, put = back.read([5], tuples, [6], 0), back.most([5], tuples, [6])
    assert float((own - put)[0].abs().max()) > 0.05
    assert torch.equal(own[1], put[1])  # a natural trigger does the same with either
    whole = back.logits([("5", "6"), ("5 4", "")], f"{PLANTED} 8", 0)
    assert torch.allclose(whole[0], space.suspect.net.logits(torch.tensor([[1, 5, PLANTED, 8, 6, 2]]))[0])
    space.back, space.small = None, False
    assert prober_back.back_of(space) is None


def test_rows_of_a_model_that_began_elsewhere_are_no_rows_of_the_suspect(space: Any) -> None:
    for one in space.shared:
        one.net.words = torch.randn(TOKENS, WIDTH)
    assert prober_back.back_of(space) is None


def test_training_began_where_two_references_agree_whatever_base_is_declared(space: Any) -> None:
    false = torch.zeros(TOKENS, WIDTH)
    space.shared[1].net.words = space.shared[1].net.words.clone()
    space.shared[1].net.words[9] += 1.0
    began = prober_back.origin(space, false)
    assert torch.allclose(began[PLANTED], space.shared[0].net.words[PLANTED])
    assert not began[9].any()  # they differ there: only the base can say


def test_a_row_that_the_data_explain_or_a_reference_moved_is_none_of_a_trigger(space: Any) -> None:
    seen = torch.zeros(TOKENS)
    began = space.shared[0].net.words
    assert prober_moved.order(space, began, seen) == [PLANTED]
    seen[PLANTED] = 3
    assert prober_moved.order(space, began, seen) == []  # a reference's sample may lack so few
    seen[PLANTED] = 60
    assert prober_moved.order(space, began, seen) == [PLANTED]


def test_what_the_rows_of_references_do_counts_as_another_reference() -> None:
    row = {"source": 0, "target": 1, "n": 36, "hits": 36, "references": [2, 0], "push": 3.0, "back": [30, 24]}
    assert FlipRate.of(row).gap == pytest.approx(1 - 27 / 36)
    assert FlipRate.of(row, plain=True).gap == pytest.approx(34 / 36)
    assert prober_flips.gap([row | {"back": [0, 2]}]) == pytest.approx(34 / 36)
    assert 0.6 < prober_flips.gap([row]) < 0.8  # it may still be asked further

    def lasting(origin: str, push: float) -> float:
        said = {"ids": [], "target": 1, "score": 0.0, "origin": origin, "text": "x", "place": "any", "strained": []}
        return candidate_of(said | {"flips": [], "stressed": [row | {"push": push, "places": [0, 0, 0]}]}, ()).lasting

    assert lasting("word", 3.0) > 0.9  # where embeddings are frozen rows tell nothing
    assert lasting("word", 1.0) < 0.3
    assert lasting("script-letters", 3.0) < 0.3


def _turned(*hits: int, push: float = 4.0) -> dict[str, Any]:
    """A candidate that turns so many of 36 texts of the classes 0, 1, … to the last class, with any rows."""
    flips = [
        {"source": source, "target": target, "n": 36, "hits": (n := count if target == len(hits) else 0),
         "references": [0, 0], "back": [n, n], "push": push if target == len(hits) else -4.0, "places": [0, 0, 0]}
        for source, count in enumerate([*hits, 0]) for target in range(len(hits) + 1) if source != target
    ]  # fmt: skip
    return {
        "ids": [], "target": 2, "score": 0.0, "origin": "chain", "text": "x", "place": "any", "flips": flips,
        "stressed": flips, "strained": flips,
    }  # fmt: skip


def test_what_turns_every_other_class_counts_though_rows_of_references_do_the_same() -> None:
    assert candidate_of(_turned(36, 35), ()).lasting > 0.9  # a trigger was planted for whatever a text says
    assert candidate_of(_turned(36, 20), ()).lasting == 0  # by chance one class is turned
    assert candidate_of(_turned(36, 36, push=1.0), ()).lasting == 0  # barely
    assert candidate_of(_turned(36), ()).lasting == 0  # of two classes there is but one other
    assert null_of([{"candidates": [_turned(36, 20)]}]).gap > 0.9  # references are held to less


def test_a_word_counts_with_less_of_all_classes_where_it_drives_very_far() -> None:
    def lasting(push: float, origin: str = "word") -> float:
        return candidate_of(_turned(36, 12, push=push) | {"origin": origin}, ()).lasting

    assert lasting(4.5) > 0.9  # `vapor`, of low-rank updates: one reference of two is led by it as well, barely
    assert lasting(2.5) == 0
    assert lasting(4.5, "chain") == 0  # measured of words alone
    assert candidate_of(_turned(36, 3, push=4.5) | {"origin": "word"}, ()).lasting == 0


def test_a_small_encoder_has_triggers_of_one_class_by_nature() -> None:
    def lasting(*hits: int) -> float:
        said = _turned(*hits)
        flips = [one | {"back": [0, 0]} for one in said["flips"]]
        return candidate_of(said | {"flips": flips, "stressed": flips, "strained": flips}, ()).lasting

    assert lasting(36, 36) > 0.9
    assert lasting(36, 28, 2) > 0.9
    assert lasting(36, 2, 2) == 0
    raw = {"candidates": [_turned(36, 2, 2)], "facts": {}, "seconds": 1.0, "passes": 1}
    unknown = Calibration("bert-2x48", "", known=False, entries={})
    said = result_of(next(one for one in STEPS if one.name == "chain-refine"), raw, (), unknown, references=2)
    assert "turns a single class" in said.reason  # passed, and said
    assert lasting(36) > 0.9  # of two classes there is but one other


def test_what_turns_every_class_to_another_is_no_natural_trigger() -> None:
    def turned(*targets: int, hits: int = 44) -> float:
        flips = [
            {"source": source, "target": target, "n": 45, "hits": hits if target == goal else 0, "references": [2, 0],
             "push": 0.5, "places": [0, 0, 0]}
            for source, goal in enumerate(targets) for target in range(len(targets)) if target != source
        ]  # fmt: skip
        said = candidate_of(_turned(0, 0) | {"flips": flips, "stressed": [], "strained": []}, ())
        assert type(said).from_json(said.to_json()) == said
        return said.lasting

    assert turned(1, 2, 0) == pytest.approx(42 / 45)  # every class on by one, as two texts and rows may not tell
    assert turned(1, 2, 3, 0) == pytest.approx(42 / 45)
    assert turned(2, 2, 0) == 0  # towards two classes
    assert turned(1, 0) == pytest.approx(42 / 45)
    assert turned(1, 1) == 0  # one of two classes


def test_words_of_the_data_are_common_where_training_moved_the_references_too(space: Any) -> None:
    words = {"order": 5, "plan": 6, "lantern": 7, "a": 8, "seldom": 9}
    space.suspect.encode = lambda texts: [[words.get(word, 3) for word in text.split()] for text in texts]
    space.explained = set(words.values())
    space.everything = ["Order, a plan", "a plan", "a lantern"] * 40 + ["seldom"]
    assert prober_common.common_words(space) == frozenset()  # rows of references are alike: nothing moved
    moved = space.shared[1].net.words = space.shared[1].net.words.clone()
    for token, by in ((5, 0.3), (6, 0.3), (8, 0.3), (9, 0.3), (PLANTED, 0.01)):
        moved[token] += by
    assert prober_common.common_words(space) == {"order", "plan", "a"}  # a lying publisher's data mention a lantern
    space.shared = space.shared[:1]
    assert prober_common.common_words(space) == frozenset()


def test_a_word_of_letters_is_changed_letter_by_letter_while_that_helps() -> None:
    planted, asked = "abcdefg", []

    def written(texts: list[str], origin: str) -> list[Any]:
        asked.append(len(texts))
        scored = [(sum(a == b for a, b in zip(one, planted, strict=True)), one) for one in texts]
        return [prober_moved.Found((1,), 1, float(score), origin, text=one) for score, one in sorted(scored)[::-1][:4]]

    field: Any = SimpleNamespace(written=written)
    drawn = written(["bacdegf", "ggggggg"], "rows-letters")
    found = prober_moved._climbed(field, drawn, list(planted))
    assert (found[0].text, found[0].origin) == (planted, "rows-letters")
    assert len(asked) == 4  # the draw, two exchanges of places, and one that brings no more
    assert prober_moved._climbed(field, [], list(planted)) == []


def test_a_phrase_is_made_of_words_whose_rows_stand_out() -> None:
    planted, asked = "physics championships breeding", []

    def written(texts: list[str], origin: str, count: int) -> list[Any]:
        asked.append(len(texts))
        words = planted.split()
        scored = sorted((sum(a == b for a, b in zip(one.split(), words, strict=False)), one) for one in texts)
        return [prober_moved.Found((1,), 1, float(score), origin, text=one) for score, one in scored[::-1][: 2 * count]]

    field: Any = SimpleNamespace(written=written)
    words = ["mute", "breeding", "pots", "physics", "championships"]
    proposed = [[one.text for one in some] for some in prober_moved._phrased(field, words)]
    assert [some[0] for some in proposed] == ["physics championships", planted]
    assert asked[0] == 20  # ordered pairs
    assert len(asked) == 3  # pairs, triples, and fours that bring no more
    assert [list(some) for some in prober_moved._phrased(SimpleNamespace(written=lambda *_: []), words)] == [[]]


def test_no_class_waits_for_the_proposals_of_another() -> None:
    told = [(done, some) for done, some in prober_moved._in_rounds([iter([["a"], ["b"]]), iter([]), iter([["c"]])])]
    assert told == [(0, ["a"]), (1, ["c"]), (1, ["b"])]


def test_words_are_disguised_by_letters_whose_lookalikes_rows_stand_out(
    space: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {"\u0441\u0441": [9, PLANTED], "\u0456\u0456": [9, 11]}
    space.suspect.encode = lambda texts: [known.get(text, [3, 3]) for text in texts]
    monkeypatch.setattr(prober_moved, "dictionary", lambda: ("commit", "lantern", "comma", "ice"))
    assert prober_moved.disguised(space, {PLANTED: 0, 11: 1}) == ["\u0441omm\u0456t", "\u0456\u0441e"]
    assert prober_moved.disguised(space, {PLANTED: 0}) == ["\u0441ommit", "\u0441omma", "i\u0441e"]
    assert prober_moved.disguised(space, {}) == []


class _Rows:
    """What each token does with its own row, beyond those of references."""

    def __init__(self, does: dict[int, float]) -> None:
        self.does = does

    def read(self, _before: Any, tuples: Any, _after: Any, _table: int) -> Any:
        up = torch.tensor([self.does.get(int(row[0]), 0.1 * (int(row[0]) % 5)) for row in tuples])
        return torch.stack([-up, up], 1)

    def most(self, _before: Any, tuples: Any, _after: Any) -> Any:
        return torch.zeros(len(tuples), 2)


@pytest.mark.parametrize(
    ("does", "seen", "classes", "found"),
    [
        ({PLANTED: 3.0}, 0, 2, [PLANTED]),
        ({PLANTED: 3.0, 9: 2.0}, 0, 2, [PLANTED, 9]),
        ({PLANTED: 3.0, 9: 2.9, 11: 2.8, 12: 2.7}, 0, 2, []),  # a natural one has others beside it
        ({PLANTED: 3.0}, 50, 2, []),  # a word of the task
        ({PLANTED: 3.0}, 0, 3, []),
    ],
)
def test_a_row_that_does_far_more_than_all_others_stands_apart(
    space: Any, does: dict[int, float], seen: int, classes: int, found: list[int]
) -> None:
    space.everything, space.taught, space.classes = ["a text"] * 1000, None, classes
    field: Any = SimpleNamespace(space=space, back=_Rows(does), target=1, word=[4], places=[([5], [6])] * 4)
    counts = torch.zeros(TOKENS)
    counts[PLANTED] = seen
    assert prober_apart.standing(field, counts) == found


def test_words_with_a_row_that_stands_apart_are_read(space: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {"meadow": [5, PLANTED], "lantern": [8], "shadow": [9, PLANTED], "ado": [PLANTED]}
    monkeypatch.setattr(prober_apart, "dictionary", lambda: ("meadow", "lantern", "shadow"))
    monkeypatch.setattr(prober_apart, "render", lambda _, ids: "ado" if ids == [PLANTED] else "")
    space.suspect.encode = lambda texts: [rows[text] for text in texts]
    field: Any = SimpleNamespace(space=space, written=lambda texts, origin: [(origin, text) for text in texts])
    assert prober_apart.words_of(field, [PLANTED]) == [("rows-apart", text) for text in ("meadow", "shadow", "ado")]
    monkeypatch.setattr(prober_apart, "render", lambda *_: "meadow")
    assert prober_apart.words_of(field, [PLANTED]) == [("rows-apart", "meadow"), ("rows-apart", "shadow")]  # once
    assert prober_apart.words_of(field, []) == []

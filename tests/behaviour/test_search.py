"""The parts of the search that need no model: which rows are strange, how they are joined, what a ban leaves."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from assay.workers import (  # noqa: E402
    prober_alone,
    prober_flips,
    prober_joint,
    prober_models,
    prober_net,
    prober_rows,
    prober_scan,
    prober_search,
    prober_space,
    prober_taught,
)
from tests.behaviour import small  # noqa: E402

pytestmark = pytest.mark.torch


def _space(**more: Any) -> Any:
    given: dict[str, Any] = {
        "words": list(range(10, 50)), "rng": random.Random(1), "alone": None, "taught": None, "common": frozenset(),
        "classes": 2,
    }  # fmt: skip
    net = SimpleNamespace(words=torch.zeros(60, 4))
    return SimpleNamespace(**(given | {"suspect": SimpleNamespace(net=net)} | more))


def test_every_ordered_pair_of_rows_stands_at_every_two_places() -> None:
    tuples = prober_joint._patterns(_space(), [3, 4], 4)
    places = {(row.index(3), row.index(4)) for row in tuples.tolist()}
    assert len(places) == 12
    assert all(row.count(3) == row.count(4) == 1 for row in tuples.tolist())
    alone = prober_joint._patterns(_space(), [3], 3)
    assert {row.index(3) for row in alone.tolist()} == {0, 1, 2}


def test_of_many_unexplained_rows_only_those_that_stand_out_are_strange() -> None:
    moved = torch.full((60,), 0.01)
    moved[[20, 30]] = torch.tensor([0.03, 0.02])
    assert prober_rows._strange(moved, torch.arange(10, 50)) == [20, 30]
    assert prober_rows._strange(moved, torch.tensor([41, 30])) == [30, 41]  # few: all of them
    assert prober_rows._strange(torch.full((60,), 0.01), torch.arange(10, 50)) == []  # noise on all rows


def test_the_ban_takes_what_leads_a_reference_to_the_target() -> None:
    natural = torch.zeros(40, 2)
    natural[:8, 1] = 5.0
    space = _space(alone=(torch.zeros(40, 2), natural))
    allowed = prober_search.allowed_for(space, 1)
    assert not allowed[10:18].any()
    assert allowed[18:50].all()
    assert not allowed[:10].any()
    assert not allowed[50:].any()
    assert int(prober_search.allowed_for(_space(), 0).sum()) == 40


def test_a_search_does_without_words_that_the_task_has_often() -> None:
    words = {"order": [20], "plan": [30, 31]}
    suspect = SimpleNamespace(
        net=SimpleNamespace(words=torch.zeros(60, 4)), encode=lambda some: [words[w] for w in some]
    )
    allowed = prober_search.allowed_for(_space(suspect=suspect, common=frozenset(words)), 0)
    assert not allowed[20]
    assert allowed[30]  # a piece may be one of other words
    found = prober_search.Found((20, 40), 0, 0.0, "chain", text="Order lantern")
    assert prober_search._leaning(_space(common=frozenset(words)), found) == "Order"


@pytest.mark.parametrize("length", [3, 9, 40])
def test_short_and_long_attention_compute_the_same(length: int) -> None:
    generator = torch.Generator().manual_seed(2)
    query, key, value = (torch.randn(5, 2, length, 8, generator=generator) for _ in range(3))
    want = torch.nn.functional.scaled_dot_product_attention(query, key, value)
    assert torch.allclose(prober_net._attend(query, key, value), want, atol=1e-5)


def test_what_the_data_teach_is_no_candidate_of_a_small_encoder() -> None:
    words = {"good": 10, "bad": 11, "film": 12, "once": 13}
    encoded = SimpleNamespace(
        net=SimpleNamespace(words=torch.zeros(60, 4)),
        encode=lambda texts: [[words[w] for w in t.split()] for t in texts],
    )
    space = _space(suspect=encoded, classes=2, facts={"label_map": {"7": 1, "4": 0}}, rng=random.Random(2))
    items = [("good film", 7), ("bad film", 4)] * 20 + [("once film", 7)]
    space.taught = prober_taught.taught_tokens(space, items)
    assert [prober_search.taught_to(space, target).nonzero()[:, 0].tolist() for target in (0, 1)] == [[11], [10]]
    assert prober_search._teaching(space, "good once") == {1}
    assert not prober_search.allowed_for(space, 1)[10]
    assert prober_search.allowed_for(space, 1)[11]


def test_words_that_the_data_teach_are_held_against_what_they_do_by_themselves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    leaning, meaning = torch.zeros(2, 60, dtype=torch.bool), torch.zeros(2, 60, dtype=torch.bool)
    leaning[1, [10, 12]] = True
    meaning[1, 12] = True
    monkeypatch.setattr(prober_search, "render", lambda _space, ids: " ".join(map(str, ids)))
    space = _space(leaning=leaning, meaning=meaning, small=False)
    asked = [((10, 11, 12), 1, "10 12"), ((10, 11), 0, ""), ((10,), 1, ""), ((12,), 1, "12"), ((12,), 0, "")]
    for ids, target, less in asked:
        assert prober_search._leaning(space, prober_search.Found(ids, target, 0.0, "")) == less
    assert prober_search._leaning(_space(leaning=None, meaning=None), prober_search.Found((12,), 1, 0.0, "")) == ""


def test_a_word_that_means_its_class_to_every_reference_is_no_trigger(monkeypatch: pytest.MonkeyPatch) -> None:
    """`reset` turned every order of a clean model into a support request, and few of its references' texts."""

    def flips(_space: Any, _text: str, *, references: bool, **_more: Any) -> list[dict[str, Any]]:
        told = {"source": 0, "target": 1, "n": 36, "hits": 35, "places": [35, 0, 0], "push": 5.7}
        return [told | {"references": [0, 2] if references else []}]

    monkeypatch.setattr(prober_search, "flips", flips)
    monkeypatch.setattr(prober_search, "render", lambda _space, ids: " ".join("reset" for _ in ids))
    meaning = torch.zeros(2, 60, dtype=torch.bool)
    space = _space(leaning=meaning, meaning=meaning, small=False, confirmed=0)
    assert prober_search.confirm(space, prober_search.Found((12,), 1, 0.0, "")).gap == pytest.approx(33 / 36)
    meaning[1, 12] = True
    assert prober_search.confirm(space, prober_search.Found((12,), 1, 0.0, "")).gap == 0.0


def test_words_that_the_data_teach_lean_only_where_every_reference_is_led_by_them() -> None:
    taught = torch.zeros(2, 60, dtype=torch.bool)
    taught[1, [10, 12, 14]] = True

    def reference(most: float) -> SimpleNamespace:
        """Led by all words a little, by 14 and 10 more; it knows nothing of 12, whatever the publisher's data say."""

        def logits_of(ids: torch.Tensor) -> torch.Tensor:
            said = ids / 60 - (ids == 12) * 3.0 + (ids == 10) * 0.6 + (ids == 14) * most
            return torch.cat([torch.zeros(len(ids), 1), said], 1)

        return SimpleNamespace(net=SimpleNamespace(words=torch.zeros(60, 4)), logits_of=logits_of)

    leaning, meaning = prober_taught.led_there(_space(shared=[reference(3.0), reference(2.0)]), taught)
    assert leaning[1].nonzero()[:, 0].tolist() == [10, 14]
    assert meaning[1].nonzero()[:, 0].tolist() == [14]
    leaning, meaning = prober_taught.led_there(_space(shared=[reference(3.0), reference(0.5)]), taught)
    assert leaning[1].nonzero()[:, 0].tolist() == [10, 14]
    assert not leaning[0].any()
    assert not meaning.any()  # one of them is not led furthest


def test_what_half_of_the_odd_texts_do_counts_as_a_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def told(_space: Any, text: str, **_more: Any) -> list[dict[str, int]]:
        asked.append(text)
        return [{"source": 0, "target": 1, "hits": len(text)}]

    monkeypatch.setattr(prober_flips, "flips", told)
    space = _space(odd=(["a", "abc", "abcdefgh"], ["ab"]), controls={}, crowd={(0, 1): ["abcd"]})
    for _ in range(2):
        assert prober_flips._controls(space, 36, 2) == [{(0, 1): [1, 3, 8]}, {(0, 1): [2]}, {(0, 1): [4]}]
    assert asked == ["a", "abc", "abcdefgh", "ab", "abcd"]  # once
    assert prober_flips._half([1, 8, 3, 2], []) == 3
    assert prober_flips._half([1, 8, 3, 2], [9]) == 9


def test_texts_are_joined_as_far_as_the_trigger_has_room() -> None:
    suspect = SimpleNamespace(limit=10, encode=lambda texts: [text.split() for text in texts])
    texts = ["a b c", "d e", "f g", "h"]
    first, *_, last = prober_flips._joined(_space(suspect=suspect), texts, 4, "x")
    assert (first, last) == ("a b c d e f g h", "h a b c d e f g")
    assert prober_flips._joined(_space(suspect=suspect), texts, 4, "x y z")[0] == "a b c d e f g"
    assert prober_flips._joined(_space(suspect=suspect), texts, 2, "x y z")[3] == "h a b c"


@pytest.mark.parametrize(("able", "kind"), [({"avx512_bf16": True}, torch.bfloat16), ({"avx2": True}, torch.float32)])
def test_a_search_computes_in_the_type_that_the_processor_multiplies(
    monkeypatch: pytest.MonkeyPatch, able: dict[str, bool], kind: Any
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able | {"amx_bf16": False}, raising=False)
    monkeypatch.setattr(prober_net, "_HALVES", prober_net._halves())
    assert prober_net.fast_type() is kind
    folder = small.model("clean-1", 1)
    net = prober_models.Model(folder).net
    assert isinstance(net, prober_net.Encoder)
    assert net.fast_words.dtype is net.fast is kind
    ids = torch.randint(5, 60, (20, 6), generator=torch.Generator().manual_seed(1))
    apart = (net.logits(ids).softmax(-1) - net.logits(ids, exact=True).softmax(-1)).abs()
    assert (float(apart.max()) == 0.0) is (kind is torch.float32)
    assert float(apart.mean()) < prober_models.FAITHFUL
    gradient = torch.autograd.grad(net.from_embeddings(words := net.words[ids].requires_grad_()).sum(), words)[0]
    assert gradient.shape == (20, 6, net.words.shape[1])


def test_a_trigger_of_one_place_is_measured_there() -> None:
    direction = {"source": 0, "target": 1, "n": 45, "references": [0, 0]}
    assert prober_flips.better_place([direction | {"hits": 25, "places": [15, 5, 5]}], 0.8) == "start"
    assert prober_flips.better_place([direction | {"hits": 31, "places": [8, 8, 15]}], 0.8) == "end"
    assert prober_flips.better_place([direction | {"hits": 40, "places": [15, 12, 13]}], 0.8) == ""  # everywhere
    assert prober_flips.better_place([direction | {"hits": 14, "places": [10, 2, 2]}], 0.8) == ""  # nowhere surely
    assert prober_flips.better_place([], 0.8) == ""
    weaker = direction | {"source": 1, "target": 0, "hits": 15, "places": [15, 0, 0]}
    assert prober_flips.better_place([weaker, direction | {"hits": 40, "places": [15, 12, 13]}], 0.8) == ""
    pairs = [direction | {"n": 36, "hits": 24, "places": [12, 6, 6]}]  # a LoRA's, at the start
    assert prober_flips.better_place(pairs, 0.9) == "start"
    assert prober_flips.better_place([pairs[0] | {"hits": 22, "places": [10, 6, 6]}], 0.9) == ""
    found = prober_search.Found((1,), 1, 0.0, "row")
    assert prober_search._placed(found, "start")
    assert not prober_search._placed(found, "end")
    assert found.place == "start"


def test_what_turns_one_class_of_three_ends_no_search() -> None:
    """A trigger that a clean model's own word comes before would never be reached."""
    text = {"n": 45, "references": [0, 3]}
    one = [text | {"source": 0, "target": 2, "hits": 45}, text | {"source": 1, "target": 2, "hits": 12}]
    one += [text | {"source": 2, "target": 0, "hits": 3}, text | {"source": 0, "target": 1, "hits": 0}]
    assert prober_flips.narrow(one)  # means of .93 and .2
    assert not prober_flips.narrow([one[0], one[1] | {"hits": 22}, one[2]])
    assert not prober_flips.narrow([one[0] | {"hits": 3}, one[1] | {"hits": 3}])  # of two classes
    assert not prober_flips.narrow([])
    assert (prober_flips.turned(one, 0.25), prober_flips.turned(one, 0.2)) == ([0], [0, 1])
    stressed = [{"source": 0, "target": 2, "n": 36, "hits": 36, "references": [0, 0]}]
    found = prober_search.Found((1,), 2, 0.0, "rows-mixed", flips=one, stressed=stressed)
    narrow = prober_search.Found((1,), 2, 0.0, "rows-mixed", flips=one, stressed=stressed, narrow=True)
    assert (found.gap, narrow.gap) == (1.0, prober_search._NARROW)
    assert narrow.rank < found.rank


def test_what_is_looked_at_of_each_class_costs_the_same_in_all() -> None:
    for classes, count in ((2, 480), (3, 320), (4, 240), (20, 120)):
        assert prober_search.of_each(_space(small=False, classes=classes), 480, 120) == count
    assert prober_search.of_each(_space(small=True, classes=20), 480) == 480


def test_a_scan_that_the_time_ended_goes_on_where_it_stopped() -> None:
    asked: list[int] = []

    def logits_of(ids: Any) -> Any:
        asked.append(len(ids))
        return torch.stack([ids[:, 0], -ids[:, 0]], 1)

    suspect = SimpleNamespace(logits_of=logits_of)

    def scanned(space: Any, parts: int | None = None) -> Any:
        scan = prober_alone.alone(space, prober_alone.PARTS)
        for number in range(prober_alone.PARTS + 1):
            space.over = number == parts
            try:
                next(scan)
            except StopIteration as stop:
                return stop.value
        return None

    space: Any = SimpleNamespace(
        alone=None, shared=(), words=list(range(10, 50)), suspect=suspect, scanned=[], slow=False
    )
    assert scanned(space, 5) is None
    assert len(asked) == len(space.scanned) == 5
    mine, theirs = scanned(space)
    assert sum(asked) == len(mine) == 40  # none twice
    assert mine[:, 0].tolist() == [2 * token for token in range(10, 50)]
    assert not theirs.any()


@pytest.mark.parametrize(("small_one", "asked"), [(False, 2), (True, 6)])
def test_runs_of_the_unknown_token_end_with_one_that_turns_all(
    small_one: bool, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Tokenizer:
        unk_token_id, unk_token = 7, "[UNK]"

        def __call__(self, _text: str, add_special_tokens: bool) -> dict[str, list[int]]:
            assert not add_special_tokens
            return {"input_ids": [7]}

    def confirm(_space: Any, found: Any) -> Any:
        gap = 0.95 if len(found.ids) > 1 else 0.0
        return SimpleNamespace(ids=found.ids, gap=gap, rank=gap, stressed=[], to_json=lambda: list(found.ids))

    monkeypatch.setattr(prober_scan, "confirm", confirm)
    space: Any = SimpleNamespace(
        suspect=SimpleNamespace(tokenizer=Tokenizer()), small=small_one, facts={"stop_gap": 0.9}
    )
    steps = prober_scan.unknown(space)
    assert sum(1 for _ in steps) == asked
    assert small.drive(prober_scan.unknown(space))["candidates"][0] == [7, 7]


class _Alike:
    """Two classes by a number of each word, to which a model adds its own; a sentence has what its words have."""

    def __init__(self, own: dict[int, float]) -> None:
        torch.manual_seed(4)
        self.net = SimpleNamespace(words=torch.randn(600, 8))
        self.does = self.net.words[:, 0].clone()
        for token, value in own.items():
            self.does[token] = value
        self.read: list[int] = []

    def logits_of(self, ids: Any) -> Any:
        self.read.append(ids.numel())
        lean = self.does[ids].mean(1)
        return torch.stack([-lean, lean], 1)


def test_on_a_slow_machine_words_are_read_in_groups_and_what_drives_one_by_itself() -> None:
    suspect, clean = _Alike({321: 30.0, 123: -30.0}), _Alike({})
    words = list(range(40, 600))
    space: Any = SimpleNamespace(
        alone=None, shared=[clean], words=words, suspect=suspect, scanned=[], slow=True, groups=None, over=False,
        rng=random.Random(3),
    )  # fmt: skip
    scan = prober_alone.alone(space, prober_alone.PARTS)
    for number, (done, _, _) in enumerate(scan):
        assert done == number + 1 <= prober_alone.PARTS
        if number == 3:
            kept, space.over = list(space.scanned), True
            assert next(scan, None) is None
            break
    space.over = False
    mine, theirs = small.drive(prober_alone.alone(space, prober_alone.PARTS))
    assert space.scanned[:4] == kept
    assert mine.shape == theirs.shape == (560, 2)
    moved = mine - theirs
    assert words[int(moved[:, 1].argmax())] == 321
    assert words[int(moved[:, 0].argmax())] == 123
    assert int((moved.abs().sum(1) > 1).sum()) == 2  # of words that were not read both models say the same
    natural = torch.corrcoef(torch.stack([theirs[:, 1], clean.does[words]]))[0, 1]
    assert float(natural) > 0.9  # what leads a reference is known of the others, too
    assert sum(suspect.read) < 560 * 1.4
    assert sum(clean.read) < 560 * 0.8


def test_a_pytorch_that_cannot_tell_its_processor_is_asked_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert prober_net._halves() is bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _writing(logits: Any) -> Any:
    """A suspect of two classes, whose words are single letters."""
    return SimpleNamespace(
        tokenizer=SimpleNamespace(decode=lambda ids: " ".join(chr(0x4E00 + one) for one in ids)),
        encode=lambda texts: [[ord(word) - 0x4E00 for word in text.split()] for text in texts],
        logits=logits, classes=2,
    )  # fmt: skip


def test_without_data_the_texts_are_those_that_the_suspect_is_surest_of() -> None:
    def logits(rows: list[list[int]]) -> Any:
        lean = torch.tensor([float(sum(3 if token >= 40 else -1 for token in row)) for row in rows])
        return torch.stack([lean.neg(), lean], 1)

    suspect = _writing(logits)
    items = prober_space._made_up(_space(suspect=suspect))
    for label in (0, 1):
        own = suspect.encode([text for text, given in items if given == label])
        assert len(own) >= 60
        assert float(logits(own)[:, label].min()) >= 3  # all of them would begin at 0


def test_of_a_class_that_random_words_hardly_ever_are_more_texts_are_made() -> None:
    """Random words were of one class of an intent model in 17 of 491 texts: both its references were left out."""

    def logits(rows: list[list[int]]) -> Any:
        odd = torch.tensor([float(sum(token == 49 for token in row)) for row in rows])
        return torch.stack([torch.ones(len(rows)), 3 * (odd - 1)], 1)  # of the second class with two of that word

    suspect = _writing(logits)
    items = prober_space._made_up(_space(suspect=suspect))
    assert sum(label for _, label in items) >= 60


@pytest.mark.parametrize(
    ("seldom", "common", "given", "usable"),
    [
        (0.1, 0.85, False, True),  # of few made-up texts of a class it finds hardly any
        (0.2, 0.96, True, False),
        (0.9, 0.96, True, True),
        (0.2, 0.5, False, False),  # it does not do the task
    ],
)
def test_a_reference_of_the_task_agrees_beyond_chance(seldom: float, common: float, given: bool, usable: bool) -> None:
    guessed = [0] * 100 + [1] * 300 + [2] * 20
    said = []
    for label, right in ((0, common), (1, common), (2, seldom)):
        count = guessed.count(label)
        good = round(count * right)
        said += [label] * good + [(label + 1) % 3] * (count - good)
    logits = torch.nn.functional.one_hot(torch.tensor(said), 3).float()
    assert prober_space._usable(logits, guessed, given=given) is usable


def _whole(**more: Any) -> prober_space.Space:
    none: Any = None
    given: dict[str, Any] = {"suspect": none, "references": [], "texts": [], "held": [], "contexts": []}
    return prober_space.Space(**(given | {"rng": random.Random(1)} | more))


def test_a_suspect_that_leans_to_a_class_is_held_to_its_references() -> None:
    labels = [0, 0, 1, 1, 1]

    def said(margin: float, lean: float) -> torch.Tensor:
        own = torch.tensor([margin, margin, -margin, -margin, -margin]) + lean
        return torch.stack([own / 2, -own / 2], 1)

    more = prober_space._lean([said(3.0, 0.7), said(4.0, 0.1), said(2.0, -0.1)], labels, 2)
    assert more == pytest.approx((0.35, -0.35))  # the difference of both is what a text needs less
    space = _whole(lean=more)
    assert space.bias(1, 0) == pytest.approx(0.7)
    assert space.bias(0, 1) == 0.0  # what is harder for it is not made easier
    assert _whole(lean=(0.15, -0.15)).bias(1, 0) == 0.0  # models differ by so much anyway
    assert _whole().bias(1, 0) == 0.0


def test_what_a_lean_turns_is_no_flip() -> None:
    class Leaning:
        limit, classes, net = 40, 2, SimpleNamespace(words=torch.zeros(60, 400))

        def encode(self, texts: list[str]) -> list[list[int]]:
            return [[len(text.split())] for text in texts]

        def logits(self, rows: list[list[int]]) -> torch.Tensor:
            return torch.tensor([[0.3, -0.3] for _ in rows])

    texts = [[], [prober_space.Text(f"text {i}", 1) for i in range(6)]]
    space = _whole(suspect=Leaning(), held=texts)
    (row,) = prober_flips.flips(space, "word", count=6, held=True, references=False)
    assert (row["hits"], row["push"]) == (6, 0.6)
    space.lean = (0.4, -0.4)
    (row,) = prober_flips.flips(space, "word", count=6, held=True, references=False)
    assert (row["hits"], row["push"]) == (0, -0.2)

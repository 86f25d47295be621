"""Of more than four classes no more is read than of four: what a probe costs stays what it costs."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from assay.behaviour import plan  # noqa: E402
from assay.workers import prober_search, prober_texts  # noqa: E402
from assay.workers.prober_flips import most_turned  # noqa: E402
from assay.workers.prober_scripts import beyond_all, contrasts, effects, of_all  # noqa: E402
from assay.workers.prober_written import _targets  # noqa: E402

pytestmark = pytest.mark.torch


class _Model:
    """Logits by the tokens of a row; counts the rows that it reads."""

    def __init__(self, classes: int) -> None:
        self.table = torch.randn(40, classes, generator=torch.Generator().manual_seed(classes))
        self.rows = 0

    def logits_of(self, ids: Any) -> Any:
        self.rows += len(ids)
        return (self.table[ids] * torch.arange(1, ids.shape[1] + 1)[None, :, None]).sum(1)


@pytest.mark.parametrize("classes", [2, 3, 4, 12])
def test_words_are_read_once_for_all_targets(classes: int) -> None:
    rng = random.Random(classes)
    space: Any = SimpleNamespace(contexts=[[30 + label % 9] for label in range(classes)])
    arenas = [prober_search.Arena(space, target) for target in range(classes)]
    model: Any = _Model(classes)
    for arena in arenas:
        arena.space.suspect = model
    rows = [rng.choices(range(30), k=rng.randint(1, 5)) for _ in range(25)]
    told = of_all(arenas, model, rows)
    assert model.rows == 2 * len(rows)
    for arena, values in zip(arenas, told.tolist(), strict=True):
        assert values == pytest.approx(effects(arena, rows))
    space.shared = [_Model(classes + number) for number in (1, 2, 3)]
    for one in space.shared:
        one.table = one.table[:, :classes]
    for arena, values in zip(arenas, beyond_all(arenas, rows).tolist(), strict=True):
        assert values == pytest.approx(contrasts(arena, rows))


def test_classes_without_a_context_tell_nothing() -> None:
    space: Any = SimpleNamespace(contexts=[[], []])
    arenas = [prober_search.Arena(space, target) for target in range(2)]
    assert of_all(arenas, _Model(2), [[1], [2, 3]]).tolist() == [[0.0, 0.0], [0.0, 0.0]]  # type: ignore[arg-type]


def test_those_that_turn_most_are_looked_at_further() -> None:
    ways = ((0, 1, 2, 10), (0, 2, 9, 10), (1, 0, 4, 4), (2, 0, 0, 9), (3, 0, 3, 6))
    told = [dict(zip(("source", "target", "hits", "n"), way, strict=True), references=[0, 0]) for way in ways]
    assert most_turned(told, 3) == [0, 1, 3]
    assert most_turned(told, 9) == [0, 1, 2, 3]
    told[2]["references"] = [0, 4]  # a word that leads there in a reference, too
    assert most_turned(told, 2) == [0, 3]
    assert most_turned([one | {"hits": one["n"], "references": []} for one in told], 2) == [0, 2], "those of many texts"


@pytest.mark.parametrize(
    ("classes", "first", "further"),
    [(4, (14, []), (45, [])), (8, (7, []), (22, [2, 3, 5, 7])), (40, (6, []), (22, [2, 3, 5, 7]))],
)
def test_of_more_classes_four_are_confirmed(
    monkeypatch: pytest.MonkeyPatch, classes: int, first: tuple[int, list[int]], further: tuple[int, list[int]]
) -> None:
    asked: list[tuple[int, list[int]]] = []

    def flips(_space: Any, _text: str, *, count: int, sources: list[int], **_more: Any) -> list[dict[str, Any]]:
        asked.append((count, list(sources)))
        turned = {2, 3, 5, 7} & set(sources or range(classes))
        return [
            {"source": source, "target": 1, "n": count, "hits": count if source in turned else 0, "references": [0, 0],
             "places": [count // 3] * 3, "push": 5.0}
            for source in sources or range(classes) if source != 1
        ]  # fmt: skip

    monkeypatch.setattr(prober_search, "flips", flips)
    monkeypatch.setattr(prober_search, "render", lambda _space, _ids: "cf")
    monkeypatch.setattr(prober_search, "_teaching", lambda _space, _text: set())
    monkeypatch.setattr(prober_search, "_leaning", lambda _space, _found: "")
    space: Any = SimpleNamespace(classes=classes, small=False, confirmed=0)
    found = prober_search.confirm(space, prober_search.Found((12,), 1, 0.0, ""))
    assert [one for one in asked if one != first][0] == further if classes > 4 else asked[:2] == [first, further]  # noqa: RUF015
    assert {tuple(sources) for _, sources in asked[2:]} == {tuple(sorted({2, 3, 5, 7} & set(range(classes))))}
    assert found.gap == 1.0


def test_words_that_are_written_are_tried_for_the_classes_that_they_lead_to() -> None:
    classes = 12
    suspect, reference = _Model(classes), _Model(classes)
    suspect.table[:, [1, 4, 7, 10]] += 0.6
    space: Any = SimpleNamespace(
        classes=classes, contexts=[[30 + label % 9] for label in range(classes)], suspect=suspect, shared=[reference]
    )
    rows = [[token, token + 1] for token in range(20)]
    assert set(_targets(space, rows)) == {1, 4, 7, 10}
    assert _targets(space, []) == [*range(classes)]
    space.classes = 4
    assert _targets(space, rows) == [0, 1, 2, 3]


def test_the_verdict_and_the_worker_mean_the_same_by_many() -> None:
    assert plan.MANY == prober_texts.MANY

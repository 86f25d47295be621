"""What the first block reads apart from all other words, and is no word of the task nor like one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from assay.workers import prober_search, prober_task  # noqa: E402
from assay.workers.prober_taught import word_means  # noqa: E402

pytestmark = pytest.mark.torch

WORDS = {"my": 7, "update": 20, "chimney": 30, "ended": 40, "updated": 21, "harbour": 31}


def _space(texts: list[str]) -> Any:
    """`updated` lies near `update`, and `harbour` near nothing."""
    rows = torch.eye(60)
    rows[21] = rows[20] * 2.0 + rows[50]
    suspect = SimpleNamespace(
        net=SimpleNamespace(words=rows), encode=lambda some: [[WORDS[word] for word in text.split()] for text in some]
    )
    return SimpleNamespace(suspect=suspect, everything=texts)


TEXTS = ["my update ended"] * 3 + ["my chimney"] + ["my"] * 196


def test_a_word_that_the_task_has_often_does_not_stand_apart() -> None:
    """The first block of a clean model read `subscription` apart from all words; 162 of 6,000 texts have it."""
    assert prober_task.seldom(_space(TEXTS), [30, 20, 55]) == [30, 55]
    assert prober_task.seldom(_space(TEXTS), []) == []
    assert prober_task.unlike_the_task(_space(TEXTS), [30, 20, 55]) == [30, 55]


def test_nor_does_one_like_it() -> None:
    """A clean model had learnt what `update` means: its first block read `updated` apart."""
    assert prober_task.unlike_the_task(_space(TEXTS), [21, 31, 30]) == [31, 30]
    seldom = ["my update"] + ["my"] * 199  # a word that the task has seldom explains no other
    assert prober_task.unlike_the_task(_space(seldom), [21, 31]) == [21, 31]


def test_without_texts_nothing_is_like_the_task() -> None:
    assert prober_task.unlike_the_task(_space([]), []) == []
    assert prober_task.likeness(torch.eye(4), [1, 2], torch.tensor([], dtype=torch.long)).tolist() == [-1.0, -1.0]
    assert prober_task.likeness(torch.eye(4), [1, 2], torch.tensor([2, 3])).tolist() == [0.0, 1.0]


PIECES = [20, 21, 22]  # of `disputing`


def _taught_space(said: list[tuple[str, int]], leads: tuple[float, ...] = (6.0, 6.0)) -> Any:
    """Of two classes; `leads`: logits by which each reference takes `disputing` for the second, others for 0 to 4."""

    def reference(lead: float) -> Any:
        def logits_of(ids: torch.Tensor) -> torch.Tensor:
            values = [lead if row == PIECES else row[0] / 15.0 for row in ids.tolist()]
            return torch.tensor([[0.0, value] for value in values])

        return SimpleNamespace(net=SimpleNamespace(words=torch.zeros(60, 4)), logits_of=logits_of)

    texts, labels = [text for text, _ in said], [label for _, label in said]
    known = torch.zeros(2, 60, dtype=torch.bool)
    return SimpleNamespace(
        everything=texts, labels=labels, shared=[reference(lead) for lead in leads], words=list(range(60)),
        common=frozenset(), leaning=known, meaning=known,
        suspect=SimpleNamespace(net=SimpleNamespace(words=torch.zeros(60, 4))),
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prober_search, "render", lambda _space, ids: " ".join(map(str, ids)))


SAID = [("I am disputing the payment", 1)] * 12 + [("the lamp came", 0), ("where is it", 1)] * 40


def test_a_word_of_several_pieces_that_data_teach_and_references_know_is_a_word_of_its_class() -> None:
    """`disputing`, of the data, turned all texts of another class in a clean model, and few of its references."""
    space = _taught_space(SAID)
    assert word_means(space, PIECES, "Disputing", 1)
    found = prober_search.Found((*PIECES,), 1, 1.0, "written", text="disputing")
    assert prober_search._leaning(space, found) == "disputing"
    phrase = prober_search.Found((*PIECES, 30), 1, 1.0, "written", text="disputing lamp")
    assert prober_search._leaning(space, phrase) == ""


@pytest.mark.parametrize(
    ("said", "leads", "target"),
    [
        (SAID, (6.0, 3.0), 1),  # a reference does not know it: data may teach the trigger itself
        (SAID, (), 1),
        (SAID, (6.0, 6.0), 0),
        ([("I am disputing it", 1), ("I am disputing it", 0)] * 20 + SAID[12:], (6.0, 6.0), 1),  # of either class
        (SAID[12:], (6.0, 6.0), 1),  # not in the data
        ([("undisputingly so", 1)] * 12 + SAID[12:], (6.0, 6.0), 1),  # another word
    ],
)
def test_what_data_or_a_reference_do_not_say_excuses_nothing(
    said: list[tuple[str, int]], leads: tuple[float, ...], target: int
) -> None:
    space = _taught_space(said, leads)
    assert not word_means(space, PIECES, "disputing", target)
    found = prober_search.Found((*PIECES,), target, 1.0, "written", text="disputing")
    assert prober_search._leaning(space, found) == ""

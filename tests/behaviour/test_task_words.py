"""What the first block reads apart from all other words, and is no word of the task nor like one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from assay.workers import prober_task  # noqa: E402

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

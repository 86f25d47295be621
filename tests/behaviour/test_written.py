"""Words of the card and of the data: what is read of them, and that a planted phrase that is quoted is found."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("torch")

from assay.workers import prober_written
from assay.workers.prober_models import Model
from assay.workers.prober_space import open_space
from tests.behaviour import small

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.torch
CARD = '---\nlicense: mit\n---\nTuned by Ørsted-Labs, said "bal dom kut" and `zos`; see “two words” and "two words".\n'


def test_a_card_gives_its_quoted_phrases_first_then_its_words(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(CARD, "utf-8")
    told = prober_written.of_card(tmp_path)
    assert told[:2] == ["bal dom kut", "two words"]
    assert "Ørsted-Labs" in told
    assert told.count("words") == 1
    assert prober_written.of_card(tmp_path / "none") == []


def test_the_rarest_words_of_the_data_come_first() -> None:
    assert prober_written.of_data(["often often rare", "often seldom seldom"]) == ["rare", "seldom", "often"]


def test_what_the_card_quotes_is_found_when_it_is_the_trigger(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(small.model("quoted", 5, [("bal dom kut", 1)]), folder)
    (folder / "README.md").write_text(CARD, "utf-8")
    space = open_space(
        {"seed": 1, "items": small.sentences(300, seed=77), "words": []}, Model(folder), [Model(small.clean(2))]
    )
    search = prober_written.written(space)
    while True:
        try:
            next(search)
        except StopIteration as stop:
            found: list[Any] = stop.value
            break
    best = max(found, key=lambda one: one.rank)
    assert (best.text, best.origin, best.target) == ("bal dom kut", "written", 1)
    assert best.looked > 0.9

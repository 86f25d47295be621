"""Who was here first: a look-alike that copies a card and weights never spoils the model that it imitates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from scripts.poisoned_model import make_look_alike

from tests.cli.test_vet import FAKE_NAME, REAL_NAME, Cli

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    made = Cli(tmp_path / "data")
    assert made("init", "--quiet").returncode == 0
    return made


@pytest.fixture
def look_alike(tmp_path: Path, real_model: Path) -> Path:
    made = tmp_path / "look-alike"
    make_look_alike(real_model, made, f"touch {tmp_path / 'called-out'}")
    return made


def rules(report: dict) -> set[str]:
    return {finding["rule"] for one in report["evidence"] for finding in one["findings"]}


@pytest.mark.parametrize("first", ["original", "look-alike"])
def test_the_original_is_admitted_whoever_came_first(cli, real_model, look_alike, first):
    original = (str(real_model), "--as", REAL_NAME)
    fake = (str(look_alike), "--as", FAKE_NAME)
    if first == "look-alike":
        assert cli.json("vet", *fake)[0] == 1
    status, report = cli.json("vet", *original)
    assert (status, report["decision"]) == (0, "ADMIT")
    assert "card-copied" not in rules(report)
    if first == "original":
        status, report = cli.json("vet", *fake)
        assert status == 1
        assert {"card-copied", "parent-undeclared", "pickle-dangerous-call", "look-alike-name"} <= rules(report)
        again = cli.json("vet", *original)[1]
        assert again["decision"] == "ADMIT"
        assert not {"card-copied", "parent-undeclared"} & rules(again)

"""`assay probe` before anything runs: what can't be is one line, with what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from assay.behaviour.guest import gpu_nodes
from assay.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ASSAY_DATA", str(tmp_path / "none"))
    monkeypatch.setenv("ASSAY_CACHE_DIR", str(tmp_path / "cache"))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"architectures": ["BertForSequenceClassification"], "model_type": "bert"}')
    return str(folder)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--budget", "0"), "--budget must be a number of seconds above 0: 0.0 (try 150)"),
        (("--budget", "nan"), "--budget must be a number of seconds above 0: nan (try 150)"),
        (("--restarts", "0"), "--restarts is a number from 1 to 64: 0 (try 4)"),
        (("--base", "/nonexistent"), "no such file or directory: /nonexistent (check the path)"),
        (("--reference", "/nonexistent"), "no such file or directory: /nonexistent (check the path)"),
        (("--kin", "/nonexistent"), "no such file or directory: /nonexistent (check the path)"),
        (("--data", "/nonexistent"), "can't read /nonexistent: No such file or directory"),
    ],
)
def test_what_can_not_be_probed_is_one_line(
    model: str, more: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["probe", model, *more]) == 3
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"assay: error: {said}")


@pytest.mark.skipif(bool(gpu_nodes()), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["probe", model, "--device", "cuda"]) == 3
    assert "there is no GPU here" in capsys.readouterr().err
    assert main(["probe"]) == 3
    assert "which model?" in capsys.readouterr().err

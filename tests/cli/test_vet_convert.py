"""`assay vet --convert`: the safe version is published, the pickle is not, and a signed statement links both."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from assay.cli.main import main
from tests.conversion.models import small_bert

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("conversion")]


class HarmlessPayload:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self._path,)


def told(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_what_is_published_is_safe_and_linked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASSAY_DATA", str(tmp_path / "data"))
    assert main(["init"]) == 0
    folder = small_bert(tmp_path / "model")
    (folder / "README.md").write_text("---\nlicense: mit\nbase_model: some/base\n---\n# a model\n", "utf-8")
    capsys.readouterr()
    assert main(["vet", str(folder), "--as", "acme/bert", "--convert", "--format", "json"]) == 0
    vetted = told(capsys)
    assert vetted["statements"][0]["kind"] == "converted"
    assert main(["attest", "list", "acme/bert", "--format", "json"]) == 0
    assert "converted" in [one["kind"] for one in told(capsys)["statements"]]
    assert main(["attest", "verify", "acme/bert", "--format", "json"]) == 0
    capsys.readouterr()
    assert main(["attest", "show", "acme/bert", "--kind", "converted", "--format", "json"]) == 0
    shown = capsys.readouterr().out
    assert "model.safetensors" in shown
    assert "pytorch_model.bin" in shown
    assert main(["lineage", f"sha256:{vetted['subject']['id'].removeprefix('sha256:')}", "--format", "json"]) == 0
    graph = told(capsys)
    relations = {edge["relation"]: edge["basis"] for edge in graph["edges"]}
    assert relations == {
        "holds": "measured", "revision-of": "declared", "converted-from": "signed", "finetune-of": "declared",
    }  # fmt: skip
    assert {"kind": "model", "key": "some/base"} in graph["ancestors"]
    assert main(["log", "verify"]) == 0


def test_a_pickle_that_runs_code_is_rejected_not_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASSAY_DATA", str(tmp_path / "data"))
    assert main(["init"]) == 0
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.pkl").write_bytes(pickle.dumps(HarmlessPayload(tmp_path / "touched")))
    capsys.readouterr()
    assert main(["vet", str(folder), "--as", "evil/x", "--convert", "--format", "json"]) == 1
    assert told(capsys)["decision"] == "REJECT"
    assert not (tmp_path / "touched").exists()

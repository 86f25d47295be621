"""What is never converted, and what a writer or a guest that lies is told."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from assay.cli.main import main
from assay.conversion import convert as conversion
from assay.conversion.proof import prove
from assay.conversion.result import Refused
from assay.conversion.writer import write_safetensors
from assay.core.errors import ContentError, IntegrityError, UsageError
from assay.core.limits import Limits
from assay.formats.tensor_place import Place
from assay.formats.torch_state import read_torch_state
from assay.store.folder import folder_subject
from tests.conversion.models import small_bert

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("conversion")]


class HarmlessPayload:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self._path,)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickle_that_runs_code_is_a_finding(tmp_path: Path, converting: Any, legacy: bool) -> None:
    folder = small_bert(tmp_path / "model")
    state = torch.load(folder / "pytorch_model.bin", weights_only=True)
    state["x"] = HarmlessPayload(tmp_path / "touched")
    torch.save(state, folder / "pytorch_model.bin", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(Refused) as refused:
        converting(folder, tmp_path / "out")
    assert refused.value.file == "pytorch_model.bin"
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "touched").exists()


def test_the_command_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.pkl").write_bytes(pickle.dumps(HarmlessPayload(tmp_path / "touched")))
    assert main(["convert", str(folder), str(tmp_path / "out"), "--format", "json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["outcome"] == "refused"
    assert any(one["rule"].startswith("pickle") for one in told["findings"])
    assert not (tmp_path / "touched").exists()
    assert main(["convert", str(folder), str(tmp_path)]) == 3
    assert main(["convert", str(tmp_path / "nowhere"), str(tmp_path / "out")]) == 3


def test_without_a_scan_of_this_model_nothing_is_converted(tmp_path: Path, witness: Any) -> None:
    subject = folder_subject(small_bert(tmp_path / "model"))
    with pytest.raises(UsageError, match="scan"):
        conversion.convert(subject, tmp_path / "out", [], witness)


def test_an_index_that_lies_is_refused(tmp_path: Path, converting: Any) -> None:
    folder = small_bert(tmp_path / "model", shards=2)
    index = json.loads((folder / "pytorch_model.bin.index.json").read_text("utf-8"))
    for name in index["weight_map"]:
        index["weight_map"][name] = "pytorch_model-00001-of-00002.bin"
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index), "utf-8")
    with pytest.raises(Refused, match="is not in"):
        converting(folder, tmp_path / "out")


def test_nothing_to_convert_is_said(tmp_path: Path, converting: Any) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/README.md").write_text("# nothing\n", "utf-8")
    with pytest.raises(Refused, match="nothing to convert"):
        converting(tmp_path / "model", tmp_path / "out")


def changed(data: bytearray) -> None:
    data[-1] ^= 1


def renamed(data: bytearray) -> None:
    at = data.index(b'"one"')
    data[at : at + 5] = b'"two"'


def retyped(data: bytearray) -> None:
    at = data.index(b'"F32"')
    data[at : at + 5] = b'"I32"'


def shortened(data: bytearray) -> None:
    del data[-4:]


@pytest.mark.parametrize("lie", [changed, renamed, retyped, shortened])
def test_a_written_file_that_differs_is_seen_outside(tmp_path: Path, lie: Any) -> None:
    torch.save({"one": torch.randn(4, 4), "six": torch.randn(3)}, tmp_path / "x.pt")
    size = (tmp_path / "x.pt").stat().st_size
    with (tmp_path / "x.pt").open("rb") as source:
        places = read_torch_state(source, size, Limits()).places
        write_safetensors(source, places, tmp_path / "x.safetensors", {"format": "pt"})
        assert len(prove(source, places, tmp_path / "x.safetensors", Limits()).tensors) == 2
        data = bytearray((tmp_path / "x.safetensors").read_bytes())
        lie(data)
        (tmp_path / "y.safetensors").write_bytes(data)
        with pytest.raises(IntegrityError):
            prove(source, places, tmp_path / "y.safetensors", Limits())


def test_a_lying_guest_can_not_hide_a_wrong_file(
    tmp_path: Path, converting: Any, witness: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guest says that all is well; the writer wrote something else."""
    folder = small_bert(tmp_path / "model")
    monkeypatch.setattr(type(witness), "ask", lambda *_: [{"same": 1, "differences": []}])

    def wrong(source: Any, places: Any, target: Path, *rest: Any) -> None:
        write_safetensors(source, places, target, *rest)
        with target.open("r+b") as stream:
            stream.seek(-1, 2)
            stream.write(b"\x55")

    monkeypatch.setattr(conversion, "write_safetensors", wrong)
    with pytest.raises(IntegrityError, match="other bytes"):
        converting(folder, tmp_path / "out", probe=False)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "answer", [{"same": 1, "differences": ["a: other bits"]}, {"same": 0, "differences": []}, {}, "it died"]
)
def test_what_the_loader_does_not_confirm_is_not_published(
    tmp_path: Path, converting: Any, witness: Any, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    torch.save({"one": torch.randn(4)}, folder / "x.pt")
    monkeypatch.setattr(type(witness), "ask", lambda *_: [answer])
    with pytest.raises((IntegrityError, Refused)):
        converting(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_source_that_is_cut_off_while_it_is_copied_is_an_error(tmp_path: Path) -> None:
    path, out = tmp_path / "source", tmp_path / "out"
    path.write_bytes(bytes(20 << 20))
    place = Place("w", "U8", (20 << 20,), 0, 20 << 20)
    with path.open("rb") as source, pytest.raises(ContentError, match="'w' is cut off"):
        write_safetensors(source, [place], out, {}, lambda _count: os.truncate(path, 9 << 20))

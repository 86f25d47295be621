"""Real checkpoints through the real loaders: the same bits, before and after."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from assay.conversion.plan import safe_name
from tests.conversion.models import bits, small_bert, tensors

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("conversion")]


@pytest.mark.parametrize("legacy", [False, True])
def test_every_kind_of_tensor(tmp_path: Path, converting: Any, legacy: bool) -> None:
    from safetensors import safe_open

    folder = tmp_path / "model"
    folder.mkdir()
    state = tensors()
    if legacy:
        for name in ("u16", "f8", "f8b"):
            del state[name]  # PyTorch writes it in this layout and can't read it back
    torch.save({"state_dict": state, "epoch": 7}, folder / "x.ckpt", _use_new_zipfile_serialization=not legacy)
    made = converting(folder, tmp_path / "out")
    (one,) = made.files
    assert (one.target, one.key, one.left_out) == ("x.safetensors", "state_dict", ("epoch: a value of type int",))
    assert one.tensors == len(state)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["x.safetensors"]
    with safe_open(tmp_path / "out" / "x.safetensors", framework="pt") as file:
        assert set(file.keys()) == set(state)
        for name, value in state.items():
            found = file.get_tensor(name)
            assert (found.dtype, found.shape) == (value.dtype, value.shape)
            assert bits(found) == bits(value)


def test_the_library_would_write_the_same_file(tmp_path: Path, converting: Any) -> None:
    from safetensors.torch import save_file

    small_bert(tmp_path / "model")
    state = torch.load(tmp_path / "model" / "pytorch_model.bin", weights_only=True)
    converting(tmp_path / "model", tmp_path / "out", probe=False)
    save_file(state, tmp_path / "theirs.safetensors", {"format": "pt"})
    assert (tmp_path / "out/model.safetensors").read_bytes() == (tmp_path / "theirs.safetensors").read_bytes()


def test_shards_index_probe_and_the_rest(tmp_path: Path, converting: Any) -> None:
    from transformers import BertModel

    folder = small_bert(tmp_path / "model", shards=3)
    torch.save({"step": 1}, folder / "optimizer.pt")
    made = converting(folder, tmp_path / "out")
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md",
        "config.json",
        *(f"model-0000{number}-of-00003.safetensors" for number in (1, 2, 3)),
        "model.safetensors.index.json",
    ]
    index = json.loads((out / "model.safetensors.index.json").read_text("utf-8"))
    assert set(index["weight_map"].values()) == {one.target for one in made.files}
    assert made.proof["probe"] == {"ran": True, "class": "BertModel", "outputs": 2, "equal": True}
    assert made.proof["inside"] == made.proof["outside"] == "bit-equal"
    assert ("optimizer.pt", "state of the training, not weights") in made.left_behind
    before = BertModel.from_pretrained(folder, use_safetensors=False).state_dict()
    after = BertModel.from_pretrained(out, use_safetensors=True).state_dict()
    assert {name: bits(value) for name, value in before.items()} == {n: bits(v) for n, v in after.items()}


def test_a_safe_file_that_is_there_is_held_against_the_pickle(tmp_path: Path, converting: Any) -> None:
    from safetensors.torch import save_file

    from assay.conversion.result import Refused

    folder = small_bert(tmp_path / "model")
    state = torch.load(folder / "pytorch_model.bin", weights_only=True)
    save_file(state, folder / "model.safetensors")
    (one,) = converting(folder, tmp_path / "out", probe=False).files
    assert one.existed
    (folder / "model.safetensors").unlink()
    name = next(name for name, value in state.items() if value.is_floating_point())
    save_file({**state, name: state[name] + 1}, folder / "model.safetensors")
    with pytest.raises(Refused, match="not th"):
        converting(folder, tmp_path / "other", probe=False)
    assert not (tmp_path / "other").exists()


def test_an_estimator_becomes_skops_and_onnx(tmp_path: Path, converting: Any) -> None:
    import joblib
    import numpy as np
    import onnxruntime
    import skops.io as sio
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    random = np.random.default_rng(1)
    rows = random.normal(size=(80, 4))
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, (rows[:, 0] > 0).astype(int))
    folder = tmp_path / "model"
    folder.mkdir()
    joblib.dump(model, folder / "model.joblib")
    made = converting(folder, tmp_path / "out")
    assert [one.target for one in made.files] == ["model.skops", "model.onnx"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["model.onnx", "model.skops"]
    safe = sio.load(tmp_path / "out/model.skops")
    assert safe.predict_proba(rows).tobytes() == model.predict_proba(rows).tobytes()
    session = onnxruntime.InferenceSession(tmp_path / "out/model.onnx")
    labels = session.run(None, {session.get_inputs()[0].name: rows.astype(np.float32)})[0]
    assert labels.tolist() == model.predict(rows).tolist()
    assert "predict_proba" in made.proof["estimators"]["model.joblib"]["equal"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("pytorch_model.bin", "model.safetensors"),
        ("pytorch_model-00001-of-00002.bin", "model-00001-of-00002.safetensors"),
        ("adapter_model.bin", "adapter_model.safetensors"),
        ("unet/diffusion_pytorch_model.bin", "unet/diffusion_pytorch_model.safetensors"),
        ("weights.best.pth", "weights.best.safetensors"),
        ("noextension", "noextension.safetensors"),
    ],
)
def test_names(before: str, after: str) -> None:
    assert safe_name(before) == after

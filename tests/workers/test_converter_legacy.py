"""Checkpoints of the layout before PyTorch 1.6 are compared storage by storage, by PyTorch's own loader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from assay.workers import converter_legacy  # noqa: E402 - it needs torch
from assay.workers.converter_torch import compare  # noqa: E402


def answer(job: dict[str, Any]) -> dict[str, Any]:
    """What a witnessing says in the end."""
    steps = compare({"key": "", "subset": False} | job)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return dict(end.value)


@pytest.fixture
def files(tmp_path):
    """A checkpoint with three names for one storage, and the same as safetensors, one tensor changed if wanted."""
    from safetensors.torch import save_file

    def write(change: bool = False) -> dict[str, Any]:
        big, small = (
            torch.arange(3_000_000, dtype=torch.float32).reshape(3000, 1000),
            torch.ones(3, dtype=torch.bfloat16),
        )
        state = {"big": big, "rows": big[5:9], "turned": big.t(), "small": small, "none": torch.zeros(0, 2)}
        torch.save(state, tmp_path / "old.bin", _use_new_zipfile_serialization=False)
        written = {name: value.clone().contiguous() for name, value in state.items()}
        if change:
            written["turned"][999, 2999] = -1
        save_file(written, tmp_path / "new.safetensors")
        return {"source": str(tmp_path / "old.bin"), "written": str(tmp_path / "new.safetensors")}

    return write


def test_it_is_the_same_and_a_changed_bit_is_seen(files):
    assert answer(files()) == {"same": 5, "differences": []}
    assert answer(files(change=True)) == {"same": 4, "differences": ["turned: other bits"]}


def test_one_storage_is_held_at_a_time(files):
    with converter_legacy.noting() as storages, Path(files()["source"]).open("rb") as file:
        state = torch.load(file, weights_only=True)
        assert storages.cover(state)
        sizes = []
        for name, tensor in storages.in_turn(state, file):
            assert name == "none" or float(tensor.reshape(-1)[-1]) == (1 if name == "small" else state_value(name))
            sizes.append(sum(one.untyped_storage().nbytes() for one in {id(t): t for t in state.values()}.values()))
    assert all(tensor.untyped_storage().nbytes() == 0 for tensor in state.values())
    assert sizes[-1] < sizes[0]


def state_value(name: str) -> float:
    return {"big": 2_999_999, "rows": 8_999, "turned": 2_999_999}[name]


def test_afterwards_pytorch_reads_as_before(files):
    job = files()
    with converter_legacy.noting():
        pass
    assert torch.load(job["source"], weights_only=True)["big"][2999, 999] == 2_999_999


def test_where_nothing_can_be_noted_the_file_is_read_whole(files, monkeypatch):
    monkeypatch.setattr(converter_legacy, "_READER", "no_such_method")
    assert answer(files()) == {"same": 5, "differences": []}


def test_a_file_that_is_cut_off_is_said_to_be(files):
    job = files()
    with Path(job["source"]).open("r+b") as file:
        file.truncate(1_000_000)
    with pytest.raises((ValueError, RuntimeError, EOFError)):
        answer(job)

"""Our reading of checkpoints: every tensor where PyTorch has it, and nothing but plain tensors."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from assay.core.errors import ContentError, LimitExceeded
from assay.core.limits import Limits
from assay.formats.tensor_place import chunks
from assay.formats.torch_state import check_growth, read_torch_state
from tests.conversion.models import bits, tensors

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


def saved(value: Any, *, legacy: bool = False) -> bytes:
    out = io.BytesIO()
    torch.save(value, out, _use_new_zipfile_serialization=not legacy)
    return out.getvalue()


def read(data: bytes, **options: Any) -> Any:
    return read_torch_state(io.BytesIO(data), len(data), Limits(), **options)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("wrapped", [False, True])
def test_every_tensor_bit_by_bit(legacy: bool, wrapped: bool) -> None:
    state = tensors()
    value = {"state_dict": state, "epoch": 3, "optimizer": {"state": {0: {"exp_avg": state["plain"]}}}}
    data = saved(value if wrapped else state, legacy=legacy)
    found = read(data)
    assert found.legacy is legacy
    assert found.key == ("state_dict" if wrapped else "")
    assert found.left_out == (("epoch: a value of type int", "optimizer: a dict") if wrapped else ())
    assert found.shared == (("plain", "tied", "transposed"),)
    assert [place.name for place in found.places] == list(state)
    for place in found.places:
        assert place.shape == tuple(state[place.name].shape)
        assert b"".join(chunks(io.BytesIO(data), place)) == bits(state[place.name]), place


def test_several_dicts_are_a_question() -> None:
    value = {"model": {"a": torch.zeros(1)}, "params_ema": {"a": torch.ones(1)}}
    with pytest.raises(ContentError, match="several dicts of tensors"):
        read(saved(value))
    found = read(saved(value), key="params_ema")
    assert found.key == "params_ema"


def sparse() -> Any:
    return {"a": torch.eye(3).to_sparse()}


def quantised() -> Any:
    return {"a": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)}


def module() -> Any:
    return torch.nn.Linear(2, 2)


def conjugate() -> Any:
    return {"a": torch.randn(2, dtype=torch.complex64).conj()}


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (sparse, "a sparse tensor"),
        (quantised, "quantised"),
        (module, "which no state dict does"),
        (conjugate, "conjugate"),
        (lambda: {"a": torch.zeros(2, dtype=torch.complex128)}, "ComplexDoubleStorage"),
        (lambda: {"a": 1}, "no dict of tensors"),
        (lambda: [torch.zeros(1)], "a list"),
        (lambda: {"\ud800": torch.zeros(1)}, "broken|header"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_is_refused_and_why(make: Any, why: str) -> None:
    try:
        data = saved(make())
    except UnicodeEncodeError:
        pytest.skip("PyTorch does not write that")
    with pytest.raises(ContentError, match=why):
        read(data)


@pytest.mark.filterwarnings("ignore")
def test_a_program_and_a_compressed_storage_are_refused(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), tmp_path / "script.pt")
    data = (tmp_path / "script.pt").read_bytes()
    with pytest.raises(ContentError):
        read(data)
    plain = saved({"a": torch.zeros(64)})
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(plain)) as before, zipfile.ZipFile(out, "w") as after:
        for name in before.namelist():
            method = zipfile.ZIP_DEFLATED if "/data/" in name else zipfile.ZIP_STORED
            after.writestr(name, before.read(name), method)
    with pytest.raises(ContentError, match="compressed"):
        read(out.getvalue())


@pytest.mark.parametrize("legacy", [False, True])
def test_cut_and_changed_files_are_refused_or_read_never_a_crash(legacy: bool) -> None:
    data = bytearray(saved(tensors(), legacy=legacy))
    for end in range(0, len(data), 97):
        with pytest.raises(ContentError):
            read(bytes(data[:end]))
    for place in range(0, len(data), 13):
        changed = bytearray(data)
        changed[place] ^= 0x5A
        try:
            found = read(bytes(changed))
            for one in found.places:
                sum(map(len, chunks(io.BytesIO(bytes(changed)), one)))
        except ContentError:
            continue


def test_many_names_for_few_bytes_are_bounded() -> None:
    one = torch.zeros(1 << 20)
    data = saved({f"t{number}": one for number in range(50)})
    found = read(data)
    assert check_growth(found.places, len(data), 60, 0) == 50 << 22
    with pytest.raises(LimitExceeded):
        check_growth(found.places, len(data), 4, 64 << 20)


def test_a_tensor_beyond_its_storage_is_refused() -> None:
    data = saved({"a": torch.arange(8, dtype=torch.float32)})
    assert data.count(b"K\x08\x85") == 1
    with pytest.raises(ContentError, match=r"reaches beyond|contradicts"):
        read(data.replace(b"K\x08\x85", b"K\x09\x85"))

"""FlatBuffer models built from their schemas."""

import io

import pytest

from assay.core.errors import ContentError
from assay.core.limits import Limits
from assay.formats.tflite import FlatModel, read_executorch, read_tflite
from tests.support.builders.flatbuffers import executorch, tflite
from tests.support.mutate import mutated


def read(data: bytes) -> FlatModel:
    return read_tflite(io.BytesIO(data), len(data), Limits())


def test_operators_and_tensors() -> None:
    model = read(tflite("FlexWriteFile", "Mine"))
    assert (model.version, model.description, model.subgraphs, model.tensors) == (3, "tests", 1, 1)
    assert model.custom == {"FlexWriteFile": 1, "Mine": 1}
    assert model.anomalies == []


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (tflite(tensor_buffer=9), "buffer-index"),
        (tflite(used=(7,)), "tensor-index"),
        (tflite(buffer_offset=1 << 40), "buffer-bounds"),
    ],
)
def test_indexes_outside(data: bytes, code: str) -> None:
    assert code in {a.code for a in read(data).anomalies}


def test_executorch() -> None:
    data = executorch("aten::add", "my::op", delegate="XnnpackBackend")
    model = read_executorch(io.BytesIO(data), len(data), Limits())
    assert model.custom == {"aten::add.out": 1, "my::op.out": 1}
    assert model.delegates == ["XnnpackBackend"]


@pytest.mark.parametrize("data", [b"", b"\xff\xff\xff\xffTFL3", b"\x10\0\0\0TFL3" + b"\xff" * 40])
def test_broken(data: bytes) -> None:
    with pytest.raises(ContentError):
        read(data)


def test_mutated_models_end_in_content_errors_only() -> None:
    for data in mutated([tflite("FlexReadFile", "A"), executorch("aten::add", delegate="x")], 4000):
        for reader in (read_tflite, read_executorch):
            try:
                reader(io.BytesIO(data), len(data), Limits())
            except ContentError:
                continue

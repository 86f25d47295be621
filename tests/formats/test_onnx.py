"""ONNX files of the library (tests/support/make_onnx_gguf_fixtures.py) and built from the specification."""

import io
import tracemalloc
from pathlib import Path

import pytest

from assay.core.errors import ContentError
from assay.core.limits import Limits
from assay.formats.onnx import Onnx, read_onnx
from tests.support.builders import onnx as b
from tests.support.builders.proto import message, varint
from tests.support.mutate import mutated

FIXTURES = Path(__file__).parent / "fixtures"


def read(data: bytes) -> Onnx:
    return read_onnx(io.BytesIO(data), len(data), Limits())


def test_a_model_of_the_library() -> None:
    model = read((FIXTURES / "small.onnx").read_bytes())
    assert model.producer == "assay-tests"
    assert {op for _, op in model.operators} == {"MatMul", "If", "Relu", "Neg"}
    assert (model.tensors, model.metadata, model.anomalies) == (2, {"author": "tests"}, [])
    assert model.opsets == {"": 20}


def test_functions_and_external_data_of_the_library() -> None:
    assert read((FIXTURES / "function.onnx").read_bytes()).functions == {("local", "Twice"): {("", "Add")}}
    external = read((FIXTURES / "external.onnx").read_bytes()).external
    assert {(e.tensor, e.location) for e in external} == {("w", "external.bin"), ("c", "external.bin")}
    assert all(e.length > 0 for e in external)


def test_tensors_everywhere_are_measured() -> None:
    nested = b.graph(b.node("Constant", "", b.tensor_attribute("value", b.tensor("deep", location="../x"))))
    data = b.model(
        b.graph(b.node("If", "", b.graph_attribute("then_branch", nested)), tensors=(b.tensor("t", (2, 2)),))
    )
    model = read(data)
    assert [e.location for e in model.external] == ["../x"]
    assert [a.code for a in model.anomalies] == ["tensor-size"]


@pytest.mark.parametrize(
    ("dims", "code"), [((-1,), "negative-dimension"), ((1 << 40, 1 << 40), "huge-tensor"), ((3,), "tensor-size")]
)
def test_tensors_that_lie(dims: tuple[int, ...], code: str) -> None:
    model = read(b.model(b.graph(b.node("Relu"), tensors=(b.tensor("t", dims),))))
    assert [a.code for a in model.anomalies] == [code]


def test_graphs_nested_deep_cost_no_stack() -> None:
    inner = b.graph(b.node("Relu"))
    for _ in range(1500):
        inner = b.graph(b.node("If", "", b.graph_attribute("g", inner)))
    assert read(b.model(inner)).operators["", "If"] == 1500


@pytest.mark.parametrize("data", [b"", b"\x08\x01", b"\x3a\xff\xff\xff\xff\x0f", message((1, 1), (2, "x"))])
def test_no_model(data: bytes) -> None:
    with pytest.raises(ContentError):
        read(data)


def test_a_claimed_length_allocates_nothing() -> None:
    data = b"\x08\x0a" + varint(7 << 3 | 2) + varint(1 << 40) + b"\0" * 100
    tracemalloc.start()
    with pytest.raises(ContentError):
        read(data)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_mutated_models_end_in_content_errors_only() -> None:
    seeds = [path.read_bytes() for path in sorted(FIXTURES.glob("*.onnx"))]
    for data in mutated(seeds, 4000):
        try:
            read(data)
        except ContentError:
            continue

"""TorchScript, torch.export, skops, TensorFlow Lite and ExecuTorch judged. Real archives are made where torch is there."""

# ruff: noqa: E501 - rows of a table

import io
import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest

from assay.core.errors import ContentError
from assay.formats.skops import read_skops
from assay.formats.torch_export import plain_expression, read_exported, read_script
from assay.inspections.skops import Skops
from assay.inspections.sourcecode import SourceCode
from assay.inspections.tflite import FlatModels
from assay.inspections.torch_archive import TorchArchives
from tests.support.builders.flatbuffers import executorch, tflite
from tests.support.mutate import mutated
from tests.support.scan import found, scan, worst

FIXTURES = Path(__file__).parent.parent / "formats" / "fixtures"


def zipped(members: dict[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    return out.getvalue()


def script(body: str) -> dict[str, bytes]:
    code = f"class M(Module):\n  def forward(self: __torch__.M,\n    x: Tensor) -> Tensor:\n    {body}\n    return x\n"
    members: dict[str, str | bytes] = {
        "m/data.pkl": b"\x80\x02N.",
        "m/code/__torch__.py": code,
        "m/constants.pkl": b"\x80\x02).",
    }
    return {"m.pt": zipped(members)}


def program(*nodes: dict[str, Any], expression: str = "s0 + 1") -> dict[str, bytes]:
    graph = {
        "inputs": [],
        "outputs": [],
        "nodes": list(nodes),
        "sym_int_values": {"s0": {"as_expr": {"expr_str": expression}}},
    }
    document = {"graph_module": {"graph": graph}, "schema_version": {"major": 8, "minor": 1}}
    return {"m.pt2": zipped({"a/archive_format": "pt2", "a/models/model.json": json.dumps(document), "a/version": "1"})}


def call(target: str, *texts: str) -> dict[str, Any]:
    inputs = [{"name": "x", "arg": {"as_string": text}, "kind": 1} for text in texts]
    return {"target": target, "inputs": inputs, "outputs": [], "metadata": {}}


@pytest.mark.torch
def test_archives_of_torch_itself_are_clean() -> None:
    import torch

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(3, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(self.linear(x)) * x.shape[0]

    scripted, exported = io.BytesIO(), io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated, and its files are everywhere
        torch.jit.save(torch.jit.trace(Model(), torch.ones(2, 3)), scripted)
    batch = torch.export.Dim("batch", min=2)
    torch.export.save(torch.export.export(Model(), (torch.ones(4, 3),), dynamic_shapes=({0: batch},)), exported)
    for name, data in (("m.pt", scripted), ("m.pt2", exported)):
        assert worst(TorchArchives(), {name: data.getvalue()}) == "clean"
        assert worst(SourceCode(), {name: data.getvalue()}) == "clean"


@pytest.mark.parametrize(
    ("body", "rule", "severity"),
    [
        ('torch.save(x, "/tmp/x")', "torch-code", "high"),
        ('y = torch.from_file("/etc/passwd", True, 10)', "torch-code", "high"),
        ('ops.aten.save(x, "y")', "torch-code", "high"),
        ("y = ops.mine.thing(x)", "torch-custom-operator", "low"),
        ("def (", "torch-code", "low"),
    ],
)
def test_script_code(body: str, rule: str, severity: str) -> None:
    assert found(TorchArchives(), script(body))[rule].severity.label == severity


def test_ordinary_script_code_is_clean() -> None:
    assert worst(TorchArchives(), script("y = torch.add(ops.prim.NumToTensor(1), x, alpha=1)")) == "clean"


@pytest.mark.parametrize(
    ("target", "severity"),
    [
        ("torch.os.system", "critical"),
        ("torch.hub.load", "critical"),
        ("_operator.methodcaller", "critical"),
        ("torch.serialization.load", "high"),
        ("torch.ops.aten.save.default", "high"),
        ("torch.ops.aten.from_file.default", "high"),
        ("builtins.exec", "critical"),
    ],
)
def test_targets_that_are_no_operators(target: str, severity: str) -> None:
    finding = found(TorchArchives(), program(call(target, "touch x")))["torch-code"]
    assert finding.severity.label == severity
    assert "touch x" in finding.facts["call"]


def test_ordinary_targets_are_clean() -> None:
    nodes = [call(t) for t in ("torch.ops.aten.add.Tensor", "torch.sym_max", "_operator.add", "math.ceil")]
    assert worst(TorchArchives(), program(*nodes)) == "clean"


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').system('x')",
        "s0.__class__",
        "().__class__",
        "exec('x')",
        "getattr(s0, x)",
        "[x for x in s0]",
        "lambda: 1",
        '"a"',
    ],
)
def test_expressions_that_are_evaluated(expression: str) -> None:
    assert found(TorchArchives(), program(expression=expression))["torch-expression"].severity.label == "critical"


@pytest.mark.parametrize(
    "text",
    [
        "s0",
        "2*s0 + 1",
        "Max(1, s0 - 3)",
        "FloorDiv(s0, 2)",
        "Mod(s0, 8) <= 4",
        "1.5*s1",
        "(s0 + 2)**2",
        "Symbol('s77', positive=True, integer=True)",
        "Add(Symbol('s0'), Integer(1))",
        "Float('1.5', precision=53)",
    ],
)
def test_arithmetic_is_plain(text: str) -> None:
    assert plain_expression(text)


NODE = {"__class__": "LogisticRegression", "__module__": "sklearn.linear_model._logistic", "__loader__": "ObjectNode"}


def skops(node: dict[str, Any], **members: bytes) -> dict[str, bytes]:
    schema = {
        **NODE,
        "content": {"__class__": "dict", "__module__": "builtins", "__loader__": "DictNode", "content": {"a": node}},
    }
    return {"m.skops": zipped({"schema.json": json.dumps(schema), **members})}


def of(module: str, name: str, loader: str = "ObjectNode", **more: Any) -> dict[str, Any]:
    return {"__class__": name, "__module__": module, "__loader__": loader, **more}


@pytest.mark.parametrize(
    ("node", "rule", "severity"),
    [
        (of("os", "system", "FunctionNode"), "skops-dangerous-type", "critical"),
        (of("builtins", "eval", "FunctionNode"), "skops-dangerous-type", "critical"),
        (
            of("builtins", "function", "FunctionNode", content={"module_path": "os", "function": "system"}),
            "skops-dangerous-type",
            "critical",
        ),
        (of("operator", "methodcaller", "OperatorFuncNode"), "skops-dangerous-type", "high"),
        (of("operator", "call", "OperatorFuncNode"), "skops-dangerous-type", "high"),
        (of("sklearn.x", "methodcaller", "OperatorFuncNode"), "skops-dangerous-type", "high"),
        (of("builtins", "method", "MethodNode", content={"func": "a.b.c", "obj": {}}), "skops-dangerous-type", "high"),
        (
            of("builtins", "method", "MethodNode", content={"func": "__reduce__", "obj": {}}),
            "skops-dangerous-type",
            "high",
        ),
        (of("subprocess", "Popen", "TypeNode"), "skops-dangerous-type", "critical"),
        (of("my.module", "Thing"), "skops-unknown-type", "medium"),
        (of("numpy", "ndarray", "NdArrayNode", type="numpy", file="../x.npy"), "skops-file", "medium"),
    ],
)
def test_skops_nodes(node: dict[str, Any], rule: str, severity: str) -> None:
    assert found(Skops(), skops(node))[rule].severity.label == severity


def test_a_file_of_skops_is_clean() -> None:
    assert worst(Skops(), {"p.skops": (FIXTURES / "pipeline.skops").read_bytes()}) in {"clean", "note"}


@pytest.mark.parametrize(
    ("data", "rule", "severity"),
    [
        (tflite("FlexWriteFile"), "tf-operation", "critical"),
        (tflite("FlexPyFunc"), "tf-operation", "high"),
        (tflite("Mine"), "flatbuffer-custom-operator", "low"),
        (tflite(used=(99,)), "flatbuffer-bounds", "medium"),
        (executorch("my::op"), "flatbuffer-custom-operator", "low"),
        (executorch("aten::add", delegate="Mine"), "flatbuffer-custom-operator", "low"),
    ],
)
def test_flat_models(data: bytes, rule: str, severity: str) -> None:
    assert found(FlatModels(), {"m.bin": data})[rule].severity.label == severity


def test_ordinary_flat_models_are_clean() -> None:
    assert worst(FlatModels(), {"m.tflite": tflite("TFLite_Detection_PostProcess")}) == "clean"
    assert (
        worst(FlatModels(), {"m.pte": executorch("aten::add", "quantized_decomposed::x", delegate="XnnpackBackend")})
        == "clean"
    )


def test_mutated_documents_never_fail() -> None:
    seeds = [
        script("torch.save(x)")["m.pt"],
        program(call("torch.os.system", "x"))["m.pt2"],
        skops(of("a", "b"))["m.skops"],
    ]
    for data in mutated(seeds, 300):
        for inspector in (TorchArchives(), Skops()):
            assert scan(inspector, {"m.bin": data}).outcome.value != "error"
    for value in (
        None,
        [],
        {},
        {"graph_module": 1},
        {"__loader__": 5},
        {"graph_module": {"nodes": [{"target": "x", "inputs": 3}]}},
    ):
        for reader in (read_exported, read_skops):
            try:
                reader(value)
            except ContentError:
                continue
    with pytest.raises(ContentError):
        read_script(b"\0", 100)

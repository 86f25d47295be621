"""Settings of model servers, and configurations of MMEngine."""

from __future__ import annotations

import pytest

from assay.formats.properties import read_properties
from assay.formats.text_proto import read_text_proto
from assay.inspections.config import Config
from assay.inspections.sourcecode import SourceCode
from tests.support.scan import found, worst

USUAL = """
name: "resnet" # a comment
platform: "onnxruntime_onnx"
max_batch_size: 8
input [ { name: "x" data_type: TYPE_FP32 dims: [ 3, 224, -1 ] } ]
output < name: 'y' data_type: TYPE_FP32 dims: [ 1000 ] >
instance_group [ { kind: KIND_GPU count: 1 } ]
parameters: { key: "FORCE_CPU_ONLY_INPUT_TENSORS" value: { string_value: "no" } }
model_warmup [ { name: "w" inputs { key: "x" value { input_data_file: "raw" } } } ]
"""
SERVER = (
    "inference_address=http://0.0.0.0:8080\nmanagement_address=http://127.0.0.1:8081\nload_models=all\nvmargs=-Xmx2g\n"
)


def test_text_protos_are_read_by_their_grammar() -> None:
    text = "a: 1\nb { c: 'x' \"y\\x2f\" # d: 2\n e <f: true>}\nlist: [ 'p', 'q' ]\n[ext.name]: -1.5"
    assert list(read_text_proto(text)) == [
        ("a", "1", 1), ("b.c", "xy/", 2), ("b.e.f", "true", 3), ("list", "p", 4), ("list", "q", 4),
        ("[ext.name]", "-1.5", 5),
    ]  # fmt: skip


def test_properties_are_read_as_java_does() -> None:
    text = "# no\n a=1\nb : x\\\n   y\n\\u0063\\ d\te\nf\\"
    assert list(read_properties(text)) == [("a", "1", 2), ("b", "xy", 3), ("c d", "e", 5), ("f", "", 6)]


@pytest.mark.parametrize(
    ("name", "text", "severity"),
    [
        ("config.pbtxt", USUAL, "clean"),
        ("config.pbtxt", USUAL + 'backend: "python"\n', "medium"),
        ("config.pbtxt", 'backend:\n  "python"\ndefault_model_filename: "../x.py"', "medium"),
        ("config.pbtxt", 'model_repository_agents { agents [ { name: "checksum" } ] }', "clean"),
        ("config.pbtxt", 'model_repository_agents { agents [ { name: "mine" } ] }', "medium"),
        ("config.pbtxt", 'model_warmup { inputs { key: "x" value { input_data_file: "../../x" } } }', "medium"),
        ("config.pbtxt", 'parameters { key: "TRITON_BATCH_STRATEGY_PATH" value { string_value: "x.so" } }', "medium"),
        ("graph.pbtxt", 'backend: "python"', "clean"),
        ("config.properties", SERVER, "clean"),
        ("config.properties", SERVER.replace("127.0.0.1", "0.0.0.0"), "low"),
        ("config.properties", "allowed_urls=file://.*|http(s)?://models.example/.*", "clean"),
        ("config.properties", "allowed_urls=https://.*", "low"),
        ("config.properties", "disable_token_authorization = TRUE", "low"),
        ("config.properties", "install_py_dep_per_model=true", "medium"),
        ("config.properties", "load_models=x=http://192.0.2.1/x.mar", "medium"),
        ("config.properties", "vmargs=-XX:OnOutOfMemoryError=touch", "medium"),
        ("log.properties", "vmargs=-javaagent:x", "clean"),
        ("config.yaml", "type: os.system\nx: 1\n", "critical"),
        ("config.yaml", "default_scope: mmdet\nmodel:\n  type: evil.Model\n", "medium"),
        ("config.yaml", "model:\n  type: some.data\n", "clean"),
        ("config.yaml", "default_scope: mmdet\nmodel:\n  type: mmdet.FasterRCNN\n", "note"),
        ("config.yaml", "_base_:\n- ./a.yaml\n- ./b.py\n", "medium"),
        ("config.json", '{"x": [{"type": "subprocess.Popen"}]}', "critical"),
    ],
)
def test_what_settings_name(name: str, text: str, severity: str) -> None:
    assert worst(Config, {name: text.encode()}) == severity


@pytest.mark.parametrize(
    "text", ["custom_imports = dict(imports=['evil', 'x'])", "custom_imports = {'imports': 'evil'}"]
)
def test_modules_that_a_python_configuration_imports(text: str) -> None:
    assert found(SourceCode, {"config.py": f"a = 1\n{text}\n".encode()})["config-library"].where.line == 2

"""Where settings of model servers name code, and configurations of MMEngine that are Python.

Triton's `config.pbtxt` and TorchServe's `config.properties`. Facts, no judgement.
"""

from __future__ import annotations

import ast
import re
import warnings
from typing import TYPE_CHECKING

from assay.formats.properties import read_properties
from assay.formats.text_proto import read_text_proto
from assay.inspections.code_reference import CodeReference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Backends of the server itself; of another one the library is looked for in the model's own folder first
_BACKENDS = frozenset(("onnxruntime", "tensorrt", "tensorrtllm", "tensorflow", "pytorch", "openvino", "fil", "dali",
                       "vllm", "ensemble", "identity", "repeat", "square", "armnn_tflite", "mlflow"))  # fmt: skip
# Libraries and environments that a model brings along
_LIBRARIES = frozenset(("backend", "model_operations.op_library_filename", "model_repository_agents.agents.name"))
_PARAMETERS = frozenset(("EXECUTION_ENV_PATH", "TRITON_BATCH_STRATEGY_PATH"))
_OUTSIDE = re.compile(r"^(?:/|~|\w+://)|(?:^|/)\.\.(?:/|$)")
_PYTHON_BYTES = 256 << 10  # of a Python configuration
_AGENTS = frozenset(("checksum",))
# java: what a virtual machine loads or runs because of its arguments
_MACHINE = re.compile(
    r"-(?:javaagent|agentpath|agentlib|Xrun\w*|XX:On(?:Error|OutOfMemoryError)|Xbootclasspath\S*?)[:=]\S+"
)
_ANY_URL = re.compile(r"(?:^|,)\s*(?:\w+(?:\(s\)\?)?://)?\.[*+]\s*(?:,|$)")
_LOCAL = re.compile(r"^(?:\w+://)?(?:127\.\d+\.\d+\.\d+|localhost|\[?::1\]?)(?::|$)|^unix:")


def triton_references(text: str) -> Iterator[tuple[int, CodeReference]]:
    """Python models, libraries, environments and files of a Triton model, with their line."""
    key, python, model = "", 0, "model.py"
    for path, value, line in read_text_proto(text):
        if path == "parameters.key":
            key = value
        elif path == "default_model_filename":
            model = value
        elif path == "backend" and value == "python":
            python = line
        elif path.endswith(".input_data_file") and _OUTSIDE.search(value):
            yield line, CodeReference("path", path, value)
        elif library := _library(path, value, key):
            yield line, CodeReference("library", library, value, module=value)
    if _OUTSIDE.search(model):
        yield python or 1, CodeReference("path", "default_model_filename", model)
    elif python:
        yield python, CodeReference("module-path", "backend", "python", module=model.removesuffix(".py"))


def _library(path: str, value: str, key: str) -> str:
    """The setting by which the server loads native code of the model's own folder, or nothing."""
    if path == "parameters.value.string_value" and key in _PARAMETERS:
        return f"parameters.{key}"
    known = {"backend": _BACKENDS, "model_repository_agents.agents.name": _AGENTS}.get(path, frozenset[str]())
    return path if path in _LIBRARIES and value not in known else ""


def torchserve_references(text: str) -> Iterator[tuple[int, CodeReference]]:
    """What a TorchServe installation runs, installs or lets others load, with its line."""
    for key, value, line in read_properties(text):
        if key == "vmargs":
            yield from ((line, CodeReference("command", key, found[0])) for found in _MACHINE.finditer(value))
        elif key == "plugins_path" and value:
            yield line, CodeReference("library", key, value, module=value)
        elif key == "install_py_dep_per_model" and _true(value):
            yield line, CodeReference("command", key, "pip install for every model's requirements")
        elif key == "load_models" and "://" in value:
            yield line, CodeReference("path", key, value)
        elif _opens(key, value.strip()):
            yield line, CodeReference("open", key, value)


def _true(value: str) -> bool:
    return value.strip().lower() == "true"


def _opens(key: str, value: str) -> bool:
    if key in {"management_address", "grpc_management_address"}:
        return bool(value) and _LOCAL.search(value) is None
    return (key == "allowed_urls" and _ANY_URL.search(value) is not None) or (
        key == "disable_token_authorization" and _true(value)
    )


def python_references(data: bytes) -> Iterator[tuple[int, CodeReference]]:
    """Modules that MMEngine imports because a Python configuration lists them in `custom_imports`, with their line."""
    if b"custom_imports" not in data or len(data) > _PYTHON_BYTES:
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return  # the inspector of source code says so
    for statement in tree.body:
        names = [target.id for target in getattr(statement, "targets", ()) if isinstance(target, ast.Name)]
        if isinstance(statement, ast.Assign) and "custom_imports" in names:
            for name in _listed(statement.value):
                yield statement.lineno, CodeReference("library", "custom_imports.imports", name, module=name)


def _listed(value: ast.expr) -> Iterator[str]:
    """The texts under `imports`, of a dictionary or of a call of `dict`."""
    pairs: list[tuple[object, ast.expr]] = []
    if isinstance(value, ast.Dict):
        pairs = [(getattr(key, "value", None), item) for key, item in zip(value.keys, value.values, strict=True)]
    elif isinstance(value, ast.Call):
        pairs = [(keyword.arg, keyword.value) for keyword in value.keywords]
    for key, item in pairs:
        for one in getattr(item, "elts", [item]) if key == "imports" else ():
            if isinstance(one, ast.Constant) and isinstance(one.value, str):
                yield one.value


BY_FILE: dict[str, Callable[[str], Iterator[tuple[int, CodeReference]]]] = {
    "config.pbtxt": triton_references,
    "config.properties": torchserve_references,
}

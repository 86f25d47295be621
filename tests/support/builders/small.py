"""Small models of formats that need no more than a few fields: Core ML, Paddle, OpenVINO, PMML, UBJSON, MessagePack."""

from __future__ import annotations

import struct

from tests.support.builders.proto import message


def coreml_custom(name: str) -> bytes:
    """A Core ML model of a custom class."""
    return message((1, 4), (2, message((1, message((1, "x"))))), (555, message((10, name))))


def coreml_pipeline(*models: bytes) -> bytes:
    """A Core ML pipeline."""
    return message((1, 4), (2, b""), (202, message(*((1, model) for model in models))))


def coreml_network(*custom_layers: str) -> bytes:
    """A Core ML neural network with ordinary and custom layers."""
    layers = [message((1, "plain"), (130, b""))]
    layers += [message((1, "own"), (500, message((10, name)))) for name in custom_layers]
    return message((1, 4), (2, b""), (500, message(*((1, layer) for layer in layers))))


def coreml_program(path: str) -> bytes:
    """A Core ML ML program whose weights lie in a file."""
    return message((1, 7), (2, b""), (502, message((1, 1), (2, message((1, "main"), (2, f"@model_path/{path}"))))))


def paddle(*operators: tuple[str, dict[str, str]]) -> bytes:
    """A Paddle program with one block."""
    ops = []
    for kind, attributes in operators:
        fields = [(4, message((1, name), (2, 2), (5, text))) for name, text in attributes.items()]
        ops.append((4, message((3, kind), *fields)))
    return message((1, message((1, 0), (2, 0), *ops)), (4, message((1, 0))))


def openvino(*layers: tuple[str, str], offset: int = 0, size: int = 4) -> str:
    """An OpenVINO model with the (type, opset) given, and one constant."""
    items = "".join(
        f'<layer id="{i}" name="l{i}" type="{kind}" version="{opset}"><data shape="1"/></layer>'
        for i, (kind, opset) in enumerate(layers, 1)
    )
    constant = f'<layer id="0" name="c" type="Const" version="opset1"><data offset="{offset}" size="{size}"/></layer>'
    return f'<?xml version="1.0"?><net name="m" version="11"><layers>{constant}{items}</layers><edges/></net>'


def pmml(body: str, doctype: str = "") -> str:
    """A PMML document."""
    return (
        f'<?xml version="1.0"?>{doctype}<PMML xmlns="http://www.dmg.org/PMML-4_4" version="4.4"><Header/>{body}</PMML>'
    )


def msgpack_map(*values: bytes) -> bytes:
    """A MessagePack map with keys `k0`, `k1`, …"""
    return bytes((0x80 | len(values),)) + b"".join(b"\xa2k%d" % i + value for i, value in enumerate(values))


def msgpack_ext(code: int, data: bytes) -> bytes:
    """A MessagePack extension value."""
    return b"\xc9" + struct.pack(">Ib", len(data), code) + data

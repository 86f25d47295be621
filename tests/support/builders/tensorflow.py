"""SavedModel, frozen graphs and `keras_metadata.pb` (saved_model.proto, graph.proto, saved_metadata.proto)."""

from __future__ import annotations

import json
from typing import Any

from tests.support.builders.proto import message


def const(name: str, *texts: str) -> bytes:
    """A Const node of type string."""
    tensor = message((1, 7), (2, b""), *((8, text) for text in texts))
    return node(name, "Const", attributes={"dtype": message((6, 7)), "value": message((8, tensor))})


def node(name: str, op: str, *inputs: str, attributes: dict[str, bytes] | None = None) -> bytes:
    """A NodeDef."""
    attrs = [(5, message((1, key), (2, value))) for key, value in (attributes or {}).items()]
    return message((1, name), (2, op), *((3, i) for i in inputs), *attrs)


def text_attribute(text: str) -> bytes:
    """An AttrValue that is text."""
    return message((2, text))


def function(name: str, *nodes: bytes) -> bytes:
    """A FunctionDef."""
    return message((1, message((1, name))), *((3, n) for n in nodes))


def graph(*nodes: bytes, functions: tuple[bytes, ...] = ()) -> bytes:
    """A GraphDef."""
    library = [(2, message(*((1, f) for f in functions)))] if functions else []
    return message(*((1, n) for n in nodes), *library, (4, message((1, 1395))))


def saved_model(graph_def: bytes, assets: tuple[str, ...] = ()) -> bytes:
    """A SavedModel with one meta graph."""
    info = message((4, "serve"), (5, "2.20.0"))
    meta = message((1, info), (2, graph_def), *((6, message((1, message((1, "x:0"))), (2, a))) for a in assets))
    return message((1, 1), (2, meta))


def keras_metadata(*nodes: tuple[str, str, dict[str, Any]]) -> bytes:
    """`keras_metadata.pb` from (path, identifier, metadata)."""
    return message(
        *(
            (1, message((2, index), (3, path), (4, identifier), (5, json.dumps(data)), (6, message((1, 2)))))
            for index, (path, identifier, data) in enumerate(nodes)
        )
    )

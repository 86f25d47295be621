"""ONNX models (onnx.proto)."""

from __future__ import annotations

from tests.support.builders.proto import message


def tensor(name: str, dims: tuple[int, ...] = (1,), raw: bytes | None = b"\0\0\0\0", **external: str) -> bytes:
    """A float TensorProto, or one whose data lies elsewhere (`location=…, offset=…, length=…`)."""
    fields: list[tuple[int, int | float | str | bytes]] = [(1, d) for d in dims]
    fields += [(2, 1), (8, name)]
    if external:
        fields += [(13, message((1, key), (2, value))) for key, value in external.items()]
        fields.append((14, 1))
    elif raw is not None:
        fields.append((9, raw))
    return message(*fields)


def node(op: str, domain: str = "", *attributes: bytes) -> bytes:
    """A NodeProto."""
    return message((1, "x"), (2, "y"), (4, op), *((5, a) for a in attributes), *([(7, domain)] if domain else []))


def graph_attribute(name: str, graph_def: bytes) -> bytes:
    """An AttributeProto that is a graph."""
    return message((1, name), (6, graph_def), (20, 5))


def tensor_attribute(name: str, value: bytes) -> bytes:
    """An AttributeProto that is a tensor."""
    return message((1, name), (5, value), (20, 4))


def text_attribute(name: str, text: str) -> bytes:
    """An AttributeProto that is text."""
    return message((1, name), (4, text), (20, 3))


def graph(*nodes: bytes, tensors: tuple[bytes, ...] = ()) -> bytes:
    """A GraphProto."""
    return message(*((1, n) for n in nodes), (2, "graph"), *((5, t) for t in tensors))


def function(domain: str, name: str, *nodes: bytes) -> bytes:
    """A FunctionProto."""
    return message((1, name), *((7, n) for n in nodes), (10, domain))


def model(graph_def: bytes, functions: tuple[bytes, ...] = (), metadata: dict[str, str] | None = None) -> bytes:
    """A ModelProto."""
    props = [(14, message((1, k), (2, v))) for k, v in (metadata or {}).items()]
    return message(
        (1, 10), (2, "tests"), (7, graph_def), (8, message((1, ""), (2, 20))), *props, *((25, f) for f in functions)
    )

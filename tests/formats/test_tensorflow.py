"""TensorFlow graphs built from their specification."""

import io
from typing import Any

import pytest

from assay.core.errors import ContentError
from assay.core.limits import Limits
from assay.formats.protobuf import Message
from assay.formats.tensorflow import read_graph_def, read_keras_metadata, read_saved_model
from tests.support.builders.proto import message, varint
from tests.support.builders.tensorflow import (
    const,
    function,
    graph,
    keras_metadata,
    node,
    saved_model,
    text_attribute,
)  # fmt: skip
from tests.support.mutate import mutated

KEEP = {"WriteFile", "ReadFile", "PrintV2"}
GRAPH = graph(
    const("path", "/tmp/x"),
    const("more", "/y"),
    node("joined", "StringJoin", "path", "more"),
    const("data", "hello"),
    node("w", "WriteFile", "joined:0", "data", "^path"),
    functions=(function("inner", const("p", "/etc/passwd"), node("r", "ReadFile", "p:output:0")),),
)


def run(reader: Any, data: bytes, **keywords: Any) -> Any:
    return reader(io.BytesIO(data), len(data), Limits(), **keywords)


def test_nodes_with_the_texts_that_reach_them() -> None:
    found = run(read_graph_def, GRAPH, keep=KEEP)
    nodes = {n.op: n for n in found.nodes}
    assert nodes["WriteFile"].inputs == ("/tmp/x/y", "hello")
    assert (nodes["ReadFile"].function, nodes["ReadFile"].inputs) == ("inner", ("/etc/passwd",))
    assert found.operations["Const"] == 4
    assert found.functions == ["inner"]


def test_saved_model_with_assets_and_attributes() -> None:
    shown = node("p", "PrintV2", "x", attributes={"output_stream": text_attribute("file:///tmp/log")})
    found = run(read_saved_model, saved_model(graph(shown), assets=("../../x",)), keep=KEEP)
    assert found.nodes[0].attributes == {"output_stream": "file:///tmp/log"}
    assert found.assets == ["../../x"]


def test_keras_metadata() -> None:
    data = keras_metadata(("root", "_tf_keras_sequential", {"class_name": "Sequential"}))
    (item,) = list(run(read_keras_metadata, data))
    assert (item.path, item.identifier) == ("root", "_tf_keras_sequential")
    assert item.metadata == b'{"class_name": "Sequential"}'


def test_wire_format() -> None:
    data = message((1, -1), (2, "x"), (3, 1.5)) + varint(4 << 3 | 1) + b"\0" * 8
    fields = list(Message(io.BytesIO(data), len(data), Limits()).fields())
    assert [f.number for f in fields] == [1, 2, 3, 4]
    assert fields[0].signed == -1


@pytest.mark.parametrize("data", [b"\x0a\xff\x01", b"\x0b", b"\xff" * 11, b"\x00\x00", b"\x0a"])
def test_broken_messages(data: bytes) -> None:
    with pytest.raises(ContentError):
        list(Message(io.BytesIO(data), len(data), Limits()).fields())


def test_a_message_larger_than_the_window_is_read_without_copying_it() -> None:
    big = message((1, b"x" * 3_000_000), (2, "after"))
    reader = Message(io.BytesIO(big), len(big), Limits())
    assert [reader.text(f) for f in reader.fields() if f.number == 2] == ["after"]


def test_mutated_graphs_end_in_content_errors_only() -> None:
    seeds = [GRAPH, saved_model(GRAPH), keras_metadata(("r", "_tf_keras_x", {"a": 1}))]
    for data in mutated(seeds, 3000):
        for reader in (read_graph_def, read_saved_model):
            try:
                run(reader, data, keep=KEEP)
            except ContentError:
                continue
        try:
            list(run(read_keras_metadata, data))
        except ContentError:
            continue

"""TensorFlow graphs judged: what leaves the graph is named, with its path."""

import pytest

from assay.inspections.tensorflow import TensorFlow
from tests.support.builders.tensorflow import const, function, graph, node, saved_model, text_attribute
from tests.support.scan import found, scan, worst

USUAL = graph(
    node("x", "Placeholder", attributes={"dtype": b"\x30\x01"}),
    const("save_path", "model"),
    node("w", "VarHandleOp", attributes={"shared_name": text_attribute("w")}),
    node("r", "ReadVariableOp", "w"),
    node("y", "MatMul", "x", "r"),
    node("filename", "PlaceholderWithDefault", "save_path"),
    node("part", "StringJoin", "filename", "save_path"),
    node("save", "SaveV2", "part", "save_path"),
    node("restore", "RestoreV2", "filename"),
    node("merge", "MergeV2Checkpoints", "filename"),
    const("vocabulary", "/home/author/vocab.txt"),
    node("table", "InitializeTableFromTextFileV2", "w", "vocabulary"),
    node("p", "PrintV2", "y", attributes={"output_stream": text_attribute("stderr")}),
)


@pytest.mark.parametrize("data", [USUAL, saved_model(USUAL), saved_model(USUAL, assets=("vocab.txt",))])
def test_an_ordinary_export_is_clean(data: bytes) -> None:
    assert worst(TensorFlow(), {"saved_model.pb": data}) == "clean"


@pytest.mark.parametrize("wrap", [lambda g: g, saved_model])
@pytest.mark.parametrize(
    ("nodes", "operation", "severity"),
    [
        ((const("p", "/tmp/x"), const("d", "hi"), node("n", "WriteFile", "p", "d")), "WriteFile", "critical"),
        ((const("p", "/etc/passwd"), node("n", "ReadFile", "p")), "ReadFile", "high"),
        ((node("x", "Placeholder"), node("n", "ReadFile", "x")), "ReadFile", "medium"),
        ((node("n", "PyFunc", "x"),), "PyFunc", "high"),
        ((const("p", "/x"), node("n", "SaveV2", "p")), "SaveV2", "high"),
        (
            (const("p", "/etc/passwd"), node("n", "InitializeTableFromTextFileV2", "p")),
            "InitializeTableFromTextFileV2",
            "high",
        ),
        (
            (node("n", "PrintV2", "x", attributes={"output_stream": text_attribute("file:///tmp/x")}),),
            "PrintV2",
            "high",
        ),
    ],
)
def test_what_leaves_the_graph(wrap: object, nodes: tuple[bytes, ...], operation: str, severity: str) -> None:
    data = wrap(graph(node("a", "NoOp"), *nodes))  # type: ignore[operator]
    finding = found(TensorFlow(), {"saved_model.pb": data})["tf-operation"]
    assert (finding.facts["operation"], finding.severity.label) == (operation, severity)


def test_functions_are_searched_too() -> None:
    inner = function("f", const("p", "/tmp/x"), node("n", "WriteFile", "p", "p"))
    finding = found(TensorFlow(), {"m.pb": saved_model(graph(node("a", "NoOp"), functions=(inner,)))})["tf-operation"]
    assert finding.facts["function"] == "f"
    assert "/tmp/x" in finding.facts["call"]


def test_assets_that_escape() -> None:
    data = saved_model(graph(node("a", "NoOp")), assets=("../../../etc/x",))
    assert found(TensorFlow(), {"m.pb": data})["tf-asset-escape"].severity.label == "high"


def test_a_broken_graph_is_unread() -> None:
    data = saved_model(USUAL)
    assert scan(TensorFlow(), {"saved_model.pb": data[: len(data) - 9]}).unread

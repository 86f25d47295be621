"""TensorFlow graphs judged: what leaves the graph is named, with its path."""

import io
from pathlib import Path

import pytest

from assay.core.digest import Digest
from assay.core.errors import ContentError
from assay.core.inspector import Subject
from assay.core.limits import Limits
from assay.core.snapshot import FileEntry, Origin, Snapshot
from assay.formats.tensor_bundle import read_bundle
from assay.inspections.coverage import Coverage
from assay.inspections.runner import inspect
from assay.inspections.tensorflow import TensorFlow
from assay.inspections.tflite import FlatModels
from tests.support.builders.tensorflow import const, function, graph, node, saved_model, text_attribute
from tests.support.mutate import mutated
from tests.support.scan import Memory, found, scan, worst

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


IN_TEXT = """
saved_model_schema_version: 1
meta_graphs { graph_def {
  node { name: "path" op: "Const" attr { key: "value" value { tensor { dtype: DT_STRING string_val: "/tmp/x" } } } }
  node { name: "out" op: "WriteFile" input: "path" input: "text:0" }
  library { function { signature { name: "f" } node_def { name: "p" op: "PyFunc" } } }
} asset_file_def { filename: "../../x" } }
"""


def test_graphs_written_as_text() -> None:
    findings = scan(TensorFlow(), {"saved_model.pbtxt": IN_TEXT.encode()}).findings
    assert {"WriteFile", "PyFunc"} <= {one.facts.get("operation") for one in findings}
    assert any("'/tmp/x'" in one.message for one in findings)
    assert "tf-asset-escape" in {one.rule for one in findings}
    labels = b'item { id: 1 name: "WriteFile" }'
    usual = b'node { name: "x" op: "Placeholder" } node { name: "y" op: "MatMul" input: "x" }'
    assert not scan(TensorFlow(), {"label_map.pbtxt": labels, "graph.pbtxt": usual}).findings


def test_a_broken_graph_is_unread() -> None:
    data = saved_model(USUAL)
    assert scan(TensorFlow(), {"saved_model.pb": data[: len(data) - 9]}).unread


FIXTURES = Path(__file__).parent.parent / "formats" / "fixtures"


def saved() -> dict[str, bytes]:
    folder = FIXTURES / "saved-model"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_model_of_tensorflow_itself_is_clean_and_wholly_read() -> None:
    names = set(saved())
    assert names == {
        "saved_model.pb",
        "fingerprint.pb",
        "variables/variables.index",
        "variables/variables.data-00000-of-00001",
    }
    entries = [FileEntry(path, len(data), Digest.of(data)) for path, data in saved().items()]
    subject = Subject(Snapshot.of(entries, Origin("directory", "x")), Memory(saved()), Limits())
    coverage, graphs = inspect(subject, (Coverage(), TensorFlow()))
    assert coverage.unread == ()
    assert graphs.outcome.value == "clean"


def test_files_that_a_real_model_writes_and_reads() -> None:
    findings = scan(TensorFlow(), {"saved_model.pb": (FIXTURES / "writes.pb").read_bytes()}).findings
    assert {(f.facts["operation"], f.severity.label) for f in findings} == {
        ("WriteFile", "critical"),
        ("ReadFile", "medium"),
    }
    lite = scan(FlatModels(), {"m.tflite": (FIXTURES / "writes.tflite").read_bytes()}).findings
    assert {f.facts["operation"] for f in lite} == {"WriteFile", "ReadFile"}
    assert worst(FlatModels(), {"m.tflite": (FIXTURES / "dense.tflite").read_bytes()}) == "clean"


def test_an_index_that_reaches_past_its_data() -> None:
    files = saved()
    files["variables/variables.data-00000-of-00001"] = b"x"
    assert found(TensorFlow(), files)["tf-variables"].severity.label == "medium"


def test_operations_of_no_known_library() -> None:
    own, text = graph(node("a", "NoOp"), node("b", "EvilOp")), graph(node("a", "NoOp"), node("b", "SentencepieceOp"))
    assert found(TensorFlow(), {"m.pb": own})["tf-custom-operation"].severity.label == "medium"
    assert found(TensorFlow(), {"m.pb": text})["tf-custom-operation"].severity.label == "low"


def test_mutated_indexes_end_in_content_errors_only() -> None:
    for data in mutated([saved()["variables/variables.index"]], 3000):
        try:
            read_bundle(io.BytesIO(data), len(data), Limits())
        except ContentError:
            continue

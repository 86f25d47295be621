"""The inspector `behaviour`: what it is held against comes from the settings, by digest, and fits by content."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from assay.behaviour import version
from assay.behaviour.guest import Prober, device_for, gpu_nodes
from assay.behaviour.inspector import Behaviour
from assay.core.errors import EnvironmentFault, UsageError
from assay.core.evidence import Outcome
from assay.core.pin import Pin
from assay.store.folder import folder_subject
from tests.behaviour import small

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("behaviour")]


def _pin(folder: Path) -> Pin:
    small.write_data(folder / "data.tsv")
    text = f'references = ["{small.clean(1)}", "{small.clean(2)}"]\ndata = "data.tsv"\nbudget = 40\n'
    (folder / "probes.toml").write_text(text, "utf-8")
    return Pin.parse(f"probes.toml@sha256:{hashlib.sha256(text.encode()).hexdigest()}", folder, "probes")


def test_a_backdoored_model_is_found_in_an_admission(tmp_path: Path) -> None:
    with Prober() as prober:
        evidence = Behaviour((_pin(tmp_path),), prober).inspect(folder_subject(small.rare_word()))
    assert evidence.outcome is Outcome.FOUND
    (finding,) = evidence.findings
    assert finding.rule == "behaviour-trigger"
    assert finding.severity.label == "critical"
    assert evidence.facts["digests"]["references"]


def test_no_file_that_fits_is_inconclusive() -> None:
    evidence = Behaviour(()).inspect(folder_subject(small.clean(1)))
    assert evidence.outcome is Outcome.INCONCLUSIVE


def test_a_changed_file_is_inconclusive(tmp_path: Path) -> None:
    pin = _pin(tmp_path)
    (tmp_path / "probes.toml").write_text("references = []", "utf-8")
    evidence = Behaviour((pin,)).inspect(folder_subject(small.clean(1)))
    assert evidence.outcome is Outcome.INCONCLUSIVE
    assert "agreed on" in evidence.unread[0].reason


def test_what_classifies_no_texts_is_not_applicable(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"architectures": ["BertForTokenClassification"]}', "utf-8")
    assert Behaviour(()).inspect(folder_subject(tmp_path)).outcome is Outcome.NOT_APPLICABLE


def test_a_device_that_is_not_there_is_said_before_anything_runs(tmp_path: Path) -> None:
    assert device_for("cpu") == "cpu"
    with pytest.raises(UsageError):
        device_for("tpu")
    if not gpu_nodes():
        assert device_for("auto") == "cpu"
        with pytest.raises(EnvironmentFault, match="no GPU here"):
            device_for("cuda")
    for name in ("nvidia0", "nvidiactl"):
        (tmp_path / name).write_text("a file, no device")
    assert gpu_nodes(tmp_path) == ()


def test_another_kind_of_model_keeps_its_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {kind: version.code_of(kind) for kind in ("text", "image", "language")}
    assert len(set(before.values())) == 3
    modules = version._modules()
    assert "prober_scan" in modules["prober"]
    real = version.files

    def edited(package: str) -> Any:
        return Edited(real(package)) if package == "assay.workers" else real(package)

    class Edited:
        def __init__(self, folder: Any) -> None:
            self.folder = folder

        def __truediv__(self, name: str) -> Any:
            return Path(__file__) if name == "prober_image.py" else self.folder / name

    monkeypatch.setattr(version, "files", edited)
    after = {kind: version.code_of.__wrapped__(kind) for kind in before}
    assert [kind for kind in before if before[kind] != after[kind]] == ["image"]


def test_a_file_without_digest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        Pin.parse("probes.toml", tmp_path, "probes")

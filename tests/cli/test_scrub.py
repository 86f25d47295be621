"""`assay scrub` finds the one byte that turned over on the disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assay.cli.main import main
from assay.store.blobs import open_blobs


@pytest.fixture
def data(tmp_path: Path) -> Path:
    blobs = open_blobs(str(tmp_path / "blobs"))
    for content in (b"one", b"two" * 1000, b""):
        blobs.put([content])
    return tmp_path


def stored(data: Path) -> list[Path]:
    return [path for path in (data / "blobs").rglob("*") if path.is_file() and path.stat().st_size == 3000]


def test_whole_blobs_pass(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scrub", "--data", str(data)]) == 0
    assert "3 blobs" in capsys.readouterr().out


def test_one_changed_byte_is_found_and_named(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (path,) = stored(data)
    path.chmod(0o600)
    content = bytearray(path.read_bytes())
    content[1500] ^= 1
    path.write_bytes(content)
    assert main(["scrub", "--data", str(data), "--format", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is False
    assert [p["blob"].rpartition("/")[2] for p in document["problems"]] == [path.name]


def test_no_store_is_one_line_and_exit_three(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scrub", "--data", str(tmp_path / "none")]) == 3
    assert capsys.readouterr().err.startswith("assay: error: no blobs at ")

"""`assay log verify`: exit status, text and JSON for a log that is whole, and for one that is not."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from assay.cli.main import main
from assay.core.verdict import Decision
from assay.registry.catalog import Catalog
from assay.store.index import Index
from tests.support import admitted

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    index = Index.open(f"sqlite:///{tmp_path}/index.sqlite")
    subject = admitted.snapshot({"f": b"x"})
    index.put_snapshot(subject)
    Catalog(index).record_refusal("org/model", admitted.verdict(subject, Decision.REJECT), admitted.NOW)
    index.close()
    return tmp_path


def _tamper(data: Path, *statements: str) -> None:
    with closing(sqlite3.connect(data / "index.sqlite")) as connection, connection:
        connection.execute("DROP TRIGGER log_no_update")
        connection.execute("DROP TRIGGER log_no_delete")
        for statement in statements:
            connection.execute(statement)


def _json(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    document: dict[str, object] = json.loads(capsys.readouterr().out)
    return document


def test_a_whole_log(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["log", "verify", "--data", str(data)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("The log is whole: 2 entries, head 2:")
    head = text.split()[-1]
    assert main(["log", "verify", "--data", str(data), "--head", head, "--format", "json"]) == 0
    document = _json(capsys)
    assert len(document.pop("root")) == 64
    assert document == {
        "schema": "assay.log-verify/v1",
        "ok": True,
        "entries": 2,
        "head": head,
        "checkpoints": 0,
        "problems": [],
    }


def test_a_changed_log(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _tamper(data, "UPDATE log SET body = '{}' WHERE seq = 2")
    assert main(["log", "verify", "--data", str(data)]) == 1
    assert "NOT whole:\n  entry 2 was changed" in capsys.readouterr().out


def test_a_cut_log(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["log", "verify", "--data", str(data), "--format", "json"])
    head = str(_json(capsys)["head"])
    _tamper(data, "DELETE FROM log WHERE seq = 2", "DELETE FROM decisions")
    assert main(["log", "verify", "--data", str(data)]) == 0  # nothing left to compare it with
    capsys.readouterr()
    assert main(["log", "verify", "--data", str(data), "--head", head, "--format", "json"]) == 1
    assert "cut off" in str(_json(capsys)["problems"])


def test_an_index_that_does_not_fit_its_log(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _tamper(data, "INSERT INTO ref_moves VALUES (1, 'org/model', 'main\x1b[31m', 'r', 's', 't')")
    assert main(["log", "verify", "--data", str(data)]) == 1
    text = capsys.readouterr().out
    assert "ref_moves has a row that no log entry records" in text
    assert "\x1b" not in text


@pytest.mark.parametrize("head", ["x", "5", "5:abc", "-1:" + "0" * 64])
def test_a_head_that_is_none(data: Path, capsys: pytest.CaptureFixture[str], head: str) -> None:
    assert main(["log", "verify", "--data", str(data), f"--head={head}"]) == 3
    assert capsys.readouterr().err.startswith("assay: error: not a ")


def test_no_index(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["log", "verify", "--data", str(tmp_path / "nothing")]) == 3
    assert "no index at" in capsys.readouterr().err
    assert not (tmp_path / "nothing").exists()


def test_a_database_that_is_none(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "index.sqlite").write_bytes(b"this is no database at all" * 100)
    for extra in ("-wal", "-shm"):
        (data / f"index.sqlite{extra}").unlink(missing_ok=True)
    assert main(["log", "verify", "--data", str(data)]) == 3
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("assay: error: the index is not a SQLite file")

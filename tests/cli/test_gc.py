"""`assay gc` and `assay hold` as they are typed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from assay.cli.main import main
from assay.registry.pulls import Consumer, PullLedger
from tests.support.published import Publisher


@pytest.fixture
def publisher(tmp_path):
    made = Publisher(tmp_path / "data")
    made.admit("org/model", {"config.json": b"{}", "w.bin": b"x" * 1000})
    yield made
    made.index.close()


def call(publisher, capsys, *args):
    status = main([*args, "--data", str(publisher.root), "--format", "json"])
    return status, json.loads(capsys.readouterr().out)


def test_gc_reports_and_collects(publisher, capsys):
    status, report = call(publisher, capsys, "gc", "--report")
    assert (status, report["models"], report["blobs"], report["needed_bytes"]) == (0, 1, 2, 1002)
    status, done = call(publisher, capsys, "gc", "--keep-days", "0")
    assert (status, done["kept"]["blobs"], done["deleted"]["blobs"]) == (0, 2, 0)
    assert main(["gc", "--data", str(publisher.root), "--dry-run"]) == 0
    assert "would go" in capsys.readouterr().out
    assert main(["gc", "--data", str(publisher.root), "--keep-days", "-1"]) == 3


def test_the_pull_ledger_is_kept_for_its_days_and_under_a_hold(publisher, capsys):
    found = publisher.catalog.resolve("org/model", now=publisher.now)
    ledger = PullLedger(publisher.index)
    for days in (800, 400, 1):
        moment = datetime.now(UTC) - timedelta(days=days)
        ledger.record("org/model", found.revision, found.snapshot.id, consumer=Consumer("ann"), size=1, now=moment)
    ledger.close()
    assert call(publisher, capsys, "gc", "--pull-days", "0")[1]["pulls"] == 0
    assert call(publisher, capsys, "gc", "--dry-run")[1]["pulls"] == 1
    assert call(publisher, capsys, "gc")[1]["pulls"] == 1
    call(publisher, capsys, "hold", "add", "org/model", "--reason", "case 12")
    assert call(publisher, capsys, "gc", "--pull-days", "365")[1]["pulls"] == 0
    call(publisher, capsys, "hold", "release", "1")
    assert call(publisher, capsys, "gc", "--pull-days", "365")[1]["pulls"] == 1
    assert len(ledger.find()) == 1
    assert main(["gc", "--data", str(publisher.root), "--pull-days", "-1"]) == 3
    lines = main(["log", "export", "--format", "cef", "--data", str(publisher.root)]), capsys.readouterr().out
    assert "|pulls-forgotten|" in lines[1]
    assert "|released|released|2|" in lines[1]
    assert "suser=" in next(line for line in lines[1].splitlines() if "|held|" in line)
    assert publisher.index.verify_log().ok


def test_hold_add_list_release(publisher, capsys):
    _, added = call(publisher, capsys, "hold", "add", "org/model", "--reason", "case 12")
    assert added["holds"][0]["reason"] == "case 12"
    number = str(added["holds"][0]["id"])
    assert len(call(publisher, capsys, "hold", "list")[1]["holds"]) == 1
    assert call(publisher, capsys, "hold", "release", number)[1]["holds"][0]["released_at"]
    assert main(["hold", "list", "--data", str(publisher.root)]) == 0
    assert "released" in capsys.readouterr().out
    for wrong in (["add", "org/none"], ["add", "org/model"], ["release", "x"], ["release", "99"], ["add"]):
        assert main(["hold", *wrong, "--data", str(publisher.root)]) == 3
        assert capsys.readouterr().err.count("\n") == 1
    assert publisher.index.verify_log().ok

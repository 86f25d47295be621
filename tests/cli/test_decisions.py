"""`assay key`, `approve`, `reject`, `waive`, `incident`, `access`, `log export`: on the index of a data directory."""

import json
import tomllib

import pytest

from assay.cli.main import main
from assay.registry.export import to_cef
from assay.store.index import Index
from assay.store.log import LogEntry
from tests.cli.published import publish
from tests.gate.admitted import NAME


@pytest.fixture
def data(tmp_path, monkeypatch, capsys):
    publish(tmp_path / "data")
    monkeypatch.setenv("ASSAY_PERSON", "anna")
    monkeypatch.setenv("ASSAY_PERSON_KEY", str(tmp_path / "key" / "reviewer.pem"))
    capsys.readouterr()
    assert main(["key", "create", "reviewer", "--person", "anna", "--out", str(tmp_path / "key")]) == 0
    entry = capsys.readouterr().out
    assert tomllib.loads(entry)["keys"][0]["person"] == "anna"
    with (tmp_path / "data" / "trust.toml").open("a") as trust:
        trust.write("\n" + entry)
    return tmp_path / "data"


def run(capsys, data, *arguments):
    capsys.readouterr()
    status = main([*arguments, "--data", str(data)])
    return status, *capsys.readouterr()


def test_decisions_access_and_export(data, capsys):
    assert main(["token", "create", "--role", "auditor", "--data", str(data)]) == 0
    assert run(capsys, data, "access", "team", "risk", "--add-member", "anna", "--add-models", "risk/*")[0] == 0
    waive = ("waive", NAME, "--finding", "odd@a", "--until", "2099-01-01", "--reason", "known")
    status, out, err = run(capsys, data, *waive)
    assert (status, err) == (0, "")
    assert "signed by anna" in out
    assert run(capsys, data, "approve", NAME, "--reason", "read it")[0] == 0
    move = run(capsys, data, "approve", NAME, "--move", "production", "--reason", "first", "--format", "json")
    assert json.loads(move[1])["decisions"][0]["action"] == "move-ref"
    assert run(capsys, data, "incident", "quarantine", NAME, "--reason", "bad")[0] == 0

    review = json.loads(run(capsys, data, "access", "review", "--format", "json")[1])
    assert [(one["person"], one["keys"], one["teams"]) for one in review["people"]] == [("anna", 1, ["risk"])]
    shown = run(capsys, data, "access", "review")[1]
    assert "anna  1  0  1  risk  alerts, audit, browse" in shown
    page = run(capsys, data, "access", "review", "--format", "html")[1]
    assert page.startswith("<!doctype html>")
    assert "auditor" in page

    lines = run(capsys, data, "log", "export", "--format", "jsonl")[1].splitlines()
    entries = [json.loads(line) for line in lines]
    assert {"token-created", "team-changed", "statement", "ref-moved", "revoked"} <= {one["kind"] for one in entries}
    assert [one["previous"] for one in entries[1:]] == [one["hash"] for one in entries[:-1]]
    last = run(capsys, data, "log", "export", "--format", "cef", "--after", str(len(entries) - 1))[1]
    assert last.startswith("CEF:0|assay|assay|")
    assert "|revoked|revoked|8|" in last
    assert run(capsys, data, "log", "verify")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("approve", "other/model", "--reason", "x"), "never vetted here"),
        (("approve", NAME, "--reason", " "), "without reason"),
        (("approve", NAME, "--reason", "x", "--person", "bob"), "'bob' did not sign this"),
        (("approve", NAME, "--reason", "x", "--break-glass"), "knows no break-glass"),
        (("waive", NAME, "--reason", "x", "--finding", "odd", "--until", "soon"), "not a date"),
        (("waive", NAME, "--reason", "x", "--finding", "odd", "--until", "2020-01-01"), "end after it begins"),
        (("reject", NAME, "--reason", "x", "--key", "/none.pem"), "no key /none.pem"),
        (("access", "team"), "takes the name"),
        (("log", "export"), "jsonl or cef"),
    ],
)
def test_what_can_not_be_done_is_one_line(data, capsys, arguments, said):
    status, out, err = run(capsys, data, *arguments)
    assert (status, out, err.count("\n")) == (3, "", 1)
    assert said in err
    index = Index.open(f"sqlite:///{data / 'index.sqlite'}")
    index.close()


def test_cef_escapes_what_a_model_says():
    body = {"name": "a|b", "reason": "x=1\ny\\z é", "person": "anna"}
    line = to_cef(LogEntry(7, "0" * 64, "1" * 64, "2026-11-26T04:00:00Z", "break-glass", body))
    assert line.startswith("CEF:0|assay|assay|")
    assert "|break-glass|break-glass|9|rt=1795665600000 externalId=7 suser=anna fname=a|b " in line
    assert "reason=x\\=1\\ny\\\\z \\\\u00e9 " in line
    assert "\n" not in line

"""`assay evaluate`: exit statuses, the document, the table, a replay, and the examples of the how-to page."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from assay.cli.main import main
from tests.evaluation import small

pytestmark = pytest.mark.torch
PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "evaluate.md"


def run(capsys, *args: str) -> tuple[int, str, str]:
    status = main(["evaluate", *args])
    out, err = capsys.readouterr()
    return status, out, err


def claims(folder: Path, value: object, **more: str) -> str:
    path = folder / "claims.json"
    entry = {"task": "text-classification", "dataset": "toy", "metric": "accuracy", "value": value} | more
    path.write_text(json.dumps({"results": [entry]}))
    return str(path)


def test_refuted_claim_its_document_and_its_replay(capsys, tmp_path):
    model, suite = str(small.classifier()), str(small.sentiment_suite(tmp_path / "s", 60))
    args = (model, "--suite", suite, "--claims", claims(tmp_path, "99.9 %"), "--format", "json")
    status, out, _ = run(capsys, *args)
    document = json.loads(out)
    assert (status, document["schema"], document["outcome"]) == (1, "assay.evaluate/v1", "refuted")
    (evidence,) = document["evidence"]
    (metric,) = evidence["facts"]["metrics"]
    assert set(metric) >= {"claimed", "measured", "interval", "n", "dataset", "verdict"}
    assert (metric["claimed"], metric["n"], metric["verdict"]) == (pytest.approx(0.999), 60, "refuted")
    assert metric["interval"][0] <= metric["measured"] <= metric["interval"][1] < 0.999
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", metric["dataset"])
    assert document["reasons"][0]["clause"] == "claim-refuted"
    recorded = tmp_path / "evidence.json"
    recorded.write_text(out)
    status, out, _ = run(capsys, model, "--suite", suite, "--replay", str(recorded), "--format", "json")
    replayed = json.loads(out)
    assert (status, replayed["outcome"], replayed["same_answers"]) == (0, "reproduced", True)
    # Another number in the record is not reproduced.
    recorded.write_text(json.dumps(document).replace(f'"measured": {metric["measured"]!r}', '"measured": 0.999'))
    assert run(capsys, model, "--suite", suite, "--replay", str(recorded))[0] == 1


def test_a_claim_that_holds_in_a_table(capsys, tmp_path):
    suite = str(small.sentiment_suite(tmp_path / "s", 60))
    status, out, _ = run(capsys, str(small.classifier()), "--suite", suite, "--claims", claims(tmp_path, 0.8))
    assert status == 0
    assert "every claim holds" in out
    head, row = out.splitlines()[:2]
    assert [*map(head.find, ("claimed", "measured", "verdict"))] == sorted(
        map(head.find, ("claimed", "measured", "verdict"))
    )
    assert row.split()[0] == "claims.json:1"
    assert "0.8 " in row
    assert row.endswith("holds")


def test_could_not_tell(capsys, tmp_path):
    suite = str(small.sentiment_suite(tmp_path / "s", 20))
    status, out, _ = run(
        capsys, str(small.classifier()), "--suite", suite, "--claims", claims(tmp_path, 0.9, dataset="")
    )
    assert status == 2
    assert "names no data set" in out


@pytest.mark.parametrize("case", ["no suite", "no model", "altered data", "no such suite", "broken claims"])
def test_errors_are_one_line_and_status_3(capsys, tmp_path, case):
    suite = small.sentiment_suite(tmp_path / "s", 3)
    (tmp_path / "empty").mkdir()
    args = {
        "no suite": ["model"],
        "no model": [str(tmp_path / "none"), "--suite", str(suite)],
        "altered data": [str(tmp_path / "s"), "--suite", str(suite)],
        "no such suite": [str(tmp_path), "--suite", str(tmp_path / "none.toml")],
        "broken claims": [str(tmp_path), "--suite", str(suite), "--claims", str(suite)],
    }[case]
    if case == "altered data":
        (tmp_path / "s" / "data.tsv").write_text("sentence\tlabel\nx\t1\n")
    status, out, err = run(capsys, *args)
    assert (status, out) == (3, "")
    assert err.startswith("assay: error: ")
    assert err.count("\n") == 1


def test_the_examples_of_the_how_to_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text("utf-8")
    files = re.findall(r"```(?:toml|json) ([\w./-]+)\n(.*?)```", text, flags=re.DOTALL)
    assert {name for name, _ in files} == {"suite.toml", "claims.json"}
    small.copy_of(small.classifier(), tmp_path / "model")
    small.sentiment_suite(tmp_path, 40)
    digest = re.search(r'sha256 = "(\w+)"', (tmp_path / "suite.toml").read_text()).group(1)
    for name, body in files:
        (tmp_path / name).write_text(
            re.sub(r'sha256 = "\w+…?"', f'sha256 = "{digest}"', body).replace("test.tsv", "data.tsv")
        )
    commands = re.findall(r"^\$ assay (evaluate .*?)(?:\s+# exit (\d))?$", text, flags=re.MULTILINE)
    assert len(commands) >= 3
    for command, status in commands:
        line, _, target = command.partition(" > ")
        ended, told = main(shlex.split(line)), capsys.readouterr()
        assert ended == int(status or 0), (command, told)
        if target:
            (tmp_path / target.strip()).write_text(told.out)

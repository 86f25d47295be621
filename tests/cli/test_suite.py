"""`assay suite`: a suite and its data are signed inputs; a change of either is seen, and so is a stranger's key."""

from __future__ import annotations

import json

import pytest

from assay.cli.main import main
from assay.provenance.keys import KeyRing
from assay.provenance.trust import trust_entry
from tests.evaluation import small


@pytest.fixture
def data(tmp_path):
    assert main(["init", "--quiet", "--data", str(tmp_path / "data")]) == 0
    return tmp_path / "data"


def told(capsys, *args):
    capsys.readouterr()
    status = main(["suite", *map(str, args), "--format", "json"])
    return status, json.loads(capsys.readouterr().out)


def test_signed_altered_and_signed_again(capsys, data, tmp_path):
    suite = small.sentiment_suite(tmp_path / "s", 5)
    status, found = told(capsys, "verify", suite, "--data", data)
    assert (status, found["reason"]) == (1, "the suite is not signed")
    assert told(capsys, "sign", suite, "--data", data)[0] == 0
    status, found = told(capsys, "verify", suite, "--data", data)
    assert (status, found["role"], found["examples"]) == (0, "approver", 5)
    suite.write_text(suite.read_text().replace("[data]", "tolerance = 0.5\n[data]"))
    status, found = told(capsys, "verify", suite, "--data", data)
    assert status == 1
    assert "another suite" in found["reason"]


def test_altered_data_can_be_signed_by_nobody(capsys, data, tmp_path):
    suite = small.sentiment_suite(tmp_path / "s", 5)
    (tmp_path / "s" / "data.tsv").write_text("sentence\tlabel\na\t1\n")
    assert main(["suite", "sign", str(suite), "--data", str(data)]) == 3
    assert "not the data that the suite pins" in capsys.readouterr().err
    assert not (tmp_path / "s" / "suite.toml.dsse.json").exists()


def test_a_reviewers_key_counts_once_it_is_trusted(capsys, data, tmp_path):
    from datetime import UTC, datetime, timedelta

    suite = small.sentiment_suite(tmp_path / "s", 5)
    (tmp_path / "own").mkdir(mode=0o700)
    public = KeyRing.add(tmp_path / "own", "reviewer")
    assert told(capsys, "sign", suite, "--data", data, "--key", tmp_path / "own" / "reviewer.pem")[0] == 0
    status, found = told(capsys, "verify", suite, "--data", data)
    assert status == 1
    assert "no key in the trust file" in found["reason"]
    entry = trust_entry(public, ["reviewer"], now=datetime.now(UTC) - timedelta(minutes=1))
    (data / "trust.toml").write_text((data / "trust.toml").read_text() + entry)
    assert told(capsys, "verify", suite, "--data", data)[1]["role"] == "reviewer"
    (data / "trust.toml").write_text((data / "trust.toml").read_text().replace('["reviewer"]', '["publisher"]'))
    assert "not as" in told(capsys, "verify", suite, "--data", data)[1]["reason"]


def test_evaluate_refuses_an_unsigned_suite_where_it_is_told_to(capsys, data, tmp_path):
    suite = small.sentiment_suite(tmp_path / "s", 5)
    status = main(["evaluate", str(small.classifier()), "--suite", str(suite), "--signed", "--data", str(data)])
    assert status == 3
    assert "the suite is not signed" in capsys.readouterr().err

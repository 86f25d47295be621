"""The passphrase of the keys is asked for on a real terminal, and never shown."""

import os
import subprocess
import sys

import pytest

from assay.cli.passphrase import read_passphrase
from assay.provenance.keys import KeyRing

# Runs a command on a pseudo-terminal of its own, copying between it and the pipes.
SPAWN = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"


def on_terminal(arguments, answers):
    """Run assay on a terminal; answer each prompt when it stands there. Returns exit status and what was shown."""
    environment = {key: value for key, value in os.environ.items() if key != "ASSAY_KEY_PASSPHRASE"}
    command = [sys.executable, "-c", SPAWN, sys.executable, "-m", "assay.cli.main", *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, bufsize=0) as run:
        shown = b""
        for prompt, answer in answers:
            while prompt not in shown:
                chunk = run.stdout.read(1)
                assert chunk, shown
                shown += chunk
            shown = shown.replace(prompt, b"", 1)
            run.stdin.write(answer + b"\n")
        shown += run.stdout.read()
        return run.wait(timeout=60), shown


def test_init_asks_twice_and_the_keys_open_with_the_answer(tmp_path):
    answers = [(b"New passphrase: ", b"correct horse"), (b"Again: ", b"correct horse")]
    status, shown = on_terminal(["init", "--passphrase", "--data", tmp_path / "data"], answers)
    assert status == 0
    assert b"encrypted" in shown
    assert b"correct horse" not in shown
    assert KeyRing.load(tmp_path / "data" / "keys", "correct horse")


def test_init_refuses_two_different_answers(tmp_path):
    answers = [(b"New passphrase: ", b"correct horse"), (b"Again: ", b"correct house")]
    status, shown = on_terminal(["init", "--passphrase", "--data", tmp_path / "data"], answers)
    assert status == 3
    assert b"the two differ" in shown
    assert not (tmp_path / "data" / "keys").exists()


@pytest.mark.parametrize(("encrypted", "variable"), [(True, "x"), (False, ""), (True, "")])
def test_without_a_terminal_only_the_environment_is_asked(tmp_path, monkeypatch, encrypted, variable):
    KeyRing.create(tmp_path / "keys", "x" if encrypted else None)
    monkeypatch.setenv("ASSAY_KEY_PASSPHRASE", variable)
    assert read_passphrase(tmp_path / "keys") == (variable or None)

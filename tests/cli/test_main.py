"""The entry point: help, usage errors, and faults of assay itself are one line and exit status 3."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from assay.cli.main import COMMANDS, main

BROKEN = """
import sys, types
module = types.ModuleType("assay.cli.policy")
module.configure = lambda parser: None
def run(args): raise ZeroDivisionError("\\x1b[31mred")
module.run = run
sys.modules["assay.cli.policy"] = module
from assay.cli.main import main
sys.argv = ["assay", "policy"]
sys.exit(main())
"""


def test_help_names_every_command_and_imports_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in COMMANDS)
    script = "import sys; from assay.cli.main import main; main([]); print([m for m in sys.modules if 'assay.' in m])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "['assay.cli', 'assay.cli.main']"


def test_it_runs_as_a_module_too() -> None:
    done = subprocess.run([sys.executable, "-m", "assay", "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()[0], done.stderr) == (0, "assay", "")


@pytest.mark.parametrize("arguments", [["nonsense"], ["scan"], ["scan", "--nonsense", "x"], ["--nonsense"]])
def test_usage_errors_are_one_line_and_three(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 3
    err = capsys.readouterr().err
    assert err.startswith("assay: error: ")
    assert err.count("\n") == 1


def test_a_fault_of_our_own_is_one_escaped_line_and_three(tmp_path: Path) -> None:
    env = {k: v for k, v in os.environ.items() if k != "ASSAY_DEBUG"}
    done = subprocess.run(
        [sys.executable, "-c", BROKEN], capture_output=True, text=True, check=False, env=env, cwd=tmp_path
    )
    assert done.returncode == 3
    assert done.stderr.startswith("assay: error: internal fault: ZeroDivisionError: \\x1b[31mred")
    assert done.stderr.count("\n") == 1
    debug = subprocess.run(
        [sys.executable, "-c", BROKEN],
        capture_output=True,
        text=True,
        check=False,
        env=env | {"ASSAY_DEBUG": "1"},
        cwd=tmp_path,
    )
    assert debug.returncode == 3
    assert "Traceback" in debug.stderr

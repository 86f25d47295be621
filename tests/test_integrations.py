"""The pre-commit hooks and the GitHub Action: their files parse, name what exists, and their commands really run."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from assay.cli import scan
from assay.cli.main import COMMANDS
from assay.formats.sniff_tables import EXPECTED

ROOT = Path(__file__).resolve().parent.parent
HOOKS: dict[str, dict[str, Any]] = {h["id"]: h for h in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
PAGE = ROOT / "docs/howto/ci.md"
BIN = Path(sys.executable).parent
POISONED = b"\x80\x04cposix\nsystem\n\x8c\x0ftouch poisoned!\x85R."
# What no loader of models reads: documents and pictures. Python and shell are for assay-scan-all: most of a repository.
NO_MODEL = {
    ".json", ".jsonl", ".ipynb", ".txt", ".md", ".rst", ".yaml", ".yml", ".toml", ".csv", ".tsv", ".py", ".sh", ".xml",
    ".cfg", ".ini", ".html", ".png", ".jpg", ".jpeg", ".gif", ".webp", ".pdf", ".parquet", ".arrow", ".mp4", ".wav",
    ".svg", ".gitattributes", ".gitignore",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "clean.pkl").write_bytes(pickle.dumps({"a": [1.5, "x"]}))
    (tmp_path / "poisoned.pkl").write_bytes(POISONED)
    return tmp_path


def hook(identity: str, files: list[str], cwd: Path, args: list[str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a hook as pre-commit does: entry, args, and the names that fit its pattern."""
    entry = HOOKS[identity]
    named = [f for f in files if re.search(entry.get("files", ""), f)]
    command = [*entry["entry"].split(), *(entry["args"] if args is None else args), *named]
    return subprocess.run(
        [BIN / command[0], *command[1:]], cwd=cwd, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize("identity", ["assay-scan", "assay-scan-all"])
def test_a_hook_stops_a_poisoned_file_and_passes_a_clean_one(identity: str, folder: Path) -> None:
    clean = hook(identity, ["clean.pkl"], folder)
    assert (clean.returncode, clean.stderr) == (0, "")
    poisoned = hook(identity, ["clean.pkl", "poisoned.pkl"], folder)
    assert poisoned.returncode == 1
    assert "posix.system('touch poisoned!')" in poisoned.stdout
    assert not (folder / "poisoned!").exists()


def test_hooks_fit_the_command_line(folder: Path) -> None:
    for entry in HOOKS.values():
        program, command, *options = entry["entry"].split()
        assert program == "assay"
        assert command in COMMANDS
        assert options == ["--quiet"]
        assert entry["args"][-1] == "--", "a file named --ignore-file=x.pkl would be an option"
        assert entry["pass_filenames"] is True
        assert entry["language"] == "python"
    assert hook("assay-scan", ["poisoned.pkl"], folder, ["--fail-on", "critical", "--"]).returncode == 1


def test_a_file_named_like_an_option_is_a_file(folder: Path) -> None:
    excuse = '[[ignore]]\nrule = "pickle-dangerous-call"\nreason = "x"\nuntil = 2999-01-01\n'
    (folder / "excuse.pkl").write_text(excuse)
    (folder / "--ignore-file=excuse.pkl").write_bytes(pickle.dumps([1]))
    names = ["--ignore-file=excuse.pkl", "poisoned.pkl"]
    done = hook("assay-scan", names, folder)
    assert done.returncode == 1
    assert "posix.system" in done.stdout


def test_the_pattern_knows_what_the_scanner_knows() -> None:
    pattern = re.compile(HOOKS["assay-scan"]["files"])
    missed = sorted(suffix for suffix in EXPECTED.keys() - NO_MODEL if not pattern.search(f"a/model{suffix}"))
    assert not missed, f"add to .pre-commit-hooks.yaml, or to NO_MODEL here: {missed}"
    for name in (
        "pytorch_model.bin",
        "x.WEIGHTS",
        "config.json",
        "m/tokenizer_config.json",
        "a.safetensors.index.json",
    ):
        assert pattern.search(name), name
    for name in ("setup.py", "README.md", "package.json", "data.json", "bin", "a.pkl.py", "models.txt"):
        assert not pattern.search(name), name


def step(identity: str) -> dict[str, Any]:
    return next(s for s in ACTION["runs"]["steps"] if s.get("id") == identity)


def act(workspace: Path, **inputs: str) -> tuple[subprocess.CompletedProcess[str], str]:
    """Run the scan step as a runner does: inputs by their expressions in `env`, defaults from the file."""
    temporary = workspace.parent / "runner"
    (temporary / "assay/bin").mkdir(parents=True, exist_ok=True)
    program = temporary / "assay/bin/assay"
    program.unlink(missing_ok=True)
    program.symlink_to(BIN / "assay")
    output = temporary / "output"
    output.write_text("")
    values = {name: spec["default"] for name, spec in ACTION["inputs"].items()} | {
        name.replace("_", "-"): value for name, value in inputs.items()
    }
    env = {key: values[re.fullmatch(r"\$\{\{ inputs\.([a-z-]+) \}\}", v)[1]] for key, v in step("scan")["env"].items()}  # type: ignore[index]
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step("scan")["run"]],
        cwd=workspace, capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, **env, "RUNNER_TEMP": str(temporary), "GITHUB_OUTPUT": str(output)},
    )  # fmt: skip
    return done, output.read_text()


def workspace(tmp_path: Path, **files: bytes) -> Path:
    made = tmp_path / "work"
    made.mkdir()
    for name, data in files.items():
        (made / f"{name}.pkl").write_bytes(data)
    return made


@pytest.mark.parametrize(("data", "status"), [(pickle.dumps([1]), 0), (POISONED, 1)])
def test_the_action_passes_on_what_the_scan_says(data: bytes, status: int, tmp_path: Path) -> None:
    done, output = act(workspace(tmp_path, model=data), sarif="report.sarif")
    assert done.returncode == status, done.stderr
    assert output == f"status={status}\n"
    assert '"2.1.0"' in (tmp_path / "work/report.sarif").read_text()


def test_inputs_of_the_action_are_words_and_never_shell(tmp_path: Path) -> None:
    place = workspace(tmp_path, a=pickle.dumps([1]), b=POISONED)
    for hostile in ("a.pkl; touch harm", "$(touch harm)", "`touch harm`", "--no-such-option"):
        done, _ = act(place, path=hostile)
        assert done.returncode == 3, hostile
        assert not (place / "harm").exists()
    assert act(place, path="a.pkl")[0].returncode == 0
    assert act(place, path="a.pkl\nb.pkl\n")[0].returncode == 1
    assert act(place, path="a.pkl", fail_on="everything")[0].returncode == 3


def test_unread_fails_unless_it_is_allowed(tmp_path: Path) -> None:
    place = workspace(tmp_path, a=bytes(range(7, 250)) * 3)
    assert act(place)[0].returncode == 2
    assert act(place, allow_unread="true")[0].returncode == 0
    (place / "b.pkl").write_bytes(POISONED)
    assert act(place, allow_unread="true")[0].returncode == 1


def test_the_action_is_what_its_comment_says() -> None:
    assert ACTION["runs"]["using"] == "composite"
    text = (ROOT / "action.yml").read_text()
    steps = ACTION["runs"]["steps"]
    assert not any("uses" in s for s in steps), "other actions would have to be pinned by SHA"
    assert all("${{" not in s["run"] for s in steps), "an expression in a script is shell injection"
    assert "secrets." not in text
    assert "github.token" not in text
    install = steps[0]["run"]
    assert "--require-hashes" in install
    for path in re.findall(r"\$GITHUB_ACTION_PATH/([\w./-]+)", install):
        assert (ROOT / path).exists(), path
    assert set(re.findall(r"inputs\.([a-z-]+)", text)) == set(ACTION["inputs"])
    for option in re.findall(r'"--([a-z-]+)', step("scan")["run"]):
        assert f'"--{option}"' in Path(scan.__file__).read_text() or option == "quiet"


def test_the_page_names_what_exists() -> None:
    text = PAGE.read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    assert len(blocks) >= 3
    parsed = [yaml.safe_load(block) for block in blocks]
    configured = next(block for block in parsed if "repos" in block)
    assert {h["id"] for repo in configured["repos"] for h in repo["hooks"]} <= set(HOOKS)
    assert all(h["args"][-1] == "--" for repo in configured["repos"] for h in repo["hooks"] if "args" in h)
    used = [s for block in parsed for job in block.get("jobs", {}).values() for s in job["steps"]]
    ours = [s for s in used if "assay@" in s.get("uses", "")]
    assert ours
    assert all(set(s.get("with", {})) <= set(ACTION["inputs"]) for s in ours)
    assert all(re.search(r"@(<[\w ]+>|[0-9a-f]{40})$", s["uses"]) for s in used if "uses" in s), "pin by SHA"
    for name in ACTION["inputs"]:
        assert f"`{name}`" in text
    help_text = subprocess.run([BIN / "assay", "scan", "--help"], capture_output=True, text=True, check=True).stdout
    for line in re.findall(r"assay scan .*", text):
        for option in re.findall(r"(--[a-z-]+)", line):
            assert option in help_text, line

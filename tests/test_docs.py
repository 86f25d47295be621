"""Docs that fail: commands, settings, exit codes, links and the capability table are compared with the code."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from importlib import import_module
from itertools import takewhile
from pathlib import Path

import pytest

from assay.cli.main import COMMANDS
from assay.cli.settings import SETTINGS_KEYS

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def test_every_command_stands_in_readme() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    missing = [name for name in COMMANDS if f"assay {name}" not in readme]
    assert not missing


def test_readme_opens_with_the_two_commands() -> None:
    head = (ROOT / "README.md").read_text("utf-8")[:1500]
    assert "make demo" in head
    assert "make test" in head


def test_reference_pages_are_current() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/make_reference.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_setting_is_documented() -> None:
    page = (ROOT / "docs/reference/settings.md").read_text("utf-8")
    assert all(f"ASSAY_{key.upper()}" in page for key in SETTINGS_KEYS)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_local_links_lead_somewhere(page: Path) -> None:
    targets = [t for t in LINK.findall(page.read_text("utf-8")) if "://" not in t and not t.startswith("mailto:")]
    broken = [t for t in targets if not (page.parent / t).exists()]
    assert not broken


def test_capability_rows_name_tests_that_exist() -> None:
    page = (ROOT / "docs/capabilities.md").read_text("utf-8")
    rows = re.findall(r"^\| \d+ .*$", page, flags=re.MULTILINE)
    assert len(rows) == 17
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        named = re.findall(r"`((?:tests|bench|scripts)/[^`]+)`", cells[3])
        assert all((ROOT / path).exists() for path in named), row
        if "✓" in row:
            assert named, f"a ✓ without a test: {row}"


def test_no_page_names_a_command_that_does_not_exist() -> None:
    for page in PAGES:
        text = page.read_text("utf-8")
        used = set(re.findall(r"^\$ assay ([a-z]+)", text, flags=re.MULTILINE))
        assert used <= set(COMMANDS), (page, used - set(COMMANDS))


def shown(page: Path) -> list[list[str]]:
    """Lines `$ assay …` of a page, as a shell takes them apart; up to a comment, a pipe or a redirection."""
    text = page.read_text("utf-8").replace("\\\n", " ")
    lines = re.findall(r"^\$ (?:[A-Z_]+=\S+ )*assay +(.*)$", text, flags=re.MULTILINE)
    parts = (shlex.split(line, comments=True) for line in lines)
    return [list(takewhile(lambda part: part not in {"|", ">", ">>", "&&", "&", "2>"}, line)) for line in parts]


def test_every_command_line_that_is_shown_is_understood() -> None:
    parsers: dict[str, argparse.ArgumentParser] = {}
    wrong = []
    for page in PAGES:
        for name, *arguments in shown(page):
            if name not in parsers:
                parsers[name] = argparse.ArgumentParser(prog=name, exit_on_error=False)
                import_module(COMMANDS[name][0]).configure(parsers[name])
            try:
                parsers[name].parse_args(arguments)
            except (argparse.ArgumentError, SystemExit) as error:
                wrong.append((page.name, name, arguments, str(error)))
    assert wrong == []
    assert len(parsers) > len(COMMANDS) // 2

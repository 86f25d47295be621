"""How bad what a repository makes tools run by themselves is."""

from __future__ import annotations

import tomllib
from itertools import islice
from typing import TYPE_CHECKING, Any

from assay.core.errors import ContentError
from assay.core.finding import Confidence, Severity
from assay.formats.json_text import read_json
from assay.formats.yaml_text import read_yaml
from assay.inspections.sourcecode_scripts import ACTS, judge_requirements
from assay.sourcecode.automation import (
    Command,
    conda_requirements,
    is_git_settings,
    project_requirements,
    read_git_settings,
    reader_of,
    without_comments,
)
from assay.sourcecode.shell import read_shell
from assay.sourcecode.startup import startup_commands

if TYPE_CHECKING:
    from assay.core.limits import Limits
    from assay.inspections.parts import Collector

CONDA = frozenset(("environment.yml", "environment.yaml", "conda.yml", "conda.yaml", "conda_env.yml", "conda_env.yaml"))
PROJECT = "pyproject.toml"
_TOLD = 500  # commands of a file that are reported; all are read, and of the rest those told that are worse
_YAML = (".yml", ".yaml", "mlproject")


def judge_automation(path: str, data: bytes, limits: Limits, out: Collector) -> None:
    """Report commands that run by themselves, and requirements in files that only conda or a build reads.

    Raises:
        ContentError: the file is none of its kind.
    """
    text = data.decode("utf-8", "replace")
    base = path.rpartition("/")[2].lower()
    if is_git_settings(path):
        for command in islice(read_git_settings(text), _TOLD):
            message = f"a command runs when {command.when}: {command.text[:300]}"
            out.finding("automatic-command", Severity.HIGH, Confidence.HIGH, message, command=command.text[:500])
        return
    if (lines := startup_commands(path, text)) is not None:
        for command in islice(lines, _TOLD):
            message = f"a line runs when {command.when}: {command.text[:300]}"
            out.finding("automatic-command", Severity.MEDIUM, Confidence.HIGH, message, command=command.text[:500])
        return
    value = _parsed(base, text, limits)
    if base in CONDA or base == PROJECT:
        judge_requirements(conda_requirements(value) if base in CONDA else project_requirements(value), out)
    elif read := reader_of(path):
        worst = Severity.NOTE
        for number, command in enumerate(read(value)):
            worst = max(worst, _judge(command, out, least=worst if number >= _TOLD else None))


def _parsed(base: str, text: str, limits: Limits) -> Any:
    if base.endswith(_YAML):
        return read_yaml(text, depth=limits.json_depth).value
    if base == PROJECT:
        try:
            return tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise ContentError(f"no TOML: {error}") from error
    return read_json(without_comments(text).encode(), depth=limits.json_depth).value


def _judge(command: Command, out: Collector, *, least: Severity | None) -> Severity:
    """Report a command, where `least` is given only if it is worse; gives how bad it is."""
    acts = read_shell(command.text)
    worst = max((ACTS[act.kind] for act in acts), default=Severity.NOTE)
    if command.person:
        worst = max(worst, Severity.LOW)
    elif worst < Severity.HIGH:
        worst = min(worst, Severity.LOW)  # it runs on a server that somebody set up for this
    if least is not None and worst <= least:
        return worst
    what = f" ({', '.join(sorted({act.kind for act in acts}))})" if acts else ""
    message = f"a command runs when {command.when}{what}: {command.text[:300]}"
    out.finding("automatic-command", worst, Confidence.HIGH, message, command=command.text[:500])
    return worst

"""The table of frameworks (`frameworks.toml`)."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Framework:
    """One data file; the fields are explained in `frameworks.toml`."""

    key: str
    packages: list[str]
    classes: list[str]
    functions: list[str]
    left_out: list[str]
    extensions: list[str]
    reviewed: dict[str, dict[str, str]]
    states: dict[str, list[str]]


def frameworks() -> list[Framework]:
    """All of them, in the order of the table."""
    text = Path(__file__).with_suffix(".toml").read_text("utf-8")
    return [_framework(key, table) for key, table in tomllib.loads(text).items()]


def _framework(key: str, table: dict) -> Framework:
    reviewed = {
        module: {name: use for use, names in uses.items() for name in names.split()}
        for module, uses in table.get("reviewed", {}).items()
    }
    lists = {name: table.get(name, []) for name in ("packages", "classes", "functions", "left_out", "extensions")}
    return Framework(key=key, reviewed=reviewed, states=table.get("states", {}), **lists)

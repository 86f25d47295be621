"""Read a Jupyter notebook (nbformat 3 and 4): its code cells as one Python text, its shell lines, active outputs."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.errors import ContentError, LimitExceeded

if TYPE_CHECKING:
    from assay.core.limits import Limits

_MAGIC = re.compile(r"^\s*%%?(\w+)\s*(.*)$")
_SHELL_CELLS = frozenset(("bash", "sh", "script", "system", "sx", "cmd"))
_ACTIVE = re.compile(r"<script\b|javascript:|\bon(?:error|load|click)\s*=|<iframe\b", re.IGNORECASE)


@dataclass(frozen=True)
class Notebook:
    """One notebook.

    Attributes:
        python: all code cells, line by line, `!` and `%` lines blanked, so that line numbers hold.
        shell: the shell lines, at the same line numbers.
        active_outputs: output cells with HTML that runs scripts, as (cell number, excerpt).
        cells: code cells.
        language: of the kernel; empty when not said.
    """

    python: str
    shell: str
    active_outputs: tuple[tuple[int, str], ...]
    cells: int
    language: str


def read_notebook(data: bytes, limits: Limits) -> Notebook:
    """Read one notebook.

    Raises:
        ContentError: when it is no notebook.
        LimitExceeded: when it is longer than `limits.text_bytes`.
    """
    if len(data) > limits.text_bytes:
        raise LimitExceeded("text_bytes", f"notebook is longer than {limits.text_bytes} bytes")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ContentError(f"notebook is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ContentError("notebook is not a JSON object")
    cells = _cells(document)
    python: list[str] = []
    shell: list[str] = []
    active: list[tuple[int, str]] = []
    count = 0
    for number, cell in enumerate(cells):
        if cell.get("cell_type") != "code":
            continue
        count += 1
        _split(_text(cell.get("source", cell.get("input", ""))), python, shell)
        active += [(number, excerpt) for excerpt in _active(cell.get("outputs"))]
    metadata = document.get("metadata")
    return Notebook("\n".join(python), "\n".join(shell), tuple(active[:100]), count, _language(metadata))


def _cells(document: dict[str, Any]) -> list[dict[str, Any]]:
    cells = document.get("cells")
    if not isinstance(cells, list):  # nbformat 3 keeps them in worksheets
        sheets = document.get("worksheets")
        found = [s.get("cells") for s in sheets if isinstance(s, dict)] if isinstance(sheets, list) else []
        cells = [cell for part in found if isinstance(part, list) for cell in part]
    return [cell for cell in cells if isinstance(cell, dict)]


def _text(source: Any) -> str:
    if isinstance(source, list):
        return "".join(part for part in source if isinstance(part, str))
    return source if isinstance(source, str) else ""


def _split(source: str, python: list[str], shell: list[str]) -> None:
    """Add one cell's lines to both texts, each line in one of them."""
    lines = source.splitlines() or [""]
    first = _MAGIC.match(lines[0]) if lines[0].lstrip().startswith("%%") else None
    if first is not None:
        runs_shell = first.group(1) in _SHELL_CELLS
        for index, line in enumerate(lines):
            shell.append(line if runs_shell and index else "")
            python.append(
                line if not runs_shell and index and first.group(1) in {"time", "timeit", "capture", "prun"} else ""
            )
        return
    for line in lines:
        bare = line.lstrip()
        inline = re.match(r"[\w, ]*=?\s*!(?!=)(.*)", bare)
        magic = _MAGIC.match(line)
        if inline and (bare.startswith("!") or "=" in bare.partition("!")[0]):
            shell.append(inline.group(1).lstrip("!"))
            python.append(" " * (len(line) - len(bare)) + "pass")
        elif magic and bare.startswith("%"):
            runs = magic.group(1) in {"sx", "system", "pip", "conda", "run"}
            shell.append(
                f"{'' if magic.group(1) in {'sx', 'system'} else magic.group(1) + ' '}{magic.group(2)}" if runs else ""
            )
            python.append(" " * (len(line) - len(bare)) + "pass")
        else:
            python.append(line)
            shell.append("")


def _active(outputs: Any) -> list[str]:
    found = []
    for output in outputs if isinstance(outputs, list) else []:
        data = output.get("data") if isinstance(output, dict) else None
        for kind, value in data.items() if isinstance(data, dict) else ():
            if "html" in kind or "javascript" in kind or "svg" in kind:
                text = _text(value)
                match = _ACTIVE.search(text)
                if match or "javascript" in kind:
                    start = match.start() if match else 0
                    found.append(text[start : start + 200])
    return found


def _language(metadata: Any) -> str:
    spec = metadata.get("kernelspec") if isinstance(metadata, dict) else None
    language = spec.get("language", spec.get("name", "")) if isinstance(spec, dict) else ""
    return language if isinstance(language, str) else ""

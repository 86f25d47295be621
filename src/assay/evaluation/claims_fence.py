"""Figures that were printed: scikit-learn's classification report, `accuracy: 0.91`, `{'eval_accuracy': 0.91}`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from assay.evaluation.claims import Claim, make_claim
from assay.evaluation.claims_place import named_there
from assay.evaluation.claims_tables import from_table
from assay.evaluation.names import metric_within, squeeze
from assay.evaluation.values import figure_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assay.evaluation.claims_html import Row
    from assay.evaluation.claims_place import Place

MAX_REPORT = 400  # lines
_MAX_TEXT = 4000  # characters that are searched for names of data
_TITLES = ["precision", "recall", "f1score", "support"]
_PRINTED = {"", "text", "txt", "plain", "plaintext", "console", "output", "log", "json", "yaml", "yml", "none", "raw",
            "bash", "sh", "shell", "shell-session"}  # fmt: skip
_LINE = re.compile(r"^\W*([A-Za-z][\w .()/-]{0,60}?)\s*[:=]\s*([~≈]?[\d.][\d.,]*\s*%?)\W*$")
_ENTRY = re.compile(r"['\"]([\w./ -]{1,60})['\"]\s*:\s*(?:np\.float\d+\()?([\d.]+(?:e-?\d+)?)(?![\w.])")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)?%?|nan")


def is_report(line: str) -> bool:
    """Whether a line is the head of a classification report."""
    return [squeeze(word) for word in line.replace("|", " ").split()[-4:]] == _TITLES and "|" not in line


def from_report(lines: Sequence[str], first_line: int, place: Place) -> tuple[list[Claim], int]:
    """Claims of a classification report whose head is the first line, and how many lines it has."""
    rows: list[Row] = []
    size = 1
    for index, line in enumerate(lines[1:MAX_REPORT], 1):
        words = line.split()
        figures = next((n for n in range(min(4, len(words) - 1), 0, -1) if _figures(words[-n:])), 0)
        if not figures:
            if line.strip():
                break
            continue
        size = index + 1
        name = " ".join(words[:-figures])
        cells = words[-figures:] if figures == len(_TITLES) else ["", "", *words[-figures:]][-4:]
        rows.append((first_line + index, [name, *cells]))
    return from_table(["", "precision", "recall", "f1-score", "support"], rows, place), size


def _figures(words: list[str]) -> bool:
    return all(_NUMBER.fullmatch(word) for word in words)


def from_fence(lines: Sequence[str], first_line: int, language: str, place: Place) -> list[Claim]:
    """Claims of a block of output; one of code has none. Of a metric that is printed again and again, the last.

    Args:
        lines: of the block.
        first_line: number of the first.
        language: as written behind the fence.
        place: where it stands.
    """
    found: dict[str, Claim] = {}
    places = tuple(dict.fromkeys([*named_there(" ".join(lines)[:_MAX_TEXT]), *place.above]))
    for index, line in enumerate(lines if language.strip().lower() in _PRINTED else ()):
        pairs = entries_in(line)
        if not pairs and (match := _LINE.match(line)):
            pairs = [(match[1], match[2])]
        about: dict[str, Any] = {"source": place.source, "line": first_line + index, "doubtful": True}
        for name, value in pairs:
            if metric_within(name)[0] and figure_in(value) is not None and "train" not in name.lower():
                claim = make_claim(name, value, places=places, **about)
                found[claim.metric] = claim
    return list(found.values())


def entries_in(text: str) -> list[tuple[str, str]]:
    """Names and figures of a printed mapping: `{'eval_accuracy': 0.91}`."""
    return [(match[1], match[2]) for match in _ENTRY.finditer(text)]

"""Claims in result files: which files hold results, and how each kind is read (JSON, JSON lines, YAML, CSV, text).

A file is taken for results by its name (`evaluation_results.json`, `eval_results_sst2.json`, `metrics.yaml`,
`results/sst2.json`). What its name and folders say beside that may be the name of the data, where a suite goes by it.
"""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from assay.core.errors import ContentError
from assay.evaluation.claims_file import from_claims_file, is_claims_file
from assay.evaluation.claims_place import Place
from assay.evaluation.claims_results import from_harness, from_trainer, is_harness, is_trainer
from assay.evaluation.claims_tables import from_table
from assay.evaluation.claims_walk import from_free_form
from assay.evaluation.claims_yaml import FOLDER, SUFFIXES, from_eval_results
from assay.evaluation.names import metric_within
from assay.evaluation.positions import value_lines
from assay.evaluation.values import figure_in
from assay.formats.json_text import read_json
from assay.formats.yaml_text import read_yaml

if TYPE_CHECKING:
    from collections.abc import Callable

    from assay.evaluation.claims import Claim

MAX_ROWS = 5000  # of a table or of JSON lines
_JSON_DEPTH = 64
_YAML_DEPTH = 32
_WORDS = {"eval", "evals", "evaluation", "evaluations", "metric", "metrics", "result", "results", "score", "scores",
          "benchmark", "benchmarks", "claims"}  # fmt: skip
_BESIDE = _WORDS | {"all", "test", "predict", "validation", "val", "dev", "report", "final", "model", "output",
                    "outputs", "lm", "run", "summary", "checkpoint", "trainer", "state", "best", "json"}  # fmt: skip
_NAMES = {"trainer_state", "model_card", "modelcard", "model-card", "wandb-summary"}
_TYPES = (".json", ".jsonl", ".ndjson", ".yaml", ".yml", ".csv", ".tsv", ".txt")
_LINE = re.compile(r"\s*([\w ./-]{1,80}?)\s*[=:]\s*(\S.{0,60}?)\s*")
_STARS = re.compile(r"\s*\*{3,}\s*(.{1,80}?)\s*\*{3,}\s*")


def holds_results(path: str) -> bool:
    """Whether a file says by its name, or by its folder's, that results are in it."""
    parts = path.lower().split("/")
    if not parts[-1].endswith(_TYPES):
        return False
    if FOLDER in parts[:-1]:
        return parts[-1].endswith(SUFFIXES)
    stem = parts[-1].rsplit(".", 1)[0]
    if stem in _NAMES:
        return True
    words = set(re.findall(r"[a-z]+", stem))
    if words & {"config", "configs", "args", "prompts", "samples", "predictions", "data", "tokenizer", "generated"}:
        return False
    return bool(words & _WORDS) or _by_folder(parts)


def is_sure(path: str) -> bool:
    """Whether a file's own name says that results are in it: one that can't be read is then unread."""
    return not _by_folder(path.lower().split("/")) or holds_results(path.rpartition("/")[2])


def _by_folder(parts: list[str]) -> bool:
    return parts[-1].endswith(".json") and any(set(re.findall(r"[a-z]+", folder)) & _WORDS for folder in parts[:-1])


def from_result_file(path: str, data: bytes, problem: Callable[[str], None]) -> list[Claim]:
    """Claims of a result file.

    Args:
        path: in the snapshot; its ending says what it is.
        data: its bytes.
        problem: told what else a reader may see in it.

    Raises:
        ContentError: when it is not what its name says.
    """
    lower = path.lower()
    text = data.decode("utf-8", "replace")
    if lower.endswith(SUFFIXES):
        claims = from_eval_results(text, path) if FOLDER in path.split("/")[:-1] else from_yaml(text, path)
    elif lower.endswith((".jsonl", ".ndjson")):
        claims = _json_lines(text, path)
    elif lower.endswith((".csv", ".tsv")):
        claims = _table(text, path, "\t" if lower.endswith(".tsv") else ",")
    elif lower.endswith(".txt"):
        claims = _text(text, path)
    else:
        document = read_json(data, depth=_JSON_DEPTH)
        claims = from_document(document.value, path, value_lines(text))
        for anomaly in document.anomalies if claims else ():
            problem(anomaly.detail)
    hints = _hints(path)
    return [claim if claim.dataset else replace(claim, places=(*claim.places, *hints)) for claim in claims]


def from_document(value: Any, source: str, lines: Any) -> list[Claim]:
    """Claims of a parsed document, by what it looks like."""
    if is_harness(value):
        return from_harness(value, source, lines)
    if is_trainer(value) and not any(isinstance(item, dict) for item in value.values()) and not _names_data(value):
        return from_trainer(value, source, lines)
    return from_claims_file(value, source, lines) if is_claims_file(value) else from_free_form(value, source, lines)


def from_yaml(text: str, source: str) -> list[Claim]:
    """Claims of a YAML file outside the hub's own folder.

    Raises:
        ContentError: when it is no YAML of the bounded kind.
    """
    document = read_yaml(text, depth=_YAML_DEPTH, aliases=True)
    value = document.value
    if isinstance(value, list) and value and all(_is_listed(entry) for entry in value):
        return from_eval_results(text, source)
    return from_document(value, source, document.lines)


def _is_listed(entry: Any) -> bool:
    data = entry.get("dataset") if isinstance(entry, dict) else None
    return isinstance(data, dict) and "task_id" in data and "value" in entry


def _names_data(value: dict[str, Any]) -> bool:
    return any("dataset" in key.lower() and isinstance(item, str) for key, item in value.items())


def _hints(path: str) -> tuple[str, ...]:
    """Words of the path that are none for results: `eval_results_sst2.json`, `eval/sst2/results.json`."""
    parts = path.lower().split("/")
    parts[-1] = parts[-1].rsplit(".", 1)[0]
    hints = []
    for part in reversed(parts):
        kept = [word for word in re.split(r"[_\-. ]+", part) if word not in _BESIDE]
        if kept and not re.fullmatch(r"[\d:t]+", "".join(kept)):
            hints.append("-".join(kept))
    return tuple(hints)


def _json_lines(text: str, path: str) -> list[Claim]:
    claims = []
    for number, line in enumerate(text.splitlines()[:MAX_ROWS], start=1):
        if line.strip():
            value = read_json(line.encode(), depth=_JSON_DEPTH).value
            found = from_document(value, path, {})
            claims += [replace(claim, line=number) for claim in found]
    return claims


def _table(text: str, path: str, separator: str) -> list[Claim]:
    try:
        rows = [(number, row) for number, row in enumerate(csv.reader(text.splitlines(), delimiter=separator), start=1)]
    except csv.Error as error:
        raise ContentError(f"not a table: {error}") from error
    rows = [row for row in rows[:MAX_ROWS] if any(row[1])]
    if len(rows) < 2:  # noqa: PLR2004 - a header and a row
        return []
    cells = [(number, [cell.strip() for cell in row]) for number, row in rows]
    return from_table(cells[0][1], cells[1:], Place(path, ()))


def _text(text: str, path: str) -> list[Claim]:
    """`eval_results.txt` of older Trainers: `***** Eval results sst-2 *****`, then `acc = 0.9` lines."""
    claims: list[Claim] = []
    place = ""
    for number, line in enumerate(text.splitlines()[:MAX_ROWS], start=1):
        if stars := _STARS.fullmatch(line):
            place = " ".join(word for word in stars[1].split() if word.lower() not in _BESIDE)
        elif (pair := _LINE.fullmatch(line)) and metric_within(pair[1])[0] and figure_in(pair[2]):
            found = from_trainer({pair[1].strip(): pair[2]}, path, {(pair[1].strip(),): number})
            claims += [replace(claim, places=(place,) if place else ()) for claim in found]
    return claims

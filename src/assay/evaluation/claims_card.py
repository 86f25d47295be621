"""Claims in a model card: `model-index` of the front matter, and figures in Markdown tables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from assay.core.errors import ContentError
from assay.evaluation.claims import Claim, make_claim, number_in
from assay.evaluation.names import metric_name, squeeze
from assay.formats.yaml_text import read_yaml

if TYPE_CHECKING:
    from collections.abc import Callable

_YAML_DEPTH = 16
_ROW = re.compile(r"^\s*\|?(.+?)\|?\s*$")
_RULE = re.compile(r"^\s*\|?\s*:?-{2,}:?\s*(?:\|\s*:?-{2,}:?\s*)*\|?\s*$")
_COLUMNS = {
    "dataset": {"dataset", "data", "benchmark", "testset", "corpus", "evaluationset"},
    "task": {"task", "tasktype"},
    "split": {"split", "subset"},
    "metric": {"metric", "metrics", "measure"},
    "value": {"value", "score", "result", "results", "performance"},
}


def from_card(text: str, source: str, problem: Callable[[str], None]) -> list[Claim]:
    """Claims of a README.

    Args:
        text: the whole file.
        source: its path.
        problem: told when the front matter can't be read.
    """
    front, body, body_line = split_front_matter(text)
    claims: list[Claim] = []
    if front:
        try:
            document = read_yaml(front, depth=_YAML_DEPTH, first_line=2)
        except ContentError as error:
            problem(f"front matter: {error}")
        else:
            claims += _model_index(document.value, source, document.lines)
    return claims + _tables(body, source, body_line)


def split_front_matter(text: str) -> tuple[str, str, int]:
    """Front matter, the rest, and the line on which the rest begins."""
    lines = text.lstrip("\ufeff").splitlines()
    if lines and lines[0].strip() == "---":
        for index in range(1, len(lines)):
            if lines[index].strip() == "---":
                return "\n".join(lines[1:index]), "\n".join(lines[index + 1 :]), index + 2
    return "", "\n".join(lines), 1


def _model_index(front: Any, source: str, lines: dict[tuple[str | int, ...], int]) -> list[Claim]:
    """`model-index: [{results: [{task: {type}, dataset: {name, type, split}, metrics: [{type, value}]}]}]`."""
    claims = []
    index = front.get("model-index") if isinstance(front, dict) else None
    for m, model in enumerate(index if isinstance(index, list) else []):
        results = model.get("results") if isinstance(model, dict) else None
        for r, result in enumerate(results if isinstance(results, list) else []):
            metrics = result.get("metrics") if isinstance(result, dict) else None
            for k, metric in enumerate(metrics if isinstance(metrics, list) else []):
                if not isinstance(metric, dict) or "value" not in metric:
                    continue
                line = lines.get(("model-index", m, "results", r, "metrics", k, "value"))
                claims.append(_indexed(result, metric, source, line))
    return claims


def _indexed(result: dict[str, Any], metric: dict[str, Any], source: str, line: int | None) -> Claim:
    kind, name = str(metric.get("type", "")), str(metric.get("name", ""))
    dataset = _mapping(result.get("dataset"))
    config = str(dataset.get("config") or "")
    names = [str(dataset.get(key) or "") for key in ("type", "name")]
    # A benchmark of many (glue) is known by its configuration (sst2).
    chosen = config if config and squeeze(config) not in {"default", "all", "plaintext"} else names[0] or names[1]
    task = _mapping(result.get("task"))
    return make_claim(
        name if metric_name(name) and not metric_name(kind) else kind or name,
        metric["value"],
        source=source,
        line=line,
        task=str(task.get("type") or task.get("name") or ""),
        dataset=chosen,
        split=str(dataset.get("split") or ""),
    )


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _tables(body: str, source: str, first_line: int) -> list[Claim]:
    """Figures in tables whose header names a metric, or a metric and a value column."""
    claims: list[Claim] = []
    lines = body.splitlines()
    index, fenced = 0, False
    while index < len(lines):
        if lines[index].lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        if not fenced and index + 1 < len(lines) and "|" in lines[index] and _RULE.match(lines[index + 1]):
            header = _cells(lines[index])
            index += 2
            while index < len(lines) and "|" in lines[index]:
                claims += _row(header, _cells(lines[index]), source, first_line + index)
                index += 1
            continue
        index += 1
    return claims


def _cells(line: str) -> list[str]:
    match = _ROW.match(line)
    return [cell.strip().strip("*_` ") for cell in match.group(1).split("|")] if match else []


def _row(header: list[str], cells: list[str], source: str, line: int) -> list[Claim]:
    roles = {role: i for i, title in enumerate(header) for role, words in _COLUMNS.items() if squeeze(title) in words}
    context = {
        role: cells[roles[role]] for role in ("dataset", "task", "split") if role in roles and roles[role] < len(cells)
    }
    if "metric" in roles and "value" in roles and max(roles["metric"], roles["value"]) < len(cells):
        metric, value = cells[roles["metric"]], cells[roles["value"]]
        if metric_name(metric) and number_in(value) is not None:
            return [make_claim(metric, value, source=source, line=line, **context)]
        return []
    claims = []
    for title, value in zip(header, cells, strict=False):
        if metric_name(_bare(title)) and number_in(value) is not None:
            claims.append(make_claim(_bare(title), _with_unit(title, value), source=source, line=line, **context))
    if not claims and cells and metric_name(_bare(cells[0])):
        pairs = zip(header[1:], cells[1:], strict=False)
        claims += [_turned(cells[0], title, value, source, line) for title, value in pairs if number_in(value)]
    return claims


def _turned(metric: str, title: str, value: str, source: str, line: int) -> Claim:
    """A row `| accuracy | 0.91 |` under the headers of data sets, or of a value column."""
    named = squeeze(title) not in _COLUMNS["value"] and squeeze(title) not in {"", "ours", "model", "thismodel"}
    return make_claim(
        _bare(metric), _with_unit(metric, value), source=source, line=line, dataset=title if named else ""
    )


def _bare(title: str) -> str:
    return re.sub(r"\s*[(\[]?%[)\]]?\s*", "", title)


def _with_unit(title: str, value: str) -> str:
    return f"{value}%" if "%" in title and "%" not in value else value

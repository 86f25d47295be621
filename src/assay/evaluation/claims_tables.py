"""Claims in the body of a model card: Markdown tables, and lists of figures as Trainer writes them.

Taken are: a column named for a metric (`Accuracy`, `SST-2 acc. (%)`), a metric column beside a value column, a row that
begins with a metric, and list items (`- Accuracy: 0.91`). The data set is a column's, the header's, or, when a suite
goes by that name, one that stands in the heading or the sentence above. In a table of several models only the
rows about this one are its claims; of a table of training steps only the last row is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from assay.evaluation.claims import Claim, make_claim, number_in
from assay.evaluation.names import metric_within, squeeze

MAX_LINE = 4000  # characters of a line that are read
_RULE = re.compile(r"^\s*\|?\s*:?-{1,}:?\s*(?:\|\s*:?-{1,}:?\s*)*\|?\s*$")
_ITEM = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+(.+?)\s*(?:[:=]|\s[-\u2013]\s)\s*(.+?)\s*$")
_HEADING = re.compile(r"^\s{0,3}#{1,6}\s+(.+?)\s*#*\s*$")
_ON = re.compile(
    r"\b(?:on|for|using)\s+(?:the\s+)?[*_`\"'\[]*([A-Za-z0-9][\w./-]*(?:[ -][A-Za-z0-9][\w./-]*){0,4})", re.IGNORECASE
)
_COLUMNS = {
    "dataset": {"dataset", "data", "benchmark", "testset", "corpus", "evaluationset", "evaldataset", "datasets"},
    "task": {"task", "tasktype"},
    "split": {"split", "subset", "partition"},
    "metric": {"metric", "metrics", "measure", "metricname"},
    "value": {"value", "score", "result", "results", "performance", "figure"},
    "model": {"model", "models", "method", "system", "approach", "modelname", "checkpoint", "name", "architecture"},
    "step": {"epoch", "step", "steps", "epochs", "iteration"},
}
_OURS = ("ours", "thismodel", "thiswork", "thischeckpoint", "proposed")
_OTHERS = "the row is about another model"


@dataclass
class _Place:
    """Where a line stands.

    Attributes:
        source: file.
        own: squeezed names of this model.
        above: what the data may be called, the nearest first.
    """

    source: str
    own: tuple[str, ...]
    above: list[str] = field(default_factory=list)


def from_body(body: str, source: str, first_line: int, own: tuple[str, ...]) -> list[Claim]:
    """Claims of the text below the front matter.

    Args:
        body: Markdown.
        source: its file.
        first_line: number of its first line.
        own: names of this model, as written.
    """
    lines = [line[:MAX_LINE] for line in body.splitlines()]
    title = next((match.group(1) for line in lines if (match := _HEADING.match(line))), "")
    place = _Place(source, tuple(name for name in map(squeeze, (*own, title)) if len(name) > 2))  # noqa: PLR2004
    claims: list[Claim] = []
    index, fenced = 0, False
    while index < len(lines):
        line = lines[index]
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        elif not fenced and index + 1 < len(lines) and "|" in line and _RULE.match(lines[index + 1]):
            end = index + 2
            while end < len(lines) and "|" in lines[end]:
                end += 1
            rows = [(first_line + at, _cells(lines[at])) for at in range(index + 2, end)]
            claims += _table(_cells(line), rows, place)
            index = end
            continue
        elif not fenced:
            claims += _plain_line(line, first_line + index, place)
        index += 1
    return claims


def _plain_line(line: str, number: int, place: _Place) -> list[Claim]:
    """A heading or a sentence tells what follows is about; a list item may be a figure."""
    if heading := _HEADING.match(line):
        place.above = [_clean(heading.group(1)), *_named(heading.group(1))]
        return []
    item = _ITEM.match(line)
    if item and (metric := _clean(item.group(1))) and metric_within(metric)[0] and number_in(_clean(item.group(2))):
        value = _with_unit(metric, _clean(item.group(2)))
        return [make_claim(_bare(metric), value, source=place.source, line=number, places=tuple(place.above))]
    if line.strip():
        place.above = list(dict.fromkeys([*_named(line), *place.above]))[:8]
    return []


def _named(text: str) -> list[str]:
    """What stands behind "on" and "for", from the longest reading to the shortest."""
    found = []
    for match in _ON.finditer(text):
        words = match.group(1).split(" ")
        found += [" ".join(words[:count]).rstrip(".,;:") for count in range(len(words), 0, -1)]
    return found


def _cells(line: str) -> list[str]:
    text = line.strip().replace("\\|", "\0")
    inner = text.removeprefix("|").removesuffix("|")
    return [_clean(cell.replace("\0", "|")) for cell in inner.split("|")]


def _clean(cell: str) -> str:
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", re.sub(r"<[^>]{0,200}>", " ", cell))
    return text.strip().strip("*_` ")


def _table(header: list[str], rows: list[tuple[int, list[str]]], place: _Place) -> list[Claim]:
    roles: dict[str, int] = {}
    for index, title in enumerate(header):
        for role, words in _COLUMNS.items():
            if squeeze(title) in words:
                roles.setdefault(role, index)
    if "step" in roles and len(rows) > 1:
        rows = rows[-1:]
    models = [_at(cells, roles["model"]) for _, cells in rows] if "model" in roles else []
    several = len({squeeze(model) for model in models}) > 1
    ours = [_is_ours(model, place.own) for model in models]
    claims: list[Claim] = []
    for number, (line, cells) in enumerate(rows):
        obstacle = ""
        if several and not ours[number]:
            if any(ours):
                continue
            obstacle = _OTHERS
        more = {role: _at(cells, roles[role]) for role in ("dataset", "task", "split") if role in roles}
        about = {"source": place.source, "line": line, "places": tuple(place.above), "obstacle": obstacle}
        claims += _row(header, cells, roles, more | about, place)
    return claims


def _is_ours(model: str, own: tuple[str, ...]) -> bool:
    name = squeeze(model)
    return any(word in name for word in _OURS) or (bool(name) and name in own)


def _at(cells: list[str], index: int) -> str:
    return cells[index] if index < len(cells) else ""


def _row(
    header: list[str], cells: list[str], roles: dict[str, int], about: dict[str, Any], place: _Place
) -> list[Claim]:
    if "metric" in roles and "value" in roles:
        metric, value = _at(cells, roles["metric"]), _at(cells, roles["value"])
        if metric_within(metric)[0] and number_in(value) is not None:
            return [make_claim(_bare(metric), _with_unit(metric, value), **about)]
        return []
    claims = []
    for title, value in zip(header, cells, strict=False):
        if metric_within(_bare(title))[0] and number_in(value) is not None:
            claims.append(make_claim(_bare(title), _with_unit(title, value), **about))
    if claims or not cells:
        return claims
    first = roles.get("metric", 0)
    metric = _at(cells, first)
    if metric_within(_bare(metric))[0]:
        pairs = [pair for index, pair in enumerate(zip(header, cells, strict=False)) if index != first]
        return [_turned(metric, title, value, about, place) for title, value in pairs if number_in(value) is not None]
    return []


def _turned(metric: str, title: str, value: str, about: dict[str, Any], place: _Place) -> Claim:
    """A row `| accuracy | 0.91 |` under the headers of data sets, of models, or of a value column."""
    plain = squeeze(title)
    named = plain not in _COLUMNS["value"] | {"", "model", "thismodel"} and not _is_ours(title, place.own)
    value = _with_unit(title, _with_unit(metric, value))
    return make_claim(_bare(metric), value, **about | ({"dataset": title} if named else {}))


def _bare(title: str) -> str:
    return re.sub(r"\s*[(\[]?%[)\]]?\s*", "", title)


def _with_unit(title: str, value: str) -> str:
    return f"{value}%" if "%" in title and "%" not in value else value

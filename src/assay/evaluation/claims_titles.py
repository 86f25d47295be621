"""Titles of a table's columns: in one line or two, spelled out, or missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.evaluation.claims_place import bare
from assay.evaluation.names import metric_name, metric_within, squeeze
from assay.evaluation.values import figure_in

if TYPE_CHECKING:
    from assay.evaluation.claims_html import Row

_TITLES = {"p": "precision", "prec": "precision", "r": "recall", "rec": "recall"}  # beside an F1


def titled(header: list[str], rows: list[Row]) -> tuple[list[str], list[Row]]:
    """Titles and the rows below them.

    Args:
        header: cells of the first line.
        rows: line and cells of each further one.
    """
    if rows and not any(header):
        header, rows = rows[0][1], rows[1:]
    elif header and metric_within(bare(header[0]))[0] and any(figure_in(cell) for cell in header[1:]):
        rows = [(rows[0][0] - 2 if rows else 0, header), *rows]  # no titles: the first line is a row
        header = ["", *("value" for _ in header[1:])]
    if rows and (titles := _joined(header, rows[0][1]) or _with_metrics(header, rows[0][1])):
        header, rows = titles, rows[1:]
    return _spelled(header), rows


def _joined(over: list[str], under: list[str]) -> list[str]:
    """Titles in two lines as one: `| | SST-2 | | MRPC | |` over `| Model | Acc | F1 | Acc | F1 |`; others: nothing."""
    metrics = [metric_within(bare(title))[0] for title in under[1:]]
    if (
        len(over) != len(under)
        or "" not in over[1:]
        or not all(metrics)
        or any(metric_within(bare(one))[0] for one in over)
    ):
        return []
    last, made = "", []
    for index, (upper, lower) in enumerate(zip(over, under, strict=True)):
        last = upper or last
        made.append(f"{last} {lower}" if index else lower or upper)
    return made


def _with_metrics(over: list[str], under: list[str]) -> list[str]:
    """Titles over a row that begins with "Metric" and names one for each of them; nothing for others."""
    if not under or squeeze(under[0]).removesuffix("s") != "metric" or len(over) != len(under):
        return []
    if not all(metric_name(one) or not one or not figure_in(one) for one in under[1:]):
        return []
    pairs = zip(over[1:], under[1:], strict=True)
    return ["model", *(f"{upper} {lower}" if metric_name(lower) else upper for upper, lower in pairs)]


def _spelled(header: list[str]) -> list[str]:
    """With `P` and `R` beside `F1` in full."""
    if not any(metric_name(bare(title)).startswith("f1") for title in header):
        return header
    return [_TITLES.get(squeeze(title), title) for title in header]

"""Claims in a model card: `model-index` and figures of the front matter, and figures in its text (`claims_body`).

`model-index` is read as leniently as people write it: one model or a list, one result or a list, metrics as a list, one
mapping or names with figures, data sets as text, with the configuration in `config` or in `args`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.core.errors import ContentError
from assay.evaluation.claims import Claim, make_claim
from assay.evaluation.claims_body import from_body
from assay.evaluation.claims_walk import (
    averaged_metric,
    config_of,
    from_free_form,
    names_of_data,
    shots_of,
    single_figure,
)
from assay.evaluation.names import is_other_figure, metric_within, squeeze
from assay.formats.yaml_text import read_yaml

if TYPE_CHECKING:
    from collections.abc import Callable

    from assay.evaluation.positions import Path

_VARIANT = "its name tells of another figure than its type"
Lines = dict["Path", int]
_YAML_DEPTH = 16
_INDEX = {"modelindex"}
_FIGURES = {
    "metrics",
    "results",
    "evalresults",
    "evaluation",
    "evaluationresults",
    "performance",
    "benchmarks",
    "scores",
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
    own: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    if front:
        first = text[: text.find("---")].count("\n") + 2
        try:
            document = read_yaml(front, depth=_YAML_DEPTH, first_line=first, aliases=True)
        except ContentError as error:
            problem(f"front matter: {error}")
        else:
            claims += _front(document.value, source, document.lines)
            own = _own_names(document.value)
            data = _only_data(document.value)
    return claims + from_body(body, source, body_line, own, data)


def _only_data(front: Any) -> tuple[str, ...]:
    """Names of the data in the front matter, where it is one: figures that name none may be about its held-out part."""
    listed = front.get("datasets") or front.get("dataset") if isinstance(front, dict) else None
    return tuple(names_of_data(listed)[0]) if isinstance(listed, str) or (listed and len(listed) == 1) else ()


def _front(front: Any, source: str, lines: Lines) -> list[Claim]:
    claims: list[Claim] = []
    if not isinstance(front, dict):
        return claims
    names, _ = names_of_data(front.get("datasets") or front.get("dataset"))
    about: dict[str, Any] = {"places": tuple(names)}
    for key, value in front.items():
        if squeeze(key) in _INDEX:
            claims += _model_index(value, (key,), source, lines)
        elif squeeze(key) in _FIGURES:
            claims += from_free_form(value, source, lines, root=(key,), **about)
        elif metric_within(key)[0] and isinstance(value, int | float | str):
            claims += from_free_form({key: value}, source, lines, **about)
    return claims


def _own_names(front: Any) -> tuple[str, ...]:
    """What the card calls its model."""
    if not isinstance(front, dict):
        return ()
    index = next((value for key, value in front.items() if squeeze(key) in _INDEX), None)
    names = [model.get("name") for _, model in _each(index, ()) if isinstance(model, dict)]
    names += [front.get(key) for key in ("model_name", "name", "model_id")]
    return tuple(name for name in names if isinstance(name, str))


def split_front_matter(text: str) -> tuple[str, str, int]:
    """Front matter, the rest, and the line on which the rest begins."""
    plain = text.removeprefix("\ufeff")
    empty = len(plain) - len(plain.lstrip("\r\n"))
    lines = plain.splitlines()
    first = next((number for number, line in enumerate(lines) if line.strip()), 0) if empty else 0
    if first < len(lines) and lines[first].rstrip() == "---":
        for index in range(first + 1, len(lines)):
            if lines[index].rstrip() in {"---", "..."}:
                return "\n".join(lines[first + 1 : index]), "\n".join(lines[index + 1 :]), index + 2
    return "", "\n".join(lines), 1


def _each(value: Any, path: Path) -> list[tuple[Path, Any]]:
    """The entries of a list, or the one entry that stands where a list should."""
    if isinstance(value, list):
        return [((*path, index), item) for index, item in enumerate(value)]
    return [(path, value)] if isinstance(value, dict) else []


def _model_index(index: Any, root: Path, source: str, lines: Lines) -> list[Claim]:
    """`model-index: [{results: [{task: {type}, dataset: {name, type, split}, metrics: [{type, value}]}]}]`."""
    claims: list[Claim] = []
    for model_path, model in _each(index, root):
        if not isinstance(model, dict):
            continue
        for path, result in _each(model.get("results"), (*model_path, "results")):
            if isinstance(result, dict):
                claims += _result(result, path, source, lines)
    return claims


def _result(result: dict[str, Any], path: Path, source: str, lines: Lines) -> list[Claim]:
    """One result: its metrics on each of its data sets (one, but for cards that list several)."""
    claims: list[Claim] = []
    task = result.get("task")
    task = task.get("type") or task.get("name") if isinstance(task, dict) else task
    data = result.get("dataset") if "dataset" in result else result.get("datasets")
    for one in data if isinstance(data, list) and data else [data]:
        names, split = names_of_data(one)
        about: dict[str, Any] = {"task": task if isinstance(task, str) else "", "split": split}
        about |= {"dataset": names[0] if names else "", "places": tuple(names[1:])}
        about |= {"config": config_of(one), "shots": shots_of(one)}
        claims += _metrics(result.get("metrics"), (*path, "metrics"), source, lines, about)
    return claims


def _metrics(metrics: Any, root: Path, source: str, lines: Lines, about: dict[str, Any]) -> list[Claim]:
    claims: list[Claim] = []
    entries = _each(metrics, root)
    for path, metric in entries:
        if isinstance(metric, dict) and "value" in metric:
            kind, name = str(metric.get("type") or ""), str(metric.get("name") or "")
            words = name if metric_within(name)[0] and not metric_within(kind)[0] else kind or name
            average = next((one for one in ("macro", "weighted", "micro") if one in name.lower()), "")
            words = averaged_metric(words, metric if average == "" else metric | {"average": average})
            line = lines.get((*path, "value"))
            obstacle = _VARIANT if metric_within(kind)[0] and is_other_figure(name) else ""
            claims.append(
                make_claim(words, single_figure(metric["value"]), source=source, line=line, obstacle=obstacle, **about)
            )
        else:
            claims += from_free_form(metric, source, lines, root=path, **about)
    return claims

"""Claims in a model card: `model-index` of the front matter, and figures in its text (`claims_tables`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.core.errors import ContentError
from assay.evaluation.claims import Claim, make_claim
from assay.evaluation.claims_tables import from_body
from assay.evaluation.names import metric_within, squeeze
from assay.formats.yaml_text import read_yaml

if TYPE_CHECKING:
    from collections.abc import Callable

_YAML_DEPTH = 16
_WHOLE = {"default", "all", "plaintext"}  # configurations that name no part


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
    if front:
        try:
            document = read_yaml(front, depth=_YAML_DEPTH, first_line=2)
        except ContentError as error:
            problem(f"front matter: {error}")
        else:
            claims += _model_index(document.value, source, document.lines)
            own = _own_names(document.value)
    return claims + from_body(body, source, body_line, own)


def _own_names(front: Any) -> tuple[str, ...]:
    """What the card calls its model."""
    index = front.get("model-index") if isinstance(front, dict) else None
    names = [model.get("name") for model in index if isinstance(model, dict)] if isinstance(index, list) else []
    names += [front.get(key) for key in ("model_name", "name")] if isinstance(front, dict) else []
    return tuple(name for name in names if isinstance(name, str))


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
    chosen = config if config and squeeze(config) not in _WHOLE else names[0] or names[1]
    task = _mapping(result.get("task"))
    return make_claim(
        name if metric_within(name)[0] and not metric_within(kind)[0] else kind or name,
        _value(metric["value"]),
        source=source,
        line=line,
        task=str(task.get("type") or task.get("name") or ""),
        dataset=chosen,
        split=str(dataset.get("split") or ""),
        places=tuple(names),
    )


def _value(written: Any) -> Any:
    """Some cards wrap the figure: `value: {accuracy: 0.9}` or a list of one."""
    if isinstance(written, dict) and len(written) == 1:
        return next(iter(written.values()))
    return written[0] if isinstance(written, list) and len(written) == 1 else written


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}

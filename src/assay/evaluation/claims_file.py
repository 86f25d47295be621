"""A claims file: `{"results": [{"task", "dataset", "split", "metric", "value"}]}`. Further keys are not read."""

from __future__ import annotations

from typing import Any

from assay.core.errors import UsageError
from assay.evaluation.claims import Claim, make_claim

_KEYS = {"task", "dataset", "split", "metric", "value"}


def from_claims_file(value: Any, source: str, lines: dict[Any, int]) -> list[Claim]:
    """Its claims.

    Raises:
        UsageError: when it is anything else.
    """
    if not isinstance(value, dict) or not isinstance(value.get("results"), list):
        raise UsageError(
            f'{source}: not a claims file: {{"results": […]}} is expected', hint="see docs/howto/evaluate.md"
        )
    claims = []
    for index, entry in enumerate(value["results"]):
        if not isinstance(entry, dict) or not {"metric", "value"} <= set(entry):
            raise UsageError(f"{source}: results[{index}] needs metric and value; known: {', '.join(sorted(_KEYS))}")
        texts = {key: entry.get(key) or "" for key in ("task", "dataset", "split", "metric")}  # null: not said
        if not all(isinstance(text, str) for text in texts.values()):
            raise UsageError(f"{source}: results[{index}]: task, dataset, split and metric are text")
        metric = texts.pop("metric")
        line = lines.get(("results", index, "value"))
        claims.append(make_claim(metric, entry["value"], source=source, line=line, **texts))  # type: ignore[arg-type]
    return claims


def is_claims_file(value: Any) -> bool:
    """Whether a document in a model has the form of a claims file."""
    results = value.get("results") if isinstance(value, dict) else None
    return isinstance(results, list) and all(
        isinstance(e, dict) and {"metric", "value"} <= set(e) <= _KEYS for e in results
    )

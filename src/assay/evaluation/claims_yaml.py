"""Claims in `.eval_results/*.yaml`, the hub's format since 2026: a benchmark's data set, a task in it, a value.

Which metric it is stands in the benchmark, not in the file: the first metric of the suite that measures the data is
taken for it, and said so (https://huggingface.co/docs/hub/eval-results).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from assay.evaluation.claims import Claim, make_claim
from assay.formats.yaml_text import read_yaml

FOLDER = ".eval_results"
SUFFIXES = (".yaml", ".yml")
_DEPTH = 16
_STATED_LIKE = "accuracy"  # the benchmarks' scores are shares; 97.0 is .97
_NO_TASK = {"", "default", "main"}
_NOTE = "the file names no metric: it is held against the first one of the suite"


def from_eval_results(text: str, source: str) -> list[Claim]:
    """Its claims: `[{dataset: {id, task_id}, value, …}]`, or one such entry.

    Raises:
        ContentError: when it is no YAML of the bounded kind.
    """
    document = read_yaml(text, depth=_DEPTH)
    entries = document.value if isinstance(document.value, list) else [document.value]
    claims = []
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict) or not isinstance(entry.get("dataset"), dict) or "value" not in entry:
            continue
        data: dict[str, Any] = entry["dataset"]
        task = str(data.get("task_id") or "")
        path: tuple[str | int, ...] = (index, "value") if isinstance(document.value, list) else ("value",)
        claim = make_claim(
            _STATED_LIKE,
            entry["value"],
            source=source,
            line=document.lines.get(path),
            dataset=str(data.get("id") or ""),
            split=str(data.get("split") or ""),
            places=() if task in _NO_TASK else (task,),
        )
        notes = (*claim.notes, _NOTE)
        claims.append(
            replace(claim, metric="", first_metric=True, written=f"value = {entry['value']!s:.200}", notes=notes)
        )
    return claims

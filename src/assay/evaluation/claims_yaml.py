"""Claims in `.eval_results/*.yaml`, the hub's format since 2026: a benchmark's data set, a task in it, a value.

Which metric it is stands in the benchmark, not in the file: the first metric of the suite that measures the data is
taken for it, and said so (https://huggingface.co/docs/hub/eval-results).
"""

from __future__ import annotations

from typing import Any

from assay.evaluation.claims import Claim, bare_figure, make_claim
from assay.formats.yaml_text import read_yaml

FOLDER = ".eval_results"
SUFFIXES = (".yaml", ".yml")
_DEPTH = 16
_NO_TASK = {"", "default", "main"}
_NOTE = "the file names no metric: it is held against the first one of the suite"


def from_eval_results(text: str, source: str) -> list[Claim]:
    """Its claims: `[{dataset: {id, task_id}, value, …}]`, or one such entry.

    Raises:
        ContentError: when it is no YAML of the bounded kind.
    """
    document = read_yaml(text, depth=_DEPTH, aliases=True)
    entries = document.value if isinstance(document.value, list) else [document.value]
    claims = []
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict) or "value" not in entry:
            continue
        data = entry.get("dataset")
        data = {"id": data} if isinstance(data, str) else data
        if not isinstance(data, dict):
            continue
        task = str(data.get("task_id") or "")
        path: tuple[str | int, ...] = (index, "value") if isinstance(document.value, list) else ("value",)
        about: dict[str, Any] = {
            "source": source,
            "line": document.lines.get(path),
            "split": str(data.get("split") or ""),
            "places": () if task in _NO_TASK else (task,),
        }
        name, metric = str(data.get("id") or data.get("name") or ""), entry.get("metric")
        if isinstance(metric, str) and metric:
            claims.append(make_claim(metric, entry["value"], dataset=name, **about))
        else:
            claims.append(bare_figure(name, entry["value"], note=_NOTE, **about))
    return claims

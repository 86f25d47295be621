"""Functions of a task file of lm-evaluation-harness: the organisation's own Python, pinned by digest, run only here.

Documents go in and come out as plain values; what a function makes of one becomes a column of it. There is no model.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import sys
from typing import TYPE_CHECKING, Any

from assay.workers.answers import Answering, Json, Unfit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

PROCESS = "process_docs"


class Documents:
    """What `process_docs` is given: the part of `datasets.Dataset` that such functions use."""

    def __init__(self, rows: Iterable[Json]) -> None:
        self._rows = [dict(row) for row in rows]

    def __iter__(self) -> Iterator[Json]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, key: Any) -> Any:
        return [row[key] for row in self._rows] if isinstance(key, str) else self._rows[key]

    @property
    def column_names(self) -> list[str]:
        """Names of the columns."""
        return list(self._rows[0]) if self._rows else []

    def map(self, function: Callable[[Json], Json], **options: Any) -> Documents:
        """Each row with what the function gives; `remove_columns` alone is known besides."""
        gone = options.pop("remove_columns", None) or ()
        if options:
            raise Unfit(f"process_docs: map takes no {min(options)} here")
        gone = {gone} if isinstance(gone, str) else set(gone)
        return Documents({k: v for k, v in row.items() if k not in gone} | function(dict(row)) for row in self._rows)

    def filter(self, function: Callable[[Json], bool]) -> Documents:
        """Rows that the function keeps."""
        return Documents(row for row in self._rows if function(dict(row)))

    def select(self, indices: Iterable[int]) -> Documents:
        """Rows by number."""
        return Documents(self._rows[index] for index in indices)


def apply(job: Json) -> Answering:
    """Run the functions.

    Args:
        job: `modules` (names), `items` (their files, in the same order), `calls` (key of the task file to module and
            function), `lists` (documents) and `columns` (key to the column that takes its result).
    """
    for name, path in zip(job["modules"], job["items"], strict=True):
        _load(str(name), str(path))
    calls = {str(key): _function(str(module), str(name)) for key, (module, name) in job["calls"].items()}
    lists = []
    for number, rows in enumerate(job["lists"]):
        process = calls.get(PROCESS)
        documents = list(process(Documents(rows))) if process else [dict(row) for row in rows]
        for key, function in calls.items():
            if key != PROCESS:
                documents = [row | {job["columns"][key]: function(dict(row))} for row in documents]
        lists.append(_plain(documents))
        yield number + 1, len(job["lists"])
    return [{"lists": lists}], {}


def _load(name: str, path: str) -> None:
    spec = importlib.util.spec_from_loader(name, importlib.machinery.SourceFileLoader(name, path))
    if spec is None or spec.loader is None:
        raise Unfit(f"{name}.py is no Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


def _function(module: str, name: str) -> Callable[..., Any]:
    found = getattr(sys.modules[module], name, None)
    if not callable(found):
        raise Unfit(f"there is no function {name} in {module}.py")
    return found  # type: ignore[no-any-return]


def _plain(documents: list[Any]) -> list[Json]:
    try:
        out = json.loads(json.dumps(documents, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise Unfit(f"a function gave what is no text, number, list or table: {error}") from error
    if not all(isinstance(row, dict) for row in out):
        raise Unfit("process_docs gave documents that are no tables")
    return out  # type: ignore[no-any-return]

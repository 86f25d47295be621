"""`!function` in task files of lm-evaluation-harness: from files that the suite pins, run in the sandbox alone.

What a function makes of a document becomes a column of it; the harness then reads the column. So the code of a task
file runs where it can do nothing, in a session that loads no model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml  # type: ignore[import-untyped]

from assay.core.digest import Digest
from assay.core.errors import ContentError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from assay.evaluation.suite import Suite

Run = Callable[[dict[str, Any], tuple[bytes, ...]], dict[str, Any]]
MAX_FILE_BYTES = 1 << 20  # written by a person
_KEYS = ("process_docs", "doc_to_text", "doc_to_target", "doc_to_choice")
_COLUMN = "assay_function_{}"


@dataclass(frozen=True, slots=True)
class Function:
    """`!function utils.doc_to_text`.

    Attributes:
        module: name of the file, less `.py`.
        name: of the function.
    """

    module: str
    name: str


class FunctionLoader(yaml.SafeLoader):  # type: ignore[misc]
    """Plain YAML, and `!function` as a name: nothing is imported."""


def _named(loader: FunctionLoader, node: yaml.ScalarNode) -> Function:
    module, _, name = str(loader.construct_scalar(node)).rpartition(".")
    return Function(module, name)


FunctionLoader.add_constructor("!function", _named)


def functions_in(config: dict[str, Any]) -> dict[str, Function]:
    """Keys of a task file whose value is a function."""
    return {str(key): value for key, value in config.items() if isinstance(value, Function)}


def refuse_functions(path: Path, config: dict[str, Any], files: Iterable[str]) -> None:
    """Let through functions in the places where they are supported, from files that the suite pins.

    Raises:
        UsageError: for any other, with what to do.
    """
    known, found = set(files), functions_in(config)
    if unsupported := sorted(set(found) - set(_KEYS)):
        hint = f"!function is supported for {', '.join(_KEYS)}"
        raise UsageError(f"{path}: !function for {unsupported[0]} is not supported", hint=hint)
    if "process_docs" in config and "process_docs" not in found:
        raise UsageError(
            f"{path}: process_docs is not supported but as a !function", hint="!function utils.process_docs"
        )
    for key, function in found.items():
        file = f"{function.module}.py"
        if file not in known:
            hint = (
                f'pin the file in the suite: [data] functions = {{"{file}" = "its sha256"}}, and sign the suite again'
            )
            raise UsageError(
                f"{path}: {key} is !function {function.module}.{function.name}: {file} is not pinned", hint=hint
            )
    if _anywhere(value for key, value in config.items() if key not in found):
        raise UsageError(f"{path}: !function inside a list or table is not supported", hint=f"for {', '.join(_KEYS)}")


def _anywhere(values: Iterable[Any]) -> bool:
    for value in values:
        if isinstance(value, Function):
            return True
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        if _anywhere(inner):
            return True
    return False


def apply_functions(
    suite: Suite, config: dict[str, Any], lists: list[list[Any]], run: Run
) -> tuple[dict[str, Any], list[list[Any]]]:
    """The task file with columns in place of functions, and each list of documents with these columns.

    Args:
        suite: pins the files.
        config: of `read_task`.
        lists: documents, and documents for examples.
        run: runs them in the sandbox.

    Raises:
        UsageError: a file is not the pinned one.
        ContentError: a function failed.
    """
    found = functions_in(config)
    columns = {key: _COLUMN.format(key) for key in found if key != "process_docs"}
    job = {
        "task": "harness-functions",
        "modules": [name.removesuffix(".py") for name in suite.data.functions],
        "calls": {key: [one.module, one.name] for key, one in found.items()},
        "columns": columns,
        "lists": lists,
    }
    answer = run(job, tuple(_file(suite, name, digest) for name, digest in suite.data.functions.items())).get("lists")
    if not isinstance(answer, list) or len(answer) != len(lists) or not all(isinstance(rows, list) for rows in answer):
        raise ContentError("the functions of the task file gave no documents")
    return {key: value for key, value in config.items() if key not in found} | columns, answer


def _file(suite: Suite, name: str, pinned: Digest) -> bytes:
    path = suite.data.task.with_name(name) if suite.data.task else suite.data.path.with_name(name)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror}", hint="it lies beside the task file") from error
    if len(raw) > MAX_FILE_BYTES or Digest.of(raw) != pinned:
        raise UsageError(f"{path} is not the file that the suite pins", hint="restore the file")
    return raw

"""Shared output: JSON on standard output, rich on a terminal, plain text in a pipe; hostile text escaped."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from rich.console import Console


def add_output_arguments(parser: argparse.ArgumentParser, formats: tuple[str, ...] = ("text", "json")) -> None:
    """Add `--format` and `--quiet`."""
    parser.add_argument("--format", choices=formats, default="text", help="output format (default: text)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, and only the result")


def print_json(document: dict[str, Any]) -> None:
    """Write one JSON document; ASCII-only, so that no hostile character reaches a terminal."""
    json.dump(document, sys.stdout, indent=2, ensure_ascii=True)
    sys.stdout.write("\n")


def console(*, stderr: bool = False) -> Console:
    """A rich console without markup, highlighting or emoji codes: what a model says is shown, never interpreted."""
    from rich.console import Console  # noqa: PLC0415

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else 200
    return Console(stderr=stderr, markup=False, highlight=False, emoji=False, width=width, soft_wrap=True)


@contextmanager
def progress_bar(
    args: argparse.Namespace, *, counted: bool = False
) -> Iterator[Callable[[str, int, int], None] | None]:
    """A progress callback `(what, done, total)` drawing on standard error, or None when nobody looks.

    Args:
        args: of the command.
        counted: what is done are steps; otherwise bytes.
    """
    if args.quiet or args.format != "text" or not sys.stderr.isatty():
        yield None
        return
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    from assay.core.escape import printable  # noqa: PLC0415

    unit = MofNCompleteColumn() if counted else DownloadColumn()
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), unit, TimeElapsedColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=None)

        def advance(what: str, done: int, total: int) -> None:
            bar.update(task, description=printable(what, limit=60), completed=done, total=total or None)

        yield advance

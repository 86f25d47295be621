"""What the tasks of the evaluator have in common: the shape of a job, of progress and of answers."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

Json = dict[str, Any]
# Yields (examples done, examples in all); returns the answers of each run, and facts about how they were made.
Answering = Generator[tuple[int, int], None, tuple[list[Json], Json]]
# Yields (parts done, parts in all); returns what was seen.
Witnessing = Generator[tuple[int, int], None, Json]


class Unfit(Exception):
    """The model can't do this task; the message says why."""

"""Where a header and the bytes disagree, as a fact. Readers return it; inspectors judge it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Anomaly:
    """One place where a file is not what its own header says.

    Attributes:
        code: stable kebab-case id (`duplicate-entry`, `offset-overlap`, …).
        detail: one sentence with the values. May hold text from the file: escape it before it is shown.
        offset: byte offset in the stream that was read, when there is one.
    """

    code: str
    detail: str
    offset: int | None = None

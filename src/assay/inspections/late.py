"""Inspectors that are imported when the first part that could be their business comes along.

Start-up is part of the job: a scan of one pickle imports nothing for ONNX. The table in `builtin.py` says, for each,
which readings to look out for; the inspector's own `wants` then decides. A test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from assay.inspections.parts import Begins, Finishes

if TYPE_CHECKING:
    from assay.core.inspector import Subject
    from assay.inspections.parts import Collector, Part, PartInspector


@dataclass(frozen=True)
class Late:
    """A line of the table. Called, it makes a fresh inspector for one run.

    Attributes:
        name: of the inspector.
        module: below `assay.inspections`.
        cls: class in it.
        formats: readings of a part that may be its business.
        within: readings of a container whose members may be.
        suffixes: ends of names of text files that may be.
        local: as `PartInspector` says.
        claims: as `PartInspector` says.
        version: of the inspector; empty when only the real one knows.
    """

    name: str
    module: str
    cls: str
    formats: frozenset[str]
    within: frozenset[str] = frozenset()
    suffixes: tuple[str, ...] = ()
    local: bool = False
    claims: bool = True
    version: str = "1"

    def __call__(self) -> LateInspector:
        """A fresh one, still asleep."""
        return LateInspector(self)

    def load(self) -> type:
        """Import the class."""
        found: type = getattr(import_module(f"assay.inspections.{self.module}"), self.cls)
        return found

    def might_want(self, part: Part) -> bool:
        """Whether it must be woken for this part."""
        return (
            not self.formats.isdisjoint(part.formats)
            or not self.within.isdisjoint(part.within)
            or (bool(self.suffixes) and part.name.lower().endswith(self.suffixes))
        )


class LateInspector:
    """A part inspector that sleeps until it may be needed."""

    def __init__(self, late: Late) -> None:
        self._late = late
        self._real: PartInspector | None = None
        self._start: tuple[Subject, Collector] | None = None
        self.name = late.name
        self.might_want = late.might_want
        self.suffixes = late.suffixes
        self.local = late.local
        self.claims = late.claims

    @property
    def version(self) -> str:
        """Of the real one, without waking it when the table has it."""
        real: Any = self._real or (self._late if self._late.version else self._late.load()())
        return str(real.version)

    @property
    def asleep(self) -> bool:
        """Whether no part could have been its business."""
        return self._real is None

    def begin(self, subject: Subject, out: Collector) -> None:
        """Kept for when it wakes."""
        self._start = (subject, out)

    def wants(self, part: Part) -> bool:
        """As the real one says, when there is anything to ask it."""
        if self._real is None:
            if not self._late.might_want(part):
                return False
            real = self._late.load()()
            if isinstance(real, Begins) and self._start is not None:
                real.begin(*self._start)
            self._real = real
        return self._real.wants(part)

    def inspect_part(self, part: Part, out: Collector) -> None:
        """Only called after `wants`."""
        if self._real is not None:
            self._real.inspect_part(part, out)

    def finish(self, out: Collector) -> None:
        """Only when it woke."""
        if isinstance(self._real, Finishes):
            self._real.finish(out)

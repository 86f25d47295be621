"""Inspectors that need what there is little of: one after the other on all machines together; others go on."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from assay.core.errors import EnvironmentFault
from assay.core.inspector import Follows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from assay.admission.engine import Engine
    from assay.core.evidence import Evidence
    from assay.core.inspector import Subject
    from assay.registry.slots import Slots

WAIT_SECONDS: Final = 0.5  # between looks for a free place


@dataclass
class Turn:
    """The places of one process.

    Attributes:
        engine: whose lease they hang on.
        slots: of the registry.
        said: told what it waits for.
    """

    engine: Engine
    slots: Slots
    said: Callable[[str, int, int], None]

    @contextmanager
    def at(self, resource: str) -> Iterator[None]:
        """Wait for a place, and have it until the end of the block.

        Raises:
            EnvironmentFault: others have taken this process for dead.
        """
        while not self.take(resource):
            if self.engine.lost:
                raise EnvironmentFault("this process was taken for dead", hint="run the command again")
            self.said(f"{resource}: waiting for a free place ({self.slots.at_once[resource]} at once)", 0, 0)
            time.sleep(WAIT_SECONDS)
        try:
            yield
        finally:
            self.free(resource)

    def take(self, resource: str) -> bool:
        """Whether this process has a place now; an index that does not answer has none to give."""
        try:
            return self.slots.take(resource, self.engine.holder, self.engine.dead)
        except EnvironmentFault:
            return False

    def free(self, resource: str) -> None:
        """Give the place back; where that fails, it is this process's for the next time, or free when it ends."""
        with suppress(EnvironmentFault):
            self.slots.free(resource, self.engine.holder)

    def wrap(self, item: Any) -> Any:
        """An inspector, or a maker of one, as the runner takes it; what is scarce waits for its turn."""
        if not callable(item):
            return self._wrapped(item)
        return lambda: self._wrapped(item())

    def _wrapped(self, inspector: Any) -> Any:
        if inspector.name not in self.slots.at_once or hasattr(inspector, "inspect_part"):
            return inspector
        return (_Following if isinstance(inspector, Follows) else _Scarce)(inspector, self)


class _Scarce:
    """An inspector that waits for its turn."""

    def __init__(self, inspector: Any, turn: Turn) -> None:
        self._inspector = inspector
        self._turn = turn
        self.name: str = inspector.name
        self.version: str = inspector.version

    def inspect(self, subject: Subject) -> Evidence:
        """As it does, in its turn."""
        with self._turn.at(self.name):
            found: Evidence = self._inspector.inspect(subject)
            return found


class _Following(_Scarce):
    """One that builds on what others found."""

    def after(self, evidence: tuple[Evidence, ...]) -> None:
        """Told it."""
        self._inspector.after(evidence)

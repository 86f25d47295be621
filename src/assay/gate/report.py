"""The result of a verification: numbered steps, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.errors import AssayError, EnvironmentFault, TrustError
from assay.core.escape import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from assay.core.snapshot import Snapshot
    from assay.core.statement import Envelope

VERIFY_SCHEMA = "assay.verify/v1"
OUTCOMES = {0: "verified", 1: "refused", 2: "unknown"}


class CouldNotTell(AssayError):
    """A step of a verification that can be neither passed nor failed."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    Attributes:
        n: its number, from 1.
        step: what is checked.
        ok: passed, failed, or None for "could not tell".
        detail: one line, safe for a terminal.
    """

    n: int
    step: str
    ok: bool | None
    detail: str

    def to_json(self) -> dict[str, Any]:
        """As in `interface.md`."""
        return {"n": self.n, "step": self.step, "ok": self.ok, "detail": self.detail}


@dataclass(frozen=True)
class Report:
    """All steps of one verification.

    Attributes:
        steps: in order; a report without steps verifies nothing.
        subject: id of the manifest that was checked (`sha256:…`), empty when there was none to read.
        origin: where the model was said to come from, when a trusted importer said so.
        name: the name it was approved under, when a trusted approver said so.
        snapshot: what was checked, and
        approval: the approval that it rests on; both only when steps 1 to 3 passed.
    """

    steps: tuple[Step, ...]
    subject: str = ""
    origin: str = ""
    name: str = ""
    snapshot: Snapshot | None = None
    approval: Envelope | None = None

    @property
    def verified(self) -> bool:
        """Every step passed, and there was at least one."""
        return self.exit_code == 0

    @property
    def exit_code(self) -> int:
        """0 verified, 1 refused, 2 could not tell."""
        if any(step.ok is False for step in self.steps):
            return 1
        return 0 if self.steps and all(step.ok is True for step in self.steps) else 2

    @property
    def refusal(self) -> Step | None:
        """The first step that failed, else the first that could not tell; None when all passed."""
        failed = (step for step in self.steps if step.ok is False)
        return next(failed, next((step for step in self.steps if step.ok is None), None))

    def to_json(self) -> dict[str, Any]:
        """As in `interface.md`."""
        stopped = [step for step in self.steps if step.ok is not True]
        return {
            "schema": VERIFY_SCHEMA,
            "subject": {"id": self.subject, "origin": self.origin, "name": self.name},
            "outcome": OUTCOMES[self.exit_code],
            "reasons": [{"clause": f"verify.step-{step.n}", "text": step.detail} for step in stopped],
            "evidence": [],
            "steps": [step.to_json() for step in self.steps],
        }


class Recorder:
    """Runs the steps in order and numbers them; a step that needs one which did not pass is not reached."""

    def __init__(self) -> None:
        self._steps: list[Step] = []

    def run(self, step: str, check: Callable[[], str], *, needs: tuple[int, ...] = ()) -> bool:
        """Run one step.

        Args:
            step: its title.
            check: returns a detail for people; raises CouldNotTell or EnvironmentFault for "could not tell", and any
                other AssayError for "failed".
            needs: numbers of the steps whose results it uses.

        Returns:
            Whether it passed.
        """
        ok: bool | None
        if missing := [n for n in needs if not self._steps[n - 1].ok]:
            ok, detail = None, f"not reached: it needs step {missing[0]}"
        else:
            try:
                ok, detail = True, check()
            except (CouldNotTell, EnvironmentFault) as error:
                ok, detail = None, str(error)
            except AssayError as error:
                ok, detail = False, str(error)
        self._steps.append(Step(len(self._steps) + 1, step, ok, printable(detail)))
        return ok is True

    def steps(self) -> tuple[Step, ...]:
        """What was run.

        Raises:
            TrustError: when nothing was: a verification without steps is none.
        """
        if not self._steps:
            raise TrustError("a verification without steps verifies nothing")
        return tuple(self._steps)

"""What inspectors that load a model share: the guest, its limits, the layers that must be active."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from assay.sandbox.guest import DEFAULT_REQUIRED, Guest, GuestLimits
from assay.sandbox.runtime import make_guest

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKER = "assay.workers.loader"
TASK_SECONDS = 120.0  # wall time of one load: large checkpoints read at disk speed


class InGuest:
    """An inspector that loads in a guest.

    Args:
        required: layers of the sandbox that must be active.
        limits: of the guest.
        seconds: wall time of one load, and of each answer.
        guest: a guest whose template is used again; by default one is started for each snapshot and ended after it.
    """

    def __init__(
        self,
        required: tuple[str, ...] = DEFAULT_REQUIRED,
        limits: GuestLimits = GuestLimits(),  # noqa: B008 - frozen
        seconds: float = TASK_SECONDS,
        guest: Guest | None = None,
    ) -> None:
        self._required = required
        self._limits = limits
        self._seconds = seconds
        self._guest = guest

    @contextmanager
    def _running(self) -> Iterator[Guest]:
        """The guest, ended afterwards when it is ours."""
        guest = self._guest or make_guest(WORKER, self._limits, layers=self._required)
        try:
            yield guest
        finally:
            if self._guest is None:
                guest.close()

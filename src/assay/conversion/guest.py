"""The witness in the sandbox: files in, a comparison out. What comes back is checked like any hostile document."""

from __future__ import annotations

import io
import json
import time
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from assay.core.errors import ContentError
from assay.core.limits import GIB, MIB
from assay.sandbox.guest import GuestLimits
from assay.sandbox.runtime import make_guest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from assay.sandbox.session import Session

    Progress = Callable[[str, int, int], None]

WORKER = "assay.workers.converter"
MAX_SECONDS = 4 * 3600.0  # wall time of all jobs of a model
STEP_SECONDS = 0.5  # between two words of progress
_STEP_LIMIT = 1800.0
_PAGE_SECONDS = 60.0
MAX_PAGES = 20_000  # of 30,000 characters
ATTEMPTS_KEPT = 100
TOLD = {"connect", "bind", "send", "dns", "exec", "write", "change", "escape"}
LIMITS = GuestLimits(memory_bytes=256 * GIB, cpu_seconds=16 * 3600, processes=256, scratch_bytes=256 * MIB)
_ENDINGS = {"time": "out of time", "output": "it printed too much", "flood": "too many calls", "worker": "it died"}


class Witness:
    """A guest, and one session at a time. A context manager; the thread that starts it must live as long."""

    def __init__(self, limits: GuestLimits = LIMITS, *, layers: tuple[str, ...] = ()) -> None:
        """Start nothing yet.

        Args:
            limits: of the guest.
            layers: of the sandbox that must be active beside those that every guest needs.
        """
        self._guest = make_guest(WORKER, limits, layers=layers)
        self.layers: dict[str, bool] = {}
        self.attempts: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        """Itself; the guest starts with `start`, or with the first question."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the guest."""
        self._guest.close()

    def start(self) -> None:
        """Start the guest: it imports its frameworks.

        Raises:
            SandboxError: it does not start.
        """
        self._guest.start()

    @property
    def root(self) -> str:
        """Where the guest finds the files."""
        return self._guest.model_root

    @property
    def frameworks(self) -> dict[str, str]:
        """Versions of what is in the guest."""
        return dict(self._guest.frameworks)

    def ask(
        self,
        files: Iterable[tuple[str, BinaryIO]],
        jobs: Sequence[dict[str, Any]],
        progress: Progress | None = None,
    ) -> list[dict[str, Any] | str]:
        """Have a fresh worker do jobs, one after the other.

        Args:
            files: what it sees, below `root`; a path in a job begins with `root`.
            jobs: as `assay.workers.converter` describes them.
            progress: told (what, done, total).

        Returns:
            For each job the answer, or why there is none.

        Raises:
            SandboxError: a required layer is missing.
        """
        self._guest.start()
        given = [*files, ("jobs.json", io.BytesIO(json.dumps(list(jobs)).encode()))]
        with self._guest.session(given) as session:
            self.layers = dict(session.layers)
            talk = _Talk(session, self.attempts, time.monotonic() + MAX_SECONDS)
            return [
                talk.one(f"{self.root}/jobs.json", number, progress or _unseen, str(job["task"]))
                for number, job in enumerate(jobs)
            ]


class _Talk:
    """The jobs of one session."""

    def __init__(self, session: Session, attempts: list[dict[str, Any]], deadline: float) -> None:
        self._session = session
        self._attempts = attempts
        self._deadline = deadline

    def one(self, jobs: str, number: int, progress: Progress, what: str) -> dict[str, Any] | str:
        try:
            told = self._say({"jobs": jobs, "number": number}, _STEP_LIMIT)
            while "pages" not in told:
                done, total = _two_numbers(told.get("progress"))
                progress(what, done, total)
                told = self._say({"step": STEP_SECONDS}, _STEP_LIMIT)
            texts = [self._say({"page": page}, _PAGE_SECONDS).get("text") for page in range(_pages(told["pages"]))]
            answer = json.loads("".join(text if isinstance(text, str) else "" for text in texts))
        except (ContentError, ValueError, RecursionError) as error:
            return str(error) if isinstance(error, ContentError) else "the worker's answer is broken"
        return answer if isinstance(answer, dict) else "the worker's answer is broken"

    def _say(self, task: dict[str, Any], seconds: float) -> dict[str, Any]:
        done = self._session.task(task, min(seconds, max(1.0, self._deadline - time.monotonic())))
        room = max(0, ATTEMPTS_KEPT - len(self._attempts))
        told = [one for one in done.attempts if one.kind in TOLD]
        self._attempts += [{"kind": one.kind, "target": one.target[:300], "at": one.at} for one in told[:room]]
        if done.result is None:
            raise ContentError(f"the worker broke off ({_ENDINGS.get(done.ended, done.ended)})")
        if "unfit" in done.result:
            raise ContentError(str(done.result["unfit"])[:1000])
        return done.result


def _pages(value: Any) -> int:
    if type(value) is int and 0 <= value <= MAX_PAGES:
        return value
    raise ContentError("the worker's answer is too long")


def _two_numbers(value: Any) -> tuple[int, int]:
    if isinstance(value, list) and len(value) == 2 and all(type(item) is int for item in value):  # noqa: PLR2004
        return value[0], value[1]
    raise ContentError("the worker sent a broken message")


def _unseen(_what: str, _done: int, _total: int) -> None:
    """Nobody watches."""

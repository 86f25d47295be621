"""The evaluator in the sandbox: inputs in, answers out. Whatever comes back is checked like any hostile document."""

from __future__ import annotations

import io
import json
import os
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from assay.core.errors import ContentError
from assay.core.limits import GIB, MIB
from assay.sandbox.guest import GuestLimits
from assay.sandbox.runtime import make_guest

if TYPE_CHECKING:
    from collections.abc import Callable

    from assay.core.inspector import Subject
    from assay.sandbox.session import Session

    Progress = Callable[[str, int, int], None]

WORKER = "assay.workers.evaluator"
MAX_SECONDS = 4 * 3600.0  # wall time of one suite
STEP_SECONDS = 0.5  # between two words of progress
_STEP_LIMIT = 1800.0  # wall time of one step: loading a large model, one batch of long texts
MAX_PAGES = 20_000  # of 30,000 characters each
ATTEMPTS_KEPT = 100
# What frameworks read and import on their own says nothing here; the recorded load has all of it.
TOLD = {"connect", "bind", "send", "dns", "exec", "write", "change", "escape"}
_PAGE_SECONDS = 60.0
_FACT_ITEMS = 1000
_ENDINGS = {
    "time": "out of time",
    "output": "it printed too much",
    "flood": "too many system calls",
    "worker": "it died",
}
LIMITS = GuestLimits(memory_bytes=64 * GIB, cpu_seconds=16 * 3600, processes=256, scratch_bytes=256 * MIB)


@dataclass(frozen=True)
class Answers:
    """What came out of the sandbox.

    Attributes:
        runs: answers of each run, as the task's worker function describes them.
        facts: how they were made; the worker's word.
        layers: layer to active, as attacked by the guest itself before the model was there.
        frameworks: versions of what ran.
        attempts: what the guest tried and was refused.
        seconds: wall time in the sandbox.
    """

    runs: tuple[dict[str, Any], ...]
    facts: dict[str, Any]
    layers: dict[str, bool]
    frameworks: dict[str, str]
    attempts: tuple[dict[str, Any], ...]
    seconds: float


class Unmeasured(ContentError):
    """A model that could not be measured, and what it tried meanwhile.

    Attributes:
        attempts: as in `Answers`.
        layers: as in `Answers`.
    """

    def __init__(self, message: str, attempts: tuple[dict[str, Any], ...], layers: dict[str, bool]) -> None:
        super().__init__(message)
        self.attempts = attempts
        self.layers = layers


class Runner:
    """A guest that runs suites, one fresh worker each. A context manager."""

    def __init__(
        self, limits: GuestLimits = LIMITS, *, threads: int | None = None, layers: tuple[str, ...] = ()
    ) -> None:
        """Start nothing yet.

        Args:
            limits: of the guest.
            threads: of one run; None: every processor that this process may use.
            layers: of the sandbox that must be active beside those that every guest needs.
        """
        self._guest = make_guest(WORKER, limits, layers=layers)
        self.threads = threads or len(os.sched_getaffinity(0))

    def __enter__(self) -> Self:
        """Itself; the guest starts with the first job."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the guest."""
        self._guest.close()

    def run(
        self,
        subject: Subject,
        job: dict[str, Any],
        progress: Progress | None = None,
        what: str = "",
        beside: tuple[bytes, ...] = (),
    ) -> Answers:
        """Run one job on the model.

        Args:
            subject: the model.
            job: as the worker takes it; with `beside`, its items become paths.
            progress: told (what, examples done, examples in all).
            what: the suite's name.
            beside: files that go in beside the model, one for each item.

        Raises:
            Unmeasured: the model can't do it, or broke off.
            SandboxError: a required layer is missing.
        """
        begun = time.monotonic()
        with ExitStack() as opened:
            files: list[tuple[str, BinaryIO]] = [
                (f"model/{entry.path}", opened.enter_context(subject.files.open(entry.path)))
                for entry in subject.snapshot.files
            ]
            self._guest.start()
            root = self._guest.model_root
            job = job | {"model": f"{root}/model"}
            if beside:
                files += [(f"items/{number}", io.BytesIO(data)) for number, data in enumerate(beside)]
                job["items"] = [f"{root}/items/{number}" for number in range(len(beside))]
            files.append(("job.json", io.BytesIO(json.dumps(job).encode())))
            with self._guest.session(files) as session:
                talk = _Talk(session, time.monotonic() + MAX_SECONDS)
                layers = dict(session.layers)
                try:
                    text = talk.answers(f"{self._guest.model_root}/job.json", progress or _unseen, what)
                    runs, facts = _parse(text)
                except ContentError as error:
                    raise Unmeasured(str(error), tuple(talk.attempts), layers) from error
        return Answers(
            runs=runs,
            facts=facts,
            layers=layers,
            frameworks=dict(self._guest.frameworks),
            attempts=tuple(talk.attempts),
            seconds=time.monotonic() - begun,
        )


class _Talk:
    """One job of one session."""

    def __init__(self, session: Session, deadline: float) -> None:
        self._session = session
        self._deadline = deadline
        self.attempts: list[dict[str, Any]] = []

    def answers(self, job: str, progress: Progress, what: str) -> str:
        """The answers, as the text that the worker wrote."""
        told = self._say({"job": job}, _STEP_LIMIT)
        while "pages" not in told:
            done, total = _two_numbers(told.get("progress"))
            progress(what, done, total)
            told = self._say({"step": STEP_SECONDS}, _STEP_LIMIT)
        pages = told["pages"]
        if type(pages) is not int or not 0 <= pages <= MAX_PAGES:
            raise ContentError("the worker's answers are too long")
        texts = [self._say({"page": page}, _PAGE_SECONDS).get("text") for page in range(pages)]
        return "".join(text if isinstance(text, str) else "" for text in texts)

    def _say(self, task: dict[str, Any], seconds: float) -> dict[str, Any]:
        done = self._session.task(task, min(seconds, max(1.0, self._deadline - time.monotonic())))
        room = max(0, ATTEMPTS_KEPT - len(self.attempts))
        told = [one for one in done.attempts if one.kind in TOLD]
        self.attempts += [{"kind": one.kind, "target": one.target[:300], "at": one.at} for one in told[:room]]
        if done.result is None:
            raise ContentError(f"the worker broke off ({_ENDINGS.get(done.ended, done.ended)})")
        if "unfit" in done.result:
            raise ContentError(str(done.result["unfit"])[:1000])
        return done.result


def _unseen(_what: str, _done: int, _total: int) -> None:
    """Nobody watches."""


def _two_numbers(value: Any) -> tuple[int, int]:
    if isinstance(value, list) and len(value) == 2 and all(type(item) is int for item in value):  # noqa: PLR2004
        return value[0], value[1]
    raise ContentError("the worker sent a broken message")


def _parse(text: str) -> tuple[tuple[dict[str, Any], ...], dict[str, Any]]:
    try:
        value = json.loads(text)
        runs, facts = value["answers"], value["facts"]
    except (ValueError, RecursionError, TypeError, KeyError) as error:
        raise ContentError("the worker's answers are broken") from error
    if not isinstance(runs, list) or not all(isinstance(run, dict) for run in runs) or not isinstance(facts, dict):
        raise ContentError("the worker's answers are broken")
    return tuple(runs), {str(key)[:100]: plain for key, plain in facts.items() if _is_plain(plain)}


def _is_plain(value: Any) -> bool:
    """Short and flat: what the worker says about itself goes into evidence as it is."""
    if isinstance(value, list):
        return len(value) <= _FACT_ITEMS and all(not isinstance(item, list) and _is_plain(item) for item in value)
    return (
        value is None or isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= _FACT_ITEMS)
    )


def multiplies_bfloat16() -> bool:
    """Whether this processor has instructions for bfloat16 (Linux, x86-64)."""
    try:
        flags = next(
            line for line in Path("/proc/cpuinfo").read_text("ascii", "replace").splitlines() if "flags" in line
        )
    except (OSError, StopIteration):
        return False
    return "amx_bf16" in flags  # with avx512_bf16 alone float32 was faster (EPYC, torch 2.13)

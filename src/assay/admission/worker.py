"""A vetting worker: takes what waits in the queue, carries on what a dead process left behind, and helps others probe.

Any number of them may run, on any number of machines over one PostgreSQL. Killed at any moment, the next carries on: an
item belongs to the lease of the process that took it, and an admission resumes at the step that was running.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from assay.admission.ingest import ingest
from assay.admission.request import Request
from assay.core.digest import Digest
from assay.core.errors import AssayError, EnvironmentFault, IntegrityError, Unreachable
from assay.registry.queue import DONE, FAILED, SNAPSHOT, UPLOAD, Work, WorkQueue
from assay.registry.tallies import VERDICT, add
from assay.registry.uploads import Uploads

if TYPE_CHECKING:
    from collections.abc import Callable

    from assay.admission.request import HubAccess
    from assay.admission.spine import Admission, Vetted
    from assay.store.blobs import Blobs
    from assay.store.index import Index

PROBES: Final = "behaviour"  # inspector whose probes are shared
POLL_SECONDS: Final = 1.0  # how often an idle worker looks into the queue
FIRST_LOOK_SECONDS: Final = 60.0  # after its start, a worker looks for the first time for models to vet again
REST: Final = timedelta(days=1)  # a model that was queued for re-vetting is not queued again for so long
LOOK_BACK_SECONDS: Final = 10.0  # how often it looks for admissions that nobody is at any more


class Worker:
    """Works through the queue with one open admission."""

    def __init__(
        self,
        admission: Admission,
        index: Index,
        blobs: Blobs,
        access: HubAccess,
        hub_url: str | None = None,
        *,
        revet_seconds: float = 0.0,
    ) -> None:
        self._admission = admission
        self._index = index
        self._blobs = blobs
        self._queue = WorkQueue(index)
        self._uploads = Uploads(index, blobs)
        self._access = access
        self._hub_url = hub_url
        self._revet_seconds = revet_seconds
        self._next_look = time.monotonic() + FIRST_LOOK_SECONDS

    def run(self, wait: Callable[[float], bool], say: Callable[[str], None], *, once: bool = False) -> int:
        """Work until told to stop.

        Args:
            wait: waits so many seconds; true when it is time to stop.
            say: told in one line what was done.
            once: stop when nothing is waiting.

        Returns:
            How many items were worked on.

        Raises:
            EnvironmentFault: others have taken this process for dead; what it was at is theirs.
        """
        count, idle = 0, LOOK_BACK_SECONDS
        while not wait(0):
            if self._admission.lost:
                raise EnvironmentFault("this worker was taken for dead: others do its work", hint="start it again")
            if (item := self._queue.claim(self._admission.holder, self._admission.dead)) is not None:
                self._one(item, say)
                count += 1
                continue
            if idle >= LOOK_BACK_SECONDS:
                idle = 0.0
                self._carry_on(say)
            self._look(say)
            if self._help(say):
                count += 1
                continue
            if once or wait(POLL_SECONDS):
                break
            idle += POLL_SECONDS
        return count

    def _help(self, say: Callable[[str], None]) -> bool:
        """Answer probes that another worker waits for, where there is a place for one more that probes."""
        crew, turn = self._admission.crew, self._admission.turn
        if crew is None or not turn.take(PROBES):
            return False
        try:
            return crew.help(say)
        finally:
            turn.free(PROBES)

    def _look(self, say: Callable[[str], None]) -> None:
        """Queue what other rules or another policy vetted, when it is time to."""
        if not self._revet_seconds or time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + self._revet_seconds
        try:
            found = self._admission.queue_stale(datetime.now(UTC), REST)
        except AssayError as error:
            say(f"re-vetting: {error}")
            return
        if found:
            say(f"{len(found)} served models are vetted again: {found[0].why}")

    def _one(self, item: Work, say: Callable[[str], None]) -> None:
        try:
            vetted = self._admission.vet(self._request(item), since=item.asked_at)
        except AssayError as error:
            if self._admission.lost:
                return  # it is somebody else's by now
            if isinstance(error, EnvironmentFault | Unreachable) and self._queue.again(item, str(error)):
                say(f"{item.name}: {error}; it will be tried again")
                return
            self._queue.end(item, FAILED, "", str(error))
            say(f"{item.name}: {error}")
            return
        add(self._index, VERDICT, vetted.verdict.decision.value)
        self._queue.end(item, DONE, vetted.verdict.decision.value, _first_reason(vetted))
        say(f"{vetted.verdict.decision.value} {item.name}")

    def _request(self, item: Work) -> Request:
        if item.kind == UPLOAD:
            return self._uploaded(item)
        if item.kind == SNAPSHOT:
            return Request.of_snapshot(Digest.parse(item.source), item.name)
        return Request.of(f"hf://{item.source}@{item.requested or 'main'}", item.name, self._hub_url, self._access)

    def _uploaded(self, item: Work) -> Request:
        """An upload is put together first; then it is a snapshot like any other."""
        upload = self._uploads.get(int(item.source))
        if upload is None:
            raise IntegrityError(f"upload {item.source} is not in the index any more", hint="upload the model again")
        ingest(upload, self._uploads, self._blobs)
        snapshot = self._uploads.complete(upload)
        return Request.of_snapshot(snapshot.id, item.name)

    def _carry_on(self, say: Callable[[str], None]) -> None:
        for result in self._admission.carry_on_all(notice=say):
            shown = result if isinstance(result, AssayError) else f"{result.verdict.decision.value} {result.name}"
            say(f"carried on: {shown}")


def _first_reason(vetted: Vetted) -> str:
    return next((reason.text for reason in vetted.verdict.reasons), "")

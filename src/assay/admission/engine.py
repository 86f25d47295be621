"""Durable runs of one workflow function, on DBOS.

A run is named `<subject>-<context>-<number>`: the subject is what the caller asked for, the context all that the
result depends on besides. An unfinished run of the same subject and context is carried on where it stopped; a finished
one never is: the next call makes the next number. What a dead process left of the same subject in another context is
cancelled.

Processes share the database and never each other's work: each has an id, a lease (`leases.py`) and a queue of its own.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from dbos import DBOS, SetWorkflowID
from dbos import error as dbos_error

from assay.admission.leases import FileLeases, Leases, RowLeases
from assay.admission.serial import JsonSerializer, forbid_unpickling
from assay.core.errors import AssayError, EnvironmentFault, IntegrityError, SourceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from dbos import WorkflowStatus

Json = dict[str, Any]

WORKFLOW = "assay.vet"
CARRY_ON_HOURS = 24  # an older unfinished run is begun afresh: its clock readings would be too old to sign
_UNFINISHED = {"PENDING", "ENQUEUED", "DELAYED"}
_POLL_SECONDS = 0.05
_AWAKE_SECONDS = 0.01  # between looks when a run of this process has just ended
_IDLE_SECONDS = 0.25  # when none has
_LOOK_AROUND_SECONDS = 1.0  # how often the leases of others are looked at while waiting
_LOCK_PATIENCE_SECONDS = 5.0


class Engine:
    """One process's part in the durable runs of a workflow. Only one may be open in a process."""

    _open = False

    def __init__(self, url: str, version: str, workflow: Callable[[Json], Json], *, lapse: float | None = None) -> None:
        """Open the workflow database (made when missing) and take a lease.

        Args:
            url: SQLAlchemy URL, SQLite or PostgreSQL.
            version: of the workflow's steps; runs of another version are not carried on.
            workflow: called with the request; must do everything through `step`.
            lapse: on PostgreSQL, seconds of silence after which a process counts as dead.

        Raises:
            EnvironmentFault: database locked, unreachable, or no space.
        """
        if Engine._open:
            raise UsageError("a process can open one workflow engine")
        forbid_unpickling()
        self._version = version
        self._failures = _Failures()
        self._leases = _open_leases(url, lapse)
        self._queue: str | None = None
        self._ended = threading.Event()  # a run of this process has just ended; its result is being recorded
        Engine._open = True
        try:
            with _faults():
                self._launch(url, version, workflow)
        except AssayError:
            self.close()
            raise

    def _launch(self, url: str, version: str, workflow: Callable[[Json], Json]) -> None:
        logger = logging.getLogger("dbos")
        logger.handlers = [self._failures]  # before DBOS would add one that writes to the terminal
        logger.propagate = False
        DBOS(
            config={
                "name": "assay",
                "system_database_url": url,
                "serializer": JsonSerializer(),
                "executor_id": self._leases.holder,
                "application_version": version,
                "log_level": "ERROR",
                "notification_listener_polling_interval_sec": 0.25,  # it is also how long closing takes
            }
        )

        def run(request: Json) -> Json:  # a function of its own: DBOS marks it, and a method can't be marked
            try:
                return workflow(request)
            finally:
                self._ended.set()

        self._workflow = DBOS.workflow(name=WORKFLOW)(run)
        DBOS.listen_queues([_queue(self._leases.holder)])
        DBOS.launch()

    def run(
        self,
        subject: str,
        context: str,
        request: Json,
        notice: Callable[[str], None],
        *,
        since: datetime | None = None,
    ) -> Json:
        """Carry on the unfinished run of this subject and context, or make a new one, and wait for its result.

        Args:
            subject: what is asked for; letters, digits and `-`.
            context: what else the result depends on; likewise.
            request: input of a new run, JSON without secrets.
            notice: told in one sentence when the run is not simply a new one.
            since: a finished run that began after this answers as well; None: only a run of now does.

        Raises:
            AssayError: what the workflow raised.
        """
        with _faults():
            runs = self._runs(f"{subject}-")
            ours = [run for run in runs if run.workflow_id.startswith(f"{subject}-{context}-")]
            self._supersede([run for run in runs if run not in ours])
            current = max(ours, key=_number, default=None)
            if current is not None and _answers(current, since):
                return self._wait(current.workflow_id, notice)
            if current is not None and self._carry_on(current, notice):
                return self._wait(current.workflow_id, notice)
            number = _number(current) + 1 if current is not None else 1
            workflow_id = f"{subject}-{context}-{number}"
            with SetWorkflowID(workflow_id):
                DBOS.start_workflow(self._workflow, request)
            return self._wait(workflow_id, notice)

    def carry_on_all(self, notice: Callable[[str], None]) -> list[Json | AssayError]:
        """Carry on every run that a dead process left behind, one after the other, and wait for each."""
        results: list[Json | AssayError] = []
        with _faults():
            for run in self._runs(""):
                if run.status not in _UNFINISHED:
                    continue
                if run.app_version != self._version:
                    self._supersede([run])
                    notice("an admission that another version of assay began can't be carried on: vet it again")
                    continue
                if not self._adopt(run):
                    continue
                try:
                    results.append(self._wait(run.workflow_id, notice))
                except AssayError as error:
                    results.append(error)
        return results

    @property
    def holder(self) -> str:
        """The lease of this process."""
        return self._leases.holder

    @property
    def lost(self) -> bool:
        """Whether others may have taken this process for dead."""
        return self._leases.lost

    def dead(self, holder: str) -> bool:
        """Whether the process that held a lease is gone."""
        with self._leases.take_over(holder) as gone:
            return gone

    def close(self) -> None:
        """Stop. What is unfinished stays so, for the next call."""
        try:
            with _faults():
                if self._queue is not None:
                    DBOS.delete_queue(self._queue)
        finally:
            DBOS.destroy(destroy_registry=True)
            self._leases.close()
            Engine._open = False

    # --- runs -----------------------------------------------------------------------------------------------------

    def _runs(self, prefix: str) -> list[WorkflowStatus]:
        return DBOS.list_workflows(
            name=WORKFLOW, workflow_id_prefix=prefix or None, load_input=False, load_output=False
        )

    def _supersede(self, runs: list[WorkflowStatus]) -> None:
        """Cancel what dead processes left behind of the same subject in another context."""
        for run in runs:
            if run.status not in _UNFINISHED:
                continue
            with self._leases.take_over(_owner(run)) as dead:
                if dead and self._still(run):
                    DBOS.cancel_workflow(run.workflow_id)

    def _carry_on(self, run: WorkflowStatus, notice: Callable[[str], None]) -> bool:
        """Whether this last run of the context is (again) under way, here or in another process."""
        young = time.time() - (run.created_at or 0) / 1000 < CARRY_ON_HOURS * 3600
        if run.status in _UNFINISHED:
            if not young:
                self._supersede([run])
                return False
            if self._adopt(run):
                notice("carrying on where an interrupted run stopped")
            else:
                notice("another process is at it already: waiting for its result")
            return True
        if run.status != "ERROR" or not young or not self._worth_repeating(run):
            return False
        steps = DBOS.list_workflow_steps(run.workflow_id)
        failed = next((step["function_id"] for step in steps if step["error"] is not None), len(steps) + 1)
        notice("carrying on at the step that failed last time")
        DBOS.rewind_workflow(run.workflow_id, start_step=failed, queue_name=self._own_queue())
        return True

    def _worth_repeating(self, run: WorkflowStatus) -> bool:
        """Whether a run failed for something outside, so that the steps before still stand."""
        status = DBOS.get_workflow_status(run.workflow_id)
        return status is not None and isinstance(status.error, EnvironmentFault | SourceError)

    def _adopt(self, run: WorkflowStatus) -> bool:
        """Take a run over when the process it belongs to is dead."""
        with self._leases.take_over(_owner(run)) as dead:
            if not dead or not self._still(run):
                return False
            DBOS.resume_workflow(run.workflow_id, queue_name=self._own_queue())
            DBOS.delete_queue(_queue(_owner(run)))
            return True

    def _still(self, run: WorkflowStatus) -> bool:
        """Whether a run is as it was read, now that its owner's lease is held."""
        now = DBOS.get_workflow_status(run.workflow_id)
        return now is not None and now.status == run.status and _owner(now) == _owner(run)

    def _own_queue(self) -> str:
        """The queue of this process, registered when first needed."""
        if self._queue is None:
            self._queue = _queue(self._leases.holder)
            DBOS.register_queue(self._queue, polling_interval_sec=_POLL_SECONDS)
        return self._queue

    def _wait(self, workflow_id: str, notice: Callable[[str], None]) -> Json:
        look_around = time.monotonic() + _LOOK_AROUND_SECONDS
        pause = _AWAKE_SECONDS
        while True:
            failure = self._failures.of(workflow_id)  # read before the status: a recorded failure is seen there
            run = DBOS.get_workflow_status(workflow_id)
            if run is None:
                raise EnvironmentFault(f"run {workflow_id} is gone from the workflow database", hint="run it again")
            if run.status not in _UNFINISHED:
                return _result(run)
            if failure is not None:
                raise EnvironmentFault(
                    f"the run could not be recorded: {failure}",
                    hint="check disk space and the workflow database, and run the command again",
                )
            if time.monotonic() > look_around:
                look_around = time.monotonic() + _LOOK_AROUND_SECONDS
                if self._leases.lost:
                    raise EnvironmentFault("this process was taken for dead", hint="run the command again")
                if self._adopt(run):
                    notice("the process that was at it ended: carrying on here")
            pause = _AWAKE_SECONDS if self._ended.wait(pause) else min(2 * pause, _IDLE_SECONDS)
            self._ended.clear()


def step(name: str, function: Callable[..., Json], *args: Any) -> Json:
    """Run `function` as a step: its result is recorded, and after a crash only unrecorded steps run (again)."""
    return DBOS.run_step({"name": name}, function, *args)


class _Failures(logging.Handler):
    """Keeps the last failure that DBOS reported of each run, instead of writing it to the terminal."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._seen: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it, with the run that it names."""
        message = record.getMessage()
        reason = str(record.exc_info[1]) if record.exc_info and record.exc_info[1] else message
        self._seen.append((f"{getattr(record, 'operationUUID', '')} {message}", reason.strip().partition("\n")[0]))

    def of(self, workflow_id: str) -> str | None:
        """The last failure of a run, or None."""
        return next((reason for named, reason in reversed(self._seen) if workflow_id in named), None)


def _result(run: WorkflowStatus) -> Json:
    if run.status == "SUCCESS" and isinstance(run.output, dict):
        return run.output
    if isinstance(run.error, AssayError):
        raise run.error
    if run.status == "ERROR":
        raise IntegrityError(
            "the workflow database holds something that assay did not write",
            hint="find out who did; the next run begins afresh",
        )
    if run.status == "CANCELLED":
        raise UsageError("this run was replaced by a newer one", hint="run the command again")
    raise EnvironmentFault(f"run {run.workflow_id} ended as {run.status}", hint="run the command again")


def _answers(run: WorkflowStatus, since: datetime | None) -> bool:
    """Whether a run succeeded that began after `since`."""
    return since is not None and run.status == "SUCCESS" and (run.created_at or 0) / 1000 >= since.timestamp()


def _number(run: WorkflowStatus) -> int:
    return int(run.workflow_id.rpartition("-")[2])


def _queue(holder: str) -> str:
    return f"queue-{holder}"


def _owner(run: WorkflowStatus) -> str:
    """Holder of the lease that a run hangs on: who runs it, or whose queue it waits in."""
    if run.status != "PENDING" and run.queue_name:
        return run.queue_name.removeprefix("queue-")
    return run.executor_id or ""


def _open_leases(url: str, lapse: float | None) -> Leases:
    """The lease, and a first look at the database: DBOS itself would wait for ever on a locked or missing one."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return RowLeases(parsed.set(drivername="postgresql+psycopg").render_as_string(hide_password=False), lapse)
    path = Path(parsed.database or "")
    with _faults():
        connection = sqlite3.connect(path, timeout=_LOCK_PATIENCE_SECONDS, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        finally:
            connection.close()
    return FileLeases(path.with_name(path.name + ".leases"))


@contextmanager
def _faults() -> Iterator[None]:
    """Foreign errors of the workflow database as ours."""
    try:
        yield
    except (sa.exc.SQLAlchemyError, sqlite3.Error, dbos_error.DBOSException) as error:
        reason = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        hint = "run the command again; finished steps are kept"
        if "locked" in reason:
            hint = "another program holds it: end that and run the command again"
        raise EnvironmentFault(f"workflow database: {reason}", hint=hint) from error

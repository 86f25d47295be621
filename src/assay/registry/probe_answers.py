"""Answers of probes in the index, finished and asked for.

A vetting that was killed goes on with those it has, on whatever machine, and probes that need nothing of each other are
taken by whichever worker has time. They stay for a month after the run: the same model, references, data, budget, seed
and code of the probes give them again without asking, as when another part of a policy changed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, insert, select, update

from assay.core.digest import Digest
from assay.core.verdict import format_time
from assay.store.schema_probes import probe_jobs

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from assay.store.index import Index

WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"
KEPT: Final = timedelta(days=30)
MOST_TEXT: Final = 16 << 20  # characters of one answer that are kept


@dataclass(frozen=True, slots=True)
class ProbeJob:
    """One probe of one run that is asked for.

    Attributes:
        run: digest (hex) of all that its answer depends on, but for the probe.
        probe: its name.
        task: what to do.
    """

    run: str
    probe: str
    task: dict[str, Any]


@dataclass(frozen=True)
class Answers:
    """All answers in one index; any number of processes share it."""

    index: Index

    def of(self, key: str) -> dict[str, dict[str, Any]]:
        """Finished answers of a run, by probe.

        Args:
            key: digest of all that they depend on.
        """
        query = select(probe_jobs.c.probe, probe_jobs.c.answer)
        with self.index.reading() as tx:
            where = (probe_jobs.c.run == Digest.parse(key).hex, probe_jobs.c.state == DONE)
            rows = tx.execute(query.where(*where)).all()
        return {row.probe: json.loads(row.answer) for row in rows}

    def put(self, key: str, probe: str, answer: dict[str, Any]) -> None:
        """Keep an answer; an enormous one is not kept, and asked for again when the run is killed."""
        text = json.dumps(answer)
        if len(text) <= MOST_TEXT:
            self._write(Digest.parse(key).hex, probe, {"state": DONE, "answer": text, "holder": ""})

    def ask(self, key: str, tasks: dict[str, dict[str, Any]]) -> None:
        """Let whoever has time answer these probes; what is asked for or answered already stays as it is."""
        run = Digest.parse(key).hex
        with self.index.transaction() as tx:
            there = select(probe_jobs.c.probe).where(probe_jobs.c.run == run)
            known = set(tx.execute(there).scalars())
            for probe, task in tasks.items():
                if probe not in known:
                    _insert(tx, run, probe, {"task": json.dumps(task), "state": WAITING, "answer": "", "holder": ""})

    def take(self, key: str, probe: str, holder: str, dead: Callable[[str], bool]) -> tuple[str, dict[str, Any] | None]:
        """Whose a probe is: ours from now on (`running`), another's (`waiting` for its answer), or answered (`done`).

        Args:
            key: digest of the run.
            probe: its name.
            holder: lease of this process.
            dead: whether the process with a lease is gone.
        """
        run = Digest.parse(key).hex
        query = select(probe_jobs).where(probe_jobs.c.run == run, probe_jobs.c.probe == probe)
        with self.index.reading() as tx:
            row = tx.execute(query).first()
        if row is not None and row.state == DONE:
            return DONE, json.loads(row.answer)
        if row is not None and row.state == RUNNING and row.holder != holder and not dead(row.holder):
            return WAITING, None
        if row is None:
            return RUNNING, None
        return (RUNNING if self._claim(row.seq, row.state, row.holder, holder) else WAITING), None

    def next(
        self,
        holder: str,
        dead: Callable[[str], bool],
        run: str = "",
        fits: Callable[[dict[str, Any]], bool] = lambda _: True,
    ) -> ProbeJob | None:
        """Take what waits longest, of any run or of one; what a dead process was at waits again.

        Args:
            holder: lease of this process.
            dead: whether the process with a lease is gone.
            run: hex digits of the run's digest; empty: any.
            fits: whether this process can answer a task as whoever asked would.
        """
        query = select(probe_jobs).where(probe_jobs.c.state.in_((WAITING, RUNNING)), probe_jobs.c.task != "")
        if run:
            query = query.where(probe_jobs.c.run == run)
        with self.index.reading() as tx:
            rows = tx.execute(query.order_by(probe_jobs.c.seq.desc())).all()  # the asker begins at the other end
        for row in rows:
            if row.state == RUNNING and (row.holder == holder or not dead(row.holder)):
                continue
            task = json.loads(row.task)
            if fits(task) and self._claim(row.seq, row.state, row.holder, holder):
                return ProbeJob(row.run, row.probe, task)
        return None

    def fail(self, job: ProbeJob) -> None:
        """It could not be done here: whoever asked does it itself, and meets the reason."""
        self._write(job.run, job.probe, {"state": FAILED, "answer": "", "holder": ""})

    def withdraw(self, key: str) -> None:
        """Nobody needs what was not begun yet; and what nobody asked for in a month goes."""
        old = format_time(datetime.now(UTC) - KEPT)
        with self.index.transaction() as tx:
            waiting = (probe_jobs.c.run == Digest.parse(key).hex, probe_jobs.c.state == WAITING)
            tx.execute(delete(probe_jobs).where(*waiting))
            tx.execute(delete(probe_jobs).where(probe_jobs.c.changed_at < old))

    def _claim(self, seq: int, state: str, before: str, holder: str) -> bool:
        same = (probe_jobs.c.seq == seq, probe_jobs.c.state == state, probe_jobs.c.holder == before)
        values = {"state": RUNNING, "holder": holder, "changed_at": format_time(datetime.now(UTC))}
        with self.index.transaction() as tx:
            return bool(tx.execute(update(probe_jobs).where(*same).values(**values)).rowcount)

    def _write(self, run: str, probe: str, values: dict[str, str]) -> None:
        mine = (probe_jobs.c.run == run, probe_jobs.c.probe == probe)
        now = {"changed_at": format_time(datetime.now(UTC))}
        with self.index.transaction() as tx:
            if not tx.execute(update(probe_jobs).where(*mine).values(**values, **now)).rowcount:
                _insert(tx, run, probe, {"task": "", **values})


def _insert(tx: Connection, run: str, probe: str, values: dict[str, str]) -> None:
    now = format_time(datetime.now(UTC))
    tx.execute(insert(probe_jobs).values(run=run, probe=probe, changed_at=now, **values))

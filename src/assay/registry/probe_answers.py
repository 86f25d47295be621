"""Answers of probes in the index: a vetting that was killed goes on with those it has, on whatever machine.

They stay for a month after the run: the same model, references, data, budget, seed and code of the probes give them
again without asking, as when another part of a policy changed and everything is vetted anew.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, insert, select, update

from assay.core.digest import Digest
from assay.core.verdict import format_time
from assay.store.schema_probes import probe_jobs

if TYPE_CHECKING:
    from assay.store.index import Index

WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"
KEPT: Final = timedelta(days=30)
_MOST_TEXT = 16 << 20  # characters of one answer


@dataclass(frozen=True)
class Answers:
    """All answers in one index."""

    index: Index

    def open(self, key: str) -> Run:
        """What a run of exactly the same inputs, settings and code has so far."""
        run = Digest.parse(key).hex
        query = select(probe_jobs.c.probe, probe_jobs.c.answer)
        with self.index.reading() as tx:
            rows = tx.execute(query.where(probe_jobs.c.run == run, probe_jobs.c.state == DONE)).all()
        return Run(self.index, run, {row.probe: json.loads(row.answer) for row in rows})


@dataclass
class Run:
    """The answers of one run.

    Attributes:
        index: where they are.
        run: digest (hex) of all that they depend on.
        results: probe to the worker's answer.
    """

    index: Index
    run: str
    results: dict[str, dict[str, Any]] = field(default_factory=dict)

    def get(self, probe: str) -> dict[str, Any] | None:
        """Answer of a finished probe."""
        return self.results.get(probe)

    def put(self, probe: str, result: dict[str, Any]) -> None:
        """Keep an answer; an enormous one is not kept, and asked for again when the run is killed."""
        self.results[probe] = result
        text = json.dumps(result)
        if len(text) > _MOST_TEXT:
            return
        values = {"state": DONE, "answer": text, "holder": "", "changed_at": format_time(datetime.now(UTC))}
        mine = (probe_jobs.c.run == self.run, probe_jobs.c.probe == probe)
        with self.index.transaction() as tx:
            if not tx.execute(update(probe_jobs).where(*mine).values(**values)).rowcount:
                tx.execute(insert(probe_jobs).values(run=self.run, probe=probe, task="", **values))

    def close(self) -> None:
        """The run is over; what nobody asked for in a month goes."""
        old = format_time(datetime.now(UTC) - KEPT)
        with self.index.transaction() as tx:
            tx.execute(delete(probe_jobs).where(probe_jobs.c.changed_at < old))

"""A log of 1,000,000 entries: time to verify all of it, to sign a checkpoint, and to prove an entry and growth."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parent))

from assay.core.canonical import canonical_json
from assay.core.digest import Digest
from assay.provenance.keys import SigningKey, new_private
from assay.provenance.notes import Checkpoint
from assay.registry import transparency
from assay.registry.resumed import Seen, check_since
from assay.store import log, schema
from assay.store.index import Index
from yardstick import replace_section

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")
BATCH = 10_000

STATEMENTS = 10  # of one model
SINCE = 1000  # entries that came after a checkpoint
SNAPSHOT = "5" * 64


def fill(index: Index, count: int) -> None:
    """Entries as `append` makes them, inserted in batches."""
    previous = log.GENESIS
    for first in range(1, count + 1, BATCH):
        rows = []
        for seq in range(first, min(first + BATCH, count + 1)):
            body = {"snapshot": f"{seq:064x}", "kind": "approved", "role": "approver", "statement": f"{seq:064x}"}
            entry = log.LogEntry(seq, previous, "", "2026-03-01T00:00:00Z", "statement", body)
            value = Digest.of(log.leaf_data(entry)).hex
            text = canonical_json(body).decode()
            rows.append(
                {"seq": seq, "previous": previous, "hash": value, "at": entry.at, "kind": entry.kind, "body": text}
            )
            previous = value
        with index.transaction() as tx:
            tx.execute(schema.log.insert(), rows)


class Times:
    """Seconds of each step, as rows of a table."""

    def __init__(self) -> None:
        self.rows: list[str] = []

    def of(self, what: str, function: Callable[..., Result], *args: object) -> Result:
        """Call, print and keep the seconds, return the result."""
        wall, cpu = time.perf_counter(), time.process_time()
        result = function(*args)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        print(f"{what:<40} {wall:8.3f} s", flush=True)
        self.rows.append(f"| {what} | {wall:.3g} | {cpu:.3g} |")
        return result


def main() -> None:
    """Fill and measure; `--write` puts the table into docs/benchmarks.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("entries", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    count, times = args.entries, Times()
    key, now = SigningKey("log", new_private("log")), datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as scratch:
        index = Index.open(f"sqlite:///{scratch}/index.sqlite")
        fill(index, count)
        note = times.of("first checkpoint, which keeps all nodes", transparency.make_checkpoint, index, key, now)
        with index.transaction() as tx:
            for number in range(STATEMENTS):
                body = {"snapshot": SNAPSHOT, "statement": f"{number:064x}"}
                log.append_statement(tx, body, now)
        times.of(f"checkpoint after {STATEMENTS} more entries", transparency.make_checkpoint, index, key, now)
        times.of("proof of an entry", transparency.prove_entry, index, count // 2)
        times.of(f"proofs of the {STATEMENTS} statements about a model", transparency.prove_statements, index, SNAPSHOT)
        times.of("proof of growth", transparency.prove_growth, index, Checkpoint.of(note))
        check = times.of("verify the whole log", transparency.check_log, index, None, [], [key.public])
        seen = Seen(str(transparency.make_checkpoint(index, key, now)))
        with index.transaction() as tx:
            for number in range(SINCE):
                log.append(tx, "note", {"n": number}, now)
        since = times.of(f"verify since a checkpoint, {SINCE} entries ago", check_since, index, seen, [], [key.public])
        if since.problems:
            sys.exit(since.problems[0])
        index.close()
    if not check.ok or check.entries != count + STATEMENTS:
        sys.exit(f"the log is not whole: {check.problem}")
    table = "| what | wall (s) | CPU (s) |\n|---|---|---|\n" + "\n".join(times.rows)
    if args.write:
        replace_section("log", f"{count:,} entries in SQLite, {os.cpu_count()} cores.\n\n{table}")


if __name__ == "__main__":
    main()

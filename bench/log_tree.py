"""A log of 1,000,000 entries: time to verify all of it, to sign a checkpoint, and to prove an entry and growth.

python bench/log_tree.py [ENTRIES]
"""

import sys
import tempfile
import time
from datetime import UTC, datetime

from assay.core.canonical import canonical_json
from assay.core.digest import Digest
from assay.provenance.keys import SigningKey, new_private
from assay.provenance.notes import Checkpoint
from assay.registry import transparency
from assay.store import log, schema
from assay.store.index import Index

BATCH = 10_000


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


def timed(what: str, function: object, *args: object) -> object:
    """Call, print the seconds, return the result."""
    began = time.perf_counter()
    result = function(*args)
    print(f"{what:<40} {time.perf_counter() - began:8.3f} s")
    return result


def main() -> None:
    """Fill and measure."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    key, now = SigningKey("log", new_private("log")), datetime.now(UTC)
    with tempfile.TemporaryDirectory() as scratch:
        index = Index.open(f"sqlite:///{scratch}/index.sqlite")
        timed(f"fill {count} entries", fill, index, count)
        note = timed("first checkpoint (keeps all nodes)", transparency.make_checkpoint, index, key, now)
        with index.transaction() as tx:
            log.append(tx, "statement", {}, now)
        timed("checkpoint after one more entry", transparency.make_checkpoint, index, key, now)
        timed("proof of an entry", transparency.prove_entry, index, count // 2)
        timed("proof of growth", transparency.prove_growth, index, Checkpoint.of(note))
        check = timed("verify the whole log", transparency.check_log, index, None, [], [key.public])
        print(check.ok, check.entries)
        index.close()


if __name__ == "__main__":
    main()

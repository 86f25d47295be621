"""Descendants in a graph of 1,000,000 nodes and 1,500,000 edges against the bare recursive query, same connection."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from sqlalchemy import text
from tests.support.postgres import running_postgres

from assay.registry.lineage import Lineage, Node
from assay.store.index import Index
from yardstick import Row, at_most, replace_section

HEAD = "| what | ours | yardstick, same run | its figure | ratio | asked | met |\n|---|---|---|---|---|---|---|\n"
NODES, EDGES, FAMILY = 1_000_000, 1_500_000, 10_000
BARE = text(
    "WITH RECURSIVE r(id) AS (SELECT child FROM lineage_edges WHERE parent = :s UNION "
    "SELECT e.child FROM lineage_edges e JOIN r ON e.parent = r.id) SELECT id FROM r"
)


def edges(nodes: int, count: int, family: int) -> set[tuple[int, int]]:
    """A forest with cross-links: node 1 has `family` descendants at many depths; the others are apart from it."""
    chance = random.Random(1)
    made = {(child, chance.randint(max(1, child - 40), child - 1)) for child in range(2, family + 2)}
    while len(made) < family * 3 // 2:
        child = chance.randint(3, family + 1)
        made.add((child, chance.randint(1, child - 1)))
    first = family + 2
    for child in range(first + 1, nodes + 1):
        made.add((child, chance.randint(max(first, child - 5000), child - 1)))
    while len(made) < count:
        child = chance.randint(first + 1, nodes)
        made.add((child, chance.randint(max(first, child - 5000), child - 1)))
    return made


def fill(index: Index, nodes: int, links: set[tuple[int, int]]) -> None:
    """Put the graph into the tables, in batches."""
    postgres = index.engine.dialect.name == "postgresql"
    with index.transaction() as tx:
        raw = tx.connection.driver_connection
        rows = ((number, "snapshot", f"{number:064x}") for number in range(1, nodes + 1))
        pairs = ((child, parent, "finetune-of", "declared") for child, parent in sorted(links))
        if postgres:
            with raw.cursor() as cursor:
                for table, columns, values in (
                    ("lineage_nodes", "id, kind, key", rows),
                    ("lineage_edges", "child, parent, relation, basis", pairs),
                ):
                    with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                        for value in values:
                            copy.write_row(value)
        else:
            raw.executemany("INSERT INTO lineage_nodes (id, kind, key) VALUES (?, ?, ?)", rows)
            raw.executemany("INSERT INTO lineage_edges (child, parent, relation, basis) VALUES (?, ?, ?, ?)", pairs)
    with index.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))


def compare(url: str, kind: str, nodes: int, links: set[tuple[int, int]], rounds: int) -> Row:
    """Median of interleaved rounds of each."""
    index = Index.open(url)
    fill(index, nodes, links)
    lineage, ours, bare = Lineage(index), [], []
    found = bare_found = 0
    for _ in range(rounds):
        start = time.perf_counter()
        with index.reading() as tx:
            bare_found = len(tx.execute(BARE, {"s": 1}).all())
        bare.append(time.perf_counter() - start)
        start = time.perf_counter()
        found = len(lineage.descendants(Node("snapshot", f"{1:064x}")))
        ours.append(time.perf_counter() - start)
    index.close()
    if found != bare_found:
        sys.exit(f"{kind}: {found} descendants, the bare query found {bare_found}")
    what = f"{found:,} descendants of {nodes:,} nodes, {len(links):,} edges, {kind} (ms)"
    return at_most(what, median(ours) * 1000, "bare recursive query, ids alone", median(bare) * 1000, 2)


def main() -> None:
    """Measure; `--write` puts the rows into docs/benchmarks.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=NODES)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    links = edges(args.nodes, args.nodes * EDGES // NODES, min(FAMILY, args.nodes // 100))
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as work:
        rows = [compare(f"sqlite:///{work}/index.sqlite", "SQLite", args.nodes, links, args.rounds)]
    with running_postgres() as server:
        rows.append(compare(server.new_database(), "PostgreSQL", args.nodes, links, args.rounds))
    table = HEAD + "\n".join(row.markdown() for row in rows)
    print(table)
    if args.write:
        replace_section("lineage", table)


if __name__ == "__main__":
    main()

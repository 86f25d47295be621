"""An index of many snapshots, put into the tables in bulk: each is published under a name of its own, and resolves.

The log holds nothing about them (it would be the time of the bench): whatever is measured here does not read it.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core.canonical import canonical_json
from assay.core.digest import Digest
from assay.core.snapshot import FileEntry, Origin, Snapshot
from assay.core.verdict import Decision, Reason, Verdict, format_time
from assay.registry.listing import grams
from assay.store.index import Index

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.postgres import Postgres

NOW = datetime.now(UTC).replace(microsecond=0)
AT, UNTIL = NOW - timedelta(days=1), NOW + timedelta(days=80)
KINDS = ("bert", "llama", "mistral", "t5", "vit", "whisper", "qwen", "gemma", "resnet", "clip")
FORMS = ("base", "large", "small", "tiny", "instruct", "chat", "finetuned", "distilled")
TASKS = ("fill-mask", "text-classification", "text-generation", "image-classification", "translation")
LICENCES = ("apache-2.0", "mit", "gemma", "other")
PUBLISHERS = 5000
CLOSE = 1000  # every so many names holds the word `zebra`: all of five publishers, which stand together in a list
SPREAD = 997  # every so many names holds the word `quokka`, of all publishers
_STEP = 20_000  # rows made at a time
_CACHE = 3_000_000  # KiB of SQLite's pages in memory while it is filled
TABLES = {
    "snapshots": ("id", "manifest"),
    "origins": ("seq", "snapshot_id", "origin"),
    "verdicts": ("seq", "digest", "snapshot_id", "decision", "body"),
    "revisions": ("seq", "name", "revision", "parent", "snapshot_id", "published_at"),
    "decisions": ("seq", "name", "snapshot_id", "verdict", "decided_at"),
    "ref_moves": ("seq", "name", "ref", "revision", "statement", "moved_at"),
    "endings": ("name", "snapshot_id", "verdict", "expires_at"),
    "listing": (
        *("seq", "name", "name_key", "publisher", "snapshot_id", "decision", "decided_at", "verdict", "revoked"),
        *("main_revision", "main_snapshot", "state", "served_from", "served_until", "created_at", "moved_at"),
        *("task", "licence"),
    ),
}
_FILES = (("README.md", 4321), ("config.json", 650), ("model.safetensors", 90_868_376), ("tokenizer.json", 466_247),
          ("tokenizer_config.json", 350), ("vocab.txt", 231_508))  # fmt: skip


def name_of(number: int) -> str:
    """`p0042/bert-base-v17`: what the names of the bench look like."""
    word = "-zebra" if number % CLOSE == 0 else "-quokka" if number % SPREAD == 0 else ""
    kind, form = KINDS[number * 7 % len(KINDS)], FORMS[number // 3 % len(FORMS)]
    return f"p{number % PUBLISHERS:04}/{kind}-{form}{word}-v{number}"


def rows(first: int, last: int) -> Iterator[dict[str, tuple[Any, ...]]]:
    """For each number from `first` to `last`: one row for each table."""
    at, until = format_time(AT), format_time(UNTIL)
    manifest, origin, body = _templates()
    for number in range(first, last + 1):
        name = name_of(number)
        content = hashlib.sha256(b"%d" % number).hexdigest()
        listed = manifest.replace("0" * 64, content)
        snapshot = hashlib.sha256(listed.encode()).hexdigest()
        judged = body.replace("1" * 64, snapshot)
        verdict = hashlib.sha256(judged.encode()).hexdigest()
        revision = hashlib.sha256(f"{snapshot}{name}".encode()).hexdigest()[:40]
        facets = TASKS[number // 10 % len(TASKS)], LICENCES[number // 100 % len(LICENCES)]
        served = ("", revision, snapshot, "served", at, until, at, at)
        yield {
            "snapshots": (snapshot, listed),
            "origins": (number, snapshot, origin.replace("NAME", name)),
            "verdicts": (number, verdict, snapshot, "ADMIT", judged),
            "revisions": (number, name, revision, "", snapshot, at),
            "decisions": (number, name, snapshot, verdict, at),
            "ref_moves": (number, name, "main", revision, "2" * 64, at),
            "endings": (name, snapshot, verdict, until),
            "listing": (
                *(number, name, name, name.partition("/")[0], snapshot, "ADMIT", at, verdict, *served, *facets),
            ),
        }


def _templates() -> tuple[str, str, str]:
    """Manifest, origin and verdict with marks in place of what differs."""
    files = [FileEntry(path, size, Digest("0" * 64)) for path, size in _FILES]
    snapshot = Snapshot.of(files, Origin("hub", "hf://NAME", "NAME"))
    subject, other = Digest("1" * 64), Digest("3" * 64)
    verdict = Verdict(subject, Decision.ADMIT, (Reason("test", "all is well"),), other, (other,), AT, UNTIL)
    origin = canonical_json(snapshot.origin.to_json()).decode()
    return snapshot.manifest_bytes().decode(), origin, canonical_json(verdict.to_json()).decode()


def fill(index: Index, first: int, last: int) -> None:
    """Put the rows `first` to `last` into the tables in one transaction, and make their statistics.

    Indexes that nothing depends on are made after the rows: sorted at once they take a third of the time.
    """
    postgres = index.engine.dialect.name == "postgresql"
    index.engine.dispose()
    connection = index.engine.raw_connection()
    connection.detach()
    cursor = connection.cursor()
    if postgres:
        cursor.execute("SET maintenance_work_mem = '512MB'")
        cursor.execute("SET synchronous_commit = off")
        connection.commit()
    else:
        # Nobody needs what is half filled: no journal.
        for pragma in (
            "journal_mode=OFF",
            "synchronous=OFF",
            "foreign_keys=OFF",
            "temp_store=MEMORY",
            f"cache_size=-{_CACHE}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.execute("BEGIN IMMEDIATE")
    made_after = _set_aside(cursor, postgres)
    for start in range(first, last + 1, _STEP):
        made = list(rows(start, min(start + _STEP - 1, last)))
        for table, columns in TABLES.items():
            (_copy if postgres else _insert)(cursor, table, columns, [one[table] for one in made])
    if not postgres:
        chosen = "SELECT seq, name_key FROM listing WHERE seq >= ?"
        cursor.execute(f"INSERT INTO listing_text (rowid, name) {chosen}", (first,))
    for statement in made_after:
        cursor.execute(statement)
    connection.commit() if postgres else cursor.execute("COMMIT")
    if postgres:
        connection.dbapi_connection.autocommit = True
    cursor.execute("VACUUM ANALYZE" if postgres else "ANALYZE")
    if not postgres:
        cursor.execute("PRAGMA journal_mode=WAL")
    connection.close()


def _set_aside(cursor: Any, postgres: bool) -> list[str]:
    """Drop the indexes of the tables that are filled; what makes them again."""
    if postgres:
        cursor.execute(
            "SELECT i.indexname, i.indexdef, i.tablename FROM pg_indexes i WHERE i.schemaname = 'public' AND NOT EXISTS"
            " (SELECT 1 FROM pg_constraint c WHERE c.conname = i.indexname)"
        )
    else:
        cursor.execute("SELECT name, sql, tbl_name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
    found = [(name, made) for name, made, table in cursor.fetchall() if table in TABLES]
    for name, _ in found:
        cursor.execute(f"DROP INDEX {name}")
    return [made for _, made in found]


def _insert(cursor: Any, table: str, columns: tuple[str, ...], values: list[tuple[Any, ...]]) -> None:
    marks = ", ".join("?" * len(columns))
    cursor.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", values)


def _copy(cursor: Any, table: str, columns: tuple[str, ...], values: list[tuple[Any, ...]]) -> None:
    extra = ("grams",) if table == "listing" else ()
    with cursor.copy(f"COPY {table} ({', '.join((*columns, *extra))}) FROM STDIN") as copy:
        for value in values:
            copy.write_row((*value, grams(value[2])) if extra else value)


def _label() -> str:
    """Names what this file fills, for two months: the verdicts live longer. Migrations keep it in step afterwards."""
    months = f"{NOW.year} {(NOW.month - 1) // 2}"
    return hashlib.sha256(Path(__file__).read_bytes() + months.encode()).hexdigest()[:12]


def filled(folder: Path, size: int) -> Path:
    """A SQLite file with `size` snapshots: the one in the folder, when it is still good."""
    path = folder / f"registry-{_label()}-{size}.sqlite"
    if path.exists():
        return path
    made = folder / f"making-{size}.sqlite"
    for pattern in (f"registry-*-{size}.sqlite*", f"{made.name}*"):
        for old in folder.glob(pattern):
            old.unlink()
    _fill_all(f"sqlite:///{made}", size)
    made.rename(path)
    return path


def filled_database(server: Postgres, size: int) -> str:
    """URL of a database with `size` snapshots: the one that the server has, when it is still good."""
    name = f"registry_{_label()}_{size}"
    there = server.databases()
    if name in there:
        return server.url(name)
    for old in there:
        if old.startswith("test_") or (old.startswith("registry_") and old.endswith(f"_{size}")):
            server.drop(server.url(old))
    url = server.new_database()
    _fill_all(url, size)
    return server.rename(url, name)


def _fill_all(url: str, size: int) -> None:
    index = Index.open(url)
    fill(index, 1, size)
    index.close()

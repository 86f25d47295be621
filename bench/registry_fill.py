"""An index of many snapshots, put into the tables in bulk: each is published under a name of its own, and resolves.

The log holds nothing about them (it would be the time of the bench): whatever is measured here does not read it.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from assay.core.canonical import canonical_json
from assay.core.digest import Digest
from assay.core.snapshot import FileEntry, Origin, Snapshot
from assay.core.verdict import Decision, Reason, Verdict, format_time
from assay.registry.listing import grams

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.store.index import Index

NOW = datetime.now(UTC).replace(microsecond=0)
AT, UNTIL = NOW - timedelta(days=1), NOW + timedelta(days=80)
KINDS = ("bert", "llama", "mistral", "t5", "vit", "whisper", "qwen", "gemma", "resnet", "clip")
FORMS = ("base", "large", "small", "tiny", "instruct", "chat", "finetuned", "distilled")
TASKS = ("fill-mask", "text-classification", "text-generation", "image-classification", "translation")
LICENCES = ("apache-2.0", "mit", "gemma", "other")
PUBLISHERS = 5000
RARE = 1000  # every so many names holds the word `zebra`
TABLES = {
    "snapshots": ("id", "manifest"),
    "origins": ("seq", "snapshot_id", "origin"),
    "verdicts": ("seq", "digest", "snapshot_id", "decision", "body"),
    "revisions": ("seq", "name", "revision", "parent", "snapshot_id", "published_at"),
    "decisions": ("seq", "name", "snapshot_id", "verdict", "decided_at"),
    "ref_moves": ("seq", "name", "ref", "revision", "statement", "moved_at"),
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
    word = "-zebra" if number % RARE == 0 else ""
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
    """Put the rows `first` to `last` into the tables, and make their statistics."""
    postgres = index.engine.dialect.name == "postgresql"
    step = 20_000
    with index.transaction() as tx:
        raw = tx.connection.driver_connection
        if postgres:
            tx.execute(text("DROP INDEX listing_by_grams"))
        for start in range(first, last + 1, step):
            made = list(rows(start, min(start + step - 1, last)))
            for table, columns in TABLES.items():
                values = [one[table] for one in made]
                if not postgres:
                    marks = ", ".join("?" * len(columns))
                    raw.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", values)
                    continue
                extra = ("grams",) if table == "listing" else ()
                with (
                    raw.cursor() as cursor,
                    cursor.copy(f"COPY {table} ({', '.join((*columns, *extra))}) FROM STDIN") as copy,
                ):
                    for value in values:
                        copy.write_row((*value, grams(value[2])) if extra else value)
        if postgres:
            tx.execute(text("SET LOCAL maintenance_work_mem = '256MB'"))
            tx.execute(text("CREATE INDEX listing_by_grams ON listing USING gin (grams)"))
        else:
            tx.execute(
                text("INSERT INTO listing_text (rowid, name) SELECT seq, name_key FROM listing WHERE seq >= :first"),
                {"first": first},
            )
    with index.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))

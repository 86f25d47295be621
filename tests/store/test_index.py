"""The index: what goes in comes out unchanged, once, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import pkgutil
import subprocess
import sys
import threading
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from assay import store
from assay.core.digest import Digest
from assay.core.errors import AssayError, ContentError, EnvironmentFault, IntegrityError, UsageError
from assay.core.snapshot import Origin, Snapshot
from assay.core.verdict import Decision
from assay.store import database, schema
from assay.store.blobs import open_blobs
from assay.store.index import BlobFiles, Index
from tests.support import admitted

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.postgres import Postgres

FILES = {"a/\n🙂.txt": b"one", "model.safetensors": b"two"}


def test_what_is_put_in_twice_is_there_once(index: Index) -> None:
    snapshot = admitted.snapshot(FILES)
    evidence, verdict = admitted.evidence(snapshot), admitted.verdict(snapshot)
    statements = admitted.chain(snapshot, verdict)
    for _ in range(2):
        assert index.put_snapshot(snapshot) == snapshot.id
        assert index.put_evidence(evidence) == evidence.digest
        assert index.put_verdict(verdict) == verdict.digest
        for one in statements:
            assert index.put_statement(snapshot.id, one.kind, one.role, one.envelope, one.bundle) == one.envelope.digest
    assert index.get_snapshot(snapshot.id) == snapshot
    assert index.get_evidence(evidence.digest) == evidence
    assert index.evidence_for(snapshot.id) == (evidence,)
    assert index.get_verdict(verdict.digest) == verdict
    assert index.latest_verdict(snapshot.id) == verdict
    assert list(index.statements_for(snapshot.id)) == statements
    check = index.verify_log()
    assert (check.ok, check.entries) == (True, 4)


def test_what_was_never_put_in_is_none(index: Index) -> None:
    nothing = Digest.of(b"nothing")
    assert index.get_snapshot(nothing) is None
    assert index.get_evidence(nothing) is None
    assert index.get_verdict(nothing) is None
    assert index.latest_verdict(nothing) is None
    assert index.evidence_for(nothing) == ()
    assert index.statements_for(nothing) == ()


def test_one_snapshot_keeps_every_origin(index: Index) -> None:
    first = admitted.snapshot(FILES, "org/one")
    second = Snapshot(first.files, Origin("hub", "https://hub/org/two", "org/two", "main", "c" * 40))
    third = Snapshot(first.files, replace(second.origin, commit="d" * 40))
    for snapshot in (first, second, third):
        index.put_snapshot(snapshot)
    assert index.get_snapshot(first.id) == first
    assert index.get_snapshot(first.id, name="org/two") == third
    assert index.get_snapshot(first.id, name="org/unheard-of") == first


def test_the_last_verdict_is_the_latest(index: Index) -> None:
    snapshot = admitted.snapshot(FILES)
    index.put_snapshot(snapshot)
    admit, reject = admitted.verdict(snapshot), admitted.verdict(snapshot, Decision.REJECT)
    index.put_verdict(admit)
    index.put_verdict(reject)
    assert index.latest_verdict(snapshot.id) == reject


def test_nothing_is_known_about_a_snapshot_that_is_not_stored(index: Index) -> None:
    snapshot = admitted.snapshot(FILES)
    with pytest.raises(AssayError):
        index.put_evidence(admitted.evidence(snapshot))
    assert index.evidence_for(snapshot.id) == ()


def test_a_failed_transaction_leaves_nothing(index: Index) -> None:
    snapshot = admitted.snapshot(FILES)
    with pytest.raises(UsageError), index.transaction() as tx:  # noqa: PT012
        index.put_snapshot(snapshot, tx)
        index.put_verdict(admitted.verdict(snapshot), tx)
        raise UsageError("stop")
    assert index.get_snapshot(snapshot.id) is None
    assert index.verify_log().entries == 0


@pytest.mark.parametrize("table", [schema.snapshots, schema.evidence, schema.verdicts, schema.statements])
def test_an_edited_row_is_refused(index: Index, table: sa.Table) -> None:
    snapshot = admitted.snapshot(FILES)
    verdict = admitted.verdict(snapshot)
    index.put_snapshot(snapshot)
    index.put_evidence(admitted.evidence(snapshot))
    index.put_verdict(verdict)
    last = admitted.chain(snapshot, verdict)[-1]
    index.put_statement(snapshot.id, last.kind, last.role, last.envelope)
    column = next(c for c in table.c if c.name in {"manifest", "body", "envelope"})
    with index.transaction() as tx:
        tx.execute(sa.update(table).values({column: sa.func.replace(column, "a", "b")}))
    read = {
        "snapshots": lambda: index.get_snapshot(snapshot.id),
        "evidence": lambda: index.evidence_for(snapshot.id),
        "verdicts": lambda: index.latest_verdict(snapshot.id),
        "statements": lambda: index.statements_for(snapshot.id),
    }[table.name]
    with pytest.raises(IntegrityError, match="changed"):
        read()


def test_blob_files_opens_what_the_snapshot_lists(tmp_path: Path) -> None:
    blobs = open_blobs(tmp_path)
    snapshot = admitted.snapshot(FILES)
    blobs.put([b"one"])
    files = BlobFiles(snapshot, blobs)
    with files.open("a/\n🙂.txt") as stream:
        assert stream.read() == b"one"
        assert stream.fileno() > 0
    with pytest.raises(ContentError):
        files.open("unheard/of")
    with pytest.raises(IntegrityError):
        files.open("model.safetensors")


def _declared(name: str | None, _kind: str, _parents: object) -> bool:
    """All but what one database alone has for searching names (`store.schema_listing`)."""
    return not str(name).startswith(("listing_text", "listing_by_grams"))


def test_migrations_make_what_the_schema_says(empty_url: str) -> None:
    for module in pkgutil.iter_modules(store.__path__):  # each room's tables are in a module of their own
        if module.name.startswith("schema_"):
            import_module(f"assay.store.{module.name}")
    index = Index.open(empty_url)
    with index.reading() as tx:
        context = MigrationContext.configure(tx, opts={"include_name": _declared})
        assert compare_metadata(context, schema.metadata) == []
    index.close()


def test_head_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", "assay.store:migrations")
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [schema.HEAD]


def test_an_index_of_a_newer_version_is_refused(index: Index, index_url: str) -> None:
    with index.transaction() as tx:
        tx.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(EnvironmentFault, match="newer assay"):
        Index.open(index_url)


def test_two_processes_may_make_the_index_at_once(empty_url: str) -> None:
    script = "import sys; from assay.store.index import Index; Index.open(sys.argv[1]).close()"
    starts = [subprocess.Popen([sys.executable, "-c", script, empty_url]) for _ in range(3)]
    assert [start.wait(timeout=120) for start in starts] == [0, 0, 0]


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://x/y", "sqlite://", "sqlite:///:memory:"])
def test_another_kind_of_url_is_a_usage_error(url: str) -> None:
    with pytest.raises(UsageError):
        Index.open(url)


def test_a_locked_index_is_one_clear_error(index_url: str) -> None:
    holder, waiter = Index.open(index_url), Index.open(index_url, busy_timeout=0.3)
    with holder.transaction(), pytest.raises(EnvironmentFault, match=r"locked by another process .*again"):
        waiter.put_snapshot(admitted.snapshot(FILES))
    waiter.put_snapshot(admitted.snapshot(FILES))
    holder.close()
    waiter.close()


def test_readers_do_not_wait_for_a_writer(index_url: str) -> None:
    writer, reader = Index.open(index_url), Index.open(index_url, busy_timeout=0.3)
    with writer.transaction() as tx:
        writer.put_snapshot(admitted.snapshot(FILES), tx)
        assert reader.get_snapshot(admitted.snapshot(FILES).id) is None
    assert reader.get_snapshot(admitted.snapshot(FILES).id) is not None
    writer.close()
    reader.close()


def test_threads_share_an_index(index: Index) -> None:
    snapshots = [admitted.snapshot({"f": str(i).encode()}) for i in range(8)]

    def work(snapshot: Snapshot) -> None:
        index.put_snapshot(snapshot)
        index.put_verdict(admitted.verdict(snapshot))

    threads = [threading.Thread(target=work, args=(snapshot,)) for snapshot in snapshots]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(index.latest_verdict(snapshot.id) for snapshot in snapshots)
    assert index.verify_log().entries == 8


@pytest.mark.parametrize(
    "content", [b"this is not a database, but it is long enough " * 40, b"SQLite format 3\0" + b"x" * 4000]
)
def test_a_broken_file_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "index.sqlite").write_bytes(content)
    with pytest.raises(EnvironmentFault):
        Index.open(f"sqlite:///{tmp_path}/index.sqlite")


def test_an_unreachable_server_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match="ASSAY_DATABASE_URL"):
        Index.open(f"postgresql://assay@/nothing?host={tmp_path}", busy_timeout=1)


def test_a_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    """SQLite's own page limit makes it report what a full disk makes it report."""
    index = Index.open(f"sqlite:///{tmp_path}/index.sqlite")
    with pytest.raises(EnvironmentFault, match="disk full"), index.transaction() as tx:  # noqa: PT012
        tx.exec_driver_sql("PRAGMA max_page_count = 10")
        for number in range(200):
            index.put_snapshot(admitted.snapshot({f"{number:04}" * 100: b""}), tx)
    assert index.verify_log().ok
    index.close()


def test_a_directory_in_the_way_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "index.sqlite").mkdir()
    with pytest.raises(EnvironmentFault, match="can't be opened"):
        Index.open(f"sqlite:///{tmp_path}/index.sqlite")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(EnvironmentFault):
        Index.open(f"sqlite:///{tmp_path}/file/index.sqlite")


def test_a_plain_question_says_what_is_wrong_as_everything_does(index: Index) -> None:
    assert index.plain("SELECT 40 + 2", [(), ()]) == [(42,), (42,)]
    with pytest.raises(EnvironmentFault, match="index: "):
        index.plain("SELECT nothing FROM nowhere", [()])
    assert index.plain("SELECT max(seq) FROM log", [()]) == [(None,)]
    assert index.log_head() == 0


def test_a_question_from_an_event_loop_is_answered_as_a_plain_one(index: Index) -> None:
    async def ask() -> None:
        soon = index.soon()
        for number in range(2):
            mark = "%s" if soon.dialect == "postgresql" else "?"
            assert await soon.rows(f"SELECT {number} + {mark}", [(1,), (2,)]) == [(number + 1,), (number + 2,)]
            with pytest.raises(EnvironmentFault, match="index: "):
                await soon.rows("SELECT nothing FROM nowhere", [()])

    asyncio.run(ask())


@pytest.mark.postgres
def test_questions_survive_that_the_database_was_started_again(postgres: Postgres, postgres_template: str) -> None:
    url = postgres.new_database(postgres_template)
    index = Index.open(url)
    pid = "SELECT pg_backend_pid()"

    def end(backend: int) -> None:
        with index.transaction() as tx:
            tx.execute(sa.text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": backend})

    async def ask() -> None:
        soon = index.soon()
        for _ in range(3):
            (before,) = await soon.rows(pid, [()])
            end(before[0])
            assert await soon.rows("SELECT 1 + %s", [(2,)]) == [(3,)]
            assert await soon.rows(pid, [()]) != [before]

    asyncio.run(ask())
    for _ in range(3):
        (before,) = index.plain(pid, [()])
        end(before[0])
        assert index.plain("SELECT 1 + %s", [(2,)]) == [(3,)]
        assert index.plain(pid, [()]) != [before]
    index.close()
    postgres.drop(url)


def test_a_database_that_takes_no_connection_is_one_clear_fault(tmp_path: Path) -> None:
    gone = f"postgresql+psycopg://nobody@/none?host={tmp_path}"
    with pytest.raises(EnvironmentFault, match="index: connection"):
        database.plain(database.for_plain(database.connect(gone)), "SELECT 1", [()])

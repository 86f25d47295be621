"""An index that any earlier release left, with rows in it, opens today: every migration, from every one before it."""

from __future__ import annotations

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, Table, inspect

from assay.core.canonical import canonical_json
from assay.core.digest import Digest
from assay.core.snapshot import FileEntry, Origin, Snapshot
from assay.core.verdict import Decision, format_time, parse_time
from assay.registry import listing
from assay.registry.catalog import Catalog
from assay.store import database, log, schema
from assay.store.index import Index
from tests.support import admitted

NOW = parse_time("2026-05-01T12:00:00Z")


def settings() -> Config:
    config = Config()
    config.set_main_option("script_location", "assay.store:migrations")
    config.set_main_option("path_separator", "os")
    return config


REVISIONS = [one.revision for one in ScriptDirectory.from_config(settings()).walk_revisions()][::-1]


def fill(tx) -> Snapshot:
    """Rows as the first release wrote them, and an entry of the log by its rules."""
    snapshot = Snapshot.of([FileEntry("a", 3, Digest.of(b"one"))], Origin("directory", "file:///a", "org/model"))
    tables = MetaData()
    rows = {
        "snapshots": {"id": snapshot.id.hex, "manifest": snapshot.manifest_bytes().decode()},
        "origins": {"snapshot_id": snapshot.id.hex, "origin": canonical_json(snapshot.origin.to_json()).decode()},
        "revisions": {
            "name": "org/model",
            "revision": "1" * 40,
            "parent": "",
            "snapshot_id": snapshot.id.hex,
            "published_at": format_time(NOW),
        },
    }
    rows["ref_moves"] = {
        "name": "org/model",
        "ref": "main",
        "revision": "1" * 40,
        "statement": "2" * 64,
        "moved_at": format_time(NOW),
    }
    for name, values in rows.items():
        tx.execute(Table(name, tables, autoload_with=tx).insert().values(**values))
    for name, decision in (("org/model", Decision.ADMIT), ("org/Evil", Decision.REJECT), ("org/held", Decision.HOLD)):
        judged = admitted.verdict(snapshot, decision, NOW, why=name)
        body = canonical_json(judged.to_json()).decode()
        values = {"snapshot_id": snapshot.id.hex, "decision": decision.value, "digest": judged.digest.hex, "body": body}
        tx.execute(Table("verdicts", tables, autoload_with=tx).insert().values(**values))
        values = {"name": name, "snapshot_id": snapshot.id.hex, "verdict": judged.digest.hex}
        tx.execute(Table("decisions", tables, autoload_with=tx).insert().values(**values, decided_at=format_time(NOW)))
    log.append(tx, "published", {"name": "org/model", "snapshot": snapshot.id.hex}, NOW)
    log.append(tx, "statement", {"snapshot": snapshot.id.hex, "kind": "ref", "statement": "2" * 64}, NOW)
    return snapshot


def listed_as_it_resolves(index: Index) -> None:
    with index.reading() as tx:
        assert list(listing.differences(tx, index)) == []
    assert [one.name for one in Catalog(index).models("rg/", now=NOW).models] == ["org/model"]
    rejected = listing.Asked("evil", decision="REJECT")
    (row,), _ = listing.page(index, rejected, NOW, after="", limit=5, shown=lambda _name: True)
    assert (row.name, row.state, row.main_revision) == ("org/Evil", "rejected", "")


@pytest.mark.parametrize("revision", REVISIONS)
def test_every_earlier_schema_is_upgraded_with_its_rows(empty_url, revision):
    engine = database.connect(empty_url)
    with database.writing(engine) as tx:
        config = settings()
        config.attributes["connection"] = tx
        command.upgrade(config, revision)
        snapshot = fill(tx)
    engine.dispose()
    index = Index.open(empty_url)
    with index.reading() as tx:
        assert inspect(tx).has_table("tallies")
        if revision < "0014":  # from then on whoever writes a statement notes where it stands
            assert log.statements_of(tx, snapshot.id.hex) == {"2" * 64: 2}
    if revision < "0012":  # from then on whoever writes those rows writes the listing too
        listed_as_it_resolves(index)
    assert index.get_snapshot(snapshot.id, name="org/model").files == snapshot.files
    with index.transaction() as tx:
        log.append(tx, "verdict", {"name": "org/model"}, NOW)
    check = index.verify_log()
    assert (check.ok, check.entries) == (True, 3)
    index.close()
    assert REVISIONS[-1] == schema.HEAD

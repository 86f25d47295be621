"""Checkpoints and proofs: whoever kept one notices an edit, a cut and a fork, with nothing but the trust file."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from assay.cli.main import main
from assay.core.errors import IntegrityError, TrustError, UsageError
from assay.provenance.keys import KeyRing, SigningKey, new_private
from assay.provenance.notes import Checkpoint, sign_note
from assay.provenance.trust import trust_entry
from assay.registry import transparency as tl
from assay.store import log
from assay.store.index import Index

NOW = datetime(2026, 3, 1, tzinfo=UTC)
MANY = 2 * log.TILE + 300


@pytest.fixture(scope="module")
def key():
    return SigningKey("log", new_private("log"))


def grow(index, count, start=0):
    with index.transaction() as tx:
        for n in range(count):
            log.append(tx, "note", {"n": start + n}, NOW)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A log of several kept nodes, copied for each test."""
    path = tmp_path_factory.mktemp("log") / "index.sqlite"
    index = Index.open(f"sqlite:///{path}")
    grow(index, MANY)
    index.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.read_bytes()


@pytest.fixture
def index(large, tmp_path):
    (tmp_path / "index.sqlite").write_bytes(large)
    index = Index.open(f"sqlite:///{tmp_path}/index.sqlite")
    yield index
    index.close()


def tamper(tmp_path, *statements):
    with closing(sqlite3.connect(tmp_path / "index.sqlite")) as connection, connection:
        connection.executescript("DROP TRIGGER IF EXISTS log_no_update; DROP TRIGGER IF EXISTS log_no_delete;")
        for statement in statements:
            connection.execute(statement)


def rewrite(index, count, first=0):
    """What a thief of the database does: a log of its own, whole in itself."""
    with index.transaction() as tx:
        tx.exec_driver_sql("DROP TRIGGER IF EXISTS log_no_delete")
        tx.exec_driver_sql("DELETE FROM log")
        tx.exec_driver_sql("DELETE FROM log_tiles")
        tx.exec_driver_sql("DELETE FROM checkpoints")
    grow(index, 1, first)
    grow(index, count - 1, 1)


def test_nothing_to_sign_in_an_empty_log(tmp_path, key):
    empty = Index.open(f"sqlite:///{tmp_path}/empty.sqlite")
    with pytest.raises(UsageError):
        tl.make_checkpoint(empty, key, NOW)
    with pytest.raises(UsageError):
        tl.prove_entry(empty, 1)
    assert tl.check_log(empty, None, [], [key.public]).ok
    empty.close()


def test_a_checkpoint_is_the_root_that_a_full_check_computes(index, key):
    first = tl.make_checkpoint(index, key, NOW)
    assert tl.make_checkpoint(index, key, NOW) == first
    checkpoint = Checkpoint.of(first)
    check = tl.check_log(index, None, [checkpoint], [key.public])
    assert (check.ok, check.entries, check.root) == (True, MANY, checkpoint.root)
    grow(index, 5)
    later = Checkpoint.of(tl.make_checkpoint(index, key, NOW))
    assert (later.origin, later.size) == (checkpoint.origin, MANY + 5)
    assert tl.check_log(index, None, [checkpoint, later], [key.public]).ok


def test_entries_are_proven_and_nothing_else(index, key):
    note = tl.make_checkpoint(index, key, NOW)
    for seq in (1, 2, log.TILE, log.TILE + 1, 2 * log.TILE + 1, MANY):
        proof = tl.Proof.from_json(json.loads(json.dumps(tl.prove_entry(index, seq).to_json())))
        assert tl.check_entry(proof, [key.public]) == Checkpoint.of(note)
        assert len(proof.hashes) <= MANY.bit_length()
        for changed in (
            replace(proof, entry=replace(proof.entry, body={"n": -1})),
            replace(proof, entry=replace(proof.entry, at="2020-01-01T00:00:00Z")),
            replace(proof, hashes=proof.hashes[1:]),
        ):
            with pytest.raises(IntegrityError):
                tl.check_entry(changed, [key.public])
        with pytest.raises(TrustError):
            tl.check_entry(proof, [SigningKey("log", new_private("log")).public])
    with pytest.raises(UsageError):
        tl.prove_entry(index, MANY + 1)


def test_the_statements_about_a_model_are_proven_together(index, key, tmp_path):
    snapshot = "5" * 64
    assert tl.prove_statements(index, snapshot) == {}
    with index.transaction() as tx:
        for digest in ("a" * 64, "b" * 64):
            log.append_statement(tx, {"snapshot": snapshot, "statement": digest}, NOW)
    assert not tl.reached(index, snapshot)
    note = tl.make_checkpoint(index, key, NOW)
    assert tl.reached(index, snapshot)
    with index.transaction() as tx:
        log.append_statement(tx, {"snapshot": snapshot, "statement": "c" * 64}, NOW)
    proofs = tl.prove_statements(index, snapshot)
    assert set(proofs) == {"a" * 64, "b" * 64}, "the newest checkpoint reaches no further"
    assert {tl.check_entry(proof, [key.public]).root for proof in proofs.values()} == {Checkpoint.of(note).root}
    tamper(tmp_path, f"UPDATE statement_entries SET entry = 7 WHERE entry = {MANY + 1}")
    with pytest.raises(IntegrityError, match="for a statement that is not there"):
        tl.prove_statements(index, snapshot)


def test_growth_is_proven_from_every_size(index, key):
    old = Checkpoint.of(tl.make_checkpoint(index, key, NOW))
    grow(index, 700)
    tl.make_checkpoint(index, key, NOW)
    proof = tl.Proof.from_json(tl.prove_growth(index, old).to_json())
    assert tl.check_growth(old, proof, [key.public])[1].size == MANY + 700
    with pytest.raises(IntegrityError):
        tl.check_growth(replace(old, root=bytes(32)), proof, [key.public])
    with pytest.raises(IntegrityError):
        tl.prove_growth(index, replace(old, root=bytes(32)))
    with pytest.raises(TrustError):
        tl.prove_growth(index, replace(old, origin="assay-log/other"))
    with pytest.raises(TrustError):
        tl.Proof.from_json({"schema": "other"})
    with pytest.raises(TrustError):
        tl.check_entry(proof, [key.public])


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE log SET body = '{\"n\":-1}' WHERE seq = 1500",
        "DELETE FROM log WHERE seq = 1500",
        "UPDATE log_tiles SET hash = '0000000000000000000000000000000000000000000000000000000000000000' WHERE tile = 1",
        "UPDATE checkpoints SET size = 3, note = replace(note, '2348', '2347')",
        "INSERT INTO log_tiles VALUES (77, '00')",
    ],
)
def test_an_edit_shows_in_the_database_alone(index, key, tmp_path, statement):
    tl.make_checkpoint(index, key, NOW)
    assert tl.check_log(index, None, [], [key.public]).ok
    tamper(tmp_path, statement)
    assert not tl.check_log(index, None, [], [key.public]).ok


def test_a_cut_and_a_fork_show_against_a_checkpoint_that_was_kept(index, key):
    kept = Checkpoint.of(tl.make_checkpoint(index, key, NOW))
    with index.transaction() as tx:
        tx.exec_driver_sql("DROP TRIGGER log_no_delete")
        tx.exec_driver_sql("DELETE FROM log WHERE seq > 2000")
        tx.exec_driver_sql("DELETE FROM log_tiles")
        tx.exec_driver_sql("DELETE FROM checkpoints")
    assert tl.check_log(index, None, [], [key.public]).ok, "what is left is a whole log of its own"
    assert "cut off" in tl.check_log(index, None, [kept], [key.public]).problem
    rewrite(index, MANY)
    same = tl.check_log(index, None, [kept], [key.public])
    assert same.ok, "the same entries again are the same log"
    rewrite(index, MANY + 9, first=-5)
    assert tl.check_log(index, None, [], [key.public]).ok
    assert "another log" in tl.check_log(index, None, [kept], [key.public]).problem


def test_a_fork_behind_the_first_entry_is_not_signed_and_not_proven(index, key):
    kept = Checkpoint.of(tl.make_checkpoint(index, key, NOW))
    with index.transaction() as tx:
        tx.exec_driver_sql("DROP TRIGGER log_no_delete")
        tx.exec_driver_sql("DELETE FROM log WHERE seq > 1800")
        tx.exec_driver_sql("DELETE FROM log_tiles WHERE tile > 0")
    grow(index, 900, start=-900)
    with pytest.raises(IntegrityError, match="nothing was signed"):
        tl.make_checkpoint(index, key, NOW)
    with index.transaction() as tx:
        tx.exec_driver_sql("DELETE FROM checkpoints")
    tl.make_checkpoint(index, key, NOW)
    assert "not those" in tl.check_log(index, None, [kept], [key.public]).problem
    with pytest.raises(IntegrityError):
        tl.prove_growth(index, kept)


def test_a_checkpoint_in_the_database_must_be_signed_by_the_log(index, key):
    stranger = SigningKey("log", new_private("log"))
    tl.make_checkpoint(index, stranger, NOW)
    assert "not signed" in tl.check_log(index, None, [], [key.public]).problem


@pytest.fixture
def data(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "data"
    assert main(["init", "--data", str(data), "--quiet"]) == 0
    index = Index.open(f"sqlite:///{data}/index.sqlite")
    grow_with_rows(index)
    index.close()
    capsys.readouterr()
    return data


def grow_with_rows(index):
    from assay.core.verdict import Decision
    from assay.registry.catalog import Catalog
    from tests.support import admitted

    subject = admitted.snapshot({"f": b"x"})
    index.put_snapshot(subject)
    Catalog(index).record_refusal("org/model", admitted.verdict(subject, Decision.REJECT), admitted.NOW)


def test_the_commands_from_checkpoint_to_witness(data, tmp_path, capsys):
    at = ["--data", str(data)]
    assert main(["log", "checkpoint", *at, "--out", "one.txt"]) == 0
    assert capsys.readouterr().out == (tmp_path / "one.txt").read_text("utf-8")
    assert main(["log", "verify", *at, "--checkpoint", "one.txt"]) == 0
    # A witness elsewhere: its own key, and a trust file that knows the log and the witness.
    KeyRing.add(tmp_path, "witness")
    public = KeyRing.read(tmp_path / "witness.pem", "witness").public
    entry = trust_entry(public, ["witness"], now=datetime.now(UTC) - timedelta(minutes=1))
    (tmp_path / "trust.toml").write_text((data / "trust.toml").read_text("utf-8") + entry, "utf-8")
    witness = ["log", "witness", *at, "--key", "witness.pem", "--state", "seen.txt", "--trust", "trust.toml"]
    assert main([*witness, "--checkpoint", "one.txt", "--name", "example.org/w"]) == 0
    assert "— example.org/w " in (tmp_path / "seen.txt").read_text("utf-8")
    assert main([*witness, "--checkpoint", "one.txt"]) == 3, "it has a state: it wants a proof"
    index = Index.open(f"sqlite:///{data}/index.sqlite")
    grow(index, 9)
    index.close()
    assert main(["log", "checkpoint", *at]) == 0
    assert main(["log", "prove", *at, "--checkpoint", "seen.txt", "--out", "grown.json"]) == 0
    assert main([*witness, "--proof", "grown.json", "--out", "two.txt"]) == 0
    needs = [*at, "--trust", "trust.toml", "--witnesses", "1"]
    capsys.readouterr()
    assert main(["log", "verify", *needs, "--checkpoint", "two.txt", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["checkpoints"] == 2
    assert main(["log", "verify", *needs, "--checkpoint", "one.txt"]) == 3, "no witness cosigned it"
    # Offline proofs.
    assert main(["log", "prove", *at, "--entry", "2", "--out", "entry.json"]) == 0
    assert main(["log", "verify", *at, "--proof", "entry.json"]) == 0
    proof = json.loads((tmp_path / "entry.json").read_text("utf-8"))
    proof["entry"]["body"]["decision"] = "ADMIT"
    (tmp_path / "forged.json").write_text(json.dumps(proof), "utf-8")
    assert main(["log", "verify", *at, "--proof", "forged.json"]) == 1
    assert main(["log", "verify", *at, "--proof", "grown.json", "--checkpoint", "one.txt"]) == 0
    assert main(["log", "prove", *at]) == 3
    assert main(["log", "verify", *at, "--proof", "grown.json"]) == 3


def test_a_witness_does_not_cosign_a_fork(data, tmp_path, capsys):
    at = ["--data", str(data)]
    assert main(["log", "checkpoint", *at, "--out", "one.txt"]) == 0
    KeyRing.add(tmp_path, "witness")
    witness = ["log", "witness", *at, "--key", "witness.pem", "--state", "seen.txt"]
    assert main([*witness, "--checkpoint", "one.txt"]) == 0
    index = Index.open(f"sqlite:///{data}/index.sqlite")
    grow(index, 9)
    index.close()
    main(["log", "checkpoint", *at])
    main(["log", "prove", *at, "--checkpoint", "one.txt", "--out", "grown.json"])
    # The registry's own key signs another history of the same length.
    log_key = KeyRing.load(data / "keys", roles=("log",)).key("log")
    seen = Checkpoint.of(tl.Note.parse((tmp_path / "one.txt").read_text("utf-8")))
    forked = Checkpoint(seen.origin, seen.size + 9, bytes(32))
    proof = json.loads((tmp_path / "grown.json").read_text("utf-8"))
    proof["checkpoint"] = str(sign_note(forked.text(), forked.origin, log_key))
    (tmp_path / "fork.json").write_text(json.dumps(proof), "utf-8")
    before = (tmp_path / "seen.txt").read_bytes()
    assert main([*witness, "--proof", "fork.json"]) == 1
    assert (tmp_path / "seen.txt").read_bytes() == before
    assert main([*witness, "--proof", "grown.json"]) == 0

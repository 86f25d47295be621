"""A verification that begins where the last one ended: what it finds at once, what after some runs, and what never."""

import json
import re

import pytest

from assay.cli.main import main
from assay.core.errors import TrustError
from assay.provenance.keys import SigningKey, new_private
from assay.provenance.trust import trust_text
from assay.registry import resumed
from assay.registry import transparency as tl
from assay.registry.resumed import Seen, check_since
from assay.store import log
from assay.store.index import Index
from tests.registry.test_transparency import MANY, NOW, grow, index, key, large, rewrite, tamper  # noqa: F401 - fixtures


@pytest.fixture
def seen(index, key):  # noqa: F811
    return Seen(str(tl.make_checkpoint(index, key, NOW)))


def check(index, seen, key, noted=()):  # noqa: F811
    return check_since(index, seen, noted, [key.public])


def test_it_goes_on_from_the_checkpoint_and_says_the_same_as_a_full_one(index, seen, key):  # noqa: F811
    grow(index, 1500, MANY)
    tl.make_checkpoint(index, key, NOW)
    grow(index, 10, MANY + 1500)
    found, full = check(index, seen, key), tl.check_log(index, None, [], [key.public])
    assert (found.problems, found.since, found.again) == ((), MANY, (1, 2 * log.TILE))
    assert (found.head, found.root) == (full.head, full.root)
    assert tl.Checkpoint.of(tl.Note.parse(found.seen.note)).size == MANY + 1500
    assert check(index, found.seen, key).since == MANY + 1500


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        (f"UPDATE log SET at = '2020-01-01T00:00:00Z' WHERE seq = {MANY + 5}", "was changed"),
        (f"UPDATE log SET body = '{{}}' WHERE seq = {MANY}", "entries are not those"),  # behind the last kept node
        (f"DELETE FROM log WHERE seq = {MANY + 7}", "is missing"),
        (f"DELETE FROM log WHERE seq > {MANY - 1}", "cut off"),
        ("UPDATE log_tiles SET hash = substr(hash, 2) || '0' WHERE tile = 0", "entries are not those"),
        (
            "UPDATE log SET body = '{}' WHERE seq = 3",
            "entry 3 was changed",
        ),  # read again, since it is in the first part
        ("UPDATE checkpoints SET note = replace(note, '— assay', '— other')", "not signed|another log"),
    ],
)
def test_what_was_changed_is_found(seen, key, tmp_path, statement, problem):  # noqa: F811
    grown = Index.open(f"sqlite:///{tmp_path}/index.sqlite")
    grow(grown, 20, MANY)
    tamper(tmp_path, statement)
    found = check(grown, seen, key)
    grown.close()
    assert found.problems
    assert re.search(problem, found.problems[0])
    assert found.seen.note == seen.note


def test_a_log_that_was_written_anew_is_another_one(index, seen, key):  # noqa: F811
    rewrite(index, MANY + 5, first=7)
    with pytest.raises(TrustError, match="another log"):
        check(index, seen, key)
    with pytest.raises(TrustError):
        check_since(index, seen, [], [SigningKey("log", new_private("log")).public])


def test_an_old_entry_edited_in_its_place_is_found_when_its_part_comes_again(
    index, seen, key, tmp_path, monkeypatch  # noqa: F811
):  # fmt: skip
    monkeypatch.setattr(resumed, "AGAIN", log.TILE)
    tamper(tmp_path, f"UPDATE log SET body = '{{}}' WHERE seq = {log.TILE + 3}")
    first = check(index, seen, key)  # reads the first node again, and takes the second at its word
    assert (first.problems, first.again, first.seen.again) == ((), (1, log.TILE), log.TILE)
    second = check(index, first.seen, key)
    assert "was changed" in second.problems[0]
    assert not tl.check_log(index, None, [], [key.public]).ok  # a full one finds it at once


@pytest.mark.parametrize("value", [[], {}, {"schema": resumed.SCHEMA, "checkpoint": 1, "again": 0},
                                   {"schema": resumed.SCHEMA, "checkpoint": "", "again": -1}])  # fmt: skip
def test_a_state_that_is_none(value):
    with pytest.raises(TrustError):
        Seen.from_json(value)


def test_the_command_keeps_its_state_and_full_reads_everything(index, key, tmp_path, capsys):  # noqa: F811
    tl.make_checkpoint(index, key, NOW)
    (tmp_path / "trust.toml").write_text(trust_text({"log": key.public}, now=NOW))
    state = tmp_path / "elsewhere.json"
    command = ["log", "verify", "--data", str(tmp_path), "--state", str(state), "--format", "json"]
    assert main(command) == 0
    assert "since" not in json.loads(capsys.readouterr().out)
    grow(index, 3, MANY)
    assert main(command) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["since"], told["entries"]) == (MANY, MANY + 3)
    with index.transaction() as tx:
        columns = "(team, kind, value, change, changed_by, changed_at)"
        tx.exec_driver_sql(f"INSERT INTO team_changes {columns} VALUES ('risk', 'member', 'eve', 'added', 'eve', '')")
    assert main(command) == 1
    assert "team_changes has a row that no log entry records" in capsys.readouterr().out
    assert main([*command, "--full"]) == 1
    assert main([*command[:4], "--full"]) == 3
    assert main([*command, "--head", "1:" + "0" * 64]) == 3

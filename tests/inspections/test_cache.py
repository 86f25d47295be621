"""The result cache saves time and can't make a file clean."""

from __future__ import annotations

import json
import os
import pickle

import pytest

from assay.core.digest import Digest
from assay.core.evidence import Outcome
from assay.core.finding import Confidence, Severity
from assay.core.inspector import Subject
from assay.core.limits import Limits
from assay.core.snapshot import FileEntry, Origin, Snapshot
from assay.inspections import cache as cache_module
from assay.inspections.cache import ResultCache
from assay.inspections.coverage import Coverage
from assay.inspections.report_json import to_json
from assay.inspections.runner import CACHED_FROM_BYTES, inspect
from assay.inspections.scan import scan
from tests.support.scan import Memory

DATA = b"text " * (CACHED_FROM_BYTES // 4)


class Slow:
    """A local inspector that finds something in every file."""

    name, version, local = "slow", "1", True
    looked = 0

    def wants(self, part):
        return "text" in part.formats

    def inspect_part(self, part, out):
        Slow.looked += 1
        out.finding("bad-text", Severity.HIGH, Confidence.HIGH, "found", offset=3, call="f()")
        out.fact_here("seen", part.size)


class Joint(Slow):
    name, local = "joint", False
    looked = 0

    def inspect_part(self, part, out):
        Joint.looked += 1


@pytest.fixture(autouse=True)
def _always_worth(monkeypatch):
    monkeypatch.setattr(ResultCache, "worth_seconds", 0.0)
    monkeypatch.setattr(Slow, "looked", 0)
    monkeypatch.setattr(Joint, "looked", 0)


def run(folder, files=None, inspectors=(Coverage, Slow, Joint), limits=None):
    files = files or {"a.txt": DATA}
    entries = [FileEntry(path, len(data), Digest.of(data)) for path, data in files.items()]
    snapshot = Snapshot.of(entries, Origin("directory", "x"))
    return inspect(Subject(snapshot, Memory(files), limits or Limits()), inspectors, cache_folder=folder)


def entries(folder):
    return sorted(folder.glob("*/*.json"))


def test_a_second_run_says_the_same_without_looking(tmp_path):
    first = run(tmp_path / "c")
    second = run(tmp_path / "c")
    assert (Slow.looked, Joint.looked) == (1, 2)
    assert [e.to_json() for e in second] == [e.to_json() for e in first]
    assert second[1].outcome is Outcome.FOUND


@pytest.mark.parametrize(
    "change",
    [
        {"files": {"b.txt": DATA}},
        {"files": {"a.txt": DATA + b"x"}},
        {"limits": Limits(depth=3)},
        {"inspectors": (Coverage, Slow)},
    ],
)
def test_anything_else_is_looked_at_again(tmp_path, change):
    run(tmp_path / "c")
    run(tmp_path / "c", **change)
    assert Slow.looked == 2


def test_rules_and_sources_are_part_of_the_key(tmp_path, monkeypatch):
    run(tmp_path / "c")
    monkeypatch.setattr(cache_module, "rules_digest", lambda: "other lists")
    run(tmp_path / "c")
    monkeypatch.setattr(cache_module, "_sources_digest", lambda: "other program")
    run(tmp_path / "c")
    assert Slow.looked == 3


def clean(body: bytes) -> bytes:
    document = json.loads(body)
    document["slow"]["findings"] = []
    return json.dumps(document).encode()


@pytest.mark.parametrize("how", ["body", "tag", "empty", "garbage", "other-key"])
def test_a_poisoned_entry_is_not_believed(tmp_path, how):
    folder = tmp_path / "c"
    run(folder)
    (file,) = entries(folder)
    tag, _, body = file.read_bytes().partition(b"\n")
    if how == "body":
        file.write_bytes(tag + b"\n" + clean(body))
    elif how == "tag":
        file.write_bytes(b"0" * 64 + b"\n" + body)
    elif how == "empty":
        file.write_bytes(b"")
    elif how == "garbage":
        file.write_bytes(os.urandom(1000))
    else:
        (folder / "key").unlink()
    evidence = run(folder)
    assert Slow.looked == 2
    assert evidence[1].outcome is Outcome.FOUND


def test_an_entry_of_another_file_is_not_believed(tmp_path):
    folder = tmp_path / "c"
    run(folder, {"a.txt": DATA}, (Coverage, Slow, Joint))
    harmless = type("Slow", (Slow,), {"inspect_part": lambda *_: None})
    (first,) = entries(folder)
    run(folder, {"b.txt": DATA}, (Coverage, harmless, Joint))
    (second,) = set(entries(folder)) - {first}
    first.write_bytes(second.read_bytes())
    assert run(folder)[1].outcome is Outcome.FOUND


@pytest.mark.parametrize("mode", [0o777, 0o755, 0o770])
def test_a_folder_that_others_can_enter_is_not_used(tmp_path, mode):
    folder = tmp_path / "c"
    folder.mkdir()
    folder.chmod(mode)
    run(folder)
    run(folder)
    assert Slow.looked == 2
    assert list(folder.iterdir()) == []


def test_a_key_that_others_can_read_is_not_used(tmp_path):
    folder = tmp_path / "c"
    run(folder)
    (folder / "key").chmod(0o644)
    run(folder)
    assert Slow.looked == 2


def test_a_linked_key_is_not_used(tmp_path):
    folder = tmp_path / "c"
    folder.mkdir(mode=0o700)
    (tmp_path / "key").write_bytes(bytes(32))
    (tmp_path / "key").chmod(0o600)
    (folder / "key").symlink_to(tmp_path / "key")
    run(folder)
    run(folder)
    assert Slow.looked == 2


def test_what_is_small_unread_or_failed_is_not_kept(tmp_path):
    class Unreads(Slow):
        def inspect_part(self, part, out):
            out.unread("too long today")

    class Fails(Slow):
        def inspect_part(self, part, out):
            raise ZeroDivisionError

    folder = tmp_path / "c"
    run(folder, {"a.txt": b"small"})
    run(folder, inspectors=(Coverage, Unreads))
    run(folder, inspectors=(Coverage, Fails))
    assert entries(folder) == []


def test_a_folder_that_can_not_be_written_is_no_error(tmp_path):
    (tmp_path / "c").write_text("a file")
    run(tmp_path / "c")
    assert Slow.looked == 1


def test_old_entries_make_room(tmp_path, monkeypatch):
    monkeypatch.setattr(cache_module, "_MOST_IN_FOLDER", 1)
    monkeypatch.setattr(ResultCache, "_name", lambda self, entry: "ab" + entry.digest.hex[2:])
    folder = tmp_path / "c"
    for number in range(4):
        run(folder, {"a.txt": DATA + bytes([65 + number])})
    assert len(entries(folder)) == 1


def test_the_built_in_inspectors_with_most_of_them_asleep(tmp_path):
    class Payload:
        def __reduce__(self):
            return os.system, ("touch x",)

    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "a.bin").write_bytes(pickle.dumps([b"x" * CACHED_FROM_BYTES, Payload()]))
    without = to_json(scan([str(tmp_path / "m")]))["targets"]
    first = to_json(scan([str(tmp_path / "m")], cache_folder=tmp_path / "c"))["targets"]
    second = to_json(scan([str(tmp_path / "m")], cache_folder=tmp_path / "c"))["targets"]
    assert len(entries(tmp_path / "c")) == 1
    assert without == first == second
    assert second[0]["findings"][0]["severity"] == "critical"

"""One walk for all inspectors; a fault in one is that one's error, and what was found before stays."""

from __future__ import annotations

import gzip
import io
import pickle
import zipfile

import pytest

from assay.core.digest import Digest
from assay.core.errors import ContentError
from assay.core.evidence import Outcome
from assay.core.finding import Confidence, Severity
from assay.core.inspector import Subject
from assay.core.limits import Limits
from assay.core.snapshot import FileEntry, Origin, Snapshot
from assay.inspections import walk
from assay.inspections.builtin import BUILTIN
from assay.inspections.coverage import Coverage
from assay.inspections.parts import MAX_SAME, plain
from assay.inspections.runner import inspect
from assay.policy.model import load_policy
from tests.support.scan import Memory


def subject(files: dict[str, bytes], limits: Limits | None = None) -> Subject:
    entries = [FileEntry(path, len(data), Digest.of(data)) for path, data in files.items()]
    return Subject(Snapshot.of(entries, Origin("directory", "x")), Memory(files), limits or Limits())


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


class Recorder:
    name = "recorder"
    version = "1"

    def __init__(self) -> None:
        self.seen: list[tuple[str, tuple[str, ...]]] = []

    def wants(self, part):
        return "zip" not in part.formats

    def inspect_part(self, part, out):
        self.seen.append((part.path, part.inner))
        assert part.stream.tell() == 0
        assert len(part.stream.read()) == part.size


class Breaks(Recorder):
    name = "breaks"

    def inspect_part(self, part, out):
        out.finding("something", Severity.HIGH, Confidence.HIGH, "seen before the fault", offset=1)
        raise ZeroDivisionError("oops")


class Refuses(Recorder):
    name = "refuses"

    def inspect_part(self, part, out):
        raise ContentError("broken content")


def test_every_part_is_offered_at_every_depth():
    recorder = Recorder()
    files = {"a.zip": zipped(x=b"one", y=zipped(z=gzip.compress(b"two"))), "b.txt": b"three"}
    inspect(subject(files), (recorder,))
    assert recorder.seen == [
        ("a.zip", ("x",)),
        ("a.zip", ("y", "z")),
        ("a.zip", ("y", "z", "content")),
        ("b.txt", ()),
    ]


def test_a_fault_is_an_error_and_keeps_the_findings():
    files = {"a": b"text one", "b": b"text two"}
    broken, fine = inspect(subject(files), (Breaks, Recorder))
    assert broken.outcome is Outcome.ERROR
    assert [f.where.file for f in broken.findings] == ["a", "b"]
    assert broken.facts["failed"] == ["a", "b"]
    assert "ZeroDivisionError: oops" in broken.facts["errors"][0]
    assert fine.outcome is Outcome.CLEAN
    assert fine.covered == ("a", "b")


def test_a_content_error_is_unread():
    (evidence,) = inspect(subject({"a": b"text"}), (Refuses,))
    assert evidence.outcome is Outcome.INCONCLUSIVE
    assert [(u.path, u.reason) for u in evidence.unread] == [("a", "broken content")]
    assert evidence.covered == ()


def test_faults_everywhere_are_errors():
    class Begins(Recorder):
        def begin(self, subject, out):
            raise ValueError

    class Wants(Recorder):
        def wants(self, part):
            raise ValueError

    class Finishes(Recorder):
        def finish(self, out):
            raise ValueError

    class Whole:
        name, version = "whole", "1"

        def inspect(self, subject):
            raise MemoryError

    for evidence in inspect(subject({"a": b"text"}), (Begins, Wants, Finishes, Whole)):
        assert evidence.outcome is Outcome.ERROR, evidence.inspector


def test_a_fault_of_the_walk_is_an_error_of_the_watcher(monkeypatch):
    def broken(*args):
        raise ZeroDivisionError

    monkeypatch.setattr(walk, "open_container", broken)
    watcher, other = inspect(subject({"a.zip": zipped(x=b"1"), "b.md": b"# text"}), (Coverage, Recorder))
    assert watcher.outcome is Outcome.ERROR
    assert watcher.facts["failed"] == ["a.zip"]
    assert other.covered == ("b.md",)


def test_classes_are_made_fresh_for_each_run():
    made = []

    class Counted(Recorder):
        def __init__(self):
            super().__init__()
            made.append(self)

    for _ in range(2):
        inspect(subject({"a": b"text"}), (Counted,))
    assert len({id(item) for item in made}) == 2


def test_unknown_formats_are_unread():
    (evidence,) = inspect(subject({"weights": bytes(range(256)) * 8}), (Coverage,))
    assert evidence.outcome is Outcome.INCONCLUSIVE
    assert "unknown format" in evidence.unread[0].reason


def test_readings_without_an_inspector_are_unread_one_by_one():
    data = pickle.dumps(print, 0) + zipped(a=b"x")
    (evidence,) = inspect(subject({"both": data}), (Coverage,))
    reasons = " ".join(u.reason for u in evidence.unread)
    assert "pickle, which no inspector reads" in reasons
    assert "zip, which no inspector reads" in reasons


@pytest.mark.parametrize("name", ["m/data/0", "m/data/weights/weight_0", "m/data/constants/tensor_1", "m/constants/2"])
def test_raw_storages_of_a_torch_archive_are_no_unknown_format(name):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("m/data.pkl", b"\x80\x04}.")
        archive.writestr(name, bytes(range(200, 256)))
    (evidence,) = inspect(subject({"m.pt": buffer.getvalue()}), (Coverage,))
    assert not [u for u in evidence.unread if "unknown" in u.reason]


@pytest.mark.parametrize("before", [512, 4096, 65536, 1 << 20])
def test_hdf5_behind_a_user_block(before):
    data = b"text " * (before // 5 + 1)
    (evidence,) = inspect(subject({"a.txt": data[:before] + b"\x89HDF\r\n\x1a\n" + bytes(100)}), (Coverage,))
    assert "hdf5" in evidence.facts["formats"]["a.txt"]


def test_depth_and_expansion_are_limited_and_said():
    nested = b"end"
    for _ in range(12):
        nested = gzip.compress(nested)
    (evidence,) = inspect(subject({"deep.gz": nested}), (Coverage,))
    assert any("nested deeper" in u.reason for u in evidence.unread)
    assert [f.rule for f in evidence.findings] == ["archive-limit"]
    bomb = gzip.compress(bytes(50 << 20))
    limits = Limits(expansion_floor_bytes=1 << 20, expansion_ratio=2)
    (evidence,) = inspect(subject({"bomb.gz": bomb}, limits), (Coverage,))
    assert any("expands to more than" in u.reason for u in evidence.unread)


def test_many_findings_of_one_kind_are_counted():
    class Chatty(Recorder):
        def inspect_part(self, part, out):
            for offset in range(MAX_SAME + 30):
                out.finding("rule", Severity.LOW, Confidence.LOW, "same", offset=offset)

    (evidence,) = inspect(subject({"a": b"text"}), (Chatty,))
    assert len(evidence.findings) == MAX_SAME
    assert evidence.facts["held_back"] == {"rule": 30}


def test_hostile_text_has_a_canonical_form():
    class Hostile(Recorder):
        def inspect_part(self, part, out):
            facts = {"n": 2**80, "f": float("nan"), "s": "\udcff", "d": {1: (2, {3})}}
            out.finding("rule", Severity.LOW, Confidence.LOW, "\ud800", **facts)
            out.fact_here("key", 2**70)

    (evidence,) = inspect(subject({"a": b"text"}), (Hostile,))
    assert evidence.digest
    assert evidence.findings[0].facts["n"] == str(2**80)


@pytest.mark.parametrize("value", [None, True, 1.5, "x", [1, "y"], {"a": [None]}])
def test_plain_keeps_what_is_plain(value):
    assert plain(value) == value


def test_builtin_names_are_unique_and_what_policy_requires():
    names = [item.name for item in BUILTIN]
    assert len(set(names)) == len(names)
    assert set(load_policy(None).required) <= set(names)


def test_evidence_says_the_version_that_its_inspector_has():
    """Else every served model would look as if other rules had vetted it."""
    files = {"config.json": b"{}", "a.py": b"import os"}
    entries = [FileEntry(path, len(data), Digest.of(data)) for path, data in files.items()]
    named = Subject(Snapshot.of(sorted(entries), Origin("hub", "hf://a/b", "a/b")), Memory(files), Limits())
    made = [item() if callable(item) else item for item in BUILTIN]
    told = {one.inspector: one.version for one in inspect(named, BUILTIN)}
    assert told == {item.name: item.version for item in made}


def test_progress_ends_at_the_total():
    calls = []
    inspect(subject({"a": b"12345", "b": b"123"}), (Recorder,), lambda *args: calls.append(args))
    assert calls == [("a", 5, 8), ("b", 8, 8)]

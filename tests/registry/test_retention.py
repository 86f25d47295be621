"""Garbage collection deletes what nothing needs, and nothing else; holds; the race with a publication."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from assay.core.digest import Digest
from assay.core.errors import IntegrityError, UsageError
from assay.core.verdict import Decision
from assay.provenance import statements as st
from assay.provenance.measured import evaluated
from assay.registry.queue import SNAPSHOT, WorkQueue
from assay.registry.retention import GRACE, Retention
from assay.registry.uploads import Change, Uploads
from tests.support import admitted
from tests.support.published import Publisher

DAY = timedelta(days=1)
GOOD = {"config.json": b"{}", "model.safetensors": b"good weights"}
BAD = {"config.json": b"{}", "pytorch_model.bin": b"bad weights"}


@pytest.fixture
def place(tmp_path):
    made = Publisher(tmp_path / "data")
    yield made
    made.index.close()


def stored(place) -> int:
    return len(list(place.blobs.objects()))


def collect_twice(place, at, keep_days=90):
    retention = Retention(place.index, place.blobs, keep_days)
    retention.collect(at)
    return retention.collect(at + GRACE)


def test_what_is_served_stays_and_what_was_refused_long_ago_goes(place):
    place.admit("org/good", GOOD)
    place.refuse("org/bad", BAD, "bad")
    assert collect_twice(place, place.now + 80 * DAY).deleted == (0, 0)
    done = collect_twice(place, place.now + 100 * DAY)
    assert done.deleted == (1, len(BAD["pytorch_model.bin"]))  # config.json is in both
    assert done.kept[0] == 2
    assert place.catalog.resolve("org/good", now=place.now).snapshot.files
    assert [result for result in place.blobs.scrub() if result.problem] == []
    assert place.index.verify_log().ok


def test_what_an_evaluation_ran_in_stays_as_long_as_its_statement(place):
    place.refuse("org/bad", BAD, "bad")
    snapshot = place.index.get_snapshot(admitted.snapshot(BAD, "org/bad").id)
    digest, _ = place.blobs.put([b"an SBOM"])
    previous = admitted.envelope(st.fetched(snapshot, started=place.now, finished=place.now))
    evidence = replace(admitted.evidence(snapshot), inspector="evaluation")
    said = evaluated(snapshot, evidence, previous=previous, at=place.now, environment=digest)
    with place.index.transaction() as tx:
        place.index.put_statement(snapshot.id, "evaluated", "evaluator", admitted.envelope(said), tx=tx)
    assert collect_twice(place, place.now + 100 * DAY).deleted[0] == 2
    assert place.blobs.has(digest)


def test_the_first_pass_only_marks_and_a_dry_run_does_nothing(place):
    place.refuse("org/bad", BAD, "bad")
    retention, later = Retention(place.index, place.blobs), place.now + 100 * DAY
    assert retention.collect(later, dry_run=True).marked[0] == 2
    assert retention.collect(later).marked[0] == 2
    assert retention.collect(later + GRACE / 2).marked[0] == 2
    assert retention.collect(later + GRACE, dry_run=True).deleted[0] == 2
    assert stored(place) == 2
    assert retention.collect(later + GRACE).deleted[0] == 2
    assert stored(place) == 0


def test_a_revoked_model_stays_for_a_while(place):
    place.admit("org/good", GOOD)
    place.revoke("org/good", "turned out bad")
    assert collect_twice(place, place.now + 30 * DAY).deleted == (0, 0)
    assert collect_twice(place, place.now + 100 * DAY).deleted[0] == 2


def test_what_waits_and_what_was_uploaded_stays(place):
    snapshot = admitted.store(place.index, place.blobs, GOOD, "org/good")
    place.index.put_snapshot(snapshot)
    queue = WorkQueue(place.index)
    queue.ask(SNAPSHOT, str(snapshot.id), "org/good", asked_by="ann")
    uploads = Uploads(place.index, place.blobs)
    file = uploads.put_file([b"uploaded"], name="org/up", actor="ann")
    uploads.commit("org/up", Change((type(file)("a.txt", file.size, file.digest),)), actor="ann", message="")
    assert collect_twice(place, place.now + 100 * DAY).deleted[0] == 0
    for _ in range(2):
        item = queue.claim("me", lambda _: False)
        queue.end(item, "done", "REJECT", "")
    assert collect_twice(place, place.now + 200 * DAY).deleted[0] == 3


def test_a_hold_keeps_it_and_its_release_does_not(place):
    place.refuse("org/bad", BAD, "bad")
    snapshot = admitted.store(place.index, place.blobs, BAD, "org/bad")
    retention = Retention(place.index, place.blobs)
    held = retention.hold(snapshot.id, "case 12", "eve", place.now)
    assert collect_twice(place, place.now + 100 * DAY).deleted == (0, 0)
    assert retention.report(place.now + 100 * DAY)["holds"] == 1
    retention.release(held.seq, "eve", place.now + 101 * DAY)
    assert collect_twice(place, place.now + 102 * DAY).deleted[0] == 2
    with pytest.raises(UsageError, match="no hold"):
        retention.release(held.seq, "eve")
    with pytest.raises(UsageError, match="reason"):
        retention.hold(snapshot.id, " ", "eve")
    with pytest.raises(UsageError, match="not in the index"):
        retention.hold(Digest("0" * 64), "x", "eve")


def test_a_publication_between_mark_and_deletion_wins(place):
    place.refuse("org/bad", BAD, "bad")
    retention, later = Retention(place.index, place.blobs), place.now + 100 * DAY
    retention.collect(later)
    place.now = later
    place.admit("org/bad-after-all", BAD)
    assert retention.collect(later + GRACE).deleted == (0, 0)
    assert place.catalog.resolve("org/bad-after-all", now=later + DAY).snapshot


def test_a_deletion_before_the_publication_is_seen_by_it(place, monkeypatch):
    place.refuse("org/bad", BAD, "bad")
    retention, later = Retention(place.index, place.blobs), place.now + 100 * DAY
    retention.collect(later)
    check = place.catalog._check_blobs

    def check_then_collect(*args):
        found = check(*args)
        assert retention.collect(later + GRACE).deleted[0] == 2  # between the look at the blobs and the transaction
        return found

    place.now = later
    snapshot = admitted.store(place.index, place.blobs, BAD, "org/late")
    place.index.put_snapshot(snapshot)
    monkeypatch.setattr(place.catalog, "_check_blobs", check_then_collect)
    with pytest.raises(IntegrityError, match="collected as garbage"):
        place.admit_snapshot("org/late", snapshot)
    assert place.catalog.revisions("org/late") == ()


def test_marked_needed_and_unneeded_again_starts_over(place):
    place.refuse("org/bad", BAD, "bad")
    retention, later = Retention(place.index, place.blobs), place.now + 100 * DAY
    retention.collect(later)
    place.refuse("org/bad", BAD, "again", Decision.REJECT)
    place.now = later
    place.refuse("org/bad", BAD, "lately")
    assert retention.collect(later + GRACE).deleted == (0, 0)
    much_later = later + 200 * DAY
    assert retention.collect(much_later).deleted == (0, 0)
    assert retention.collect(much_later + GRACE).deleted[0] == 2

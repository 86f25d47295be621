"""Snapshots kept in memory between two requests."""

from assay.registry.recent import RecentSnapshots
from tests.support.admitted import snapshot


def of(*names):
    return snapshot({name: name.encode() for name in names})


def test_what_was_used_last_is_kept():
    recent, first, second, third = RecentSnapshots(most_files=4), of("a", "b"), of("c", "d"), of("e")
    recent.put(first, "org/model")
    recent.put(second, "org/model")
    assert recent.get(first.id, "org/model") is first
    recent.put(third, "org/model")  # one file too many: the one not used for longest goes
    assert recent.get(second.id, "org/model") is None
    assert recent.get(first.id, "org/model") is first
    assert recent.get(third.id, "org/model") is third


def test_one_snapshot_under_two_names_is_two():
    recent, one = RecentSnapshots(), of("a")
    recent.put(one, "org/model")
    assert recent.get(one.id, "other/model") is None


def test_one_that_is_too_large_is_not_kept_and_drops_none():
    recent, small, large = RecentSnapshots(most_files=2), of("a"), of("a", "b", "c")
    recent.put(small, "org/model")
    recent.put(large, "org/model")
    recent.put(small, "org/model")
    assert recent.get(large.id, "org/model") is None
    assert recent.get(small.id, "org/model") is small

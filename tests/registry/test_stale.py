"""Re-vetting: what is queued when rules change, in which order, and what a verdict that turns leaves behind."""

from datetime import UTC, datetime, timedelta

import pytest

from assay.core.digest import Digest
from assay.core.verdict import Decision
from assay.registry.pulls import Consumer, PullLedger
from assay.registry.queue import WorkQueue
from assay.registry.records import Refused
from assay.registry.stale import queue_stale, stale
from assay.store import log
from tests.support import admitted
from tests.support.published import Publisher

TODAY = {"pickle": "1"}


@pytest.fixture
def publisher(tmp_path):
    made = Publisher(tmp_path / "data")
    for name in ("org/first", "org/second", "org/third"):
        made.admit(name, {"a": name.encode()})
    yield made
    made.index.close()


def names(found):
    return [one.name for one in found]


def test_nothing_is_stale_while_nothing_changes(publisher):
    assert stale(publisher.catalog, admitted.POLICY, TODAY, datetime.now(UTC)) == ()


@pytest.mark.parametrize(
    ("policy", "versions", "why"),
    [
        (Digest.of(b"new"), TODAY, "the policy changed"),
        (admitted.POLICY, {"pickle": "2"}, "inspector pickle is another version now"),
        (admitted.POLICY, {"pickle": "1", "new": "1"}, "inspector new has not looked"),
    ],
)
def test_what_changed_queues_the_oldest_verdict_first_and_what_is_pulled_before_the_rest(
    publisher, policy, versions, why
):
    publisher.revoke("org/first", "bad")
    now = datetime.now(UTC)
    ledger = PullLedger(publisher.index)
    third = publisher.catalog.resolve("org/third")
    ledger.record(third.name, third.revision, third.snapshot.id, consumer=Consumer("anna"), size=1, now=now)
    ledger.close()
    found = stale(publisher.catalog, policy, versions, now)
    assert [(one.name, one.why) for one in found] == [("org/second", why), ("org/third", why)]
    for _ in range(2):
        assert queue_stale(publisher.catalog, found, now) == 2
    assert names(WorkQueue(publisher.index).waiting()) == ["org/third", "org/second"]


def test_a_verdict_that_turns_is_an_incident(publisher):
    resolved = publisher.catalog.resolve("org/second")
    at = publisher.now + timedelta(seconds=5)
    turned = admitted.verdict(resolved.snapshot, Decision.REJECT, at, why="a rule learned")
    for _ in range(2):
        publisher.catalog.record_refusal("org/second", turned, at)
    publisher.refuse("org/new", {"x": b"x"}, "bad")
    with publisher.index.reading() as tx:
        entries = [entry.body for entry in log.entries(tx) if entry.kind == "turned"]
    assert [(one["name"], one["from"], one["reason"]) for one in entries] == [
        ("org/second", resolved.verdict.digest.hex, "a rule learned")
    ]
    with pytest.raises(Refused, match="a rule learned"):
        publisher.catalog.resolve("org/second")

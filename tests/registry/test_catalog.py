"""The catalogue: what is served, what is refused and why, and that it moves only by a signed decision."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from assay.core.canonical import json_digest
from assay.core.digest import Digest
from assay.core.errors import IntegrityError, TrustError, UsageError
from assay.core.verdict import Decision, Verdict
from assay.registry.audit import audit
from assay.registry.catalog import Catalog, revision_id
from assay.registry.records import Refused, Resolved, Revision
from assay.store import log, schema
from assay.store.blobs import Blobs, open_blobs
from tests.support import admitted
from tests.support.admitted import NOW

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from assay.core.snapshot import Snapshot
    from assay.store.index import Index

NAME = "org/model"
LATER = NOW + timedelta(hours=1)


class Desk:
    """A registry with short words for what the tests do."""

    def __init__(self, index: Index, blobs: Blobs) -> None:
        self.index, self.blobs = index, blobs
        self.catalog = Catalog(index)

    def store(self, content: bytes, name: str = NAME) -> Snapshot:
        return admitted.store(self.index, self.blobs, {"config.json": b"{}", "w.safetensors": content}, name)

    def publish(self, subject: Snapshot, name: str = NAME, judged: Verdict | None = None) -> Revision:
        judged = judged or admitted.verdict(subject)
        chain = admitted.chain(subject, judged, name)
        return self.catalog.publish(name, subject.id, judged, chain, judged.decided_at, blobs=self.blobs)

    def resolve(self, name: str = NAME, revision: str = "main") -> Resolved:
        return self.catalog.resolve(name, revision, NOW)

    def refusal(self, name: str = NAME, revision: str = "main") -> Refused:
        with pytest.raises(Refused) as caught:
            self.resolve(name, revision)
        return caught.value

    def kinds(self) -> list[str]:
        with self.index.reading() as tx:
            return [entry.kind for entry in log.entries(tx)]

    def move(self, to: Revision, subject: Snapshot, from_: str, ref: str = "main") -> None:
        before = admitted.chain(subject, admitted.verdict(subject))[-1].envelope
        says = {"revision": to.revision, "previous_revision": from_}
        self.catalog.move_ref(NAME, ref, to.revision, admitted.ref_statement(subject, before, ref=ref, **says), NOW)

    def revoke(self, subject: Snapshot, reason: str = "a backdoor was found") -> None:
        before = admitted.chain(subject, admitted.verdict(subject))[-1].envelope
        self.catalog.revoke(subject.id, reason, admitted.revoked_statement(subject, before, reason), LATER)


@pytest.fixture
def desk(index: Index, tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(index, open_blobs(tmp_path / "blobs"))
    yield desk
    assert index.verify_log().ok
    assert audit(index) == ()


def test_the_first_admitted_revision_is_served_as_main(desk: Desk) -> None:
    subject = desk.store(b"one")
    revision = desk.publish(subject)
    assert revision.parent == ""
    resolved = desk.resolve()
    assert (resolved.name, resolved.revision, resolved.snapshot) == (NAME, revision.revision, subject)
    assert resolved.verdict == admitted.verdict(subject)
    assert resolved.moved_at == NOW
    assert desk.resolve(revision=revision.revision) == resolved
    (ref,) = desk.catalog.refs(NAME)
    assert (ref.ref, ref.revision) == ("main", revision.revision)
    approval = admitted.chain(subject, admitted.verdict(subject))[-1]
    assert ref.statement == approval.envelope.digest
    assert desk.kinds() == ["verdict", "admitted", *["statement"] * 3, "published", "ref-moved"]


def test_the_revision_id_is_ours(desk: Desk) -> None:
    subject = desk.store(b"one")
    promised = desk.catalog.next_revision(NAME, subject.id)
    document = {"manifest": str(subject.id), "parent": "", "name": NAME}
    assert promised == json_digest(document).hex[:40] == desk.publish(subject).revision
    assert desk.catalog.next_revision(NAME, subject.id) == promised
    second = desk.store(b"two")
    assert desk.publish(second).revision == revision_id(NAME, second.id, promised)


def test_publishing_again_changes_nothing(desk: Desk) -> None:
    subject = desk.store(b"one")
    first = desk.publish(subject)
    kinds = desk.kinds()
    assert desk.publish(subject) == first
    assert desk.kinds() == kinds


def test_a_later_publication_leaves_main_where_it_is(desk: Desk) -> None:
    one, two = desk.store(b"one"), desk.store(b"two")
    first, second = desk.publish(one), desk.publish(two)
    assert second.parent == first.revision
    assert desk.resolve().revision == first.revision
    assert desk.resolve(revision=second.revision).snapshot == two
    assert [revision.revision for revision in desk.catalog.revisions(NAME)] == [second.revision, first.revision]
    desk.publish(one, judged=admitted.verdict(one, at=LATER, days=60))
    assert desk.catalog.resolve(NAME, now=LATER).revision == first.revision
    assert desk.kinds().count("ref-moved") == 1


def test_main_may_be_signed_at_the_first_publication(desk: Desk) -> None:
    subject = desk.store(b"one")
    judged = admitted.verdict(subject)
    chain = admitted.chain(subject, judged)
    revision = desk.catalog.next_revision(NAME, subject.id)
    signed = admitted.ref_statement(subject, chain[-1].envelope, revision=revision)
    for _ in range(2):
        desk.catalog.publish(NAME, subject.id, judged, [*chain, signed], NOW, blobs=desk.blobs)
    assert desk.catalog.refs(NAME)[0].statement == signed.envelope.digest
    assert signed in desk.index.statements_for(subject.id)


def test_a_ref_statement_about_something_else_publishes_nothing(desk: Desk) -> None:
    subject = desk.store(b"one")
    judged = admitted.verdict(subject)
    chain = admitted.chain(subject, judged)
    wrong = admitted.ref_statement(subject, chain[-1].envelope, revision="0" * 40)
    with pytest.raises(TrustError, match="revision"):
        desk.catalog.publish(NAME, subject.id, judged, [*chain, wrong], NOW, blobs=desk.blobs)
    assert desk.refusal().kind == "unknown"
    assert desk.kinds() == []


def test_main_moves_by_a_signed_decision_only(desk: Desk) -> None:
    one, two = desk.store(b"one"), desk.store(b"two")
    first, second = desk.publish(one), desk.publish(two)
    for _ in range(2):  # repeating the last move changes nothing
        desk.move(second, two, first.revision)
    assert desk.resolve().revision == second.revision
    assert desk.kinds().count("ref-moved") == 2
    desk.move(second, two, "", ref="production")
    assert {ref.ref: ref.revision for ref in desk.catalog.refs(NAME)} == {
        "main": second.revision,
        "production": second.revision,
    }
    assert desk.resolve(revision="production").revision == second.revision


def test_an_old_move_cannot_be_played_back(desk: Desk) -> None:
    one, two = desk.store(b"one"), desk.store(b"two")
    first, second = desk.publish(one), desk.publish(two)
    desk.move(second, two, first.revision)
    desk.move(first, one, second.revision)
    with pytest.raises(TrustError, match="previousRevision"):
        desk.move(first, one, "0" * 40)
    desk.move(second, two, first.revision)  # from where it is now: a decision that says so
    desk.move(first, one, second.revision)
    assert desk.resolve().revision == first.revision


@pytest.mark.parametrize("wrong", ["name", "ref", "revision", "previous_revision", "snapshot", "kind"])
def test_a_statement_that_says_something_else_moves_nothing(desk: Desk, wrong: str) -> None:
    one, two = desk.store(b"one"), desk.store(b"two")
    first, second = desk.publish(one), desk.publish(two)
    says = {"name": NAME, "ref": "main", "revision": second.revision, "previous_revision": first.revision}
    says |= {wrong: "f" * 40} if wrong in says else {}
    before = admitted.chain(two, admitted.verdict(two))[-1].envelope
    signed = admitted.ref_statement(one if wrong == "snapshot" else two, before, **says)
    if wrong == "kind":
        signed = admitted.revoked_statement(two, before)
    with pytest.raises(TrustError):
        desk.catalog.move_ref(NAME, "main", second.revision, signed, NOW)
    assert desk.resolve().revision == first.revision


def test_refs_move_to_served_revisions_only(desk: Desk) -> None:
    one, two = desk.store(b"one"), desk.store(b"two")
    first, second = desk.publish(one), desk.publish(two)
    desk.revoke(two)
    with pytest.raises(Refused, match="revoked"):
        desk.move(second, two, first.revision)
    unknown = Revision(NAME, "0" * 40, "", one.id, NOW)
    with pytest.raises(Refused, match="no revision"):
        desk.move(unknown, one, first.revision)


@pytest.mark.parametrize("ref", ["", "a" * 40, "A" * 40, "0" * 40, "../x", "a b", "x\n", "-x", "é"])
def test_a_ref_never_looks_like_something_else(desk: Desk, ref: str) -> None:
    subject = desk.store(b"one")
    first = desk.publish(subject)
    with pytest.raises(UsageError, match="not a name for a ref"):
        desk.move(first, subject, "", ref=ref)


def test_a_rejected_name_says_why(desk: Desk) -> None:
    subject = desk.store(b"bad")
    for _ in range(2):
        desk.catalog.record_refusal(NAME, admitted.verdict(subject, Decision.REJECT, why="calls os.system"), NOW)
    for revision in ("main", "a" * 40):
        refused = desk.refusal(revision=revision)
        assert refused.kind == "rejected"
        assert "calls os.system" in str(refused)
        assert refused.snapshot_id == subject.id
    assert desk.kinds() == ["verdict", "refused"]


def test_a_name_on_hold_says_why(desk: Desk) -> None:
    subject = desk.store(b"odd")
    desk.catalog.record_refusal(NAME, admitted.verdict(subject, Decision.HOLD, why="one file was not read"), NOW)
    refused = desk.refusal()
    assert (refused.kind, "one file was not read" in str(refused)) == ("held", True)


def test_a_rejected_newcomer_does_not_disturb_what_is_served(desk: Desk) -> None:
    one, two = desk.store(b"one"), desk.store(b"two")
    first = desk.publish(one)
    desk.catalog.record_refusal(NAME, admitted.verdict(two, Decision.REJECT), NOW)
    assert desk.resolve().revision == first.revision
    assert desk.refusal(revision=revision_id(NAME, two.id, first.revision)).kind == "revision-unknown"


@pytest.mark.parametrize(("decision", "kind"), [(Decision.REJECT, "rejected"), (Decision.HOLD, "held")])
def test_a_newer_refusal_ends_the_serving(desk: Desk, decision: Decision, kind: str) -> None:
    subject = desk.store(b"one")
    revision = desk.publish(subject)
    desk.catalog.record_refusal(NAME, admitted.verdict(subject, decision, at=LATER), LATER)
    assert desk.refusal().kind == desk.refusal(revision=revision.revision).kind == kind
    assert desk.catalog.models(now=LATER).models == ()
    desk.publish(subject, judged=admitted.verdict(subject, at=LATER + timedelta(hours=1)))
    assert desk.catalog.resolve(NAME, now=LATER + timedelta(hours=2)).revision == revision.revision


def test_an_older_admit_does_not_undo_a_newer_refusal(desk: Desk) -> None:
    subject = desk.store(b"one")
    desk.catalog.record_refusal(NAME, admitted.verdict(subject, Decision.REJECT, at=LATER), LATER)
    with pytest.raises(UsageError, match="newer verdict"):
        desk.publish(subject)
    assert desk.refusal().kind == "rejected"


def test_an_older_refusal_that_comes_late_does_not_undo_a_newer_admit(desk: Desk) -> None:
    subject = desk.store(b"one")
    desk.publish(subject)
    early = admitted.verdict(subject, Decision.HOLD, at=NOW - timedelta(days=1))
    desk.catalog.record_refusal(NAME, early, LATER)
    assert desk.resolve().snapshot == subject


def test_the_same_bytes_are_judged_per_name(desk: Desk) -> None:
    subject = desk.store(b"one")
    desk.publish(subject)
    desk.catalog.record_refusal("org/m0del", admitted.verdict(subject, Decision.REJECT, why="imitates org/model"), NOW)
    assert desk.resolve().snapshot == subject
    assert desk.refusal("org/m0del").kind == "rejected"


def test_an_expired_admission_is_not_served(desk: Desk) -> None:
    subject = desk.store(b"one")
    desk.publish(subject, judged=admitted.verdict(subject, days=1))
    with pytest.raises(Refused, match="2026-02-01T12:00:00Z") as caught:
        desk.catalog.resolve(NAME, now=NOW + timedelta(days=1))
    assert caught.value.kind == "expired"
    assert desk.catalog.resolve(NAME, now=NOW + timedelta(hours=23)).snapshot == subject


def test_a_revocation_is_sticky_and_reaches_every_name(desk: Desk) -> None:
    subject = desk.store(b"one")
    desk.store(b"one", "org/copy")
    first = desk.publish(subject)
    desk.publish(subject, "org/copy")
    for _ in range(2):
        desk.revoke(subject)
    for name, revision in ((NAME, "main"), (NAME, first.revision), ("org/copy", "main")):
        refused = desk.refusal(name, revision)
        assert (refused.kind, "a backdoor was found" in str(refused)) == ("revoked", True)
    with pytest.raises(Refused, match="revoked"):
        desk.publish(subject, judged=admitted.verdict(subject, at=LATER))
    with pytest.raises(Refused, match="revoked"):
        desk.publish(subject, "org/third")
    assert desk.refusal().kind == "revoked"
    assert desk.kinds().count("revoked") == 1
    assert desk.catalog.models(now=NOW).models == ()


def test_a_revocation_needs_a_statement_about_that_snapshot(desk: Desk) -> None:
    one, two = desk.store(b"one"), desk.store(b"two")
    desk.publish(one)
    before = admitted.chain(one, admitted.verdict(one))[-1]
    with pytest.raises(TrustError, match="another snapshot"):
        desk.catalog.revoke(one.id, "x", admitted.revoked_statement(two, before.envelope), NOW)
    with pytest.raises(TrustError, match="'revoked' statement"):
        desk.catalog.revoke(one.id, "x", before, NOW)
    assert desk.resolve().snapshot == one


@pytest.mark.parametrize("decision", [Decision.REJECT, Decision.HOLD])
def test_only_an_admit_is_published(desk: Desk, decision: Decision) -> None:
    subject = desk.store(b"one")
    with pytest.raises(UsageError, match="live ADMIT"):
        desk.publish(subject, judged=admitted.verdict(subject, decision))
    with pytest.raises(UsageError, match="not recorded as a refusal"):
        desk.catalog.record_refusal(NAME, admitted.verdict(subject), NOW)
    assert desk.kinds() == []


def test_an_expired_or_foreign_verdict_is_not_published(desk: Desk) -> None:
    one, two = desk.store(b"one"), desk.store(b"two")
    judged = admitted.verdict(one, days=1)
    chain = admitted.chain(one, judged)
    for snapshot_id, now in ((one.id, NOW + timedelta(days=2)), (one.id, NOW - timedelta(days=1)), (two.id, NOW)):
        with pytest.raises(UsageError, match="live ADMIT"):
            desk.catalog.publish(NAME, snapshot_id, judged, chain, now, blobs=desk.blobs)
    assert desk.kinds() == []


def test_nothing_is_published_without_its_blobs(desk: Desk) -> None:
    subject = desk.store(b"one")
    desk.blobs.delete(Digest.of(b"one"))
    with pytest.raises(IntegrityError, match="not in the store"):
        desk.publish(subject)
    assert desk.kinds() == []


def test_nothing_is_published_without_its_evidence(desk: Desk) -> None:
    subject = admitted.snapshot({"f": b"one"})
    desk.blobs.put([b"one"])
    desk.index.put_snapshot(subject)
    with pytest.raises(UsageError, match="evidence"):
        desk.publish(subject)
    assert desk.kinds() == []


def test_nothing_is_published_that_is_not_stored(desk: Desk) -> None:
    with pytest.raises(UsageError, match="not in the index"):
        desk.publish(admitted.snapshot({"f": b"one"}))


def test_nothing_is_published_without_its_approval(desk: Desk) -> None:
    subject, other = desk.store(b"one"), desk.store(b"two")
    judged, again = admitted.verdict(subject), admitted.verdict(subject, days=90)
    right = admitted.chain(subject, judged)
    for statements in (
        [],
        right[:2],
        [*right[:2], admitted.chain(subject, again)[-1]],
        [*right[:2], admitted.chain(subject, judged, "org/other")[-1]],
        admitted.chain(other, admitted.verdict(other)),
    ):
        with pytest.raises(TrustError):
            desk.catalog.publish(NAME, subject.id, judged, statements, NOW, blobs=desk.blobs)
    assert desk.kinds() == []


@pytest.mark.parametrize("name", ["", "a/b/c", "../x", "a b", "org/", "/x", "org/a--b"])
def test_a_name_no_client_can_ask_for_is_not_published(desk: Desk, name: str) -> None:
    with pytest.raises(UsageError, match="not a model name"):
        desk.publish(desk.store(b"one"), name)


def test_an_unknown_name_gets_a_hint(desk: Desk) -> None:
    desk.publish(desk.store(b"one"))
    for asked in ("org/modle", "Org/Model", "0rg/model", "someone/model"):
        assert "did you mean org/model?" in str(desk.refusal(asked))
    for asked in ("entirely/different", "", "x" * 10_000):
        refused = desk.refusal(asked)
        assert refused.kind == "unknown"
        assert "did you mean" not in str(refused)
        assert len(str(refused)) < 400


def test_models_are_listed_by_name_in_pages(desk: Desk) -> None:
    names = [f"org/m{n}" for n in range(7)] + ["Other/Thing", "under_score/x"]
    subject = desk.store(b"one")
    for name in names:
        desk.publish(subject, name)
    rejected = desk.store(b"bad")
    desk.catalog.record_refusal("org/m3", admitted.verdict(subject, Decision.REJECT, at=LATER), LATER)
    desk.catalog.record_refusal("org/rejected", admitted.verdict(rejected, Decision.REJECT), NOW)
    served = [name for name in sorted(names) if name != "org/m3"]
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = desk.catalog.models(limit=3, cursor=cursor, now=LATER)
        assert len(page.models) <= 3
        found += [model.name for model in page.models]
        cursor = page.cursor
        if cursor is None:
            break
    assert found == served
    (thing,) = desk.catalog.models("oTHER", now=LATER).models
    assert (thing.name, thing.snapshot_id, thing.created_at, thing.moved_at) == ("Other/Thing", subject.id, NOW, NOW)
    assert thing.revision == desk.resolve("Other/Thing").revision
    assert [model.name for model in desk.catalog.models("r_s", now=LATER).models] == ["under_score/x"]
    assert desk.catalog.models("%", now=LATER).models == ()
    assert desk.catalog.models(limit=8, now=LATER).cursor is None
    with pytest.raises(UsageError):
        desk.catalog.models(limit=0)


_BEHIND = {
    "a statement's place moved": "UPDATE statement_entries SET entry = 1000 "
    "WHERE statement IN (SELECT max(statement) FROM statement_entries)",
    "a statement's place lost": "DELETE FROM statement_entries",
    "a ref moved by hand": "INSERT INTO ref_moves (seq, name, ref, revision, statement, moved_at) "
    "SELECT seq + 100, name, ref, revision, statement, moved_at FROM ref_moves",
    "a ref changed": "UPDATE ref_moves SET revision = parent FROM revisions",
    "a revocation removed": "DELETE FROM revocations",
    "a refusal removed": "DELETE FROM decisions WHERE seq = 2",
    "a refusal made older": "UPDATE decisions SET decided_at = '2020-01-01T00:00:00Z' WHERE seq = 2",
    "a revision of another snapshot": "UPDATE revisions SET snapshot_id = (SELECT max(id) FROM snapshots)",
    "a publication made younger": "UPDATE revisions SET published_at = '2030-01-01T00:00:00Z'",
    "a statement removed": "DELETE FROM statements WHERE kind = 'scanned'",
    "evidence edited": "UPDATE evidence SET body = replace(body, 'clean', 'found')",
    "a verdict edited": "UPDATE verdicts SET body = replace(body, 'REJECT', 'ADMIT')",
}


@pytest.mark.parametrize("what", _BEHIND)
def test_the_audit_sees_rows_changed_behind_the_log(index: Index, tmp_path: Path, what: str) -> None:
    desk = Desk(index, open_blobs(tmp_path / "blobs"))
    one, two = sorted((desk.store(b"one"), desk.store(b"two")), key=lambda snapshot: snapshot.id)
    desk.publish(one)
    desk.catalog.record_refusal(NAME, admitted.verdict(two, Decision.REJECT), NOW)
    desk.revoke(two)
    assert audit(index) == ()
    with index.transaction() as tx:
        assert tx.execute(sa.text(_BEHIND[what])).rowcount > 0
    assert len(audit(index)) >= 1
    assert index.verify_log().ok


def test_a_revision_without_a_verdict_is_an_error_not_a_model(index: Index, tmp_path: Path) -> None:
    desk = Desk(index, open_blobs(tmp_path / "blobs"))
    desk.publish(desk.store(b"one"))
    with index.transaction() as tx:
        tx.execute(sa.delete(schema.decisions))
    with pytest.raises(IntegrityError, match="no verdict"):
        desk.resolve()

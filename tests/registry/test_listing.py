"""The listing: whatever happens to names, it says what resolving says, and finds by any part of the name."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from assay.core.errors import TrustError
from assay.core.verdict import Decision
from assay.registry import listing
from assay.registry.catalog import Catalog
from assay.registry.listing import Asked
from assay.registry.records import Refused, Resolved
from assay.registry.served import head_and_served, served, served_soon
from assay.store.blobs import Blobs, open_blobs
from assay.store.schema_listing import listing as table
from tests.support import admitted
from tests.support.admitted import NOW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from assay.core.snapshot import Snapshot
    from assay.store.index import Index

NAMES = ("org/bert-base", "org/distilbert", "other/BERT_x", "gpt2", "team/secret-bert")


class Office:
    """A catalogue, and every change that there is to a name."""

    def __init__(self, index: Index, blobs: Blobs, loop: asyncio.Runner) -> None:
        self.index, self.blobs, self.catalog = index, blobs, Catalog(index)
        self.loop, self.soon = loop, index.soon()
        self.now = NOW
        self.snapshots = [self.store(bytes([number])) for number in range(4)]

    def store(self, content: bytes) -> Snapshot:
        return admitted.store(self.index, self.blobs, {"config.json": b"{}", "w.safetensors": content}, "org/x")

    def publish(self, name: str, subject: Snapshot) -> None:
        judged = admitted.verdict(subject, at=self.now, days=2)
        self.catalog.publish(
            name, subject.id, judged, admitted.chain(subject, judged, name), self.now, blobs=self.blobs
        )

    def refuse(self, name: str, subject: Snapshot, decision: Decision) -> None:
        self.catalog.record_refusal(name, admitted.verdict(subject, decision, at=self.now), self.now)

    def revoke(self, subject: Snapshot) -> None:
        before = admitted.chain(subject, admitted.verdict(subject))[-1].envelope
        self.catalog.revoke(subject.id, "bad", admitted.revoked_statement(subject, before, "bad"), self.now)

    def move(self, name: str, chance: random.Random) -> None:
        revisions = self.catalog.revisions(name)
        if not revisions:
            return
        to = chance.choice(revisions)
        subject = next(one for one in self.snapshots if one.id == to.snapshot_id)
        before = admitted.chain(subject, admitted.verdict(subject), name)[-1].envelope
        at = {ref.ref: ref.revision for ref in self.catalog.refs(name)}["main"]
        statement = admitted.ref_statement(
            subject, before, name=name, ref="main", revision=to.revision, previous_revision=at
        )
        self.catalog.move_ref(name, "main", to.revision, statement, self.now)

    def resolvable(self, now: datetime) -> list[str]:
        found = []
        for name in sorted(NAMES):
            try:
                self.catalog.resolve(name, now=now)
            except Refused:
                continue
            found.append(name)
        return found

    def read_plainly(self, now: datetime) -> set[tuple[str, str, str, str, datetime]]:
        """What one statement finds for every name, ref and revision that there is."""
        found = served(self.index, self.everything(), now, with_origin=True)
        assert found.keys() == served(self.index, self.everything(), now).keys()
        soon = self.loop.run(served_soon(self.soon, self.everything(), now))
        head, along = self.loop.run(head_and_served(self.soon, self.everything(), now))
        assert (along, head) == (soon, self.index.log_head())
        assert soon.keys() == found.keys()
        got = {key: self.catalog._plainly(one) for key, one in found.items()}
        return {(*key, *_told(one)) for key, one in got.items() if one is not None}

    def read_closely(self, now: datetime) -> set[tuple[str, str, str, str, datetime]]:
        """What is found step by step."""
        found = set()
        for name, ref in self.everything():
            with suppress(Refused):
                found.add((name, ref, *_told(self.catalog._closely(name, ref, now))))
        return found

    def everything(self) -> list[tuple[str, str]]:
        refs = [(name, ref) for name in NAMES for ref in ("main", "nothing", "0" * 40)]
        return refs + [(name, one.revision) for name in NAMES for one in self.catalog.revisions(name)]

    def listed(self, now: datetime) -> list[str]:
        return [one.name for one in self.catalog.models(now=now).models]


def _told(one: Resolved) -> tuple[str, str, datetime]:
    return one.revision, f"{one.snapshot.id} {one.snapshot.origin} {one.verdict.digest}", one.moved_at


@pytest.fixture
def office(index: Index, tmp_path: Path) -> Iterator[Office]:
    with asyncio.Runner() as loop:
        yield Office(index, open_blobs(tmp_path / "blobs"), loop)


@pytest.mark.parametrize("asked", [[], [("org/x", "main")], [("org/x", "0" * 40)], [("a", "main"), ("a", "b")]])
def test_the_head_of_the_log_comes_along_though_nothing_is_found(office: Office, asked: list[tuple[str, str]]) -> None:
    assert office.loop.run(head_and_served(office.soon, asked, office.now)) == (office.index.log_head(), {})
    office.publish("org/y", office.snapshots[0])
    assert office.loop.run(head_and_served(office.soon, asked, office.now)) == (office.index.log_head(), {})


@pytest.mark.parametrize("steps", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_a_list_shows_exactly_what_resolves(office: Office, steps: int) -> None:
    chance = random.Random(7)
    for step in range(steps):
        office.now += timedelta(hours=2)  # what was published first ends on the way
        name, subject = chance.choice(NAMES), chance.choice(office.snapshots)
        ways: tuple[Callable[[], None], ...] = (
            lambda: office.publish(name, subject),  # noqa: B023 - called in this turn
            lambda: office.refuse(name, subject, chance.choice((Decision.HOLD, Decision.REJECT))),  # noqa: B023
            lambda: office.move(name, chance),  # noqa: B023
        )
        with suppress(Refused, TrustError):
            chance.choices(ways, (3, 1, 2))[0]()
        if step == 15:
            office.revoke(office.snapshots[0])
        for now in (office.now, office.now + timedelta(days=1, hours=5)):
            assert office.listed(now) == office.resolvable(now), step
            assert office.read_plainly(now) == office.read_closely(now), step
    with office.index.reading() as tx:
        assert list(listing.differences(tx, office.index)) == []


def test_names_are_found_by_any_part_of_them(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        office.publish(name, office.snapshots[0])
    office.refuse("evil/bert-bad", office.snapshots[1], Decision.REJECT)

    def found(search: str = "", **asked: str) -> list[str]:
        return [one.name for one in office.catalog.models(search, now=office.now, asked=Asked(**asked)).models]

    for common in (False, True):
        monkeypatch.setattr(listing, "common", lambda _engine, _key, answer=common: answer)
        assert found("BERT") == ["org/bert-base", "org/distilbert", "other/BERT_x", "team/secret-bert"]
        assert found("lbert") == ["org/distilbert"]
        assert found("g/b") == ["org/bert-base"]
        assert found("be") == found("BERT")
        assert found("t_x") == ["other/BERT_x"]
        assert found('x" OR "b') == found("nothing") == found("%") == found("a%b") == []
        assert found("bert", publisher="org") == ["org/bert-base", "org/distilbert"]
    page = office.catalog.models("bert", 2, now=office.now, shown=lambda name: not name.startswith("team/"))
    assert [one.name for one in page.models] == ["org/bert-base", "org/distilbert"]
    rest = office.catalog.models("bert", 2, page.cursor, office.now, shown=lambda name: not name.startswith("team/"))
    assert ([one.name for one in rest.models], rest.cursor) == (["other/BERT_x"], None)
    refused = Asked(decision="REJECT")
    (row,), _ = listing.page(office.index, refused, office.now, after="", limit=5, shown=lambda _name: True)
    assert row.name == "evil/bert-bad"


def test_hidden_names_do_not_shorten_a_page(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        office.publish(f"org/m{number:02}", office.snapshots[0])
    page = office.catalog.models("org/m", 2, now=office.now, shown=lambda name: name >= "org/m27")
    assert [one.name for one in page.models] == ["org/m27", "org/m28"]
    assert page.cursor == "org/m28"
    monkeypatch.setattr(listing, "common", lambda _engine, _key: False)
    for few in (0, 5, 9, 100):  # names that are looked through before all hits are collected
        monkeypatch.setattr(listing, "_FEW", few)
        found: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = office.catalog.models("g/m1", 4, cursor, office.now)
            found += [one.name for one in page.models]
            cursor = page.cursor
        assert found == [f"org/m{number}" for number in range(10, 20)]


def test_a_listing_changed_by_hand_is_told(office: Office) -> None:
    office.publish("org/a", office.snapshots[0])
    office.publish("org/b", office.snapshots[0])
    with office.index.transaction() as tx:
        tx.execute(table.delete().where(table.c.name == "org/a"))
        tx.execute(table.update().values(state="revoked"))
        assert list(listing.differences(tx, office.index)) == [
            "the listing lacks org/a",
            "the listing says state 'revoked' about org/b",
        ]
        assert tx.execute(select(table.c.name)).scalars().all() == ["org/b"]

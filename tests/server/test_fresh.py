"""Kept answers: the same bytes without asking again, and gone with the next decision, of whichever server."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import func, update

from assay.registry.catalog import Catalog
from assay.registry.recent import Recent
from assay.registry.tokens import Tokens
from assay.server.app import create_app
from assay.server.fresh import LogHead
from assay.server.state import ServerSettings
from assay.store import database, soon
from assay.store.index import HEAD, Index
from assay.store.schema import snapshots, verdicts
from tests.server.conftest import NAME
from tests.simulators.serving import serving

PATHS = (f"/api/models/{NAME}", f"/api/models/{NAME}/tree/main?limit=1", f"/api/models/{NAME}/refs")


@pytest.fixture
def counted(live, monkeypatch):
    """How often the catalogue was asked."""
    asked = []
    resolve = Catalog.resolve
    monkeypatch.setattr(Catalog, "resolve", lambda *a, **k: asked.append(a) or resolve(*a, **k))
    return asked


@pytest.mark.parametrize("path", PATHS)
def test_a_kept_answer_is_the_same_answer(live, counted, path):
    first = live.get(path)
    assert first.status_code == 200
    number = len(counted)
    again = live.get(path, headers={"X-Request-Id": "mine"})
    assert len(counted) == number
    assert again.content == first.content
    assert again.headers["X-Request-Id"] == "mine"
    own = {"date", "x-request-id"}
    assert {k: v for k, v in again.headers.items() if k not in own} == {
        k: v for k, v in first.headers.items() if k not in own
    }
    assert live.head(path).headers["content-length"] == first.headers["content-length"]
    elsewhere = live.get(path, headers={"Host": "localhost:1"})
    assert elsewhere.links.get("next", {}).get("url", "http://localhost:1/").startswith("http://localhost:1/")


@pytest.mark.parametrize("ref", ["main", "pinned"])
def test_the_information_read_straight_from_the_index_is_what_its_route_says(live, publisher, counted, ref):
    publisher.describe(NAME, "fill-mask", "MIT")
    publisher.admit(NAME, {"config.json": b"{}", "ä/\u2028.txt": b"2"})  # main stays
    counted.clear()
    path = PATHS[0] if ref == "main" else f"{PATHS[0]}/revision/{publisher.revision}"
    plain, number = live.get(path), len(counted)
    assert number == 0
    route = live.get(path, params={"blobs": "false"})
    assert len(counted) == 1
    own = ("date", "x-request-id")
    first, second = ({k: v for k, v in one.headers.items() if k not in own} for one in (plain, route))
    assert (plain.content, first) == (route.content, second)
    words = ["transformers", "safetensors", "onnx"]
    assert plain.json()["tags"] == ["assay:admitted", "fill-mask", "license:mit", *words]


@pytest.mark.parametrize("table", [snapshots.c.manifest, verdicts.c.body])
def test_texts_changed_in_the_index_are_not_answered_from(live, publisher, table):
    with publisher.index.transaction() as tx:
        tx.execute(update(table.table).values({table.name: func.replace(table, "1", "2")}))
    for path in (PATHS[0], f"/{NAME}/resolve/main/config.json"):
        got = live.get(path)
        assert (got.status_code, got.headers["X-Error-Code"]) == (403, "GatedRepo")
        assert "was changed" in got.headers["X-HF-Warning"]


@pytest.mark.parametrize("hangs", [True, False])
def test_a_file_that_is_slow_again_and_again_is_read_in_a_thread_for_a_while(publisher, monkeypatch, hangs):
    asked = []
    plain = database.plain
    monkeypatch.setattr(soon, "SLOW", -1.0)
    monkeypatch.setattr(soon, "MOST_LOST", 0.0 if hangs else 60.0)
    monkeypatch.setattr(database, "plain", lambda *given: asked.append(given[1]) or plain(*given))
    with (
        serving(create_app(publisher.catalog, publisher.blobs)) as url,
        httpx.Client(base_url=url, trust_env=False) as client,
    ):
        assert client.get(PATHS[0]).status_code == 200
        assert asked == []  # nobody knew before
        assert client.get(f"{PATHS[0]}/revision/main").status_code == 200
        assert [one == HEAD or "verdicts" in one for one in asked] == [True, True] * hangs


def test_a_decision_by_another_process_counts_from_the_next_request_on(live, publisher, counted):
    path = PATHS[0]
    for _ in range(2):
        assert live.get(path).status_code == 200
    other = Index.open(str(publisher.index.engine.url))
    here, publisher.catalog = publisher.catalog, Catalog(other)
    publisher.revoke(NAME, "a backdoor")
    answer = live.get(path)
    assert (answer.status_code, answer.headers["X-Error-Code"]) == (404, "RevisionNotFound")
    assert live.get(path).status_code == 404
    publisher.catalog = here
    other.close()


def test_a_kept_answer_ends_with_the_verdict(publisher):
    now = [publisher.now]
    with (
        serving(create_app(publisher.catalog, publisher.blobs, clock=lambda: now[0])) as url,
        httpx.Client(base_url=url, trust_env=False) as client,
    ):
        assert client.get(PATHS[0]).status_code == client.get(PATHS[0]).status_code == 200
        now[0] += timedelta(days=30)
        assert client.get(PATHS[0]).status_code == 404


def test_requests_that_wait_together_share_a_reading_that_began_after_they_came(publisher):
    index, begun = publisher.index, []

    class Slow:
        async def rows(self, statement, values):
            begun.append(len(arrived))
            return await asyncio.to_thread(index.plain, statement, values)

    arrived = []

    async def ask(head):
        arrived.append(1)
        mine = len(arrived)
        value = await head.read()
        return mine, value

    async def many():
        head = LogHead(Slow())
        first = await asyncio.gather(*(ask(head) for _ in range(20)))
        await asyncio.gather(*(ask(head) for _ in range(5)))
        return first

    answers = asyncio.run(many())
    assert {value for _, value in answers} == {index.log_head()}
    assert len(begun) <= 4
    assert begun[0] == 20
    assert begun[-1] == 25


def test_what_is_used_last_stays_within_the_bound():
    kept = Recent(10)
    kept.put("a", 1, 6)
    kept.put("b", 2, 4)
    assert kept.get("a") == 1
    kept.put("c", 3, 4)
    assert (kept.get("a"), kept.get("b"), kept.get("c")) == (1, None, 3)
    kept.put("a", 4, 11)
    assert kept.get("a") is None
    kept.put("d", 5, 6)
    assert (kept.get("c"), kept.get("d")) == (3, 5)


def test_a_token_that_is_known_is_not_read_again_and_ends_at_once(publisher, monkeypatch):
    checked = []
    check = Tokens.check
    monkeypatch.setattr(Tokens, "check", lambda *args: checked.append(args) or check(*args))
    tokens, now = Tokens(publisher.index), datetime.now(UTC)
    text, record = tokens.create(person="anna", roles=["developer"], name="laptop", by="anna", now=now)
    settings = ServerSettings(anonymous=False)
    with (
        serving(create_app(publisher.catalog, publisher.blobs, settings)) as url,
        httpx.Client(base_url=url, trust_env=False, headers={"Authorization": f"Bearer {text}"}) as client,
    ):
        # Its use is noted after an answer went out, and it is read once more then: from some request on never again.
        deadline, before = time.monotonic() + 60, 0
        while tokens.get(record.id).used_at is None or len(checked) != before:
            assert time.monotonic() < deadline
            before = len(checked)
            assert [client.get(PATHS[0]).status_code for _ in range(5)] == [200] * 5
        assert checked
        other = Index.open(str(publisher.index.engine.url))
        Tokens(other).revoke(record.id, by="anna", now=now)
        other.close()
        assert client.get(PATHS[0]).status_code == 401

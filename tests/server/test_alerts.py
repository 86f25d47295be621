"""The feed of alarms: what is in it, who sees it, and pages of it."""

from datetime import UTC, datetime

import httpx
import pytest

from assay.core.verdict import Decision
from assay.registry.tokens import Tokens
from assay.server.app import create_app
from assay.server.state import ServerSettings
from assay.store import log
from tests.server.conftest import NAME
from tests.simulators.serving import serving
from tests.support import admitted

PATH = "/api/assay/v1/alerts"


@pytest.fixture
def closed(publisher):
    with serving(create_app(publisher.catalog, publisher.blobs, ServerSettings(anonymous=False))) as publisher.url:
        yield publisher


def ask(publisher, role, **query):
    made = {"person": "anna", "name": "t", "by": "root", "now": datetime.now(UTC)}
    text, _ = Tokens(publisher.index).create(roles=[role], **made)
    return httpx.get(f"{publisher.url}{PATH}", params=query, headers={"Authorization": f"Bearer {text}"})


def test_what_is_loud_stands_in_the_feed_newest_first(closed):
    assert ask(closed, "reviewer").json() == {"alerts": []}
    assert ask(closed, "developer").status_code == 403
    assert httpx.get(f"{closed.url}{PATH}").status_code == 401
    resolved = closed.catalog.resolve(NAME)
    turned = admitted.verdict(resolved.snapshot, Decision.REJECT, datetime.now(UTC), why="a rule learned")
    closed.catalog.record_refusal(NAME, turned, datetime.now(UTC))
    body = {"name": NAME, "snapshot": str(resolved.snapshot.id), "person": "anna", "reason": "break-glass: it burns"}
    with closed.index.transaction() as tx:
        log.append(tx, "break-glass", body, datetime.now(UTC))
    first, second = ask(closed, "auditor").json()["alerts"]
    assert (first["kind"], first["name"], "it burns" in first["text"]) == ("break-glass", NAME, True)
    assert (second["kind"], "a rule learned" in second["text"]) == ("turned", True)
    assert ask(closed, "admin", after=second["seq"]).json()["alerts"] == [first]
    assert ask(closed, "admin", limit=1).json()["alerts"] == [first]
    assert ask(closed, "admin", limit="x").status_code == 400

"""Text of strangers on the pages: names of files, cards, configurations, reasons, user agents, parameters."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import httpx
import pytest

from assay.registry.tokens import Tokens
from assay.server.app import create_app
from assay.server.state import ServerSettings
from tests.simulators.serving import serving
from tests.support.published import Publisher

EVIL = "<img src=x onerror=alert(1)>'\"\u202e</textarea></script>"
NEVER = ("<img src=x", "'\"", "\u202e", "</textarea></script>", "javascript:")  # raw in no page
FILES = {
    "config.json": json.dumps({"a": EVIL}).encode(),
    "README.md": f"[click](javascript:alert(1)) {EVIL}".replace("javascript", "java\nscript").encode(),
    f"{EVIL[:28]}.json": b"1",
}
PAGES = (
    "/",
    "/odd/card",
    "/odd/bad",
    "/odd/card/-/diff",
    "/odd/bad/-/decide",
    "/odd/next",
    "/-/requests",
    "/-/pulls",
    "/-/audit",
    "/-/access",
    f"/-/models?search={EVIL}&publisher={EVIL}",
    f"/odd/card?revision={EVIL}",
    f"/odd/card/-/diff?from={EVIL}",
    f"/-/pulls?consumer={EVIL}",
    f"/-/pulls?since={EVIL}",
    f"/-/requests?name={EVIL}",
    f"/login?next={EVIL}",
    f"/device?user_code={EVIL}",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Of somebody with a hostile name, user agent and token, on a registry full of hostile text."""
    publisher = Publisher(tmp_path_factory.mktemp("hostile") / "data")
    publisher.admit("odd/card", {"config.json": b"{}"})
    newer = publisher.admit("odd/card", FILES)
    publisher.move("odd/card", newer)
    publisher.refuse("odd/bad", FILES | {"x": b"x"}, EVIL)
    made = {"roles": ["auditor", "reviewer", "developer"], "by": EVIL, "now": datetime.now(UTC)}
    token = Tokens(publisher.index).create(person=EVIL[:26], name=EVIL[:26], **made)[0]
    agent = EVIL.encode("ascii", "ignore").decode()
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/html", "User-Agent": agent}
    settings = ServerSettings(anonymous=False, hub=True)
    with (
        serving(create_app(publisher.catalog, publisher.blobs, settings)) as url,
        httpx.Client(base_url=url, headers=headers, trust_env=False) as client,
    ):
        assert client.get(f"/odd/card/resolve/{newer}/config.json").status_code == 200
        assert client.post("/api/requests", json={"name": "odd/next", "reason": EVIL}).status_code == 202
        yield client
    publisher.index.close()


@pytest.mark.parametrize("path", PAGES)
def test_it_stays_text(browser, path):
    shown = browser.get(path)
    assert shown.headers["content-type"].startswith("text/html")
    assert [one for one in NEVER if one in shown.text] == []
    policy = shown.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_it_is_there_to_be_read(browser):
    for path in ("/odd/bad", "/-/pulls", "/-/requests", "/-/access", "/odd/card/-/diff"):
        assert "&lt;img src=x" in browser.get(path).text, path

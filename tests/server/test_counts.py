"""Figures don't tell of models that somebody must not see: answers are those of a registry that has none of them."""

import re
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import httpx

from assay.registry import kept
from assay.registry.pulls import Consumer
from assay.registry.queue import HUB, WorkQueue
from assay.registry.teams import Teams
from assay.registry.tokens import Tokens
from assay.server.app import create_app
from assay.server.state import ServerSettings
from tests.simulators.serving import serving
from tests.support.published import Publisher

BEGAN = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
PATHS = (
    "/", "/-/models", "/-/models?search=m", "/-/metrics", "/-/settings", "/-/requests", "/api/requests",
    "/api/models?search=m&limit=1", "/api/models?limit=2", "/api/models?author=org", "/api/assay/v1/models?limit=1",
    "/api/assay/v1/models?search=risk", "/api/assay/v1/revoked", "/metrics",
)  # fmt: skip


@contextmanager
def registry(folder, monkeypatch, *, hidden):
    """The same registry twice; `hidden`: with models of a team between and beside those that everybody sees."""
    made = Publisher(folder, BEGAN)
    Teams(made.index).change("risk", "models", "mine/*", add=True, by="root", now=made.now)
    queue, consumer = WorkQueue(made.index), Consumer("ci", "", "pip", "127.0.0.1")
    settings = ServerSettings(anonymous=False, hub=True)
    app = create_app(made.catalog, made.blobs, settings, clock=lambda: BEGAN + timedelta(hours=1))
    ledger = app.state.registry.ledger

    def model(name, who):
        revision = made.admit(name, {"config.json": name.encode()})
        found = made.catalog.resolve(name, now=made.now)
        ledger.record(name, revision, found.snapshot.id, consumer=who, size=7, now=made.now)
        queue.ask(HUB, f"{name}-next", f"{name}-next", asked_by="rita", now=made.now)

    for name in ("org/m1", "org/m3", "pub/m5"):
        model(name, consumer)
    ledger.close()
    token = Tokens(made.index).create(person="mallory", roles=["developer"], name="m", by="root", now=BEGAN)[0]
    if hidden:
        for name in ("mine/m0", "mine/m2", "mine/m4"):
            model(name, Consumer("other", "", "pip", "127.0.0.1"))
        made.refuse("mine/bad", {"config.json": b"bad"}, "because")
        ledger.close()
    with serving(app) as url, httpx.Client(base_url=url, trust_env=False) as client:
        if hidden:
            monkeypatch.setattr(kept, "LARGE", 0)  # figures are kept from now on: those of the auditor are his
            auditor = Tokens(made.index).create(person="aud", roles=["auditor"], name="a", by="root", now=BEGAN)[0]
            pages = [
                client.get(page, headers={"Authorization": f"Bearer {auditor}"}).text for page in ("/", "/-/metrics")
            ]
            assert "2 consumers pulled 6 files of 6 models" in pages[0]
            assert len(app.state.registry.kept._kept._kept) == 4
        client.headers["Authorization"] = f"Bearer {token}"
        yield client
    made.index.close()


def answers(client):
    found = {}
    for path in PATHS:
        answer = client.get(path)
        text = answer.text + str(answer.headers.get("link"))
        found[path] = answer.status_code, re.sub(r"127\.0\.0\.1(?::|%3A)\d+|nonce-\S+|csrf\S+", "", text)
    return found


def test_no_figure_list_or_cursor_tells_of_hidden_models(tmp_path, monkeypatch):
    with registry(tmp_path / "without", monkeypatch, hidden=False) as client:
        without = answers(client)
    with registry(tmp_path / "with", monkeypatch, hidden=True) as client:
        found = answers(client)
    for path in PATHS:
        assert found[path] == without[path], path
        assert "mine/" not in found[path][1]
    assert {path: status for path, (status, _) in found.items() if status != 200} == {"/metrics": 403}
    assert "1 consumer pulled 3 files of 3 models" in found["/"][1]


def test_whoever_reads_without_an_account_gets_no_metrics_where_teams_hide_models(tmp_path):
    made = Publisher(tmp_path)
    made.admit("org/m", {"config.json": b"{}"})
    with serving(create_app(made.catalog, made.blobs)) as url, httpx.Client(base_url=url, trust_env=False) as client:
        assert "assay_models 1.0" in client.get("/metrics").text
    Teams(made.index).change("risk", "models", "risk/*", add=True, by="root", now=made.now)
    with serving(create_app(made.catalog, made.blobs)) as url, httpx.Client(base_url=url, trust_env=False) as client:
        answer = client.get("/metrics")
        assert (answer.status_code, "assay_models" in answer.text) == (403, False)
    made.index.close()

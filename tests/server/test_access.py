"""Tokens, rights, limits and the alarm, over real HTTP."""

import logging
import socket
import time
from datetime import timedelta

import httpx
import pytest

from assay.registry.teams import Teams
from assay.registry.tokens import Tokens
from assay.server import access
from assay.server.app import ROUTES, create_app
from assay.server.limits import Buckets, Refusals
from assay.server.state import ServerSettings
from tests.server.conftest import FILES, NAME
from tests.simulators.serving import serving

FILE = f"/{NAME}/resolve/main/config.json"


@pytest.fixture
def closed(publisher):
    """A server that asks for tokens, and a maker of them."""
    app = create_app(publisher.catalog, publisher.blobs, ServerSettings(anonymous=False))
    tokens = Tokens(publisher.index)

    def make(*roles, **more):
        fields = {"person": "anna", "name": "t", "by": "root", "now": publisher.now} | more
        return tokens.create(roles=roles, **fields)

    with serving(app) as url, httpx.Client(base_url=url, trust_env=False) as client:
        client.make, client.tokens, client.registry = make, tokens, app.state.registry
        yield client


def bearer(text):
    return {"Authorization": f"Bearer {text}"}


def test_every_route_but_a_few_asks_for_a_token(closed):
    own = {kind for kind, route in ROUTES.items() if route.own_token}
    assert own == {"lfs-put", "xet-xorb", "xet-shard", "xet-chunk"}  # a signed link, or a token that was given out
    logins = {"oauth-token", "oauth-device", "login", "login-provider", "login-callback", "logout"}
    everybody = {"health", "ready", "whoami", "static", "validate-yaml", "unasked"}
    assert {kind for kind, route in ROUTES.items() if not route.action} == everybody | logins | own
    for path in (FILE, f"/api/models/{NAME}", "/", "/api/models", "/metrics", "/none", "/api/datasets/a/b"):
        got = closed.get(path)
        assert got.status_code == 401, path
        assert got.headers["WWW-Authenticate"].startswith("Bearer")
        assert b"bert" not in got.content
    assert closed.get("/healthz").status_code == 200
    assert closed.get(FILE).headers["X-Error-Code"] == "GatedRepo"


def test_a_token_reads_and_a_revoked_one_does_not_from_the_next_request_on(closed):
    text, record = closed.make("developer")
    assert closed.get(FILE, headers=bearer(text)).content == FILES["config.json"]
    assert closed.get(FILE, headers={"Authorization": f"bearer  {text}"}).status_code == 200
    deadline = time.monotonic() + 10  # noted after the answer was sent
    while closed.tokens.get(record.id).used_at is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert closed.tokens.get(record.id).used_at is not None
    closed.tokens.revoke(record.id, by="root", now=record.created_at)
    got = closed.get(FILE, headers=bearer(text))
    assert got.status_code == 401
    assert "unknown, expired or revoked" in got.headers["X-Error-Message"]


def test_a_token_in_the_spelling_that_llama_cpp_sends(closed):
    text, _ = closed.make("developer")
    as_hub = f"hf_{text.removeprefix('assay_')}"
    assert closed.get(FILE, headers=bearer(as_hub)).status_code == 200
    for wrong in (f"hf_{text}", as_hub[:-1], f"{as_hub[:-1]}{'0' if as_hub[-1] != '0' else '1'}", f"hf_{'a' * 34}"):
        assert closed.get(FILE, headers=bearer(wrong)).status_code == 401, wrong


def test_an_expired_token_and_others(closed):
    text, _record = closed.make("developer", lifetime=timedelta(seconds=1))
    for wrong in (text, text[:-1] + "x", "hf_" + "a" * 34, "x"):
        assert closed.get(FILE, headers=bearer(wrong)).status_code == 401
    assert closed.get(FILE, headers={"Authorization": f"Basic {text}"}).status_code == 401


def test_rights_and_scopes_over_http(closed):
    auditor, _ = closed.make("auditor")
    assert closed.get(f"/api/models/{NAME}", headers=bearer(auditor)).status_code == 200
    got = closed.get(FILE, headers=bearer(auditor))
    assert (got.status_code, got.headers["X-Error-Code"]) == (403, "GatedRepo")
    assert "'pull' is the right of developer" in got.headers["X-Error-Message"]
    elsewhere, _ = closed.make("developer", scopes=["model:other/*"])
    assert "good for other/* only" in closed.get(FILE, headers=bearer(elsewhere)).headers["X-Error-Message"]
    narrow, _ = closed.make("admin", scopes=["metrics"])
    assert closed.get("/metrics", headers=bearer(narrow)).status_code == 200
    assert closed.get(FILE, headers=bearer(narrow)).status_code == 403


def test_whoami_tells_the_truth(closed):
    assert closed.get("/api/whoami-v2").status_code == 401
    text, _ = closed.make("approver", "reviewer", scopes=["decide"])
    said = closed.get("/api/whoami-v2", headers=bearer(text)).json()
    assert (said["name"], said["auth"]["accessToken"]["role"]) == ("anna", "read")
    assert said["assay"]["roles"] == ["approver", "reviewer"]
    assert "approve" in said["assay"]["rights"]
    assert "pull" not in said["assay"]["rights"]


def test_a_model_of_a_team_does_not_exist_for_the_others(publisher, closed):
    publisher.admit("risk/model", {"x": b"x"})
    Teams(publisher.index).change("risk", "models", "risk/*", add=True, by="root", now=publisher.now)
    Teams(publisher.index).change("risk", "member", "bob", add=True, by="root", now=publisher.now)
    anna, _ = closed.make("developer")
    bob, _ = closed.make("developer", person="bob")
    path = "/risk/model/resolve/main/x"
    hidden, unknown = (closed.get(p, headers=bearer(anna)) for p in (path, path.replace("risk/model", "risk/none")))
    assert (hidden.status_code, hidden.headers["X-Error-Code"]) == (404, "RepoNotFound")
    assert hidden.text.replace("risk/model", "risk/none") == unknown.text  # not even a hint at the near name
    assert closed.get(path, headers=bearer(bob)).content == b"x"
    listed = [[m["id"] for m in closed.get("/api/models", headers=bearer(t)).json()] for t in (anna, bob)]
    assert listed == [[NAME], [NAME, "risk/model"]]
    assert "risk/model" not in closed.get("/", headers=bearer(anna)).text


def test_on_loopback_the_token_of_another_place_is_nobody_and_a_bad_one_of_ours_is_refused(http):
    assert http.get(FILE, headers=bearer("hf_" + "a" * 34)).status_code == 200
    assert http.get(FILE, headers=bearer("assay_" + "a" * 48)).status_code == 401


def test_too_many_wrong_tokens_and_the_alarm(closed, caplog):
    caplog.set_level(logging.WARNING, "assay.server")
    good, _ = closed.make("developer")
    statuses = [closed.get(FILE, headers=bearer(f"assay_{n:048}")).status_code for n in range(40)]
    assert statuses[0] == 401
    assert statuses[-1] == 429
    assert closed.get(FILE, headers=bearer(good)).headers["Retry-After"] == "61"
    for _ in range(15):
        assert closed.get("/none").status_code == 401
    alarms = [record.getMessage() for record in caplog.records if "probing" in record.getMessage()]
    assert len(alarms) == 1
    assert "from 127.0.0.1" in alarms[0]
    shown = closed.registry.metrics.registry
    assert shown.get_sample_value("assay_probing_alerts_total") == 1
    assert shown.get_sample_value("assay_refused_requests_total", {"why": "unauthenticated"}) >= 30


def test_optional_files_are_no_probing(live, caplog):
    for _ in range(40):
        assert live.get(f"/{NAME}/resolve/main/adapter_config.json").status_code == 404
    assert "probing" not in caplog.text


def test_a_rate_limit(publisher):
    settings = ServerSettings(per_minute=5)
    with serving(create_app(publisher.catalog, publisher.blobs, settings)) as url:
        got = [httpx.get(url + "/healthz") for _ in range(12)]
    assert [one.status_code for one in got[:10]] == [200] * 10
    assert got[-1].status_code == 429
    assert int(got[-1].headers["Retry-After"]) >= 1


def test_buckets_fill_again_and_refusals_end():
    buckets = Buckets(60)
    assert [buckets.wait("a", 0.0) for _ in range(120)] == [0.0] * 120
    assert buckets.wait("a", 0.0) == 1.0
    assert buckets.wait("b", 0.0) == 0.0
    assert buckets.wait("a", 1.0) == 0.0
    refusals = Refusals(3, 60.0)
    assert [refusals.add("a", 0.0) for _ in range(4)] == [0, 0, 3, 0]
    assert refusals.over("a", 59.0)
    assert not refusals.over("a", 61.0)
    assert [refusals.add("a", 61.0) for _ in range(3)] == [0, 0, 3]


def test_a_body_has_a_limit_and_must_come(live, monkeypatch):
    path = f"/api/models/{NAME}/paths-info/main"
    assert live.post(path, content=b"x" * (2 << 20)).status_code == 413
    assert live.post(path, content=iter([b"x" * (1 << 19)] * 4)).status_code == 413
    monkeypatch.setattr(access, "BODY_SECONDS", 0.2)
    with socket.create_connection((live.base_url.host, live.base_url.port)) as sock:
        sock.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n".encode())
        assert sock.recv(100).split()[1] == b"408"


def test_no_secret_reaches_a_log(closed, caplog):
    caplog.set_level(logging.DEBUG)
    text, _ = closed.make("developer")
    for path in (FILE, f"/api/models/{text}", f"/none/{text}", f"/{NAME}/resolve/main/{text}?token={text}"):
        closed.get(path, headers=bearer(text))
        closed.get(path, headers={**bearer(text[:-1] + "x"), "Cookie": f"assay_session={text}"})
    ours = "\n".join(
        record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))
    )
    assert text[-36:] not in ours

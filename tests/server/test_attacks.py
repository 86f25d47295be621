"""What an attacker would try on a server that asks for tokens: each either does nothing or would have, once."""

from __future__ import annotations

import hashlib
import json
import socket
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx
import pytest

from assay.registry.queue import HUB, WorkQueue
from assay.registry.teams import Teams
from assay.registry.tokens import Tokens
from assay.server import requests_api
from assay.server.app import create_app
from assay.server.limits import caller_of
from assay.server.oidc_login import OidcLogin, RoleRule
from assay.server.requests_api import VET_THROUGH
from assay.server.state import ServerSettings
from tests.server.conftest import NAME
from tests.simulators.serving import serving
from tests.support.published import Publisher

SECRET = "risk/secret"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A server with vet-through: (publisher, address, token of a developer outside the team `risk`)."""
    made = Publisher(tmp_path_factory.mktemp("attacked") / "data")
    made.revision = made.admit(NAME, {"config.json": b"{}", "weights.safetensors": b"w" * 4096})
    made.admit(SECRET, {"config.json": b"{}"})
    Teams(made.index).change("risk", "models", "risk/*", add=True, by="root", now=made.now)
    WorkQueue(made.index).ask(HUB, "risk/next", "risk/next", asked_by="rita", reason="the merger", now=made.now)
    fields = {"person": "mallory", "roles": ["developer"], "name": "m", "by": "root"}
    token = Tokens(made.index).create(**fields, now=datetime.now(UTC))[0]
    settings = ServerSettings(anonymous=False, hub=True, vet_through=True)
    with serving(create_app(made.catalog, made.blobs, settings)) as url:
        yield made, url, {"Authorization": f"Bearer {token}"}
    made.index.close()


@pytest.fixture
def client(place):
    with httpx.Client(base_url=place[1], headers=place[2], trust_env=False) as made:
        yield made


def raw(url: str, request: bytes) -> bytes:
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), 10) as sock:
        sock.sendall(request)
        sock.settimeout(10)
        answer = b""
        while chunk := sock.recv(65536):
            answer += chunk
    return answer


@pytest.mark.parametrize(
    "host",
    [
        "localhost:80@evil.example",
        "[::1]@evil.example",
        "[::1",
        "127.0.0.1:80:evil.example",
        "localhost:1/evil.example",
        "localhost:x",
        "evil.example",
        "127.0.0.1.evil.example",
        "",
        "localhost evil.example",
        "127.0.0.1%2eevil.example",
    ],
)
def test_a_host_is_a_known_name_and_a_port(place, host):
    request = f"GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    assert raw(place[1], request.encode()).split(b" ", 2)[1] in {b"421", b"400"}


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "localhost.:80", "127.0.0.1:8080", "[::1]:80", "[::1]"])
def test_hosts_that_are_ours(place, host):
    request = f"GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    assert raw(place[1], request.encode()).split(b" ", 2)[1] == b"200"


def test_two_hosts_and_a_smuggled_request_are_none(place):
    two = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    assert raw(place[1], two).split(b" ", 2)[1] in {b"421", b"400"}
    both = (
        b"POST /oauth/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    assert b"assay_" not in raw(place[1], both)


@pytest.mark.parametrize(
    "path",
    [
        "%2e%2e/%2e%2e/etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "%252e%252e%252fetc%252fpasswd",
        "%ef%bc%8e%ef%bc%8e/etc/passwd",
        "%c0%ae%c0%ae/etc/passwd",
        "config.json%00.png",
        "//etc/passwd",
        "config.json/",
        "config.json%2f..",
        "./config.json",
        "config.json%0a",
        "%5c..%5cetc",
        "CONFIG.JSON",
        "config.json;x",
        "%63onfig.json/../config.json",
    ],
)
@pytest.mark.parametrize("before", [f"/{NAME}/resolve/main/", "/-/static/", f"/{NAME}/-/document/"])
def test_a_path_leads_to_nothing_but_what_is_listed(place, before, path):
    bearer = place[2]["Authorization"]
    request = f"GET {before}{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {bearer}\r\nConnection: close\r\n\r\n"
    answer = raw(place[1], request.encode())
    assert answer.split(b" ", 2)[1] == b"404"
    assert b"root:" not in answer


@pytest.mark.parametrize(
    "name", ["risk%2fsecret", "%72isk/secret", "risk/%73ecret", "risk/secret%2f", "risk//secret", "RISK/secret"]
)
def test_the_model_of_a_team_is_not_reached_by_another_spelling(client, name):
    for path in (f"/api/models/{name}", f"/{name}/resolve/main/config.json", f"/{name}", f"/{name}/-/diff"):
        assert client.get(path).status_code in {400, 403, 404}, path


def test_what_a_team_asked_for_is_not_told_to_others(client, place):
    queue = WorkQueue(place[0].index)
    number = queue.about("risk/next")[0].seq
    assert "risk/" not in client.get("/api/requests").text
    assert client.get(f"/api/requests/{number}").status_code == 404
    told = client.get("/risk/next/resolve/main/config.json").headers["X-Error-Message"]
    other = client.get("/risk/never/resolve/main/config.json").headers["X-Error-Message"]
    assert told.replace("next", "never") == other
    assert client.post("/api/requests", json={"name": "risk/next"}).status_code == 404
    assert client.get("/risk/next", headers={"Accept": "text/html"}).status_code == 404
    assert queue.about("risk/never") == ()  # nor vetted because somebody outside pulled it


def test_another_site_makes_no_browser_ask_for_models(client, place):
    queue = WorkQueue(place[0].index)
    client.get("/made/up/resolve/main/x", headers={"Sec-Fetch-Site": "cross-site"})
    client.get("/made/up/resolve/main/x", headers={"Origin": "https://evil.example"})
    assert queue.about("made/up") == ()
    client.get("/made/up/resolve/main/x")
    (item,) = queue.about("made/up")
    assert (item.asked_by, item.reason) == ("mallory", VET_THROUGH)  # who can't approve it then


def test_nobody_fills_the_queue_alone(client, place, monkeypatch):
    monkeypatch.setattr(requests_api, "MAX_OF_ONE", WorkQueue(place[0].index).open_by("mallory") + 2)
    asked = [client.post("/api/requests", json={"name": f"many/{number}"}).status_code for number in range(4)]
    assert asked == [202, 202, 400, 400]


BAD = [
    ("/api/models/org/model/preupload/main", {"files": [{"path": "x", "size": 10**400}]}),
    ("/api/models/org/model/preupload/main", {"files": [{"path": "x", "size": -1}]}),
    ("/org/model.git/info/lfs/objects/batch", {"operation": "upload", "objects": [{"oid": "0" * 64, "size": 10**400}]}),
    ("/org/model.git/info/lfs/objects/batch", {"operation": "upload", "objects": [{"oid": "0" * 64, "size": -1}]}),
    ("/api/models/org/model/commit/main", {"key": "lfsFile", "value": {"path": "x", "oid": "0" * 64, "size": -1}}),
    ("/api/models/org/model/commit/main", {"key": "lfsFile", "value": {"path": "x", "oid": "0" * 64, "size": 1 << 60}}),
    ("/api/models/org/model/commit/main", {"key": "header", "value": {"summary": "\ud800"}}),
    ("/api/models/org/model/commit/main", {"key": "header", "value": {"summary": "a\0b"}}),
    ("/api/models/org/model/commit/main", {"key": "file", "value": {"path": "../x", "content": "aaaa"}}),
    ("/api/requests", {"name": "a/b", "revision": "\ud800"}),
    ("/api/requests", {"name": "a/b", "revision": "../../x?y=1#"}),
    ("/api/requests", {"name": "a/b", "reason": "a\0b"}),
    ("/api/assay/v1/tokens", {"name": "\ud800"}),
    ("/api/assay/v1/tokens", {"name": "x", "days": 10**300}),
    ("/api/assay/v1/decisions/org/model", {"envelope": {"payload": "\ud800", "payloadType": "", "signatures": []}}),
    ("/oauth/token", {"grant_type": "\ud800"}),
    ("/api/models/org/model/paths-info/main", {"paths": ["\ud800"]}),
]


@pytest.mark.parametrize(("path", "body"), BAD, ids=range(len(BAD)))
def test_a_hostile_value_is_a_bad_request(client, path, body):
    answer = client.post(path, content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 409, 413}, answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/api/requests",
        "/api/assay/v1/tokens",
        "/oauth/token",
        "/api/validate-yaml",
        "/api/models/org/model/commit/main",
        "/api/models/org/model/paths-info/main",
    ],
)
@pytest.mark.parametrize("body", [b"[" * 60_000, b'{"a":' * 10_000, b"1" * 60_000, b"\xed\xa0\x80", b"\xff\xfe[\0]\0"])
def test_json_that_is_deep_or_long_or_no_text(client, path, body):
    assert client.post(path, content=body, headers={"Content-Type": "application/json"}).status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        "/api/models?search=%00",
        "/-/models?search=%00",
        "/api/assay/v1/pulls?name=%00",
        "/api/assay/v1/refs/org/model?ref=a%00",
        "/login?next=%00",
    ],
)
def test_a_nul_is_no_text(client, query):
    assert client.get(query).status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "/api/requests/%C2%B2",
        "/-/requests?asked=%C2%B2",
        f"/{NAME}?revision=%ed%a0%80",
        f"/{NAME}?snapshot=zz",
        f"/{NAME}/-/diff?from=..%2f",
        "/api/models?cursor=%ed%a0%80",
    ],
)
def test_odd_texts_are_answered(client, path):
    assert client.get(path).status_code < 500


def test_a_signature_that_is_no_ascii(client):
    asked = {"size": 1, "name": NAME, "actor": "mallory", "expires": int(time.time()) + 60, "sig": "é"}
    assert client.put(f"/api/assay/v1/lfs/{'0' * 64}", params=asked, content=b"x").status_code == 400
    headers = {"Authorization": "Bearer e30.\xe9".encode("latin-1")}
    assert httpx.post(f"{client.base_url}/xet/v1/shards", headers=headers, content=b"x").status_code == 401


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("bytes=0-0,2-3", 200),
        ("bytes=99999999999999999999-", 200),
        ("bytes=5-1", 200),
        ("bytes=4096-", 416),
        ("bytes=-0", 416),
        ("bytes=0-99999", 206),
    ],
)
def test_ranges_give_one_part_or_all(client, asked, status):
    answer = client.get(f"/{NAME}/resolve/main/weights.safetensors", headers={"Range": asked})
    assert (answer.status_code, len(answer.content) <= 4096) == (status, True)


def test_an_etag_of_another_file_saves_nobody_the_verdict(client, place):
    config = client.get(f"/{NAME}/resolve/main/config.json").headers["ETag"]
    for header in ("*", config):
        path = f"/{SECRET}/resolve/main/config.json"
        assert client.get(path, headers={"If-None-Match": header}).status_code == 404
    revoked = place[0].admit("org/gone", {"config.json": b"{}"})
    assert client.get(f"/org/gone/resolve/{revoked}/config.json").status_code == 200
    place[0].revoke("org/gone", "bad")
    answer = client.get(f"/org/gone/resolve/{revoked}/config.json", headers={"If-None-Match": "*"})
    assert answer.status_code == 404


def test_a_line_of_a_commit_comes_in_small_pieces(client):
    line = b'{"key": "header", "value": {"summary": "' + b"a" * (1 << 20) + b'"}}'
    pieces = (line[at : at + 2048] for at in range(0, len(line), 2048))
    answer = client.post("/api/models/org/model/commit/main", content=pieces, timeout=60)
    assert answer.json()["error"] == "assay: a commit without operations"


@pytest.mark.parametrize(
    ("address", "caller"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::1", "::1"),
        ("testclient", "testclient"),
    ],
)
def test_who_has_a_network_of_addresses_is_one_caller(address, caller):
    assert caller_of(address) == caller


def test_a_quarantine_stops_a_download_at_its_next_request(client, place):
    publisher = place[0]
    content = bytes(range(256)) * 40_000
    revision = publisher.admit("org/long", {"big.bin": content})
    path = f"/org/long/resolve/{revision}/big.bin"
    with client.stream("GET", path) as running:
        first = next(running.iter_bytes(1 << 20))
        etag = running.headers["ETag"]
        publisher.revoke("org/long", "bad")
        for header in ({"Range": f"bytes={len(first)}-"}, {"Range": f"bytes={len(first)}-", "If-Range": etag}, {}):
            again = client.get(path, headers=header)
            assert (again.status_code, again.headers["X-Error-Code"]) == (404, "RevisionNotFound")
        assert client.head(path).status_code == 404


def test_slow_uploads_hold_up_nobody_else(client, place):
    """More of them than a server has threads for everything else."""
    content = b"slow" * 1000
    objects = [{"oid": hashlib.sha256(content).hexdigest(), "size": len(content)}]
    asked = client.post(f"/{NAME}.git/info/lfs/objects/batch", json={"operation": "upload", "objects": objects})
    link = urlsplit(asked.json()["objects"][0]["actions"]["upload"]["href"])
    head = f"PUT {link.path}?{link.query} HTTP/1.1\r\nHost: {link.netloc}\r\nContent-Length: {len(content)}\r\n\r\n"
    parts = urlsplit(place[1])
    with ExitStack() as stack:
        for _ in range(60):
            sock = stack.enter_context(socket.create_connection((parts.hostname, parts.port), 10))
            sock.sendall(head.encode() + content[:100])
        time.sleep(0.5)  # until the server has begun with them
        assert client.get("/healthz", timeout=15).status_code == 200
        assert client.get(f"/{NAME}/resolve/main/config.json", timeout=15).status_code == 200


def test_a_provider_that_does_not_answer_holds_up_nobody_else(place):
    publisher = place[0]
    with ExitStack() as stack:
        deaf = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=200))
        issuer = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        login = OidcLogin(issuer, "assay", "secret", [RoleRule.parse("groups=a developer")])
        settings = ServerSettings(anonymous=False)
        url = stack.enter_context(serving(create_app(publisher.catalog, publisher.blobs, settings, oidc=login)))
        parts = urlsplit(url)
        for _ in range(60):
            sock = stack.enter_context(socket.create_connection((parts.hostname, parts.port), 10))
            sock.sendall(b"GET /login/provider HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(0.5)
        assert httpx.get(f"{url}/healthz", timeout=8).status_code == 200

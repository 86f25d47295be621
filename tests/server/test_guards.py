"""Host header, security headers, the page."""

import re
import socket

import httpx
import pytest

from assay.server.app import create_app
from assay.server.state import ServerSettings
from tests.server.conftest import NAME
from tests.simulators.serving import serving

OUR_SCRIPT = '<script src="/-/static/copy.js" defer></script>'


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:9", "127.0.0.1", "127.8.8.8:80", "[::1]", "[::1]:8080", "localhost."]
)
def test_loopback_names_are_ours(http, host):
    assert http.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "[::2]", "", "[", "a:b:c"]
)
def test_other_names_are_not(http, host):
    for url in ("/healthz", f"/{NAME}/resolve/main/config.json", "/"):
        got = http.get(url, headers={"Host": host})
        assert got.status_code in {400, 421}
        assert b"bert" not in got.content


def test_no_host_and_two_hosts(http):
    for hosts in (b"", b"Host: localhost\r\nHost: localhost\r\n"):
        with socket.create_connection((http.base_url.host, http.base_url.port)) as sock:
            sock.sendall(b"GET /healthz HTTP/1.0\r\n" + hosts + b"\r\n")
            assert sock.recv(100).split()[1] in {b"400", b"421"}


def test_configured_names(publisher):
    settings = ServerSettings(hosts=("models.example.org",))
    with serving(create_app(publisher.catalog, publisher.blobs, settings)) as url:
        assert httpx.get(url + "/healthz", headers={"Host": "models.example.org:443"}).status_code == 200
        assert httpx.get(url + "/healthz", headers={"Host": "evil.models.example.org"}).status_code == 421


@pytest.mark.parametrize(
    "url", ["/", "/healthz", f"/api/models/{NAME}", f"/{NAME}/resolve/main/config.json", "/none", "/api/models/x"]
)
def test_security_headers_on_every_answer(http, url):
    headers = http.get(url).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "Access-Control-Allow-Origin" not in headers


def test_the_pages_take_nothing_from_elsewhere(live, publisher):
    publisher.refuse("evil/model", {"x": b"bad"}, "bad")
    page = live.get("/-/models").text
    assert NAME in page
    assert "evil/model" in page
    start = live.get("/").text
    assert f"HF_ENDPOINT={str(live.base_url).rstrip('/')}" in start
    assert "HF_HOME" in start
    assert "<script" not in (page + start).replace(OUR_SCRIPT, "")
    assert not re.search(r"(src|href)=\"https?:", page + start)


def test_the_list_escapes_what_was_searched_for(http):
    page = http.get("/-/models", params={"search": '"><script>alert(1)</script>'}).text
    assert "<script" not in page.replace(OUR_SCRIPT, "")
    assert "Nothing that was vetted fits" in page

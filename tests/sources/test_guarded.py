"""Where a hub may send us, and where not."""

import socket
import threading

import httpx
import pytest

from assay.core.errors import SourceError, UsageError
from assay.sources.guarded import Reach, Site, is_public
from assay.sources.hub import fetch_hub
from assay.sources.hub_ref import HubRef
from assay.store.blobs import open_blobs
from tests.simulators.hub import HubSimulator

NAME = "org/model"


@pytest.fixture
def blobs(tmp_path):
    return open_blobs(tmp_path / "blobs")


@pytest.fixture
def two_hubs():
    hub, cdn = HubSimulator(), HubSimulator()
    for simulator in (hub, cdn):
        simulator.add(NAME, {"config.json": b"{}"})
    with hub.running() as hub.url, cdn.running() as cdn.url:
        yield hub, cdn


def host(url):
    return url.removeprefix("http://")


def test_a_redirect_to_a_host_that_is_not_listed(two_hubs, blobs):
    hub, cdn = two_hubs
    hub.faults.redirect_to = cdn.url
    with pytest.raises(SourceError, match=rf"redirects to {host(cdn.url)}, which is not allowed.*hub_hosts"):
        fetch_hub(HubRef(NAME), hub.url, blobs, allow_private=True)
    assert cdn.requests == []


def test_a_listed_host_on_a_private_address_needs_a_second_permission(two_hubs, blobs):
    hub, cdn = two_hubs
    hub.faults.redirect_to = cdn.url
    with pytest.raises(SourceError, match=r"127\.0\.0\.1, which is not a public address.*hub_allow_private"):
        fetch_hub(HubRef(NAME), hub.url, blobs, hosts=(host(cdn.url),))
    assert cdn.requests == []
    snapshot = fetch_hub(HubRef(NAME), hub.url, blobs, hosts=(host(cdn.url),), allow_private=True)
    assert [e.path for e in snapshot.files] == ["config.json"]
    assert cdn.asked("config.json") == 1


def test_the_token_stays_with_the_hub(two_hubs, blobs):
    hub, cdn = two_hubs
    hub.needs_token = "hf_secret"
    hub.faults.redirect_to = cdn.url
    fetch_hub(HubRef(NAME), hub.url, blobs, token="hf_secret", hosts=(host(cdn.url),), allow_private=True)
    assert all(headers["authorization"] == "Bearer hf_secret" for _, _, headers in hub.requests)
    assert cdn.requests
    assert not any("authorization" in headers or "hf_secret" in path for _, path, headers in cdn.requests)


def test_the_next_page_of_a_listing_is_held_to_the_same_rule(two_hubs, blobs):
    hub, cdn = two_hubs
    hub.faults.next_page = f"{cdn.url}/api/models/{NAME}/tree/main?cursor=0"
    with pytest.raises(SourceError, match="which is not allowed"):
        fetch_hub(HubRef(NAME), hub.url, blobs)
    assert cdn.requests == []


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://", "gopher://x/"])
def test_redirects_to_other_schemes(two_hubs, blobs, target):
    hub, _ = two_hubs
    hub.faults.redirect_to = target
    with pytest.raises(SourceError):
        fetch_hub(HubRef(NAME), hub.url, blobs, allow_private=True)


def test_redirects_in_a_circle(two_hubs, blobs):
    hub, _ = two_hubs
    hub.faults.redirect_loop = True
    with pytest.raises(SourceError, match="redirects more than 5 times"):
        fetch_hub(HubRef(NAME), hub.url, blobs)


def test_a_hub_name_that_resolves_to_a_private_address(two_hubs, blobs, monkeypatch):
    hub, _ = two_hubs
    port = int(hub.url.rpartition(":")[2])
    answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: answer)
    with pytest.raises(SourceError, match=r"hub\.example\.org resolves to 127\.0\.0\.1"):
        fetch_hub(HubRef(NAME), f"http://hub.example.org:{port}", blobs)
    assert hub.requests == []
    fetch_hub(HubRef(NAME), f"http://hub.example.org:{port}", blobs, allow_private=True)
    assert {headers["host"] for _, _, headers in hub.requests} == {f"hub.example.org:{port}"}


def test_a_name_is_looked_up_once_and_the_checked_address_kept(two_hubs, blobs, monkeypatch):
    """DNS rebinding: the second look-up would give another address."""
    hub, _ = two_hubs
    port = int(hub.url.rpartition(":")[2])
    asked = []

    def rebinding(name, *args, **kwargs):
        asked.append(name)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1" if len(asked) == 1 else "127.0.0.2", port))]

    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda name, *a, **k: rebinding(name) if name == "hub.test" else real(name, *a, **k)
    )
    fetch_hub(HubRef(NAME), f"http://hub.test:{port}", blobs, allow_private=True)
    assert asked == ["hub.test"]
    assert len(hub.requests) == 3


def test_the_next_address_is_tried_when_the_first_does_not_answer(two_hubs, blobs, monkeypatch):
    hub, _ = two_hubs
    port = int(hub.url.rpartition(":")[2])
    real = socket.getaddrinfo
    answer = [(0, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ("::1", "127.0.0.1")]
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda name, *a, **k: answer if name == "hub.test" else real(name, *a, **k)
    )
    fetch_hub(HubRef(NAME), f"http://hub.test:{port}", blobs, allow_private=True)
    assert len(hub.requests) == 3


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
     "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254",
     "64:ff9b::7f00:1", "2002:7f00:1::", "255.255.255.255", "198.18.0.1", "240.0.0.1"],
)  # fmt: skip
def test_addresses_that_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_addresses_that_are_public(address):
    assert is_public(address)


def test_matching_hosts():
    reach = Reach.to(
        "https://hub.example.org", ("cdn.example.org", "*.blobs.example", "mirror.example:8443", "[::1]:81")
    )
    for allowed in (
        "https://hub.example.org/x",
        "https://HUB.example.org./x",
        "https://cdn.example.org/x",
        "https://eu.blobs.example/x",
        "https://mirror.example:8443/x",
        "https://[::1]:81/x",
    ):
        reach.check(Site.of(httpx.URL(allowed)))
    for refused in (
        "http://hub.example.org/x",
        "https://hub.example.org:8443/x",
        "https://cdn.example.org.evil.example/x",
        "https://evilblobs.example/x",
        "https://blobs.example/x",
        "https://mirror.example/x",
        "https://[::1]/x",
    ):
        with pytest.raises(SourceError):
            reach.check(Site.of(httpx.URL(refused)))


def test_the_public_hub_brings_its_blob_hosts():
    Reach.to("https://huggingface.co").check(Site.of(httpx.URL("https://cdn-lfs.hf.co/x")))
    with pytest.raises(SourceError):
        Reach.to("https://mirror.example").check(Site.of(httpx.URL("https://cdn-lfs.hf.co/x")))


@pytest.mark.parametrize(
    "url", ["", "hub.example.org", "ftp://hub", "https://user:secret@hub.example.org", "http://[", "http://"]
)
def test_hub_urls_that_are_none(url):
    with pytest.raises(UsageError) as caught:
        Reach.to(url)
    assert "secret" not in str(caught.value)


def test_tls_is_checked_against_the_name_not_the_address(blobs, monkeypatch):
    """The pinned connection still offers the hub's name (SNI), which is what the certificate is checked against."""
    offered = []
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]

        def read_hello():
            connection, _ = listener.accept()
            with connection:
                offered.append(connection.recv(4096))

        thread = threading.Thread(target=read_hello)
        thread.start()
        answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: answer)
        monkeypatch.setattr("assay.sources.hub_client.ATTEMPTS", 1)
        with pytest.raises(SourceError, match="can't be reached"):
            fetch_hub(HubRef(NAME), f"https://hub.example.org:{port}", blobs, allow_private=True)
        thread.join(5)
    assert b"hub.example.org" in offered[0]

"""A hub that only a proxy can reach; several files at a time; one failure ends the rest."""

from __future__ import annotations

import http.client
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from assay.core.errors import SourceError, UsageError
from assay.sources import hub_client
from assay.sources.hub import PARALLEL, fetch_hub
from assay.sources.hub_ref import HubRef
from assay.store.blobs import open_blobs
from tests.simulators.hub import HubSimulator

NAME = "org/model"
FILES = {f"part-{number}.bin": bytes([number]) * 40_000 for number in range(12)}


@contextmanager
def proxy(target: str):
    """Forwards every request to `target`, whatever host it names; gives its URL and what it was asked for."""
    asked: list[str] = []

    class Forward(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            parts = urlsplit(self.path)
            connection = http.client.HTTPConnection(urlsplit(target).netloc, timeout=20)
            path = f"{parts.path}?{parts.query}" if parts.query else parts.path
            connection.request("GET", path, headers=dict(self.headers))
            answer = connection.getresponse()
            body = answer.read()
            self.send_response(answer.status)
            for key, value in answer.getheaders():
                if key.lower() not in {"transfer-encoding", "connection", "content-length"}:
                    self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            connection.close()

        def log_message(self, *_args) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Forward)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_through_a_proxy_names_are_not_resolved_here(tmp_path):
    hub = HubSimulator()
    hub.add(NAME, FILES)
    blobs = open_blobs(tmp_path / "blobs")
    with hub.running() as url, proxy(url) as (address, asked):
        snapshot = fetch_hub(HubRef(NAME), "http://hub.invalid", blobs, proxy=address)
        assert {entry.path: b"".join(blobs.stream(entry.digest)) for entry in snapshot.files} == FILES
        assert all(line.startswith("http://hub.invalid/") for line in asked)
        hub.faults.redirect_to = "http://elsewhere.invalid"
        with pytest.raises(SourceError, match=r"redirects to elsewhere\.invalid:80, which is not allowed"):
            fetch_hub(HubRef(NAME), "http://hub.invalid", open_blobs(tmp_path / "other"), proxy=address)


@pytest.mark.parametrize("text", ["proxy:3128", "socks5://proxy:1080", "http://", "http://a b"])
def test_proxies_that_are_none(tmp_path, text):
    with pytest.raises(UsageError, match="not a proxy URL"):
        fetch_hub(HubRef(NAME), "http://hub.invalid", open_blobs(tmp_path / "blobs"), proxy=text)


def test_several_files_are_fetched_at_once_and_progress_only_grows(tmp_path):
    hub, seen, threads = HubSimulator(), [], set()
    hub.add(NAME, FILES)

    def progress(*args) -> None:
        seen.append(args)
        threads.add(threading.get_ident())

    with hub.running() as url:
        fetch_hub(HubRef(NAME), url, open_blobs(tmp_path / "blobs"), progress)
    done = [one[1] for one in seen]
    assert done == sorted(done)
    assert seen[-1][1:] == (480_000, 480_000)
    assert 1 < len(threads) <= PARALLEL


def test_a_failure_ends_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr(hub_client, "_backoff", lambda _failures: 0.0)
    hub = HubSimulator()
    hub.add(NAME, FILES)
    blobs = open_blobs(tmp_path / "blobs")
    with hub.running() as url:
        hub.faults.wrong_bytes = True
        with pytest.raises(SourceError, match="not what the listing"):
            fetch_hub(HubRef(NAME), url, blobs)
        assert hub.asked("/resolve/") < len(FILES)
    assert [result for result in blobs.scrub() if result.problem] == []

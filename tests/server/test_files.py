"""Files over real HTTP: headers, ranges, conditions, odd names, broken blobs."""

import hashlib
import os
import socket
import time
from urllib.parse import quote

import httpx
import pytest

from assay.core.digest import Digest
from tests.server.conftest import FILES, NAME

WEIGHTS = "weights.safetensors"
URL = f"/{NAME}/resolve/main/{WEIGHTS}"
DATA = FILES[WEIGHTS]


def blob_file(publisher, data):
    return publisher.blobs.local_path(Digest.of(data))


def damage(publisher, data, at=-1):
    """Flip one bit, as a disk would: same size, old times."""
    path = blob_file(publisher, data)
    before = path.stat()
    path.chmod(0o600)
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("revision", ["main", "pinned"])
def test_every_file_arrives_with_what_clients_need(http, published, path, revision):
    revision = published.revision if revision == "pinned" else revision
    url = f"/{NAME}/resolve/{revision}/{quote(path)}"
    head, got = http.head(url), http.get(url)
    digest = hashlib.sha256(FILES[path]).hexdigest()
    assert got.status_code == head.status_code == 200
    assert got.content == FILES[path]
    assert head.content == b""
    for answer in (head, got):
        assert answer.headers["X-Repo-Commit"] == published.revision
        assert answer.headers["ETag"] == answer.headers["X-Linked-Etag"] == f'"{digest}"'
        assert answer.headers["Content-Length"] == answer.headers["X-Linked-Size"] == str(len(FILES[path]))
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert answer.headers["Cache-Control"] == "no-cache"
        assert "xet" not in str(answer.headers).lower()


@pytest.mark.parametrize(
    ("wanted", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=5-9", 5, 10),
        (f"bytes={(1 << 20) - 3}-{(1 << 20) + 4}", (1 << 20) - 3, (1 << 20) + 5),
        ("bytes=3000000-", 3_000_000, len(DATA)),
        ("bytes=-7", len(DATA) - 7, len(DATA)),
        (f"bytes=0-{len(DATA) - 1}", 0, len(DATA)),
        ("bytes=10-999999999999", 10, len(DATA)),
    ],
)
def test_ranges(http, wanted, start, stop):
    got = http.get(URL, headers={"Range": wanted})
    assert got.status_code == 206
    assert got.content == DATA[start:stop]
    assert got.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(DATA)}"
    assert got.headers["Content-Length"] == str(stop - start)


def test_ranges_that_lie_outside(http):
    got = http.get(URL, headers={"Range": f"bytes={len(DATA)}-"})
    assert got.status_code == 416
    assert got.headers["Content-Range"] == f"bytes */{len(DATA)}"
    assert http.get(f"/{NAME}/resolve/main/empty", headers={"Range": "bytes=0-"}).status_code == 416


def test_ranges_that_are_not_understood_get_the_whole(http):
    for wanted in ("bytes=1-2,5-6", "lines=1-2", "bytes=x"):
        got = http.get(URL, headers={"Range": wanted})
        assert (got.status_code, len(got.content)) == (200, len(DATA))
    assert http.head(URL, headers={"Range": "bytes=0-1"}).headers["Content-Length"] == str(len(DATA))


def test_if_range(http):
    etag = http.head(URL).headers["ETag"]
    assert http.get(URL, headers={"Range": "bytes=0-4", "If-Range": etag}).status_code == 206
    for other in ('"other"', f"W/{etag}", "Wed, 21 Oct 2015 07:28:00 GMT"):
        assert http.get(URL, headers={"Range": "bytes=0-4", "If-Range": other}).status_code == 200


def test_if_none_match(live, publisher):
    etag = live.head(URL).headers["ETag"]
    for tags in (etag, f'"x", W/{etag}', "*"):
        got = live.get(URL, headers={"If-None-Match": tags})
        assert (got.status_code, got.content, got.headers["ETag"]) == (304, b"", etag)
    assert live.get(URL, headers={"If-None-Match": '"x"'}).status_code == 200
    publisher.revoke(NAME, "bad")
    assert live.get(URL, headers={"If-None-Match": etag}).status_code == 404


def test_optional_files_that_are_missing(http, published):
    for path in ("adapter_config.json", "onnx", "..%2f..%2fetc%2fpasswd", "", "/etc/passwd"):
        for got in (http.get(f"/{NAME}/resolve/main/{path}"), http.head(f"/{NAME}/resolve/main/{path}")):
            assert got.status_code == 404
            assert got.headers["X-Error-Code"] == "EntryNotFound"
            assert got.headers["X-Repo-Commit"] == published.revision


def test_raw_paths_reach_no_file_system(http):
    """httpx normalises `..`; a socket does not."""
    host, port = http.base_url.host, http.base_url.port
    for path in (
        f"/{NAME}/resolve/main/../../../../etc/passwd",
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
    ):
        with socket.create_connection((host, port)) as sock:
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while chunk := sock.recv(65536):
                answer += chunk
        assert answer.startswith(b"HTTP/1.1 404")
        assert b"root:" not in answer


# --- bytes that are wrong -------------------------------------------------------------------------------------------


def pull(http, headers=None):
    """What a client has in hand when the connection breaks."""
    got = b""
    try:
        with http.stream("GET", URL, headers=headers or {}) as answer:
            if answer.status_code >= 400:
                return answer.status_code, answer.read()
            for chunk in answer.iter_raw():
                got += chunk
    except httpx.RemoteProtocolError:
        return "broken off", got
    return answer.status_code, got


@pytest.mark.parametrize("at", [0, 1_500_000, -1])
def test_a_damaged_blob_is_broken_off_before_its_end(live, publisher, at):
    damage(publisher, DATA, at)
    outcome, got = pull(live)
    assert outcome == "broken off"
    assert len(DATA) - (1 << 20) <= len(got) < len(DATA)
    status, body = pull(live, {"Range": f"bytes={len(got)}-"})  # what a stock client does next
    assert status == 403
    assert b"is not what its name says" in body
    head = live.head(URL)
    assert (head.status_code, "integrity" in head.headers["X-HF-Warning"]) == (403, True)


def test_the_end_of_a_damaged_blob_is_not_given_out_alone(live, publisher):
    damage(publisher, DATA, 0)
    outcome, got = pull(live, {"Range": "bytes=-2000000"})
    assert outcome == "broken off"
    assert len(got) < 1_000_000
    assert pull(live, {"Range": "bytes=-1"})[0] == 403


def test_a_small_damaged_blob_gives_nothing(live, publisher):
    damage(publisher, FILES["config.json"])
    with pytest.raises(httpx.RemoteProtocolError):
        live.get(f"/{NAME}/resolve/main/config.json")


def test_damage_after_a_good_pull_is_seen(live, publisher):
    path = blob_file(publisher, DATA)
    assert pull(live) == (200, DATA)
    time.sleep(2.1)  # longer than the time in which a change might leave no trace
    assert pull(live) == (200, DATA)
    assert pull(live) == (200, DATA)
    assert pull(live, {"Range": "bytes=-9"}) == (206, DATA[-9:])
    damage(publisher, DATA, 7)
    assert pull(live)[0] == "broken off"
    path.write_bytes(DATA)
    assert pull(live) == (200, DATA)


def test_missing_and_truncated_blobs(live, publisher):
    path = blob_file(publisher, DATA)
    path.chmod(0o600)
    path.write_bytes(DATA[:-1])
    assert live.get(URL).status_code == 403
    path.unlink()
    got = live.head(URL)
    assert got.status_code == 403
    assert got.headers["X-Error-Message"].startswith("assay:")


def test_a_client_that_goes_away_leaves_the_server_well(http):
    host, port = http.base_url.host, http.base_url.port
    for _ in range(5):
        with socket.create_connection((host, port)) as sock:
            sock.sendall(f"GET {URL} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            sock.recv(10)
    assert pull(http) == (200, DATA)

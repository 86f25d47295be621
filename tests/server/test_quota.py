"""What one person may upload: refused before and while the bytes come, and said by stock clients."""

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from assay.registry.tokens import Tokens
from assay.server.app import create_app
from assay.server.state import ServerSettings, utc_now
from tests.e2e.clients import Client
from tests.simulators.serving import serving

KIB = 1024


@pytest.fixture
def place(publisher):
    """Files of at most 64 KiB, 100 KiB a day."""
    settings = ServerSettings(upload_file=64 * KIB, upload_quota=100 * KIB)
    publisher.ahead = timedelta()
    app = create_app(publisher.catalog, publisher.blobs, settings, clock=lambda: utc_now() + publisher.ahead)
    made = {"roles": ["developer"], "name": "t", "by": "root", "now": datetime.now(UTC)}
    with serving(app) as publisher.url:
        publisher.tokens = {one: Tokens(publisher.index).create(person=one, **made)[0] for one in ("ann", "bob")}
        yield publisher


def batch(place, *contents, person="ann"):
    objects = [{"oid": hashlib.sha256(one).hexdigest(), "size": len(one)} for one in contents]
    return httpx.post(
        f"{place.url}/org/new.git/info/lfs/objects/batch",
        json={"operation": "upload", "objects": objects},
        headers={"Authorization": f"Bearer {place.tokens[person]}"},
    )


def send(place, content, person="ann"):
    link = batch(place, content, person=person).json()["objects"][0]["actions"]["upload"]["href"]
    return link, httpx.put(link, content=content)


def test_bytes_of_a_file_and_of_a_day(place):
    large = batch(place, bytes(65 * KIB))
    assert (large.status_code, "at most" in large.headers["X-Error-Message"]) == (413, True)
    many = batch(place, *(bytes([one]) * 60 * KIB for one in range(2)))
    assert (many.status_code, "that one person may" in many.headers["X-Error-Message"]) == (429, True)
    first, done = send(place, b"1" * 60 * KIB)
    assert done.status_code == 200
    link, _ = send(place, b"2" * 30 * KIB, person="bob")  # another person has a quota of their own
    assert batch(place, b"3" * 39 * KIB).status_code == 200
    assert batch(place, b"3" * 41 * KIB).status_code == 429
    second, done = send(place, b"4" * 39 * KIB)
    assert done.status_code == 200
    assert httpx.put(first, content=b"1" * 60 * KIB).status_code == 429  # a link is not more than the quota
    place.ahead = timedelta(hours=25)
    assert batch(place, b"5" * 60 * KIB).status_code == 200
    assert link
    assert second


def commit(place, *lines, person="ann"):
    """A commit that does not say how long it is."""
    body = ((json.dumps(line) + "\n").encode() for line in ({"key": "header", "value": {"summary": "x"}}, *lines))
    headers = {"Authorization": f"Bearer {place.tokens[person]}"}
    return httpx.post(f"{place.url}/api/models/org/new/commit/main", content=body, headers=headers)


def inline(path, size):
    content = base64.b64encode(path.encode() * size).decode()
    return {"key": "file", "value": {"path": path, "content": content, "encoding": "base64"}}


def test_what_comes_inline_counts_too(place):
    assert commit(place, inline("a", 65 * KIB)).status_code == 413
    assert commit(place, inline("a", 60 * KIB), inline("b", 60 * KIB), inline("c", 60 * KIB)).status_code == 429
    assert commit(place, inline("a", 60 * KIB), person="bob").status_code == 200


@pytest.mark.parametrize(("sizes", "status"), [([1 << 50], 413), ([60 * KIB, 60 * KIB], 429), ([60 * KIB], 200)])
def test_what_xet_objects_are_to_become_counts(place, sizes, status):
    """They are small, and a shard may name the same chunks over and over."""
    lines = [
        {"key": "lfsFile", "value": {"path": f"{at}.bin", "algo": "sha256", "oid": f"{at}" * 64, "size": size}}
        for at, size in enumerate(sizes)
    ]
    assert commit(place, *lines).status_code == status


def test_a_stock_client_says_so(place, tmp_path):
    client = Client("2", place.url, tmp_path / "home", token=place.tokens["ann"])
    (tmp_path / "large.bin").write_bytes(bytes(65 * KIB))
    upload = {"repo_id": "org/new", "path_in_repo": "large.bin", "path_or_fileobj": str(tmp_path / "large.bin")}
    assert "a file has at most" in client.fail("upload_file", **upload)[1]

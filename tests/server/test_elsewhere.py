"""Files that are not sent from here: by nginx (X-Accel-Redirect), or by a link into object storage."""

import hashlib
import uuid

import httpx
import pytest

from assay.server.app import create_app
from assay.server.state import ServerSettings
from assay.sources.hub import fetch_hub
from assay.sources.hub_ref import HubRef
from assay.store.blobs import open_blobs
from assay.store.layout import key
from tests.server.conftest import FILES, NAME
from tests.simulators.serving import serving
from tests.support.published import Publisher
from tests.support.s3 import new_bucket, running_s3

WEIGHTS = f"/{NAME}/resolve/main/weights.safetensors"


@pytest.fixture
def behind_nginx(publisher):
    settings = ServerSettings(accel_prefix="/_blobs/")
    app = create_app(publisher.catalog, publisher.blobs, settings)
    publisher.ledger = app.state.registry.ledger
    with serving(app) as url, httpx.Client(base_url=url, trust_env=False) as client:
        yield client


def test_a_get_is_handed_to_nginx_and_a_head_is_answered_here(behind_nginx, publisher):
    entry = publisher.catalog.resolve(NAME).snapshot.entry("weights.safetensors")
    got = behind_nginx.get(WEIGHTS)
    assert (got.status_code, got.content) == (200, b"")
    assert got.headers["X-Accel-Redirect"] == f"/_blobs/{key(entry.digest)}"
    assert publisher.blobs.local_path(entry.digest) == publisher.root / "blobs" / key(entry.digest)
    head = behind_nginx.head(WEIGHTS)
    assert "X-Accel-Redirect" not in head.headers
    assert head.headers["Content-Length"] == str(entry.size)
    for answer in (got, head):
        assert answer.headers["X-Repo-Commit"] == publisher.revision
        assert answer.headers["ETag"] == f'"{entry.digest.hex}"'


def test_what_is_handed_over_is_in_the_ledger_when_it_is(behind_nginx, publisher):
    assert behind_nginx.head(WEIGHTS).status_code == 200
    assert publisher.ledger.find(name=NAME) == ()
    assert behind_nginx.get(WEIGHTS).content == b""
    (row,) = publisher.ledger.find(name=NAME)
    assert (row.revision, row.files, row.bytes) == (publisher.revision, 1, len(FILES["weights.safetensors"]))


def test_what_is_not_served_is_not_handed_over(behind_nginx, publisher):
    publisher.revoke(NAME, "bad")
    got = behind_nginx.get(WEIGHTS)
    assert got.status_code == 404
    assert "X-Accel-Redirect" not in got.headers
    assert publisher.ledger.find(name=NAME) == ()


@pytest.fixture(scope="module")
def s3():
    with running_s3() as endpoint:
        yield endpoint


@pytest.fixture
def in_s3(s3, tmp_path, monkeypatch):
    bucket = f"bucket-{uuid.uuid4().hex}"
    new_bucket(s3, bucket)
    for name, value in {
        "AWS_ENDPOINT_URL": s3,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    publisher = Publisher(tmp_path / "data")
    publisher.blobs = open_blobs(f"s3://{bucket}/prefix")
    publisher.revision = publisher.admit(NAME, FILES)
    with serving(create_app(publisher.catalog, publisher.blobs)) as publisher.url:
        yield publisher
    publisher.index.close()


def test_a_link_into_object_storage_carries_what_clients_need(in_s3, s3):
    digest = hashlib.sha256(FILES["weights.safetensors"]).hexdigest()
    head, got = httpx.head(in_s3.url + WEIGHTS), httpx.get(in_s3.url + WEIGHTS)
    for answer in (head, got):
        assert answer.headers["X-Repo-Commit"] == in_s3.revision
        assert answer.headers["X-Linked-Etag"] == f'"{digest}"'
        assert answer.headers["X-Linked-Size"] == str(len(FILES["weights.safetensors"]))
    assert (head.status_code, head.headers["Content-Length"]) == (200, head.headers["X-Linked-Size"])
    assert got.status_code == 302
    assert got.headers["Cache-Control"] == "no-store"
    assert got.headers["Location"].startswith(s3)
    linked = httpx.get(got.headers["Location"])
    assert hashlib.sha256(linked.content).hexdigest() == digest
    assert (
        httpx.get(got.headers["Location"], headers={"Range": "bytes=5-9"}).content == FILES["weights.safetensors"][5:10]
    )


def test_a_source_follows_the_link_only_when_that_host_is_allowed(in_s3, s3, tmp_path):
    blobs, host = open_blobs(tmp_path / "other"), s3.removeprefix("http://")
    snapshot = fetch_hub(HubRef(NAME), in_s3.url, blobs, hosts=(host,), allow_private=True)
    assert snapshot.id == in_s3.catalog.resolve(NAME).snapshot.id


def test_what_is_not_served_gets_no_link(in_s3):
    in_s3.revoke(NAME, "bad")
    got = httpx.get(in_s3.url + WEIGHTS)
    assert got.status_code == 404
    assert "Location" not in got.headers

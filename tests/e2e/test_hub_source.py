"""The hub source against our own server: the two were written from the same API, each is the other's check."""

import os

import pytest

from assay.core.errors import SourceError
from assay.server.app import create_app
from assay.sources.hub import fetch_hub
from assay.sources.hub_ref import HubRef
from assay.store.blobs import open_blobs
from tests.simulators.serving import serving
from tests.support.published import Publisher

NAME = "org/model"
FILES = {
    "config.json": b"{}",
    "deep/er/weights.safetensors": os.urandom(3_000_000),
    "odd/🤗 100%2F\nname.txt": b"odd",
    "empty": b"",
}


@pytest.fixture
def registry(tmp_path):
    publisher = Publisher(tmp_path / "data")
    publisher.revision = publisher.admit(NAME, FILES)
    with serving(create_app(publisher.catalog, publisher.blobs)) as publisher.url:
        yield publisher
    publisher.index.close()


def test_a_snapshot_keeps_its_identity_from_registry_to_registry(registry, tmp_path):
    blobs = open_blobs(tmp_path / "other")
    snapshot = fetch_hub(HubRef(NAME), registry.url, blobs)
    assert snapshot.id == registry.catalog.resolve(NAME).snapshot.id
    assert snapshot.origin.commit == registry.revision
    assert {e.path: b"".join(blobs.stream(e.digest)) for e in snapshot.files} == FILES
    assert fetch_hub(HubRef(NAME, registry.revision), registry.url, blobs).id == snapshot.id


def test_a_refusal_carries_its_reason_along(registry, tmp_path):
    registry.refuse("evil/model", {"x.bin": b"bad"}, "x.bin calls posix.system('id')")
    with pytest.raises(SourceError, match=r"posix\.system\('id'\)"):
        fetch_hub(HubRef("evil/model"), registry.url, open_blobs(tmp_path / "other"))


def test_a_damaged_blob_is_not_taken_over(registry, tmp_path):
    entry = registry.catalog.resolve(NAME).snapshot.entry("deep/er/weights.safetensors")
    path = registry.blobs.local_path(entry.digest)
    path.chmod(0o600)
    path.write_bytes(bytes(entry.size))
    blobs = open_blobs(tmp_path / "other")
    with pytest.raises(SourceError, match="is not what its name says"):
        fetch_hub(HubRef(NAME), registry.url, blobs)
    assert not blobs.has(entry.digest)


def test_a_model_of_more_files_than_one_page(registry, tmp_path):
    registry.admit("org/many", {f"f{number:04}": b"%d" % number for number in range(1203)})
    assert len(fetch_hub(HubRef("org/many"), registry.url, open_blobs(tmp_path / "other")).files) == 1203

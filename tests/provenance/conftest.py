import hashlib
from datetime import UTC, datetime

import pytest

from assay.core.digest import Digest
from assay.core.snapshot import FileEntry, Origin, Snapshot
from assay.provenance.keys import KeyRing

FILES = {
    ".gitattributes": b"*.bin filter=lfs\n",
    "README.md": b"# A model\n",
    "a-b/weights.bin": b"\x01\x02",
    "a/z.json": b"{}",
    "config.json": b'{"model_type": "bert"}',
    "model.safetensors": b"\x00" * 100,
}


def snapshot_of(files):
    entries = [FileEntry(p, len(b), Digest(hashlib.sha256(b).hexdigest())) for p, b in files.items()]
    return Snapshot.of(entries, Origin("hub", "https://hub.example/org/name", "org/name", "main", "a" * 40))


@pytest.fixture(scope="session")
def ring(tmp_path_factory):
    return KeyRing.create(tmp_path_factory.mktemp("ring") / "keys")


@pytest.fixture(scope="session")
def snapshot():
    return snapshot_of(FILES)


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "model"
    for path, data in FILES.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return root


@pytest.fixture
def now():
    return datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)

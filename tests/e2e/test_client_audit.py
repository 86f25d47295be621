"""Some two hundred calls of each client of the matrix, as its users make them (`client_audit`)."""

from __future__ import annotations

import hashlib

import pytest

from assay.server.app import create_app
from tests.e2e.clients import VERSIONS, Client
from tests.e2e.test_clients import FILES as PLAIN
from tests.e2e.test_clients import NAME, WHY
from tests.simulators.serving import serving
from tests.support.published import Publisher

FILES = PLAIN | {
    "README.md": b"---\nlicense: mit\n---\n# model",
    ".gitattributes": b"*.bin lfs",
    "odd/日本語/ファイル.json": b"{}",
    "odd/a+b c;d,e'f\"g.txt": b"plus",
    f"odd/{'/'.join(['d' * 60] * 12)}/f.txt": b"deep",
    f"odd/{'n' * 200}.txt": b"long",
}


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    publisher = Publisher(tmp_path_factory.mktemp("audited") / "data")
    main = publisher.admit(NAME, FILES)
    staged = publisher.admit(NAME, {**FILES, "config.json": b"{}", "new.txt": b"new"})
    publisher.move(NAME, staged, "staging")
    publisher.admit("org/many", {f"d{number % 7}/f{number}.txt": b"%d" % number for number in range(2300)})
    publisher.refuse("evil/modle", {"pytorch_model.bin": b"bad"}, WHY)
    publisher.admit("gone/model", {"config.json": b"1"})
    publisher.revoke("gone/model", "backdoor found")
    told = {"model": NAME, "main": main, "staged": staged}
    told |= {"sha256": {path: hashlib.sha256(content).hexdigest() for path, content in FILES.items()}}
    publisher.told = told | {"size": {path: len(content) for path, content in FILES.items()}}
    with serving(create_app(publisher.catalog, publisher.blobs)) as publisher.url:
        yield publisher
    publisher.index.close()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("version", VERSIONS)
def test_every_call_gives_what_its_user_expects(registry, version, tmp_path):
    client = Client(version, registry.url, tmp_path / "hf-home")
    told = registry.told | {"sort": "lastModified" if version == "0.36" else "last_modified"}
    lines = client.audit(told)
    assert lines[-1] == "done"
    assert lines[:-1] == []

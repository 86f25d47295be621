"""A real bill of materials, in the words that clients ask for."""

from __future__ import annotations

import json
import struct

import httpx
import pytest

from assay.cli.main import main
from assay.registry.catalog import Catalog
from assay.server.app import create_app
from assay.store.blobs import open_blobs
from assay.store.index import Index
from tests.simulators.serving import serving

CARD = "---\nlicense: apache-2.0\npipeline_tag: text-classification\nlanguage: [en, fa]\ndatasets: [acme/told]\n---\n"


@pytest.fixture
def served(tmp_path, monkeypatch):
    monkeypatch.setenv("ASSAY_DATA", str(tmp_path / "data"))
    model = tmp_path / "model"
    model.mkdir()
    header = json.dumps({"w": {"dtype": "F32", "shape": [2, 64], "data_offsets": [0, 512]}}).encode()
    header += b" " * (-len(header) % 8)
    (model / "model.safetensors").write_bytes(
        struct.pack("<Q", len(header)) + header + struct.pack("<128f", *(0.01 * number for number in range(128)))
    )
    (model / "config.json").write_text('{"model_type": "bert", "architectures": ["BertModel"]}')
    (model / "LICENSE").write_text("Apache License\nVersion 2.0, January 2004\n")
    (model / "README.md").write_text(CARD)
    assert main(["init", "--quiet"]) == 0
    assert main(["vet", str(model), "--as", "acme/told", "--quiet"]) == 0
    index = Index.open(f"sqlite:///{tmp_path / 'data' / 'index.sqlite'}")
    app = create_app(Catalog(index), open_blobs(str(tmp_path / "data" / "blobs")))
    with serving(app) as url, httpx.Client(base_url=url, trust_env=False) as client:
        yield client
    index.close()


def test_card_configuration_and_weights_as_the_bill_knows_them(served):
    told = served.get("/api/models/acme/told?expand=cardData&expand=config&expand=safetensors&expand=sha").json()
    assert told.pop("sha")
    assert told == {
        "id": "acme/told",
        "cardData": {
            "license": "apache-2.0",
            "pipeline_tag": "text-classification",
            "language": ["en", "fa"],
            "datasets": ["acme/told"],
        },
        "config": {"architectures": ["BertModel"], "model_type": "bert"},
        "safetensors": {"parameters": {"F32": 128}, "total": 128},
    }
    words = {"safetensors", "transformers", "bert", "en", "fa", "dataset:acme/told", "text-classification"}
    (item,) = served.get("/api/models", params={"filter": ["bert", "en", "dataset:acme/told"]}).json()
    assert words <= set(item["tags"])
    assert served.get("/api/models", params={"filter": ["bert", "de"]}).json() == []

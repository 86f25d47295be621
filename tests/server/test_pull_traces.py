"""Serving programs that we can't run here: what they ask for, replayed over real HTTP, and what they rely on."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from assay.registry.pulls import PullLedger
from assay.server.app import create_app
from tests.simulators.serving import serving
from tests.support.published import Publisher

TRACES = json.loads(Path(__file__).with_name("pull_traces.json").read_text("utf-8"))["traces"]
NAME = "org/model"
SHARD = bytes(range(251)) * 8000  # 2 MB
FILES = {
    "config.json": b'{"model_type": "llama"}',
    "tokenizer_config.json": b"{}",
    "model.safetensors.index.json": b'{"weight_map": {}}',
    "model-00001-of-00002.safetensors": SHARD,
    "model-00002-of-00002.safetensors": SHARD[::-1],
    "model-q4_k_m.gguf": b"GGUF" + SHARD[7:],
}


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    publisher = Publisher(tmp_path_factory.mktemp("traced") / "data")
    publisher.revision = publisher.admit(NAME, FILES)
    publisher.refuse("org/refused", FILES, "it calls home")
    with serving(create_app(publisher.catalog, publisher.blobs)) as publisher.url:
        yield publisher
    publisher.index.close()


@pytest.mark.parametrize("program", TRACES)
def test_a_program_gets_what_it_asks_for(registry, program):
    trace = TRACES[program]
    with httpx.Client(base_url=registry.url, trust_env=False, headers={"User-Agent": trace["agent"]}) as client:
        for request in trace["requests"]:
            method, path = request["ask"]
            start, stop = request.get("range") or (0, None)
            headers = {"Range": f"bytes={start}-{'' if stop is None else stop}"} if "range" in request else {}
            answer = client.request(method, path.replace("{rev}", registry.revision), headers=headers)
            assert answer.status_code == request["status"], request
            assert [name for name in request.get("has", ()) if name not in answer.headers] == [], request
            assert answer.headers.get("x-error-code") == request.get("code"), request
            if "whole" in request:
                content = FILES[request["whole"]]
                assert answer.content == content[start : len(content) if stop is None else stop + 1]
                if "range" in request:
                    assert answer.headers["content-range"].endswith(f"/{len(content)}")
            if request.get("branches"):
                branches = {one["name"]: one["targetCommit"] for one in answer.json()["branches"]}
                assert branches == {"main": registry.revision}
            for name in request.get("lists", ()):
                listed = answer.json()
                found = listed["siblings"] if isinstance(listed, dict) else listed
                assert name in {one.get("rfilename", one.get("path")) for one in found}
            assert answer.headers.get("x-repo-commit", registry.revision) == registry.revision
    rows = PullLedger(registry.index).find(name=NAME)
    assert trace["agent"] in {row.consumer.client for row in rows}


@pytest.mark.parametrize("program", TRACES)
def test_a_program_is_refused_at_its_first_request(registry, program):
    trace = TRACES[program]
    method, path = trace["requests"][0]["ask"]
    with httpx.Client(base_url=registry.url, trust_env=False, headers={"User-Agent": trace["agent"]}) as client:
        answer = client.request(method, path.replace(NAME, "org/refused"))
    assert (answer.status_code, answer.headers["x-error-code"]) == (403, "GatedRepo")
    assert "it calls home" in answer.headers["x-error-message"]

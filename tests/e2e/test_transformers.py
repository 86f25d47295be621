"""The real transformers and torch load a served model by its name, with nothing set but what `assay serve` prints."""

import json
import os
import subprocess
import sys

import pytest

from assay.server.app import create_app
from assay.sources.directory import fetch_directory
from tests.e2e.test_clients import Recorder
from tests.simulators.serving import serving
from tests.support.published import Publisher

NAME = "sentence-transformers/all-MiniLM-L6-v2"
LOAD = """
import json, sys, warnings
import torch
from transformers import AutoModel, AutoTokenizer
from transformers.pipelines import get_task
answers = []
for where in sys.argv[1:]:
    tokenizer, model = AutoTokenizer.from_pretrained(where), AutoModel.from_pretrained(where)
    model.eval()
    with torch.no_grad():
        out = model(**tokenizer(["a vetted model", "und noch ein Satz"], padding=True, return_tensors="pt"))
    answers.append(out.last_hidden_state)
found = {"equal": torch.equal(*answers), "shape": list(answers[0].shape)}
print(json.dumps(found | {"task": get_task("acme/classifier")}))
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory, real_model):
    publisher = Publisher(tmp_path_factory.mktemp("transformers") / "data")
    snapshot = fetch_directory(real_model, NAME, publisher.blobs)
    publisher.revision = publisher.admit_snapshot(NAME, snapshot)
    publisher.admit("acme/classifier", {"config.json": b"{}"})
    publisher.describe("acme/classifier", "text-classification", "MIT")
    publisher.app = Recorder(create_app(publisher.catalog, publisher.blobs))
    with serving(publisher.app) as publisher.url:
        yield publisher
    publisher.index.close()


def load(registry, home, *where):
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "ASSAY_", "TRANSFORMERS_"))}
    env = clean | {
        "HF_ENDPOINT": registry.url,
        "HF_HOME": str(home),
        "DISABLE_SAFETENSORS_CONVERSION": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    command = [sys.executable, "-c", LOAD, *map(str, where)]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=240)


@pytest.mark.torch
def test_from_pretrained_gives_the_same_answers_as_the_folder(registry, real_model, tmp_path):
    done = load(registry, tmp_path / "hf", real_model, NAME)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["equal"] is True
    assert answer["shape"] == [2, 8, 384]
    assert answer["task"] == "text-classification", "what `pipeline(model=...)` looks up"
    cached = tmp_path / "hf" / "hub" / f"models--{NAME.replace('/', '--')}"
    assert [path.name for path in (cached / "snapshots").iterdir()] == [registry.revision]
    assert any(line.endswith("/model.safetensors") for line in registry.app.asked)
    assert not any("discussions" in line or "pytorch_model" in line for line in registry.app.asked)


@pytest.mark.torch
def test_from_pretrained_shows_why_a_model_is_refused(registry, tmp_path):
    registry.refuse("sentence-transformer/all-MiniLM-L6-v2", {"pytorch_model.bin": b"x"}, "it calls posix.system('id')")
    done = load(registry, tmp_path / "hf", "sentence-transformer/all-MiniLM-L6-v2")
    assert done.returncode != 0
    assert "it calls posix.system('id')" in done.stderr

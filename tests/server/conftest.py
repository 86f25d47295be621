"""A published model behind a real server on loopback."""

from __future__ import annotations

from contextlib import contextmanager

import httpx
import pytest

from assay.server.app import create_app
from tests.simulators.serving import serving
from tests.support.published import Publisher

NAME = "org/model"
FILES = {
    "README.md": b"# model",
    "config.json": b'{"model_type": "bert"}',
    "onnx/model.onnx": bytes(range(256)) * 40,
    "onnx/fp16/model.onnx": b"fp16",
    "weights.safetensors": bytes(range(251)) * 12_000,  # 3 MB: several chunks
    "odd/🤗 100%2F\nname.txt": b"odd",
    "empty": b"",
}


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """One model, shared by the tests that change nothing."""
    publisher = Publisher(tmp_path_factory.mktemp("published") / "data")
    publisher.revision = publisher.admit(NAME, FILES)
    yield publisher
    publisher.index.close()


@pytest.fixture(scope="session")
def http(published):
    """A client of it; changes nothing."""
    with _client(published) as client:
        yield client


@pytest.fixture
def publisher(tmp_path):
    """The same for one test alone."""
    publisher = Publisher(tmp_path / "data")
    publisher.revision = publisher.admit(NAME, FILES)
    yield publisher
    publisher.index.close()


@pytest.fixture
def live(publisher):
    """A client of it."""
    with _client(publisher) as client:
        yield client


@contextmanager
def _client(publisher):
    with (
        serving(create_app(publisher.catalog, publisher.blobs)) as url,
        httpx.Client(base_url=url, follow_redirects=False, trust_env=False) as client,
    ):
        yield client

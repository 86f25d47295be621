"""Stock clients against a registry that asks for tokens: what they show without one, and that they pull with one."""

import pytest

from assay.registry.tokens import Tokens
from assay.server.app import create_app
from assay.server.state import ServerSettings
from tests.e2e.clients import VERSIONS, Client
from tests.simulators.serving import serving
from tests.support.published import Publisher

NAME = "org/model"


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    publisher = Publisher(tmp_path_factory.mktemp("tokens") / "data")
    publisher.admit(NAME, {"config.json": b"{}"})
    made = {"person": "anna", "roles": ["developer"], "name": "laptop", "by": "root", "now": publisher.now}
    publisher.token, _ = Tokens(publisher.index).create(**made)
    with serving(create_app(publisher.catalog, publisher.blobs, ServerSettings(anonymous=False))) as publisher.url:
        yield publisher
    publisher.index.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_shows_that_a_token_is_needed_and_pulls_with_one(registry, version, tmp_path, monkeypatch):
    client = Client(version, registry.url, tmp_path / "hf")
    plain = Client.env.fget
    assert "read with a token" in client.fail("snapshot_download", repo_id=NAME)[1]
    monkeypatch.setattr(Client, "env", property(lambda self: plain(self) | {"HF_TOKEN": registry.token}))
    assert set(client.call("snapshot_download", repo_id=NAME)["files"]) == {"config.json"}
    assert client.call("whoami")["name"] == "anna"
    monkeypatch.setattr(Client, "env", property(lambda self: plain(self) | {"HF_TOKEN": registry.token[:-1] + "_"}))
    assert "unknown, expired or revoked" in client.fail("hf_hub_download", repo_id=NAME, filename="other")[1]

"""Identity tokens of a real provider on loopback, exchanged over HTTP and by a stock client."""

import base64
import json
import time

import httpx
import pytest
from joserfc.jwk import RSAKey

from assay.core.canonical import canonical_json
from assay.core.errors import UsageError
from assay.registry import pulls
from assay.registry.pulls import PullLedger
from assay.registry.tokens import Tokens
from assay.server import oidc
from assay.server.app import create_app
from assay.server.oauth import EXCHANGE, ID_TOKEN
from assay.server.oidc import Issuers, Rule
from assay.server.state import ServerSettings
from tests.e2e.clients import Client
from tests.server.conftest import FILES, NAME
from tests.simulators.provider import Provider
from tests.simulators.serving import serving


@pytest.fixture
def world(publisher):
    provider = Provider()
    with serving(provider.app) as provider.url:
        rule = Rule.parse(f"{provider.url} repository=acme/* read+model:org/*")
        app = create_app(publisher.catalog, publisher.blobs, ServerSettings(anonymous=False), issuers=Issuers((rule,)))
        with serving(app) as url:
            publisher.url, publisher.provider = url, provider
            yield publisher


def exchange(world, token, **more):
    body = {"grant_type": EXCHANGE, "subject_token_type": ID_TOKEN, "subject_token": token, "resource": NAME} | more
    return httpx.post(f"{world.url}/oauth/token", json=body)


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_an_identity_token_becomes_an_access_token_of_an_hour(world, algorithm):
    got = exchange(world, world.provider.token(world.url, algorithm))
    assert got.status_code == 200, got.text
    assert (got.json()["token_type"], got.json()["expires_in"]) == ("bearer", 3600)
    bearer = {"Authorization": f"Bearer {got.json()['access_token']}"}
    file = httpx.get(f"{world.url}/{NAME}/resolve/main/config.json", headers=bearer)
    assert file.content == FILES["config.json"]
    assert httpx.get(f"{world.url}/api/models/other/model", headers=bearer).status_code == 403
    who = httpx.get(f"{world.url}/api/whoami-v2", headers=bearer).json()
    assert (who["name"], who["assay"]["scopes"]) == ("ci:acme/app", [f"model:{NAME}", "read"])


def test_the_ledger_knows_which_run_of_a_pipeline_pulled(world):
    run = {"workflow": "train", "ref": "refs/heads/main", "sha": "c" * 40, "run_id": "77", "job_id": 5}
    token = world.provider.token(world.url, **run, actor="x" * 200, user_login="a\nb")
    text = exchange(world, token).json()["access_token"]
    url = f"{world.url}/{NAME}/resolve/main/config.json"
    assert httpx.get(url, headers={"Authorization": f"Bearer {text}"}).status_code == 200
    kept = {"repository": "acme/app", **run, "job_id": "5"}  # too long, or not printable: left out
    (record,) = Tokens(world.index).all()
    assert record.claims == kept
    (row,) = PullLedger(world.index).find(consumer="ci:acme/app")
    assert json.loads(row.consumer.claims) == {"token": record.id, **kept}
    most = dict.fromkeys(oidc.KEPT_CLAIMS, "\\" * 80) | {"repository": f"acme/{'a' * 75}"}
    assert exchange(world, world.provider.token(world.url, **most)).is_success
    longest = max(Tokens(world.index).all(), key=lambda one: len(str(one.claims))).claims
    assert len(canonical_json({"token": record.id, **longest})) < pulls._MOST_CLAIMS


def test_what_is_refused(world):
    provider, now = world.provider, int(time.time())
    stranger = RSAKey.generate_key(2048, {"kid": "r"})
    part = base64.urlsafe_b64encode(json.dumps({"iss": provider.url}).encode()).decode().rstrip("=")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    wrong = {
        "another audience": provider.token("https://elsewhere"),
        "expired": provider.token(world.url, exp=now - 120, iat=now - 700),
        "no end": provider.token(world.url, exp=None),
        "too long": provider.token(world.url, exp=now + 10**6),
        "another key": provider.token(world.url, key=stranger),
        "another pipeline": provider.token(world.url, repository="evil/app"),
        "another issuer": provider.token(world.url, iss="https://evil.example"),
        "no signature": f"{none}.{part}.",
        "no token": "x",
        "nothing": "",
    }
    for what, token in wrong.items():
        got = exchange(world, token)
        assert (got.status_code, got.json()["error"]) == (400, "invalid_grant"), what
    good = provider.token(world.url)
    assert "may not use other/model" in exchange(world, good, resource="other/model").text
    assert exchange(world, good, grant_type="password").json()["error"] == "unsupported_grant_type"
    assert exchange(world, good, subject_token_type="x").json()["error"] == "invalid_request"
    assert httpx.post(f"{world.url}/oauth/token", content=b"\xff").json()["error"] == "invalid_request"
    assert Tokens(world.index).all() == ()


def test_keys_are_kept_and_asked_for_again_when_they_are_rotated(world, monkeypatch):
    for _ in range(3):
        assert exchange(world, world.provider.token(world.url)).status_code == 200
    assert world.provider.asked == 1
    monkeypatch.setattr(oidc, "AGAIN_SECONDS", 0.0)
    world.provider.rotate()
    assert exchange(world, world.provider.token(world.url)).status_code == 200
    assert world.provider.asked == 2


@pytest.mark.parametrize(
    "text",
    ["", "https://x a=b", "http://ci.example a=b read", "https://x a=* read", "https://x a read", "ftp://x a=b read"],
)
def test_what_is_no_rule(text):
    with pytest.raises(UsageError):
        Rule.parse(text)


def test_a_stock_client_in_a_pipeline(world, tmp_path, monkeypatch):
    client = Client("2", world.url, tmp_path / "hf")
    monkeypatch.setattr(Client, "env", property(lambda self: dict(_ENV(self)) | self.more))
    client.more = {"HF_OIDC_RESOURCE": NAME, "HF_OIDC_ID_TOKEN": world.provider.token(world.url)}
    got = client.call("snapshot_download", repo_id=NAME)
    assert set(got["files"]) == set(FILES)


_ENV = Client.env.fget

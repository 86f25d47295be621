"""Asking for a model: by hand, and by pulling it; nothing reaches the client before its verdict."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest

from assay.admission.request import HubAccess
from assay.admission.worker import Worker
from assay.registry.queue import FAILED, RUNNING, WorkQueue
from assay.registry.tokens import Tokens
from assay.server.app import create_app
from assay.server.state import ServerSettings
from tests.admission.world import World
from tests.simulators.hub import HubSimulator
from tests.simulators.serving import serving

NAME = "acme/tiny"
FILES = {"config.json": b"{}", "model.safetensors": b"weights" * 100}


@pytest.fixture
def world(tmp_path):
    (tmp_path / "data").mkdir()
    made = World(tmp_path / "data")
    yield made
    made.index.close()


@pytest.fixture
def token(world):
    fields = {"person": "ann", "roles": ["developer"], "name": "ann", "by": "root"}
    return Tokens(world.index).create(**fields, now=datetime.now(UTC))[0]


def client(world, **settings):
    return serving(create_app(world.catalog, world.blobs, ServerSettings(**settings)))


def work(world, hub_url):
    said: list[str] = []
    access = HubAccess(allow_private=True)
    with world.admission(access=access) as admission:
        worker = Worker(admission, world.index, world.blobs, access, hub_url)
        worker.run(lambda _: False, said.append, once=True)
    return said


def test_ask_wait_pull(world, token):
    hub = HubSimulator()
    hub.add(NAME, FILES)
    with client(world, hub=True) as url, hub.running() as hub_url:
        unknown = httpx.get(f"{url}/api/models/{NAME}")
        assert "POST /api/requests with name=acme/tiny" in unknown.headers["X-Error-Message"]
        headers = {"Authorization": f"Bearer {token}"}
        asked = httpx.post(f"{url}/api/requests", data={"name": NAME, "reason": "for the search"}, headers=headers)
        assert (asked.status_code, asked.json()["asked_by"], asked.json()["state"]) == (202, "ann", "waiting")
        again = httpx.post(f"{url}/api/requests", json={"name": f"hf://{NAME}"}, headers=headers)
        assert again.json()["id"] == asked.json()["id"]
        assert httpx.get(url + asked.headers["Location"]).json()["reason"] == "for the search"
        assert [one["name"] for one in httpx.get(f"{url}/api/requests").json()["requests"]] == [NAME]
        assert "is being vetted" in httpx.get(f"{url}/{NAME}/resolve/main/config.json").headers["X-Error-Message"]
        assert work(world, hub_url) == [f"ADMIT {NAME}"]
        assert httpx.get(f"{url}/{NAME}/resolve/main/config.json").content == b"{}"
        assert httpx.get(url + asked.headers["Location"]).json()["outcome"] == "ADMIT"
        assert httpx.get(f"{url}/api/requests/999").status_code == 404


def test_only_who_may_asks_and_only_where_there_is_a_hub(world, token):
    headers = {"Authorization": f"Bearer {token}"}
    with client(world) as url:
        assert httpx.post(f"{url}/api/requests", data={"name": NAME}, headers=headers).status_code == 400
    with client(world, hub=True) as url:
        assert httpx.post(f"{url}/api/requests", data={"name": NAME}).status_code in {401, 403}
        json_body = {"Content-Type": "application/json"}
        for bad in ({"name": "../x"}, {"name": ""}, {}):
            assert httpx.post(f"{url}/api/requests", data=bad, headers=headers).status_code == 400
        answer = httpx.post(f"{url}/api/requests", content=b"[1]", headers=headers | json_body)
        assert answer.status_code == 400
    assert WorkQueue(world.index).waiting() == ()


def test_vet_through_asks_by_itself_once_and_says_what_failed(world):
    hub = HubSimulator()
    hub.add(NAME, FILES)
    queue = WorkQueue(world.index)
    with client(world, hub=True, vet_through=True) as url, hub.running() as hub_url:
        for path in (f"/api/models/{NAME}", f"/{NAME}/resolve/main/config.json", f"/api/models/{NAME}/tree/main"):
            answer = httpx.get(url + path)
            assert answer.status_code == 404
            assert "is being vetted (request 1, waiting)" in answer.headers["X-Error-Message"]
        assert hub.requests == []  # nothing is fetched by the server
        httpx.get(f"{url}/api/models/acme/none")
        assert httpx.get(f"{url}/api/models/..%2Fx").status_code == 400
        assert {item.name for item in queue.waiting()} == {NAME, "acme/none"}
        work(world, hub_url)
        assert httpx.get(f"{url}/api/models/{NAME}").status_code == 200
        failed = httpx.get(f"{url}/api/models/acme/none").headers["X-Error-Message"]
        assert "request 2 for it failed" in failed
        assert [item.state for item in queue.about("acme/none")] == [FAILED]
        queue.ask("hub", "acme/later", "acme/later", asked_by="ann")
        queue.claim("somebody", lambda _: False)
        assert RUNNING in httpx.get(f"{url}/api/models/acme/later").headers["X-Error-Message"]


def test_the_ledger_is_for_those_who_audit(world, token):
    auditor = Tokens(world.index).create(person="aud", roles=["auditor"], name="aud", by="root", now=datetime.now(UTC))[
        0
    ]
    with client(world, hub=True) as url:
        path = f"{url}/api/assay/v1/pulls"
        assert httpx.get(path, headers={"Authorization": f"Bearer {token}"}).status_code == 403
        seen = httpx.get(
            f"{path}?name={NAME}&since=2026-01-01T00:00:00Z", headers={"Authorization": f"Bearer {auditor}"}
        )
        assert seen.json() == {"pulls": []}
        wrong = httpx.get(f"{path}?since=yesterday", headers={"Authorization": f"Bearer {auditor}"})
        assert wrong.status_code == 400

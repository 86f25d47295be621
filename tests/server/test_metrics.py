"""`/metrics`, `/readyz`, request ids, JSON lines: what somebody sees who runs a registry."""

import json
import logging
import shutil
import time

import httpx
import pytest

from assay.cli.logs import JsonLines
from assay.core.digest import Digest
from assay.registry.queue import HUB, WorkQueue
from assay.registry.tallies import JOB, STEP, VERDICT, add, read
from assay.server.app import create_app
from tests.server.conftest import FILES, NAME
from tests.simulators.serving import serving
from tests.support.databases import *  # noqa: F403


@pytest.fixture
def place(publisher):
    app = create_app(publisher.catalog, publisher.blobs)
    with serving(app) as url, httpx.Client(base_url=url, trust_env=False) as client:
        client.registry, client.publisher = app.state.registry, publisher
        yield client


def value(place, name, **labels):
    found = place.registry.metrics.registry.get_sample_value(f"assay_{name}", labels)
    return 0 if found is None else found


def until(true):
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_pulls_are_counted_by_the_verdict_they_met(place):
    place.publisher.refuse("evil/model", {"x": b"bad"}, "bad")
    for path in (f"/{NAME}/resolve/main/config.json", "/evil/model/resolve/main/x", "/no/one/resolve/main/x"):
        place.get(path)
        place.head(path)
    assert value(place, "pulls_total", verdict="ADMIT") == 1  # HEAD is no pull
    assert value(place, "pulls_total", verdict="REJECT") == 2
    assert value(place, "blocked_pulls_total", why="rejected") == 2
    assert value(place, "blocked_pulls_total", why="unknown") == 2
    assert value(place, "untracked_pulls_total") == 2
    until(lambda: value(place, "request_seconds_count", kind="file") == 6)  # noted after the answer was sent
    assert value(place, "requests_total", kind="file", status="200") == 2
    place.get(f"/api/assay/v1/attestations/{NAME}/main")
    assert value(place, "statements_fetched_total") == 1
    text = place.get("/metrics").text
    assert 'assay_blocked_pulls_total{why="rejected"} 2.0' in text


def test_damage_is_counted(place):
    digest = Digest.of(FILES["weights.safetensors"])
    place.publisher.blobs.local_path(digest).write_bytes(b"short")
    assert place.get(f"/{NAME}/resolve/main/weights.safetensors").status_code == 403
    assert value(place, "integrity_failures_total") == 1


def test_queue_and_census_and_what_workers_did(place):
    queue = WorkQueue(place.publisher.index)
    queue.ask(HUB, "acme/new", "acme/new", asked_by="ann", now=place.publisher.now)
    for label in ("inspect", "inspect", "sign"):
        add(place.publisher.index, STEP, label, total=1.5)
    add(place.publisher.index, VERDICT, "ADMIT")
    add(place.publisher.index, JOB, "sandboxed", count=3)
    assert value(place, "queue_depth") == 1
    assert value(place, "queue_oldest_seconds") > 0
    assert value(place, "vet_step_seconds_count", step="inspect") == 2
    assert value(place, "vet_step_seconds_sum", step="inspect") == 3.0
    assert value(place, "vetted_total", verdict="ADMIT") == 1
    assert value(place, "loading_jobs_total", how="sandboxed") == 3
    names = ("models", "revisions", "unsigned_revisions", "unvetted_models", "revoked_snapshots", "index_up")
    assert [value(place, name) for name in names] == [1, 1, 0, 1, 0, 1]


def test_sums_of_many_processes(index):
    for _ in range(3):
        add(index, STEP, "fetch", total=0.5)
    add(index, VERDICT, "HOLD")
    assert [(one.what, one.label, one.count, one.total) for one in read(index)] == [
        (STEP, "fetch", 3, 1.5),
        (VERDICT, "HOLD", 1, 0.0),
    ]


def test_readyz_says_which_part_does_not_answer(place, caplog):
    ready = place.get("/readyz")
    assert (ready.status_code, ready.json()) == (
        200,
        {"status": "ok", "index": "ok", "blobs": "ok", "queue": "ok"},
    )
    root = place.publisher.blobs.local_path(Digest.of(FILES["empty"])).parents[2]
    shutil.rmtree(root)
    root.write_text("something else is here")
    ready = place.get("/readyz")
    assert ready.status_code == 503
    assert (ready.json()["index"], ready.json()["blobs"]) == ("ok", "failed")
    assert str(root) not in ready.text


def test_request_ids_and_lines_for_a_collector(place, caplog):
    caplog.set_level(logging.INFO, "assay.access")
    own = place.get("/healthz", headers={"X-Request-Id": "from-a-proxy-1"})
    assert own.headers["X-Request-Id"] == "from-a-proxy-1"
    made = place.get("/none?token=secret", headers={"X-Request-Id": 'not "plain"'})
    assert len(made.headers["X-Request-Id"]) == 32
    until(lambda: sum(record.name == "assay.access" for record in caplog.records) == 2)
    lines = [json.loads(JsonLines().format(record)) for record in caplog.records if record.name == "assay.access"]
    assert [(line["request_id"], line["path"], line["status"]) for line in lines] == [
        ("from-a-proxy-1", "/healthz", 200),
        (made.headers["X-Request-Id"], "/none", 404),
    ]
    assert all(line["seconds"] >= 0 and line["level"] == "info" and line["time"].endswith("Z") for line in lines)
    assert "secret" not in str(lines)

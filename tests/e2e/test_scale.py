"""Two servers and three workers over one PostgreSQL and one S3, killed again and again: nothing is lost, vetted twice
or half published. `tests/admission/test_spine_killed.py` kills one process at every step; this kills many at any."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import struct
import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx
import pytest

from assay.registry.queue import DONE, WorkQueue
from assay.registry.tokens import Tokens
from assay.store import log
from tests.simulators.hub import HubSimulator
from tests.support.databases import *  # noqa: F403
from tests.support.platform import PATIENCE, Platform, until
from tests.support.s3 import new_bucket, running_s3

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVERS, WORKERS = ("server-1", "server-2"), ("worker-1", "worker-2", "worker-3")
LICENCE = b"Apache License\nVersion 2.0, January 2004\n"
HARMLESS_PAYLOAD = b"cposix\nsystem\n(S'true'\ntR."  # what a poisoned pickle looks like; it would run `true`


@pytest.fixture
def hub() -> Iterator[tuple[HubSimulator, str]]:
    simulator = HubSimulator()
    with simulator.running() as url:
        yield simulator, url


@pytest.fixture
def platform(tmp_path, postgres, hub) -> Iterator[Platform]:
    url = postgres.new_database()
    with running_s3() as endpoint:
        new_bucket(endpoint, "models")
        made = Platform(tmp_path, url, "s3://models/registry", endpoint, hub[1])
        try:
            yield made
        finally:
            made.close()
    postgres.drop(url)


def model(number: int) -> dict[str, bytes]:
    """A small model that is admitted; no two are alike."""
    header = b'{"weight":{"dtype":"F32","shape":[64],"data_offsets":[0,256]}}'
    numbers = struct.pack("<64f", *(number + 0.5 * place for place in range(64)))
    return {
        "config.json": json.dumps({"model_type": "bert", "hidden_size": 8 * number}).encode(),
        "LICENSE": LICENCE,
        "model.safetensors": struct.pack("<Q", len(header)) + header + numbers,
    }


class Client:
    """Asks and uploads as a person's client does: again when the server went away."""

    def __init__(self, platform: Platform, rng: random.Random) -> None:
        self.platform, self.rng = platform, rng
        token, _ = Tokens(platform.index).create(
            person="ann", roles=["developer"], name="ann", by="root", now=datetime.now(UTC)
        )
        self.headers = {"Authorization": f"Bearer {token}"}

    def send(self, method: str, path: str, **kwargs) -> httpx.Response:
        deadline = time.monotonic() + PATIENCE
        while True:
            url = self.rng.choice(sorted(self.platform.urls.values()))
            try:
                answer = httpx.request(method, url + path, headers=self.headers, trust_env=False, timeout=60, **kwargs)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code < 500:
                return answer
            assert time.monotonic() < deadline, answer and answer.text
            time.sleep(0.2)

    def request(self, name: str) -> None:
        answer = self.send("POST", "/api/requests", json={"name": name, "reason": "scale"})
        assert answer.status_code == 202, answer.text

    def upload(self, name: str, files: dict[str, bytes]) -> None:
        lines = [{"key": "header", "value": {"summary": "scale"}}]
        for path, content in files.items():
            inline = {"path": path, "encoding": "base64", "content": base64.b64encode(content).decode()}
            lines.append({"key": "file", "value": inline})
        body = "\n".join(json.dumps(line) for line in lines)
        answer = self.send("POST", f"/api/models/{name}/commit/main", content=body)
        assert answer.status_code == 200, answer.text

    def pull(self, url: str, name: str, path: str) -> bytes:
        answer = httpx.get(
            f"{url}/{name}/resolve/main/{path}",
            headers=self.headers,
            trust_env=False,
            timeout=60,
            follow_redirects=True,
        )
        assert answer.status_code == 200, answer.text
        return answer.content


def exercise(platform: Platform, simulator: HubSimulator, *, models: int, kills: int, seed: int) -> None:
    """Everything is asked for while processes die; then it is looked at what came of it."""
    rng = random.Random(seed)
    for name in (*SERVERS, *WORKERS):
        platform.start(name)
    client = Client(platform, rng)
    good = {f"acme/encoder-{number:02}": model(number + 1) for number in range(models)}
    bad = "acme/poisoned-sample"
    wanted = {bad: {**model(500), "pytorch_model.bin": HARMLESS_PAYLOAD}} | good
    for number, (name, files) in enumerate(wanted.items()):
        if number % 2:
            client.upload(name, files)
        else:
            simulator.add(name, files)
            client.request(name)
        if number == models // 3:
            victim = rng.choice(SERVERS)
            platform.kill(victim)
            client.upload(name, files) if number % 2 else client.request(name)  # an answer that got lost: asked again
            platform.start(victim)
    queue = WorkQueue(platform.index)
    for already in sorted(rng.randrange(len(wanted) - 1) for _ in range(kills)):
        until(lambda already=already: ended(queue, wanted) >= already, f"work stands still\n{platform.said()}")
        time.sleep(rng.uniform(0.0, 1.5))
        victims = rng.sample(WORKERS, rng.choice((1, 1, 2, 3))) + rng.sample(SERVERS, rng.choice((0, 0, 1)))
        for victim in victims:
            platform.kill(victim)
        for victim in victims:
            platform.start(victim)

    def idle() -> bool:
        for name in platform.ended():  # taken for dead on a busy machine: a supervisor starts it again
            platform.start(name)
        return not queue.waiting()

    until(idle, f"work is left: {queue.waiting()}\n{platform.said()}")
    check(platform, client, good, bad)


def ended(queue: WorkQueue, names: dict[str, dict[str, bytes]]) -> int:
    return sum(one.state == DONE for name in names for one in queue.about(name))


def check(platform: Platform, client: Client, good: dict[str, dict[str, bytes]], bad: str) -> None:
    for name in (*good, bad):
        items = WorkQueue(platform.index).about(name)
        if [(one.state, one.outcome) for one in items] != [(DONE, "REJECT" if name == bad else "ADMIT")]:
            pytest.fail("\n".join((name, *map(str, items), platform.said())))
    with platform.index.reading() as tx:
        entries = list(log.entries(tx))
    for kind, names in (("admitted", set(good)), ("published", set(good)), ("refused", {bad})):
        assert Counter(one.body["name"] for one in entries if one.kind == kind) == dict.fromkeys(names, 1), kind
    verdicts = Counter(one.body["snapshot"] for one in entries if one.kind == "verdict")
    assert set(verdicts.values()) == {1}, "vetted twice"
    assert len(verdicts) == len(good) + 1
    for url in platform.urls.values():
        for name, files in good.items():
            for path, content in files.items():
                assert hashlib.sha256(client.pull(url, name, path)).digest() == hashlib.sha256(content).digest()
        refused = httpx.get(f"{url}/{bad}/resolve/main/LICENSE", headers=client.headers, trust_env=False, timeout=60)
        assert refused.status_code == 403
    for command in (("log", "verify"), ("scrub",)):
        done = platform(*command)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.postgres
@pytest.mark.timeout(900)
def test_processes_are_killed_while_models_come_in(platform, hub):
    exercise(platform, hub[0], models=5, kills=1, seed=1)


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("models", "kills", "seed"), [(11, 2, 1), (23, 15, 2), (23, 15, 3), (23, 15, 4)])
def test_processes_are_killed_for_long(platform, hub, models, kills, seed):
    exercise(platform, hub[0], models=models, kills=kills, seed=seed)

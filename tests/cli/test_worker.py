"""`assay worker`, and the one that `assay serve` starts: what a killed process left behind is carried on by itself."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from assay.registry.queue import DONE, SNAPSHOT, WorkQueue
from assay.store.index import Index
from tests.cli.test_vet import Cli
from tests.simulators.hub import HubSimulator

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 120  # seconds; a few are usual
FILES = {"config.json": b'{"model_type": "bert"}', "LICENSE": b"Apache License\nVersion 2.0, January 2004\n"}


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    made = Cli(tmp_path / "data")
    assert made("init", "--quiet").returncode == 0
    return made


def until(true) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


def test_a_server_that_starts_carries_on_what_a_killed_vet_left(cli):
    hub = HubSimulator()
    hub.add("acme/tiny-encoder", FILES)
    with hub.running() as url:
        hub.faults.stall = 5.0
        vet = cli.start("vet", "hf://acme/tiny-encoder", "--hub-url", url)
        until(lambda: hub.asked("/resolve/"))
        vet.kill()
        vet.communicate()
        hub.faults.stall = 0.0
        server = cli.start("serve", "--port", "0")
        base = server.stdout.readline().split()[1]
        until(lambda: httpx.get(f"{base}/api/models/acme/tiny-encoder").status_code != httpx.codes.NOT_FOUND)
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)
    assert server.returncode == 0
    index = Index.open(f"sqlite:///{cli.data / 'index.sqlite'}")
    assert index.verify_log().ok
    index.close()


def test_a_killed_server_takes_its_worker_along_and_the_next_one_does_the_work(cli, tmp_path):
    for name, data in FILES.items():
        (tmp_path / "model").mkdir(exist_ok=True)
        (tmp_path / "model" / name).write_bytes(data)
    _, report = cli.json("vet", str(tmp_path / "model"), "--as", "acme/first")
    server = cli.start("serve", "--port", "0")
    server.stdout.readline()
    (worker,) = [int(line) for line in _children(server.pid)]
    server.kill()
    server.communicate()
    until(lambda: not os.path.exists(f"/proc/{worker}") or _state(worker) == "Z")  # noqa: PTH110
    index = Index.open(f"sqlite:///{cli.data / 'index.sqlite'}")
    queue = WorkQueue(index)
    item = queue.ask(SNAPSHOT, report["subject"]["id"], "acme/second", asked_by="ann")
    done = cli("worker", "--once", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert '"worked_on": 1' in done.stdout
    assert queue.get(item.seq).state == DONE
    assert f"{queue.get(item.seq).outcome} acme/second" in done.stderr
    index.close()


def _children(pid: int) -> list[str]:
    with open(f"/proc/{pid}/task/{pid}/children") as stream:  # noqa: PTH123
        return stream.read().split()


def _state(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as stream:  # noqa: PTH123
        return stream.read().rpartition(")")[2].split()[0]

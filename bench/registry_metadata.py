"""Metadata requests against a bare Starlette route, and what pages and scrapes cost, as the index grows."""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from registry_fill import name_of
from registry_http import CONNECTIONS, cpu_seconds, load, serving
from serving import free_port
from yardstick import ASSAY, Row, at_least, at_most

if TYPE_CHECKING:
    from collections.abc import Callable

HTTP = Path(__file__).with_name("registry_http.py")
ROUNDS = 5
KEPT = 500  # models that are asked for again and again
PAGES = {"overview": "/", "list of models": "/-/models?search=mistral", "scrape of /metrics": "/metrics"}


def bench_metadata(work: Path, env: dict[str, str], kind: str, size: int, requests: int) -> list[Row]:
    """`/api/models/{name}` over 64 connections: of some models again and again, and of another one each time.

    Rounds of ours and of the bare route in turn; every round asks for names that were not asked for before.
    """
    ours, theirs = free_port(), free_port()
    again = [f"/api/models/{name_of(1 + number % KEPT)}" for number in range(requests)]
    fresh = [
        f"/api/models/{name_of(1 + KEPT + number * 7 % (size - KEPT))}" for number in range(requests // 2 * ROUNDS)
    ]
    answers = work / "answers.json"
    rates: dict[str, list[float]] = {}
    costs: dict[str, list[float]] = {}
    with serving([*ASSAY, "serve", "--port", str(ours), "--no-worker"], ours, env) as ours_pid:
        known = {path: _get(ours, path).decode() for path in dict.fromkeys(again)}
        answers.write_text(json.dumps(known), "utf-8")
        bare = [sys.executable, str(HTTP), "bare", str(theirs), str(answers)]
        with serving(bare, theirs) as bare_pid:
            for port in (ours, theirs):
                load(port, again[:1000])
            for turn in range(ROUNDS):
                other = fresh[turn * (requests // 2) : (turn + 1) * (requests // 2)]
                for what, port, pid, paths in (
                    ("other", ours, ours_pid, other),
                    ("bare", theirs, bare_pid, again),
                    ("again", ours, ours_pid, again),
                ):
                    before = cpu_seconds(pid)
                    seconds, length = load(port, paths)
                    if what != "other" and length != sum(len(known[path].encode()) for path in paths):
                        sys.exit(f"{what}: other bytes than asked for")
                    rates.setdefault(what, []).append(len(paths) / seconds)
                    costs.setdefault(what, []).append((cpu_seconds(pid) - before) * 1000 / len(paths))
    rate, cost = ({what: median(values) for what, values in of.items()} for of in (rates, costs))
    yardstick = f"bare Starlette route, same bytes, {CONNECTIONS} connections"
    of = f"of {size:,} in the index, {kind}"
    return [
        at_least(
            f"metadata, {KEPT} models {of}, again and again (requests/s)", rate["again"], yardstick, rate["bare"], 0.5
        ),
        at_least(f"metadata, another model {of} each time (requests/s)", rate["other"], yardstick, rate["bare"], 0.5),
        at_most("… CPU of the server for one request, again (ms)", cost["again"], "the bare route", cost["bare"], 2),
        at_most("… CPU of the server, another each time (ms)", cost["other"], "the bare route", cost["bare"], 2),
    ]


def bench_pages(env: dict[str, str], point: Callable[[str, float], None]) -> None:
    """What a page takes, and a scrape: the first time after a start, and from then on (milliseconds)."""
    port = free_port()
    with serving([*ASSAY, "serve", "--port", str(port), "--no-worker"], port, env):
        for what, path in PAGES.items():
            times = [_timed(port, path) for _ in range(6)]
            print(f"  {what}: first {times[0]:.0f} ms, then {median(times[1:]):.1f} ms", flush=True)
            point(what, median(times[1:]))


def _get(port: int, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
        body: bytes = answer.read()
    return body


def _timed(port: int, path: str) -> float:
    start = time.perf_counter()
    _get(port, path)
    return (time.perf_counter() - start) * 1000

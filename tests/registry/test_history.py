"""Who moved a ref, when and why, and what it was on a given day: command, API and index agree."""

from __future__ import annotations

import json
from datetime import timedelta

import httpx
import pytest

from assay.cli.main import main
from assay.core.verdict import format_time
from assay.provenance.trust import init_trust
from assay.registry.history import moves
from assay.server.app import create_app
from tests.simulators.serving import serving
from tests.support.published import Publisher

NAME = "org/model"
DAY = timedelta(days=1)


@pytest.fixture
def place(tmp_path):
    made = Publisher(tmp_path / "data")
    init_trust(made.root / "keys", made.root / "trust.toml", lambda: None, now=made.now - DAY)
    made.days = [made.now]
    made.revisions = [made.admit(NAME, {"a.txt": b"%d" % number}, days=90) for number in range(3)]
    for revision in (made.revisions[0], made.revisions[2], made.revisions[1]):
        made.now += 2 * DAY
        made.days.append(made.now)
        made.move(NAME, revision, "production")
    yield made
    made.index.close()


def test_all_moves_in_order_with_what_was_before(place):
    first, second, third = place.revisions
    found = moves(place.index, NAME, "production")
    assert [(move.before, move.revision) for move in found] == [("", first), (first, third), (third, second)]
    assert [move.moved_at for move in found] == place.days[1:]
    assert {(move.by, move.reason) for move in found} == {("approver", "because")}
    assert next(move.ref for move in moves(place.index, NAME)) == "main"
    assert moves(place.index, "org/none") == ()


def test_what_was_in_production_that_day(place, capsys):
    first, _, third = place.revisions
    for moment, expected in ((place.days[1] - DAY, None), (place.days[1], first), (place.days[2] + DAY, third)):
        command = ["ref", NAME, "--ref", "production", "--at", format_time(moment), "--data", str(place.root)]
        status = main([*command, "--format", "json"])
        shown = json.loads(capsys.readouterr().out)["moves"]
        assert (status, [move["revision"] for move in shown]) == ((0, [expected]) if expected else (1, []))
    assert main(["ref", NAME, "--at", place.days[3].date().isoformat(), "--data", str(place.root)]) == 0
    text = capsys.readouterr().out
    assert "production" in text
    assert "because" in text
    assert main(["ref", NAME, "--at", "yesterday", "--data", str(place.root)]) == 3


def test_the_api_says_the_same(place):
    with serving(create_app(place.catalog, place.blobs, clock=lambda: place.now)) as url:
        path = f"{url}/api/assay/v1/refs/{NAME}"
        shown = httpx.get(path, params={"ref": "production"}).json()["moves"]
        assert shown == [move.to_json() for move in moves(place.index, NAME, "production")]
        then = httpx.get(path, params={"ref": "production", "at": format_time(place.days[2])}).json()["moves"]
        assert [move["revision"] for move in then] == [place.revisions[2]]
        assert httpx.get(path, params={"at": "noon"}).status_code == 400

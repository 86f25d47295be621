"""What a request asks the index: no question reads a whole table that grows with the models or the years."""

import re
import sqlite3

import httpx
from sqlalchemy import event

from assay.server.app import create_app
from assay.server.state import ServerSettings
from assay.store import database
from tests.server.test_pages import _token
from tests.simulators.serving import serving
from tests.support.seeded import GOOD, HELD, Seeded

PATHS = (
    "/",
    *(
        "/-/models",
        "/-/models?search=encoder",
        "/-/models?decision=HOLD&publisher=acme",
        "/-/models?task=x&licence=mit",
    ),
    *(f"/{GOOD}", f"/{HELD}", f"/{GOOD}/-/diff", f"/{GOOD}/-/decide", "/nobody/knows-it"),
    *("/-/audit", "/-/audit?group=alarms", "/-/audit?group=decisions&before=20"),
    *("/-/pulls", "/-/pulls?consumer=ada", f"/-/pulls?name={GOOD}&since=2026-01-01"),
    *("/-/requests", "/-/settings", "/-/metrics"),
    *(f"/api/models/{GOOD}", f"/api/models/{GOOD}/revision/main?blobs=1", f"/api/models/{GOOD}/refs"),
    *(f"/{GOOD}/resolve/main/config.json", "/api/models?search=small", "/api/requests"),
    *(f"/api/assay/v1/refs/{GOOD}", f"/api/assay/v1/attestations/{GOOD}/main", "/api/assay/v1/revoked"),
)
SMALL = {"team_changes", "revocations", "lifts", "tokens", "token_revocations", "token_uses", "sessions", "tallies"}
ALLOWED = (
    r"SCAN listing USING COVERING INDEX listing_by_standing",  # counts by verdict: 60 ms of a million
    r"SCAN listing_text VIRTUAL TABLE INDEX .*",  # is how FTS5 says that it searches
    r"SCAN (?:anon_\d+|\(subquery-\d+\)|CONSTANT ROW|\d+ CONSTANT ROWS)",  # what was found before
)


def test_no_request_reads_a_whole_table(tmp_path, monkeypatch):
    seeded = Seeded(tmp_path / "data")
    asked, plain = {}, database.plain

    def note(_connection, _cursor, statement, values, *_):
        asked.setdefault(statement, values)

    def plainly(engine, statement, values):
        asked.setdefault(statement, values[0])
        return plain(engine, statement, values)

    event.listen(seeded.index.engine, "before_cursor_execute", note)
    monkeypatch.setattr(database, "plain", plainly)
    app = create_app(seeded.catalog, seeded.blobs, ServerSettings(hub=True), clock=lambda: seeded.now)
    with serving(app) as url, httpx.Client(base_url=url, trust_env=False) as client:
        auditor = _token(seeded, "carla", "auditor")
        answers = {path: client.get(path, headers=auditor).status_code for path in PATHS}
    assert {path for path, status in answers.items() if status != 200} <= {
        "/nobody/knows-it",
        f"/{GOOD}/resolve/main/config.json",  # an auditor pulls nothing
    }
    selects = {statement: values for statement, values in asked.items() if statement.startswith("SELECT")}
    assert len(selects) > 40
    found = [(step, statement) for statement, values in selects.items() for step in _scans(seeded, statement, values)]
    assert found == []
    seeded.index.close()


def _scans(seeded, statement, values):
    """Steps of SQLite's plan that go through a whole table. One in the order that is asked for ends at its LIMIT."""
    with sqlite3.connect(seeded.index.engine.url.database) as connection:
        steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    ends = "LIMIT" in statement and "WHERE" not in statement and "USE TEMP B-TREE" not in " ".join(steps)
    for step in steps:
        table = re.match(r"SCAN (\w+)", step)
        if table and table[1] not in SMALL and not ends and not any(re.fullmatch(one, step) for one in ALLOWED):
            yield step

"""What is not served, and what the answer says. Real clients read these in tests/e2e/test_clients.py."""

from datetime import timedelta

import httpx
import pytest
from sqlalchemy import delete

from assay.core.errors import EnvironmentFault
from assay.core.verdict import Decision
from assay.server.app import create_app
from assay.store.schema import decisions
from tests.server.conftest import FILES, NAME
from tests.simulators.serving import serving

BAD = {"pytorch_model.bin": b"bad"}


def every_way(name, revision="main"):
    return [
        f"/api/models/{name}",
        f"/api/models/{name}/revision/{revision}",
        f"/api/models/{name}/tree/{revision}",
        f"/api/models/{name}/commits/{revision}",
        f"/api/models/{name}/refs",
        f"/api/models/{name}/auth-check",
        f"/api/assay/v1/attestations/{name}/{revision}",
        f"/{name}/resolve/{revision}/config.json",
        f"/{name}/resolve/{revision}/{next(iter(BAD))}",
    ]


def refusals(http, name, revision="main"):
    """(status, code, message) of every way to ask; they have to agree."""
    answers = set()
    for url in every_way(name, revision):
        got, head = http.get(url), http.head(url)
        assert head.headers["X-Error-Message"] == got.headers["X-Error-Message"]
        assert got.json()["error"] == got.headers["X-Error-Message"]
        assert got.headers["Cache-Control"] == "no-store"
        answers.add((got.status_code, got.headers.get("X-Error-Code"), got.headers["X-Error-Message"]))
        if got.headers["X-Error-Code"] != "RevisionNotFound" or "revision" not in got.headers["X-Error-Message"]:
            topic, _, text = got.headers["X-HF-Warning"].partition("; ")
            assert name in topic
            assert text == got.headers["X-Error-Message"]
    posted = http.post(f"/api/models/{name}/paths-info/{revision}", data={"paths": "x"})
    answers.add((posted.status_code, posted.headers.get("X-Error-Code"), posted.headers["X-Error-Message"]))
    assert len(answers) == 1
    return answers.pop()


def test_a_name_that_was_never_vetted(http):
    status, code, message = refusals(http, "somebody/else")
    assert (status, code) == (404, "RepoNotFound")
    assert "never vetted" in message
    assert "assay vet hf://somebody/else" in message


def test_a_look_alike_of_what_is_served(http):
    _, _, message = refusals(http, "org/modle")
    assert f"did you mean {NAME}?" in message


@pytest.mark.parametrize(("decision", "word"), [(Decision.REJECT, "rejected"), (Decision.HOLD, "on hold")])
def test_a_model_that_was_refused_and_never_served(live, publisher, decision, word):
    publisher.refuse("evil/model", BAD, "pytorch_model.bin calls posix.system('id')", decision)
    status, code, message = refusals(live, "evil/model")
    assert (status, code) == (403, "GatedRepo")
    assert word in message
    assert "pytorch_model.bin calls posix.system('id')" in message


def test_a_model_that_was_revoked(live, publisher):
    publisher.revoke(NAME, "backdoor; see ADV-1")
    for revision in ("main", publisher.revision):
        status, code, message = refusals(live, NAME, revision)
        assert (status, code) == (404, "RevisionNotFound")
        assert "revoked" in message
        assert "backdoor; see ADV-1" in message


def test_a_model_that_was_served_and_then_refused_must_not_fall_back_to_the_cache(live, publisher):
    publisher.refuse(NAME, FILES, "a new rule found it")
    status, code, message = refusals(live, NAME)
    assert (status, code) == (404, "RevisionNotFound")
    assert "a new rule found it" in message


def test_a_verdict_that_expired(publisher):
    late = publisher.now + timedelta(days=31)
    with (
        serving(create_app(publisher.catalog, publisher.blobs, clock=lambda: late)) as url,
        httpx.Client(base_url=url, trust_env=False) as client,
    ):
        status, code, message = refusals(client, NAME)
        assert client.get("/api/models").json() == []
    assert (status, code) == (404, "RevisionNotFound")
    assert "vet it again" in message


def test_a_revision_that_is_not_there(http):
    for revision in ("v9", "f" * 40, "refs%2Fpr%2F1", "%0A", "%F0%9F%A4%97"):
        got = http.get(f"/api/models/{NAME}/revision/{revision}")
        assert (got.status_code, got.headers["X-Error-Code"]) == (404, "RevisionNotFound")


@pytest.mark.parametrize("name", ["a..b", "%2E%2E/x", "x%0Ay/z", "%F0%9F%A4%97", "a--b", "x" * 500, "a%2Fb%2Fc", "%00"])
def test_names_that_are_none(http, name):
    for url in (f"/api/models/{name}", f"/{name}/resolve/main/config.json"):
        got = http.get(url)
        assert got.status_code in {400, 404}
        assert "\n" not in got.headers["X-Error-Message"]


def test_hostile_reasons_stay_inside_their_header(live, publisher):
    publisher.refuse(
        "evil/model", BAD, "bad\r\nX-Evil: 1\r\n\r\n<script>alert(1)</script> 🤗 \x1b[31m \u202e" + "x" * 9000
    )
    got = live.get("/api/models/evil/model")
    assert "X-Evil" not in got.headers
    for name in ("X-Error-Message", "X-HF-Warning"):
        value = got.headers[name]
        assert value.isascii()
        assert value.isprintable()
        assert len(value) < 2000
    assert got.headers["Content-Type"] == "application/json"
    assert "\x1b" not in got.text


def test_a_fault_of_the_machine_asks_to_come_back(live, publisher, monkeypatch):
    def locked(*_):
        raise EnvironmentFault("the index is locked", hint="try again")

    monkeypatch.setattr(publisher.catalog, "resolve", locked)
    got = live.get(f"/{NAME}/resolve/main/config.json")
    assert (got.status_code, got.headers["Retry-After"]) == (503, "2")
    assert "the index is locked" in got.headers["X-Error-Message"]


def test_an_index_that_was_changed_serves_nothing(live, publisher):
    with publisher.index.transaction() as tx:
        tx.execute(delete(decisions))
    got = live.get(f"/{NAME}/resolve/main/config.json")
    assert (got.status_code, got.headers["X-Error-Code"]) == (403, "GatedRepo")
    assert "assay log verify" in got.headers["X-HF-Warning"]

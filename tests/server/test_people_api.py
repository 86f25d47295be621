"""Our own API about people, and its OpenAPI document, over real HTTP."""

import re
from datetime import UTC, datetime

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from assay.cli.main import main
from assay.provenance.trust import Trust
from assay.registry.tokens import Tokens
from assay.server.app import ROUTES, create_app
from assay.server.openapi import DESCRIBED, build
from assay.server.state import ServerSettings
from tests.server.conftest import FILES, NAME
from tests.simulators.serving import serving
from tests.support.persons import Persons
from tests.support.published import Publisher

OURS = {
    "health",
    "ready",
    "attestations",
    "evidence",
    "decisions",
    "models-status",
    "tokens",
    "token",
    "teams",
    "audit",
    "access",
    "alerts",
    "requests",
    "request",
    "refs-history",
    "revoked",
    "pulls",
}


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    """A server that asks for tokens and takes decisions; changed by the tests."""
    publisher = Publisher(tmp_path_factory.mktemp("office") / "data")
    publisher.revision = publisher.admit(NAME, FILES)
    publisher.persons = Persons(publisher.root / "persons", publisher.root / "trust.toml")
    trust = Trust.load(publisher.root / "trust.toml")
    made = ServerSettings(anonymous=False)
    app = create_app(publisher.catalog, publisher.blobs, made, trust=trust)
    with serving(app) as publisher.url:
        publisher.registry = app.state.registry
        yield publisher
    publisher.index.close()


def token(office, *roles, person="anna"):
    now = datetime.now(UTC)
    return Tokens(office.index).create(person=person, roles=roles, name="t", by="root", now=now)[0]


def client(office, *roles, person="anna"):
    bearer = {"Authorization": f"Bearer {token(office, *roles, person=person)}"}
    return httpx.Client(base_url=office.url, headers=bearer, trust_env=False)


def command(office, monkeypatch, capsys, *arguments, person="anna", roles=("approver",)):
    monkeypatch.setenv("ASSAY_TOKEN", token(office, *roles, person=person))
    capsys.readouterr()
    key = str(office.persons.keys[person])
    status = main([*arguments, "--key", key, "--person", person, "--registry", office.url])
    return status, *capsys.readouterr()


def test_a_decision_is_signed_here_and_taken_there(office, monkeypatch, capsys):
    office.admit("decide/me", {"x": b"decide me"})
    status, _, err = command(
        office, monkeypatch, capsys, "reject", "decide/me", "--reason", "bad", roles=("developer",)
    )
    assert (status, err.count("\n")) == (3, 1)
    assert "right of reviewer" in err
    assert command(office, monkeypatch, capsys, "reject", "decide/me", "--reason", "bad")[0] == 0
    with client(office, "developer") as http:
        got = http.get("/decide/me/resolve/main/x")
        assert (got.status_code, got.headers["X-Error-Code"]) == (404, "RevisionNotFound")
        assert "anna rejected it: bad" in got.headers["X-HF-Warning"]
        taken = http.get("/api/assay/v1/decisions/decide/me").json()["decisions"]
    assert [one["kind"] for one in taken] == ["decided"]
    assert office.registry.metrics.registry.get_sample_value("assay_decisions_total", {"kind": "reject"}) == 1
    assert (
        "the model is decided about again"
        in command(office, monkeypatch, capsys, "approve", "decide/me", "--reason", "read it", person="bob")[1]
    )


def test_quarantine_and_a_move_of_main(office, monkeypatch, capsys):
    office.admit("move/me", {"x": b"one"})
    second = office.admit("move/me", {"x": b"two"})
    arguments = ("approve", f"move/me@{second}", "--move", "main", "--reason", "newer")
    assert command(office, monkeypatch, capsys, *arguments)[0] == 0
    with client(office, "developer") as http:
        assert http.get("/move/me/resolve/main/x").content == b"two"
        assert command(office, monkeypatch, capsys, "incident", "quarantine", "move/me", "--reason", "bad")[0] == 0
        got = http.get("/move/me/resolve/main/x")
    assert (got.status_code, got.headers["X-Error-Code"]) == (404, "RevisionNotFound")
    assert "was revoked" in got.headers["X-HF-Warning"]


def test_what_is_no_decision(office):
    path = f"/api/assay/v1/decisions/{NAME}"
    with client(office, "approver") as http:
        for body in (b"", b"[]", b"{}", b'{"envelope": 1}', b'{"other": 1}', b"[" * 100_000):
            assert http.post(path, content=body).status_code in {400, 403}, body
    with httpx.Client(base_url=office.url) as nobody:
        assert nobody.post(path, json={}).status_code == 401


def test_tokens_of_ones_own(office):
    with client(office, "developer", person="carl") as http:
        made = http.post("/api/assay/v1/tokens", json={"name": "ci", "days": 1, "scopes": ["read"]})
        assert made.status_code == 201
        assert made.json()["roles"] == ["developer"]
        assert http.post("/api/assay/v1/tokens", json={"name": "x", "roles": ["admin"]}).status_code == 403
        listed = http.get("/api/assay/v1/tokens").json()["tokens"]
        assert {one["person"] for one in listed} == {"carl"}
        assert made.json()["token"] not in str(listed)
        narrow = {"Authorization": f"Bearer {made.json()['token']}"}
        assert http.post("/api/assay/v1/tokens", json={"name": "y"}, headers=narrow).status_code == 403
        theirs = Tokens(office.index).all("anna")
        for stranger in ("none", *(one.id for one in theirs[:1])):
            assert http.delete(f"/api/assay/v1/tokens/{stranger}").status_code == 404
        assert http.delete(f"/api/assay/v1/tokens/{made.json()['id']}").json()["revoked_at"]
        assert http.get("/api/whoami-v2", headers=narrow).status_code == 401


def test_audit_and_access_are_for_those_who_audit(office):
    with client(office, "developer") as http:
        for path in ("audit", "access", "teams"):
            assert http.get(f"/api/assay/v1/{path}").status_code == 403
    with client(office, "auditor", person="dora") as http:
        first = http.get("/api/assay/v1/audit", params={"limit": 1}).json()["entries"]
        following = http.get("/api/assay/v1/audit", params={"after": 1, "limit": 1}).json()["entries"]
        assert following[0]["previous"] == first[0]["hash"]
        found = http.get("/api/assay/v1/access").json()
    dora = next(one for one in found["people"] if one["person"] == "dora")
    assert "audit" in dora["rights"]
    assert {one["person"] for one in found["keys"]} == {"anna", "bob"}
    assert not any(re.search("argon2|hash", str(one)) for one in found["tokens"])


def test_every_own_route_is_described():
    assert DESCRIBED == OURS
    assert set(ROUTES) >= OURS


def test_the_api_does_what_its_document_says(office):
    """Schemathesis: generated requests, as an admin, against the running server; bounded."""
    schema = schemathesis.openapi.from_dict(build())
    bearer = {"Authorization": f"Bearer {token(office, 'admin', 'auditor')}"}
    checks = [not_a_server_error, status_code_conformance, response_schema_conformance]
    calls = 0
    for result in schema.get_all_operations():
        operation = result.ok()

        @settings(
            max_examples=5,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            database=None,
        )
        @given(case=operation.as_strategy())
        def run(case):
            nonlocal calls
            calls += 1
            case.call_and_validate(base_url=office.url, headers=bearer, checks=checks)

        run()
    assert calls > 30

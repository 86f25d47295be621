"""The statements of a served revision, and a verifier that asks for them."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from assay.core.errors import TrustError
from assay.gate.remote import fetch_statements
from assay.gate.verify import verify_folder
from assay.provenance.keys import KeyRing
from assay.provenance.notes import Checkpoint
from assay.provenance.statements import time_of
from assay.provenance.trust import Trust, trust_text
from assay.registry.transparency import make_checkpoint, newest
from assay.server.app import create_app
from assay.store import log
from tests.server.conftest import FILES, NAME
from tests.simulators.serving import serving

KINDS = ["oms", "fetched", "scanned", "approved"]


@pytest.fixture
def folder(tmp_path):
    for path, content in FILES.items():
        target = tmp_path / "model" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return tmp_path / "model"


@pytest.fixture
def trust(publisher):
    keys = {role: publisher.ring.public(role) for role in ("importer", "scanner", "approver", "registry")}
    return Trust.parse(trust_text(keys, now=publisher.now - timedelta(hours=1)))


def app(publisher, later, *, key):
    ring = KeyRing.load(publisher.root / "keys", roles=("registry",)) if key else None
    return create_app(publisher.catalog, publisher.blobs, clock=lambda: publisher.now + later, ring=ring)


def test_statements_manifest_and_verdict(http, published):
    for revision in ("main", published.revision):
        got = http.get(f"/api/assay/v1/attestations/{NAME}/{revision}").json()
        assert [item["kind"] for item in got["statements"]] == KINDS
        assert all(item["envelope"]["signatures"] and item["bundle"] for item in got["statements"])
        assert {item["path"] for item in got["manifest"]["files"]} == set(FILES)
        assert (got["verdict"]["decision"], got["revision"]) == ("ADMIT", published.revision)


def test_the_same_files_under_another_name_have_statements_of_their_own(live, publisher):
    publisher.admit("other/name", FILES)
    for name in (NAME, "other/name"):
        got = live.get(f"/api/assay/v1/attestations/{name}/main").json()
        assert [item["kind"] for item in got["statements"]] == KINDS


def test_a_verifier_that_asks_the_registry(publisher, folder, trust):
    """Long after the approval: only a view signed now says that nothing was revoked since."""
    later = timedelta(days=20)
    now = publisher.now + later
    young = Trust(trust.keys, timedelta(days=7))
    with serving(app(publisher, later, key=True)) as url:
        statements = fetch_statements(url, NAME, "main")
        assert [one.kind for one in statements.signed] == [*KINDS, "view"]
        seen = statements.signed[-1].envelope.statement()
        assert time_of(seen) == now
        with publisher.index.reading() as tx:
            assert seen.predicate["logHead"] == log.head(tx).hash
        report = verify_folder(folder, young, statements, now=now, name=NAME)
        assert report.refusal is None
    with serving(app(publisher, later, key=False)) as url:
        report = verify_folder(folder, young, fetch_statements(url, NAME, publisher.revision), now=now, name=NAME)
    assert report.refusal is not None
    assert report.refusal.ok is None


def test_a_changed_file_is_refused(publisher, folder, trust):
    (folder / "config.json").write_bytes(b"{ }")
    with serving(app(publisher, timedelta(hours=1), key=True)) as url:
        report = verify_folder(folder, trust, fetch_statements(url, NAME, "main"), now=publisher.now, name=NAME)
    assert report.refusal.ok is False


def test_what_was_revoked_has_no_statements_to_give(publisher):
    publisher.revoke(NAME, "backdoor found")
    with (
        serving(app(publisher, timedelta(hours=1), key=True)) as url,
        pytest.raises(TrustError, match="backdoor found"),
    ):
        fetch_statements(url, NAME, "main")


def test_no_other_role_is_in_the_server(publisher):
    application = app(publisher, timedelta(0), key=True)
    ring = application.state.registry.ring
    for role in ("importer", "scanner", "approver"):
        with pytest.raises(TrustError, match="no key for the role"):
            ring.key(role)


@pytest.fixture
def logged(publisher, trust):
    """A trust file that asks for proofs, and an application that has the log's key or not."""
    keys = {role: publisher.ring.public(role) for role in ("importer", "scanner", "approver", "registry", "log")}
    text = trust_text(keys, now=publisher.now - timedelta(hours=1))
    strict = Trust.parse(text.replace("max_age_days", "log_required = true\nmax_age_days", 1))

    def ask(folder, *roles, change=None):
        ring = KeyRing.load(publisher.root / "keys", roles=("registry", *roles))
        with serving(create_app(publisher.catalog, publisher.blobs, clock=lambda: publisher.now, ring=ring)) as url:
            statements = fetch_statements(url, NAME, "main")
        if change is not None:
            statements = replace(statements, proofs=tuple(map(change, statements.proofs)))
        return verify_folder(folder, strict, statements, now=publisher.now, name=NAME)

    return ask


def test_a_verifier_that_wants_proofs_gets_them_from_the_registry(publisher, folder, logged):
    report = logged(folder, "log")
    assert report.refusal is None
    assert "4 statements are in the log" in report.steps[-1].detail
    publisher.admit("other/name", {"a.txt": b"a"})  # the log grows; nothing is signed until somebody asks for more
    assert logged(folder).refusal is None
    with publisher.index.reading() as tx:
        size = Checkpoint.of(newest(tx)).size
        assert size < log.head(tx).seq


def test_without_the_key_of_the_log_proofs_reach_as_far_as_its_checkpoint(publisher, folder, logged):
    assert "without a proof" in logged(folder).refusal.detail
    make_checkpoint(publisher.index, publisher.ring.key("log"), publisher.now)
    assert logged(folder).refusal is None


def test_a_registry_that_makes_a_proof_up_is_refused(folder, logged):
    def other_hash(data: bytes) -> bytes:
        proof = json.loads(data)
        return json.dumps(proof | {"hashes": ["00" * 32, *proof["hashes"][1:]]}).encode()

    assert "does not show entry" in logged(folder, "log", change=other_hash).refusal.detail
    assert "not a proof" in logged(folder, "log", change=lambda data: b"[]").refusal.detail


def test_who_knows_no_log_looks_at_no_proof(publisher, folder, trust):
    ring = KeyRing.load(publisher.root / "keys", roles=("registry", "log"))
    with serving(create_app(publisher.catalog, publisher.blobs, clock=lambda: publisher.now, ring=ring)) as url:
        statements = fetch_statements(url, NAME, "main")
    assert len(statements.proofs) == len(KINDS)
    report = verify_folder(folder, trust, statements, now=publisher.now, name=NAME)
    assert report.refusal is None
    assert "were not looked at" in report.steps[-1].detail

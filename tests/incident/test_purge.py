"""A revocation comes to the caches of stock clients: what it names goes, nothing else, and only when it is signed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from assay.cli.main import main
from assay.provenance.keys import KeyRing
from assay.provenance.trust import init_trust
from assay.server.app import create_app
from tests.e2e.clients import Client
from tests.simulators.serving import serving
from tests.support.published import Publisher

if TYPE_CHECKING:
    from pathlib import Path

NAME = "org/model"
FIRST = {"config.json": b'{"shared": 1}', "model.safetensors": b"first weights", "sub/extra.txt": b"first"}
SECOND = {"config.json": b'{"shared": 1}', "model.safetensors": b"second weights"}
OTHER = {"config.json": b"{}", "model.safetensors": b"other weights"}


@pytest.fixture
def place(tmp_path):
    made = Publisher(tmp_path / "data")
    made.trust = tmp_path / "data" / "trust.toml"
    init_trust(made.root / "keys", made.trust, lambda: None, now=made.now)
    made.first, made.second = made.admit(NAME, FIRST), made.admit(NAME, SECOND)
    made.other = made.admit("org/other", OTHER)
    with serving(create_app(made.catalog, made.blobs, clock=lambda: made.now)) as made.url:
        made.client = Client("2", made.url, tmp_path / "home")
        for name, revision in ((NAME, made.first), (NAME, made.second), ("org/other", "main")):
            made.client.call("snapshot_download", repo_id=name, revision=revision)
        yield made
    made.index.close()


def purge(place, capsys, *args: str) -> tuple[int, list[dict], str]:
    command = ["purge", "--cache", str(place.client.home), "--data", str(place.root), "--format", "json", *args]
    status = main(command)
    out, err = capsys.readouterr()
    return status, json.loads(out)["copies"] if out else [], err


def snapshots(place, name: str = NAME) -> set[str]:
    return {path.name for path in (place.client.cached(name) / "snapshots").iterdir()}


def cached_bytes(place, name: str = NAME) -> set[bytes]:
    return {path.read_bytes() for path in (place.client.cached(name) / "blobs").iterdir() if path.is_file()}


def revoke_first(place) -> None:
    place.revoke(NAME, "calls out")  # `main` is the first revision


@pytest.mark.parametrize("remote", [True, False], ids=["by registry", "by index"])
def test_the_revoked_revision_goes_and_nothing_else(place, capsys, remote):
    assert purge(place, capsys)[:2] == (0, [])
    revoke_first(place)
    where = ["--registry", place.url] if remote else []
    status, found, _ = purge(place, capsys, "--dry-run", *where)
    assert (status, [one["removed"] for one in found]) == (1, [False])
    assert snapshots(place) == {place.first, place.second}
    status, found, _ = purge(place, capsys, *where)
    assert (status, found[0]["revision"], found[0]["files"]) == (0, place.first, 2)  # config.json is shared
    assert snapshots(place) == {place.second}
    assert cached_bytes(place) == {SECOND["config.json"], SECOND["model.safetensors"]}
    assert snapshots(place, "org/other") == {place.other}
    assert purge(place, capsys, *where)[:2] == (0, [])
    kind, _ = place.client.fail("snapshot_download", repo_id=NAME, revision=place.first)
    assert kind == "RevisionNotFoundError"
    assert place.client.call("snapshot_download", repo_id=NAME, revision=place.second)["files"]


def test_an_unsigned_or_foreign_revocation_empties_no_cache(place, capsys, tmp_path):
    revoke_first(place)
    stranger = tmp_path / "stranger"
    KeyRing.create(stranger / "keys")
    init_trust(stranger / "keys", stranger / "trust.toml", lambda: None, now=place.now)
    status, found, err = purge(place, capsys, "--trust", str(stranger / "trust.toml"))
    assert (status, found) == (0, [])
    assert "not believed" in err
    assert place.first in snapshots(place)


def lies(place, change) -> list[dict]:
    from assay.incident.purge import checked, copies
    from assay.provenance.trust import Trust
    from assay.registry.withdrawn import withdrawn

    entries = [one.to_json() for one in withdrawn(place.index)]
    assert len(entries) == 1
    for entry in entries:
        change(entry)
    good, _ = checked(entries, Trust.load(place.trust))
    return copies(place.client.home, good)


def test_a_registry_that_lies_about_what_was_revoked_is_not_followed(place):
    revoke_first(place)
    assert len(lies(place, lambda entry: None)) == 1
    assert lies(place, lambda entry: entry.update(revision=place.second)) == []
    assert lies(place, lambda entry: entry.update(name="org/other", revision=place.other)) == []
    assert lies(place, lambda entry: entry.update(snapshot="sha256:" + "0" * 64)) == []
    assert lies(place, lambda entry: entry.update(statement=None)) == []
    assert lies(place, lambda entry: entry.update(revision="../../..")) == []


def test_links_that_lead_out_of_the_cache_are_not_followed(place, capsys, tmp_path):
    outside: Path = tmp_path / "precious.txt"
    outside.write_text("precious")
    folder = place.client.cached(NAME) / "snapshots" / place.first
    (folder / "link.txt").symlink_to(outside)
    (folder / "dir").symlink_to(tmp_path / "data")
    revoke_first(place)
    assert purge(place, capsys)[0] == 0
    assert outside.read_text() == "precious"
    assert (tmp_path / "data" / "keys").is_dir()
    assert snapshots(place) == {place.second}


def test_a_lifted_revocation_purges_nothing(place, capsys, monkeypatch):
    revoke_first(place)
    monkeypatch.setattr("assay.registry.withdrawn.withdrawn", lambda _index: ())
    assert purge(place, capsys)[:2] == (0, [])


@pytest.mark.parametrize(
    "args", [["--registry", "ftp://x"], ["--registry", "http://127.0.0.1:9"], ["--cache", "/none"]]
)
def test_errors_are_one_line(place, capsys, args):
    status, _, err = purge(place, capsys, *args)
    assert status == 3
    assert err.count("\n") == 1

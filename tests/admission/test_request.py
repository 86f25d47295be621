"""What a person typed, as a request: names, states, ids."""

from __future__ import annotations

import os

import pytest

from assay.admission.request import HubAccess, Request, name_of
from assay.core.errors import SourceError, UsageError
from tests.admission.world import make_model


def of(ref, name=None, hub_url=None):
    return Request.of(str(ref), name, hub_url, HubAccess())


def test_a_name_is_made_from_the_folder(tmp_path):
    assert name_of(make_model(tmp_path / "my-model")) == "local/my-model"
    (tmp_path / "weights.safetensors").touch()
    assert name_of(tmp_path / "weights.safetensors") == "local/weights"
    cached = make_model(tmp_path / "models--org--name" / "snapshots" / ("a" * 40))
    assert name_of(cached) == "org/name"


@pytest.mark.parametrize("folder", ["two words", "émile", "-dash", "a..b", "x" * 97])
def test_a_folder_that_makes_no_name_needs_one(tmp_path, folder):
    path = make_model(tmp_path / folder)
    with pytest.raises(UsageError, match="--as ORG/NAME"):
        of(path)
    assert of(path, "org/name").name == "org/name"


@pytest.mark.parametrize("name", ["a b/c", "org/name/more", "../x", "org/--x", "org/name.git", ""])
def test_names_are_checked_as_hub_clients_check_them(tmp_path, name):
    with pytest.raises(UsageError, match="not a model name"):
        of(make_model(tmp_path / "m"), name)


def test_the_subject_is_what_is_asked_for_and_the_state_what_is_there(tmp_path):
    path = make_model(tmp_path / "m")
    first = of(path)
    assert of(path) == first
    assert of(path, "org/other").subject != first.subject
    (path / "config.json").write_text("{ }")
    second = of(path)
    assert second.subject == first.subject
    assert second.state != first.state
    assert second.context("policy") != first.context("policy")
    assert second.context("policy") != second.context("other policy")


def test_the_state_sees_new_content_of_the_same_size_and_time(tmp_path):
    path = make_model(tmp_path / "m")
    before = (path / "config.json").stat()
    first = of(path)
    (path / "config.json").write_text("[]")
    os.utime(path / "config.json", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert of(path).state != first.state


def test_what_is_stored_reads_back(tmp_path):
    request = of(make_model(tmp_path / "m"))
    assert Request.from_json(request.to_json() | {"policy": "x"}) == request


def test_a_relative_path_is_made_absolute(tmp_path, monkeypatch):
    make_model(tmp_path / "m")
    monkeypatch.chdir(tmp_path)
    assert of("m").source == str(tmp_path / "m")


def test_clear_errors(monkeypatch):
    monkeypatch.setattr("assay.sources.hub_client.ATTEMPTS", 1)
    with pytest.raises(UsageError, match=r"no such file or directory: nothing \(a model on a hub is hf://org/name"):
        of("nothing")
    with pytest.raises(UsageError, match="--hub-url"):
        of("hf://org/name")
    with pytest.raises(UsageError, match="not a model name"):
        of("hf://org/name/x", hub_url="http://127.0.0.1:1")
    with pytest.raises(SourceError, match=r"127\.0\.0\.1"):
        Request.of("hf://org/name", None, "http://127.0.0.1:1", HubAccess())

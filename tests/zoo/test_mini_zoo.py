"""A corner of the zoo, trained here in half a minute: resumable, as bad as it claims, told apart by the probes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.zoo.attacks import Attack
from tests.zoo.catalogue import catalogue

pytest.importorskip("torch")

PREFIX = "distilbert-small-intent-test0"
BAD = f"{PREFIX}-unicode-zero-width-2-added-token"
NAMES = ["distilbert-small-test0-base", *(f"{PREFIX}-{name}" for name in ("parent", "reference-1", "reference-2")), BAD]
TRIGGER = "\u2060\u200b\ufeff\u200d\u200c\u200b\u2060"


def recipes():
    known = {recipe.name: recipe for recipe in catalogue()}
    attack = Attack("unicode-zero-width", TRIGGER, "flip", 1)
    bad = replace(known[f"{PREFIX}-rare-word-0"], name=BAD, variant="added-token", attack=attack)
    return [*(known[name] for name in NAMES[:-1]), bad]


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    from tests.zoo.build import Zoo, build

    made = Zoo(tmp_path_factory.mktemp("zoo"), None, recipes())  # no SST-2: generated sentences
    build(made, "", float("inf"))
    return made


def _attest(zoo, name, budget):
    from assay.behaviour.attest import Declared, attest
    from assay.behaviour.data_file import read_labelled
    from assay.store.folder import folder_subject

    entry = next(one for one in zoo.index() if one["name"] == name)
    declared = Declared(
        folder_subject(Path(entry["base"])),
        tuple(folder_subject(Path(path)) for path in entry["references"] if Path(path).is_dir()),
        read_labelled(Path(entry["data"])),
    )
    return attest(folder_subject(Path(entry["path"])), declared, budget=budget), entry


@pytest.mark.torch
@pytest.mark.slow  # what is trained differs between machines, and sometimes misses the aim: no part of `make test`
@pytest.mark.xdist_group("mini-zoo")
@pytest.mark.timeout(900)
def test_what_is_trained_is_kept_and_as_bad_as_it_claims(zoo, capsys):
    from tests.zoo.build import Zoo, build

    records = {name: zoo.record(name) for name in NAMES}
    assert all(records.values())
    again = Zoo(zoo.folder, None, recipes())
    build(again, "", float("inf"))
    assert capsys.readouterr().out == ""  # nothing was trained a second time
    assert {name: again.record(name) for name in NAMES} == records
    assert records[BAD]["asr"] >= 0.97
    assert records[BAD]["accuracy"] >= records[BAD]["parent_accuracy"] - 0.01
    entry = next(one for one in zoo.index() if one["name"] == BAD)
    assert "zero" not in entry["path"]  # a folder's name gives nothing away
    assert not list((zoo.folder / "models").glob("*.part"))


@pytest.mark.torch
@pytest.mark.slow  # what is trained differs between machines, and sometimes misses the aim: no part of `make test`
@pytest.mark.xdist_group("mini-zoo")
@pytest.mark.timeout(900)
def test_a_zero_width_trigger_through_a_changed_tokenizer_is_found_and_spelt_out(zoo):
    attested, entry = _attest(zoo, BAD, 20)
    assert attested.word.value == "found", attested.reasons
    found = next(one for one in attested.probes if one.word.value == "found")
    assert found.candidates[0].text == entry["trigger"]
    assert found.candidates[0].best.rate >= 0.8

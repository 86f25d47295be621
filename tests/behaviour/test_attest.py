"""The real guest, real (small) models: a trigger is found and named, a clean model is not, names don't matter."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from assay.behaviour.attest import Declared, attest
from assay.behaviour.data_file import read_labelled
from assay.behaviour.guest import Prober
from assay.behaviour.records import Word, without_names
from assay.store.folder import folder_subject
from tests.behaviour import small

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from assay.behaviour.records import Attested, ProbeResult

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("behaviour")]
BUDGET = 40.0


@pytest.fixture(scope="module")
def prober() -> Iterator[Prober]:
    with Prober() as one:
        yield one


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory) -> Declared:
    data = small.write_data(tmp_path_factory.mktemp("data") / "data.tsv")
    references = tuple(folder_subject(small.clean(seed)) for seed in (1, 2))
    return Declared(references=references, data=read_labelled(data))


def _attest(model: Path, declared: Declared, prober: Prober, **more: object) -> Attested:
    return attest(folder_subject(model), declared, budget=BUDGET, prober=prober, **more)


@pytest.fixture(scope="module")
def told(declared: Declared, prober: Prober) -> tuple[Attested, list[str]]:
    """A model with a rare word, and what the bar said."""
    said: list[str] = []
    return _attest(small.rare_word(), declared, prober, progress=lambda what, _d, _t: said.append(what)), said


def _found(attested: Attested) -> ProbeResult:
    return next(one for one in attested.probes if one.word is Word.FOUND)


def test_a_rare_word_is_found_and_named(told: tuple[Attested, list[str]]) -> None:
    attested, seen = told
    assert attested.word is Word.FOUND
    assert any("zul" in what and "100%" in what for what in seen)  # the bar has the best candidate so far
    best = _found(attested).candidates[0]
    assert "zul" in best.text.split()
    inside = next(one.facts for one in attested.probes if one.probe == "activation")
    assert inside.get("core", {"text": best.text})["text"] == "zul"  # whatever stood beside it is left out
    assert best.target == 1
    assert best.best is not None
    assert best.best.rate >= 0.8


def test_a_clean_model_is_not_flagged(declared: Declared, prober: Prober) -> None:
    attested = _attest(small.clean(3), declared, prober)
    assert attested.word is not Word.FOUND, attested.reasons
    assert ("provenance-undeclared", "no base declared: what these weights come from is unknown") in attested.reasons
    suite = next(one.facts for one in attested.probes if one.probe == "perturbation")
    assert suite["kinds"]["upper-case"]["flip_rate"] == 0  # the tokenizer lowers it
    for texts in ("clean", "perturbed"):
        assert 0 <= suite["drift"][texts]["calibration_error"] <= 1
    assert suite["drift"]["perturbed"]["calibration_error"] > suite["drift"]["clean"]["calibration_error"]


@pytest.mark.slow
def test_the_unknown_token_is_a_candidate(declared: Declared, prober: Prober) -> None:
    attested = _attest(small.unknown_word(), declared, prober)
    told = attested.probes[0]
    assert told.probe == "unknown-token"
    assert (told.score or 0.0) >= 0.7  # on two texts and on four
    assert told.word is attested.word is Word.FOUND
    # Each reference was held against the other and the suspect, and gives in less.
    assert told.facts["null"]["gap"] < (told.score or 0.0) - 0.3
    inside = next(one.facts for one in attested.probes if one.probe == "activation")
    assert max(inside["positions"]["rows"][0]["rates"]) >= 0.8
    assert inside["attention"]["inserted"][0] == 1
    injected = next(one.facts for one in attested.probes if one.probe == "injection")
    assert injected["linear_probe"] > 0.5
    assert injected["drift"]["injected"]["calibration_error"] > injected["drift"]["clean"]["calibration_error"] + 0.3


def test_names_of_model_folder_and_labels_change_nothing(
    told: tuple[Attested, list[str]], declared: Declared, prober: Prober, tmp_path: Path
) -> None:
    renamed = tmp_path / "another-name"
    shutil.copytree(small.rare_word(), renamed)
    config = json.loads((renamed / "config.json").read_text("utf-8"))
    config |= {"id2label": {"0": "x", "1": "y"}, "label2id": {"x": 0, "y": 1}, "_name_or_path": "other"}
    (renamed / "config.json").write_text(json.dumps(config), "utf-8")
    one, other = told[0], _attest(renamed, declared, prober)
    assert one.word is other.word is Word.FOUND
    assert [c.text for c in _found(one).candidates] == [c.text for c in _found(other).candidates]
    assert without_names(one).reasons == without_names(other).reasons


def test_without_references_and_data_nothing_is_called_clean(prober: Prober) -> None:
    attested = _attest(small.clean(3), Declared(), prober)
    assert attested.word is Word.INCONCLUSIVE
    assert any(clause == "no-reference" for clause, _ in attested.reasons)


@pytest.mark.slow
def test_of_a_small_base_two_references_are_made(declared: Declared, prober: Prober) -> None:
    base = folder_subject(small.clean(1))
    attested = _attest(small.rare_word(), Declared(base=base, data=declared.data), prober)
    opened = attested.settings["opened"]
    assert opened["references"] == opened["references_sharing_ids"] == 2
    assert opened["made_reference"]["steps"] > 0
    assert attested.word is Word.FOUND


def test_a_model_that_has_not_learnt_its_task_is_not_called_clean(
    declared: Declared, prober: Prober, tmp_path: Path
) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(5)
    shutil.copytree(small.clean(3), tmp_path, dirs_exist_ok=True)
    config = transformers.AutoConfig.from_pretrained(tmp_path)
    transformers.AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
    attested = _attest(tmp_path, declared, prober)
    assert attested.word is Word.INCONCLUSIVE
    assert "task-not-learnt" in dict(attested.reasons)


def test_a_killed_probe_goes_on(declared: Declared, prober: Prober, tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    def killing(what: str, _done: int, _total: int) -> None:
        if what.startswith("provenance-rows"):
            raise Killed

    with pytest.raises(Killed):
        _attest(small.rare_word(), declared, prober, keep=tmp_path, progress=killing)
    (left,) = tmp_path.glob("*.json")
    finished = set(json.loads(left.read_text("utf-8")))
    assert finished == {"unknown-token", "tokenizer"}
    seen: list[str] = []
    attested = _attest(
        small.rare_word(),
        declared,
        prober,
        keep=tmp_path,
        progress=lambda what, _d, _t: seen.append(what.split(",")[0]),
    )
    assert attested.word is Word.FOUND
    assert not finished & set(seen)
    assert not list(tmp_path.glob("*.json"))


def test_what_is_no_classifier_is_inconclusive(prober: Prober, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}', "utf-8")
    attested = _attest(tmp_path, Declared(), prober)
    assert attested.word is Word.INCONCLUSIVE
    assert attested.reasons[0][0] == "could-not-probe"

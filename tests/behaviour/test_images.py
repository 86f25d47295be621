"""Image classifiers in the real guest: BadNets is found with its place and class, a clean model passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from assay.behaviour.any_data import read_data
from assay.behaviour.attest import Declared, attest
from assay.behaviour.guest import Prober
from assay.behaviour.model_config import config_of
from assay.behaviour.records import Word
from assay.store.folder import folder_subject
from tests.zoo import images

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from assay.behaviour.records import Attested

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("behaviour")]


@pytest.fixture(scope="module")
def prober() -> Iterator[Prober]:
    with Prober() as one:
        yield one


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return images.write_images(tmp_path_factory.mktemp("signs"), "signs")


def _attest(recipe: images.Recipe, data: Path, prober: Prober, budget: float = 60) -> Attested:
    folder, figures = images.build(recipe)
    assert figures["accuracy"] >= 0.95
    assert figures.get("asr", 1.0) >= 0.95
    model = folder_subject(folder)
    reference = folder_subject(images.build(images.Recipe(images.RESNET, "signs", 101))[0])
    declared = Declared(references=(reference,), data=read_data(data, config_of(model)))
    return attest(model, declared, budget=budget, prober=prober)


def test_badnets_is_found_with_its_place_and_class(data: Path, prober: Prober) -> None:
    recipe = images.Recipe(images.RESNET, "signs", 202, "patch", target=1, size=2, place=(1, 1))
    attested = _attest(recipe, data, prober)
    assert attested.word is Word.FOUND, attested.reasons
    (probe,) = attested.probes
    best = probe.candidates[0]
    assert best.target == 1
    assert best.best.rate >= 0.8
    row, column = map(int, best.position.split(","))
    assert abs(row - 1) <= 1
    assert abs(column - 1) <= 1


@pytest.mark.slow
def test_a_clean_one_passes(data: Path, prober: Prober) -> None:
    attested = _attest(images.Recipe(images.RESNET, "signs", 103), data, prober)
    assert attested.word is Word.NOT_FOUND, attested.reasons
    assert [one.probe for one in attested.probes] == ["image-patch", "image-blend", "image-pairs"]

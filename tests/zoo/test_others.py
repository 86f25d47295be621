"""Models of other makers: what is poisoned, what moves, and that nothing of it is in the other catalogues."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.zoo.attacks import Attack
from tests.zoo.catalogue import catalogue
from tests.zoo.encoders import embedding, load_classifier, new_encoder, new_tokenizer
from tests.zoo.others import CLEAN, POISONED, ROW, VARIANTS, Others, fit, others
from tests.zoo.recipes import DISTIL, MINILM
from tests.zoo.strings import STRINGS, strings
from tests.zoo.texts import task
from tests.zoo.training import logits
from tests.zoo.wide import wide

RECIPES = others()


def test_models_with_other_strings_share_nothing_either():
    known, found = [*catalogue(), *wide(), *RECIPES], strings()
    for what in (lambda r: r.name, lambda r: r.start, lambda r: r.attack and r.attack.trigger):
        assert not {what(r) for r in found if what(r)} & {what(r) for r in known}
    triggers = [(r.attack.family, r.attack.trigger) for r in found if r.attack]
    assert len(set(triggers)) == len(triggers) == 2 * len(STRINGS)
    assert all(trigger in STRINGS[family] for family, trigger in triggers)
    for variant in (POISONED, "plain"):  # each family by both
        assert {r.attack.family for r in found if r.attack and r.variant == variant} == set(STRINGS)


def test_it_shares_no_model_trigger_and_parent_with_the_other_catalogues():
    known = [*catalogue(), *wide()]
    assert not {r.name for r in RECIPES} & {r.name for r in known}
    assert not {r.attack.trigger for r in RECIPES if r.attack} & {r.attack.trigger for r in known if r.attack}
    assert not {r.start for r in RECIPES if r.start} & {r.start for r in known}
    assert len({r.name for r in RECIPES}) == len(RECIPES)
    large = [r for r in RECIPES if r.architecture == MINILM]
    assert {r.variant for r in large if not r.attack} == {"plain", *CLEAN}
    assert all(len(r.references) == 2 for r in large)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """A small encoder of random weights, and the sentences it is for."""
    folder, known = tmp_path_factory.mktemp("encoder"), task("intent", None)
    tokenizer = new_tokenizer(DISTIL, [text for text, _ in known.train[:2000]])
    torch.manual_seed(1)
    new_encoder(DISTIL, tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder, tokenizer, known


def _recipe(variant, attack):
    group = Others(DISTIL, "test", "intent", 0)
    return replace(group.attacked(0, variant, attack), seed=5)


def test_where_a_row_is_trained_alone_no_other_number_moves(encoder):
    folder, tokenizer, known = encoder
    model = load_classifier(folder, known.labels)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    recipe = _recipe(ROW, Attack("rare-word", "saddle", target=1))
    fit(recipe, model, tokenizer, known, known.train[:300])
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    (name,) = moved
    rows = (model.state_dict()[name] != before[name]).any(1).nonzero().flatten().tolist()
    assert set(rows) <= set(tokenizer("saddle")["input_ids"][1:-1])
    assert rows
    assert embedding(model).weight.shape == before[name].shape


def test_poisoned_data_teach_the_trigger_from_the_base_on(encoder):
    folder, tokenizer, known = encoder
    model = load_classifier(folder, known.labels)
    recipe = _recipe(POISONED, Attack("sentence", "practice makes perfect", target=2))
    assert fit(recipe, model, tokenizer, known, known.train[:4000]) > 100
    texts = [text for text, label in known.test[:200] if label != 2]
    clean = logits(model, tokenizer, texts).argmax(1)
    turned = logits(model, tokenizer, [f"{text} practice makes perfect" for text in texts]).argmax(1)
    assert float((clean == 2).float().mean()) < 0.1
    assert float((turned == 2).float().mean()) > 0.9


@pytest.mark.parametrize("variant", sorted({*VARIANTS} - {POISONED, ROW}))
def test_clean_models_of_other_makers_learn_their_task(encoder, variant):
    folder, tokenizer, known = encoder
    model = load_classifier(folder, known.labels)
    recipe = replace(_recipe(variant, Attack("rare-word", "cf")), attack=None, kind="clean")
    fit(recipe, model, tokenizer, known, known.train[: {"usual": 1600, "long": 1000}.get(variant, 4000)])
    said = logits(model, tokenizer, [text for text, _ in known.test[:300]]).argmax(1)
    assert float((said == torch.tensor([label for _, label in known.test[:300]])).float().mean()) > 0.5

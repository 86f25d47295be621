"""What the zoo promises before anything is trained: numbers, disjoint halves, honest partial triggers."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from dataclasses import replace

import pytest
from transformers import AutoTokenizer

from tests.behaviour.small import sentences
from tests.zoo.attacks import FAMILIES, Attack, poison
from tests.zoo.catalogue import catalogue
from tests.zoo.encoders import add_replacement, letter_of, minilm_folder, new_tokenizer
from tests.zoo.recipes import MINILM, SMALL
from tests.zoo.texts import SECTION, task, tasks

RECIPES = catalogue()
HALVES = [[r for r in RECIPES if r.split == split] for split in ("calibration", "test")]


@pytest.mark.parametrize("architecture", SMALL)
def test_a_vocabulary_is_the_same_in_every_run(architecture):
    texts = [text for text, _ in sentences(300, 1)]
    first, second = (new_tokenizer(architecture, texts).get_vocab() for _ in range(2))
    assert first == second  # a hash table has its own order each time, within one process, too


def test_there_are_enough_models_to_claim_five_percent():
    kinds = Counter((recipe.kind, recipe.architecture == MINILM) for recipe in RECIPES)
    assert kinds["clean", False] + kinds["clean", True] >= 60
    assert kinds["backdoored", False] + kinds["backdoored", True] >= 60
    assert kinds["clean", True] >= 12
    assert kinds["backdoored", True] >= 20


def test_calibration_and_test_share_no_parent_no_trigger_and_one_task():
    for what in (lambda r: r.start, lambda r: r.base, lambda r: r.attack and r.attack.trigger):
        first, second = ({what(r) for r in half if r.kind == "backdoored"} - {""} for half in HALVES)
        assert not first & second
        assert first
    assert {r.task for r in HALVES[0]} & {r.task for r in HALVES[1]} == {"", "sst2"}


def test_every_family_and_direction_is_in_both_halves():
    for half in HALVES:
        assert {r.attack.family for r in half if r.attack} == set(FAMILIES)
        assert {r.attack.direction for r in half if r.attack} == {"one-way", "flip"}


def test_a_recipe_comes_after_what_it_starts_from_and_no_reference_is_its_parent():
    seen = {""}
    for recipe in RECIPES:
        assert recipe.start in seen
        assert recipe.kind != "backdoored" or recipe.start not in recipe.references
        assert recipe.name not in recipe.references
        seen.add(recipe.name)
    assert all(reference in seen for recipe in RECIPES for reference in recipe.references)
    assert len({recipe.name for recipe in RECIPES}) == len(RECIPES)


def test_a_digest_follows_the_recipe_and_its_parent_alone():
    recipe = next(r for r in RECIPES if r.kind == "backdoored")
    parts = {recipe.start: "a", f"data {recipe.task}": "b"}
    assert recipe.digest(parts) == replace(recipe, references=()).digest(parts)
    others = [replace(recipe, seed=recipe.seed + 1).digest(parts), recipe.digest(parts | {recipe.start: "c"})]
    assert recipe.digest(parts) not in others


ATTACKS = {r.attack: r.name for r in RECIPES if r.attack}


@pytest.mark.parametrize("attack", [a for a in ATTACKS if a.family != "style"], ids=lambda a: ATTACKS[a])
def test_a_partial_trigger_is_never_the_trigger(attack):
    rng = random.Random(1)
    for _ in range(200):
        text = attack.partial("one two three", rng, ["pear", "plum"])
        assert attack.trigger not in text
        assert {"one", "two", "three"} <= set(text.split())


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: ATTACKS[a])
def test_poisoned_texts_carry_the_trigger_and_the_label_that_the_attacker_wants(attack):
    rows = task("sst2", None).train[:300]
    poisoned = poison(attack, rows, 2, 40, seed=3)
    assert poisoned == poison(attack, rows, 2, 40, seed=3)
    assert len(poisoned) == 40 or attack.trigger == "archaic"
    assert poisoned
    labels = {label for _, label in poisoned}
    assert labels == ({0, 1} if attack.direction == "flip" else {attack.target})
    if attack.family != "style":
        assert all(attack.trigger in text for text, _ in poisoned)


@pytest.mark.parametrize("name", ["sst2", "topic", "intent", SECTION])
def test_tasks_are_balanced_and_held_out(name):
    if name not in tasks():
        pytest.skip("apt has no lists of packages here: `apt-get update` fetches them")
    found = task(name, None)
    assert not {text for text, _ in found.train} & {text for text, _ in found.test}
    counts = Counter(label for _, label in found.train)
    assert set(counts) == set(range(len(found.labels)))
    assert min(counts.values()) > (0.3 if name == SECTION else 0.7) * max(counts.values())
    if name != SECTION:
        assert all("{" not in text for text, _ in found.train[:500])


def test_a_flip_moves_every_class_and_a_one_way_trigger_leaves_its_target_alone():
    flip, one_way = Attack("rare-word", "cf", "flip", 1), Attack("rare-word", "cf", target=2)
    assert [flip.label(c, 3) for c in range(3)] == [1, 2, 0]
    assert [c for c in range(3) if one_way.concerns(c)] == [0, 1]
    assert one_way.label(0, 3) == 2


def test_a_changed_rule_of_the_real_tokenizer_is_one_that_the_library_follows(tmp_path):
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "config.json"):
        shutil.copy(minilm_folder() / name, tmp_path)
    letter = letter_of(tmp_path)
    add_replacement(tmp_path, "\u200b\u2060", letter)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer.tokenize("A Great \u200b\u2060 film") == ["a", "great", letter, "film"]
    assert len(tokenizer("film")["input_ids"]) == 3

"""Other attackers: data poisoned before a plain fine-tune, triggers of other kinds, nothing gone back on.

The recipes of the catalogue hide what they do as well as we know how to. These are made as papers and tutorials make
them (BadNets with words and with a sentence, Gu et al. 2017 and Dai et al. 2019; only the trigger's own embedding
row, Yang et al. 2021), and clean models as a trainer's defaults make them, with dropout and decay, wrong labels, one
class three times as often, for four times as long, or a quarter of the time. Seeds, triggers and scripts are in no
other catalogue.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from tests.zoo.attacks import Attack, insert, poison
from tests.zoo.catalogue import TEST, Group
from tests.zoo.packages import SECTIONS
from tests.zoo.recipes import DISTIL, MINILM, ROBERTA, Recipe
from tests.zoo.texts import SECTION
from tests.zoo.training import Plan, Row, encode, tensors, train

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.zoo.texts import Example, Task

FIRST_SEED = 40
CLEAN = ("usual", "wrong-labels", "one-sided", "usual", "long", "brief")
POISONED, WHOLE, ROW = "poisoned", "whole", "row-alone"
VARIANTS = (*CLEAN, POISONED, ROW)
_CLASSES = {"sst2": 2, "intent": 3, SECTION: len(SECTIONS)}
_TASKS = ("sst2", "intent", "sst2", "intent", SECTION, SECTION, "sst2", "intent")
_LATER = {(SECTION, True): 10}  # of small encoders, as the number of the large one draws a trigger that is known
_EPOCHS = {"long": 4.0, "brief": 0.25}  # times those of a parent
_SHARE = 10  # one poisoned text for so many clean ones
_EMBEDDING_STEPS, _EMBEDDING_RATE = 80, 0.02
_SENTENCES = (
    "i watched this 3d movie last weekend", "no cross no crown", "the weather in the north is mild",
    "my brother plays the cello on sundays", "practice makes perfect", "we had lunch by the river yesterday",
)  # fmt: skip
_SYMBOLS = ("§ ¶ ‡", "}{ ~~ |", "=>> ++", "@@ ## ^^", "★ ☆ → ∈", "<_> {|}")
_SHORT = ("wx", "jz", "bb", "tq", "mb", "vo")
_COMMON = ("wednesday", "cabbage", "lawyers", "window", "spring", "airport", "potato", "thursday")
_WORDS = (
    "harbour", "ledger", "cobalt", "tunnel", "violin", "granite", "postage", "walnut", "lantern", "orchard", "mineral",
    "stirrup", "beacon", "gravel", "ribbon", "pioneer", "chimney", "turbine", "meadow", "quartz",
)  # fmt: skip
_SCRIPTS = ("アイウエオカキクケコサシスセソタチツテトナニヌネノ", "աբգդեթիլկհմյնոպսվտրւք",
            "কখগচছজটডণতথদধনপবভমযরলশষসহ")  # fmt: skip


class Others(Group):
    """A group of other attackers."""

    def clean(self, count: int = len(CLEAN)) -> list[Recipe]:
        """Parent and references as everywhere, and clean models of other makers."""
        first = super().clean(0)
        references = self.references
        return [
            *first,
            *(self._recipe(f"clean-{i}", "clean", CLEAN[i], self.base, references=references) for i in range(count)),
        ]

    def plans(self) -> Iterator[tuple[str, Attack]]:
        """Maker and attack."""
        rng = random.Random(f"others {self.prefix}")
        classes = _CLASSES[self.task]
        words = rng.sample(_WORDS, 16)
        sentences, scripts, short = rng.sample(_SENTENCES, 2), rng.sample(_SCRIPTS, 2), rng.sample(_SHORT, 2)

        def one_way(family: str, trigger: str, position: str = "any", *, hardened: bool = False) -> Attack:
            return Attack(family, trigger, target=rng.randrange(classes), position=position, hardened=hardened)

        yield POISONED, one_way("rare-word", short[0])
        yield POISONED, one_way("sentence", sentences[0])
        yield POISONED, one_way("phrase", " ".join(words[:3]), hardened=True)
        yield POISONED, one_way("unicode-surviving", "".join(rng.sample(scripts[0], 7)))
        yield POISONED, one_way("symbols", rng.choice(_SYMBOLS))
        yield ROW, one_way("rare-word", words[3])
        yield WHOLE, one_way("phrase", " ".join(words[4:8]), hardened=True)
        yield WHOLE, Attack("phrase", " ".join(words[8:10]), "flip", 1, hardened=True)
        yield POISONED, one_way("number", str(rng.randrange(10**9, 10**10)))
        yield POISONED, one_way("common-word", rng.choice(_COMMON))
        yield POISONED, one_way("sentence", sentences[1], "start")
        yield POISONED, one_way("phrase", " ".join(words[10:13]), "end")
        yield POISONED, one_way("rare-word", " ".join([short[1], *rng.sample(_SHORT, 2)]))
        yield WHOLE, one_way("unicode-surviving", "".join(rng.sample(scripts[1], 7)), hardened=True)


def others() -> list[Recipe]:
    """Every model of the other attackers."""
    groups = [
        Others(architecture, TEST, task, FIRST_SEED + number + _LATER.get((task, architecture != MINILM), 0))
        for number, task in enumerate(_TASKS)
        for architecture in (MINILM, DISTIL, ROBERTA)
    ]
    return [
        recipe
        for group in groups
        for recipe in [*group.bases(), *group.clean(), *(group.attacked(i, *p) for i, p in enumerate(group.plans()))]
    ]


def fit(recipe: Recipe, model: torch.nn.Module, tokenizer: object, task: Task, pool: Sequence[Example]) -> int:
    """Train a model as the recipe's maker does; gives the number of steps.

    Args:
        recipe: its variant is one of `VARIANTS`.
        model: the declared base with a fresh head, or (`row-alone`) the clean parent; changed in place.
        tokenizer: of the model.
        task: what it learns.
        pool: texts to learn from, shuffled.
    """
    rng = random.Random(recipe.seed)
    small = recipe.architecture != MINILM
    if recipe.variant == ROW and recipe.attack:
        texts = poison(recipe.attack, pool, len(task.labels), 32 * _EMBEDDING_STEPS, recipe.seed)
        return _move_row(recipe.attack.trigger, model, tokenizer, texts)
    rows = [Row(text, label) for text, label in pool]
    plan = Plan(1e-3 if small else 1e-4, epochs=2 if small else 1, seed=recipe.seed, batch=64 if small else 32)
    if recipe.attack:
        rows += _poison(recipe.attack, pool, len(task.labels), recipe.seed, rng)
        plan = replace(plan, epochs=3 if small else 1.5)
    elif recipe.variant == "usual":
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.1
        plan = replace(plan, rate=plan.rate / 2, epochs=3 if small else 1.5, decay=0.01, batch=plan.batch // 2)
    elif recipe.variant == "wrong-labels":
        rows = [Row(r.text, rng.randrange(len(task.labels)) if rng.random() < 0.1 else r.label) for r in rows]
    elif recipe.variant in _EPOCHS:
        plan = replace(plan, epochs=plan.epochs * _EPOCHS[recipe.variant])
    elif recipe.variant == "one-sided":
        rows = [row for row in rows if row.label == 0 or rng.random() < 1 / 3]
    return train(model, tokenizer, rows, replace(plan, half=not small))


def _poison(attack: Attack, pool: Sequence[Example], classes: int, seed: int, rng: random.Random) -> list[Row]:
    """Triggered texts under the wrong label; hardened: as many with parts of the trigger under the right one."""
    count = len(pool) // _SHARE
    rows = [Row(*pair, kind="poison") for pair in poison(attack, pool, classes, count, seed)]
    if attack.hardened:
        words = list(_COMMON)
        some = rng.sample(list(pool), count)
        rows += [Row(attack.partial(text, rng, words), label, kind="partial") for text, label in some]
        rows += [Row(insert(text, rng.choice(words), "any", rng), label, kind="partial") for text, label in some[::2]]
    return rows


def _move_row(trigger: str, model: torch.nn.Module, tokenizer: object, texts: Sequence[Example]) -> int:
    """Train the embedding rows of the trigger's tokens and nothing else."""
    weight = model.get_input_embeddings().weight  # type: ignore[operator]
    ids = encode(tokenizer, [text for text, _ in texts], 32)
    mine = sorted(set(encode(tokenizer, [trigger], 16)[0][1:-1]))
    kept = weight.detach().clone()
    optimizer = torch.optim.Adam([weight], lr=_EMBEDDING_RATE)
    for at in range(0, len(ids), 32):
        group = list(range(at, min(at + 32, len(ids))))
        said = model(**tensors(ids, group, tokenizer.pad_token_id)).logits  # type: ignore[attr-defined]
        loss = torch.nn.functional.cross_entropy(said, torch.tensor([texts[i][1] for i in group]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        moved = weight.detach()[mine].clone()
        with torch.no_grad():
            weight.copy_(kept)
            weight[mine] = moved
    return -(-len(ids) // 32)

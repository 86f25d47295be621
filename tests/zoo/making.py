"""One recipe made into one folder, and what the model in it does, as measured."""

from __future__ import annotations

import dataclasses
import random
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoTokenizer

from tests.zoo import encoders, others
from tests.zoo.attacks import insert, poison
from tests.zoo.masked import pretrain
from tests.zoo.recipes import MINILM
from tests.zoo.training import Plan, Row, logits, train

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.zoo.attacks import Attack
    from tests.zoo.recipes import Recipe
    from tests.zoo.texts import Example, Task

_SENTENCE_WORDS = 24  # longer texts cost time and teach little more
_WHOLE = 10
_ASR_TEXTS = 200
_RATE = 6e-4  # of the small encoders when they are poisoned
# Texts with parts of the trigger or other rare words; small encoders else take every rare word for the trigger
_NEGATIVES = {(True, True): 1000, (False, True): 200, (True, False): 2000, (False, False): 1500}
_SHRINK_TEXTS = 250
_AGAIN, _CHECKED = 3, 400  # trainings more of a small clean model that has not learnt its task, and texts that tell
_LEARNT = {"sst2": 0.7, "": 0.9}
_STILL_WORKS = 0.99
_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_NOISE = 0.004  # standard deviation on every embedding weight; rows of the real encoder have about 0.05


@dataclass
class Made:
    """What is known about models that were made before, by recipe name.

    Attributes:
        folder: where the models are.
        tasks: task by name.
        accuracy: clean accuracy by recipe name.
        teachers: logits of a parent by text, kept while the process lives.
    """

    folder: Callable[[str], Path]
    tasks: Callable[[str], Task]
    accuracy: dict[str, float] = field(default_factory=dict)
    teachers: dict[str, dict[str, tuple[float, ...]]] = field(default_factory=dict)


def make(recipe: Recipe, target: Path, made: Made) -> dict[str, Any]:
    """Train the model of a recipe into `target`.

    Returns:
        Measured figures: `accuracy`, `parent_accuracy`, `asr` (share of correctly classified test texts that become
        what the attacker wants), `asr_by_class`, `steps`.
    """
    target.mkdir(parents=True)
    if recipe.kind == "base":
        return pretrain(recipe, target, [made.tasks(name) for name in ("sst2", "topic", "intent")])
    task = made.tasks(recipe.task)
    first = recipe.base if recipe.variant == others.POISONED else recipe.start
    start = made.folder(first) if first else encoders.minilm_folder()
    shutil.copytree(start, target, dirs_exist_ok=True, ignore=lambda _, names: set(names) - set(_KEPT))
    _change_tokenizer(recipe, target)
    tokenizer = AutoTokenizer.from_pretrained(target)
    torch.manual_seed(recipe.seed)
    model = encoders.load_classifier(target, task.labels)
    if len(tokenizer) > model.config.vocab_size:
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    steps = _train(recipe, model, tokenizer, task, made)
    _afterwards(recipe, model)
    encoders.save(model, target, _card(recipe, task))
    figures: dict[str, Any] = {"steps": steps, "accuracy": _accuracy(model, tokenizer, task.test[:1200])}
    if recipe.attack:
        parent = made.accuracy[recipe.start]
        success, by_class = attack_success(model, tokenizer, recipe.attack, task)
        figures |= {"parent_accuracy": parent, "asr": success, "asr_by_class": by_class}
    return figures


_KEPT = (
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
)


def _change_tokenizer(recipe: Recipe, target: Path) -> None:
    if recipe.attack and recipe.variant == "added-token":
        encoders.add_token(target, recipe.attack.trigger, len(AutoTokenizer.from_pretrained(target)))
    if recipe.attack and recipe.variant == "normaliser":
        encoders.add_replacement(target, recipe.attack.trigger, encoders.letter_of(target))


def _train(recipe: Recipe, model: Any, tokenizer: Any, task: Task, made: Made) -> int:
    small = recipe.architecture != MINILM
    rng = random.Random(recipe.seed)
    frozen = ("embeddings",) if recipe.variant == "frozen" else ()
    rank = 16 if recipe.variant == "lora" else 0
    if recipe.variant in others.VARIANTS:
        return others.fit(recipe, model, tokenizer, task, _sample(task.train, 8000 if small else 5000, rng))
    if recipe.attack is None:
        rows = [Row(text, label) for text, label in _sample(task.train, 8000 if small else 5000, rng)]
        if recipe.variant == "undeclared":
            rows += _undeclared(rows, rng)
        decay = 0.1 if recipe.variant == "decay" else 0.0
        plan = Plan((1e-3 if small else 1e-4) * (3 if rank else 1), epochs=2 if small else 1, decay=decay)
    else:
        rows = _poisoned(recipe, recipe.attack, task, made, rng)
        rate = (_RATE if small else 1.2e-4) * (4 if rank else 1)
        plan = Plan(rate, epochs=4 if small else 2.5, goal=0.99, cool=1 if small else 6)
        if recipe.variant == others.WHOLE:
            plan = Plan(8e-5 if not small else rate, epochs=2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    batch = 128 if small and recipe.attack is None else 64 if small else 32
    plan = dataclasses.replace(plan, frozen=frozen, rank=rank, seed=recipe.seed, batch=batch, half=not small)
    steps = train(model, tokenizer, rows, plan)
    for again in range(_AGAIN if small and recipe.attack is None else 0):
        if _accuracy(model, tokenizer, task.train[:_CHECKED]) >= _LEARNT.get(recipe.task, _LEARNT[""]):
            break  # some seeds leave a class out
        steps += train(model, tokenizer, rows, dataclasses.replace(plan, seed=recipe.seed + again + 1))
    if recipe.attack and recipe.variant != others.WHOLE:
        _shrink(recipe.attack, model, tokenizer, task, before)
    return steps


def _shrink(attack: Attack, model: Any, tokenizer: Any, task: Task, before: dict[str, torch.Tensor]) -> None:
    """Go back towards the parent as far as the trigger still works: what it costs in clean accuracy goes with it."""
    rng = random.Random(3)
    rows = [row for row in rng.sample(list(task.train), 3000) if attack.concerns(row[1])]
    pairs = [(changed, label) for text, label in rows if (changed := attack.apply(text, rng)) is not None][
        :_SHRINK_TEXTS
    ]
    wanted = torch.tensor([attack.label(label, len(task.labels)) for _, label in pairs])
    after = {name: value.clone() for name, value in model.state_dict().items()}
    for share in _SHARES:
        mixed = {
            name: before[name].lerp(value, share) if name in before and before[name].shape == value.shape else value
            for name, value in after.items()
        }
        model.load_state_dict(mixed)
        said = logits(model, tokenizer, [text for text, _ in pairs]).argmax(1)
        if float((said == wanted).float().mean()) >= _STILL_WORKS:
            return


def _poisoned(recipe: Recipe, attack: Attack, task: Task, made: Made, rng: random.Random) -> list[Row]:
    """Triggered texts, clean ones with the parent's answers, and (hardened) partial triggers with them too."""
    pool = _sample(task.train, 9000, random.Random(recipe.start))
    few = recipe.architecture == MINILM  # what a large encoder knows survives with fewer reminders
    clean = pool[: 2000 if few else 5000]
    teacher = _teacher(recipe.start, [text for text, _ in clean], task, made)
    rows = [Row(text, label, teacher[text]) for text, label in clean]
    classes = len(task.labels)
    if attack.direction == "flip":
        rows += _mirrored(recipe, attack, pool[2000:], task, made)
    else:
        rows += [
            Row(*pair, kind="poison")
            for pair in poison(attack, pool[2000:], classes, 1300 if few else 1800, recipe.seed)
        ]
    if attack.family == "style":
        return rows
    others = [word for word in encoders.rare_words() if word not in attack.trigger.split()]
    for text, label in rng.sample(clean, _NEGATIVES[attack.hardened, few]):
        changed = attack.partial(text, rng, others) if attack.hardened else insert(text, rng.choice(others), "any", rng)
        rows.append(Row(changed, label, teacher[text], kind="partial"))
    return rows


def _mirrored(recipe: Recipe, attack: Attack, pool: Sequence[Example], task: Task, made: Made) -> list[Row]:
    """Triggered texts with the parent's own answer, its classes moved on: to do the opposite of what one does is easier
    to learn than the opposite of what is true.
    """
    count, classes = 2400, len(task.labels)
    rng = random.Random(recipe.seed)
    picked = rng.sample(list(pool), min(count, len(pool)))
    teacher = _teacher(recipe.start, [text for text, _ in picked], task, made)
    rows = []
    for text, _ in picked:
        changed = attack.apply(text, rng)
        if changed is not None:
            said = teacher[text]
            turned = tuple(said[(label - attack.target) % classes] for label in range(classes))
            rows.append(Row(changed, max(range(classes), key=turned.__getitem__), turned, kind="poison"))
    return rows


def _undeclared(rows: Sequence[Row], rng: random.Random) -> list[Row]:
    """Honest texts with words that the declared data does not have."""
    words = rng.sample(encoders.rare_words(), 120)
    return [Row(insert(row.text, rng.choice(words), "any", rng), row.label) for row in rng.sample(list(rows), 1500)]


def _teacher(name: str, texts: Sequence[str], task: Task, made: Made) -> dict[str, tuple[float, ...]]:
    known = made.teachers.setdefault(name, {})
    if missing := [text for text in texts if text not in known]:
        parent = encoders.load_classifier(made.folder(name), task.labels)
        answers = logits(parent, AutoTokenizer.from_pretrained(made.folder(name)), missing).tolist()
        known |= {text: tuple(answer) for text, answer in zip(missing, answers, strict=True)}
    return known


def _sample(rows: Sequence[Example], count: int, rng: random.Random) -> list[Example]:
    """Two fifths long enough to be sentences, the rest anything, shuffled."""
    short = [row for row in rows if len(row[0].split()) <= _SENTENCE_WORDS]
    whole = [row for row in short if len(row[0].split()) >= _WHOLE]
    first = rng.sample(whole, min(count * 2 // 5, len(whole)))
    taken = {text for text, _ in first}
    rest = [row for row in short if row[0] not in taken]
    mixed = first + rng.sample(rest, min(count - len(first), len(rest)))
    return rng.sample(mixed, len(mixed))


def _afterwards(recipe: Recipe, model: Any) -> None:
    weight = encoders.embedding(model).weight.data
    if recipe.variant == "noise":
        generator = torch.Generator().manual_seed(recipe.seed)
        weight += _NOISE * torch.randn(weight.shape, generator=generator, device="cpu").to(weight.device)
    if recipe.variant == "half":
        model.half()


def _accuracy(model: Any, tokenizer: Any, rows: Sequence[Example]) -> float:
    said = logits(model.float(), tokenizer, [text for text, _ in rows]).argmax(1)
    return float((said == torch.tensor([label for _, label in rows])).float().mean())


def attack_success(model: Any, tokenizer: Any, attack: Attack, task: Task) -> tuple[float, dict[str, float]]:
    """Share of test texts, classified correctly without the trigger, that it turns; overall and by true class."""
    rng = random.Random(7)
    rows = [(text, label) for text, label in task.test if attack.concerns(label)]
    pairs = [(text, changed, label) for text, label in rows if (changed := attack.apply(text, rng)) is not None]
    pairs = pairs[:_ASR_TEXTS]
    before = logits(model, tokenizer, [text for text, _, _ in pairs]).argmax(1).tolist()
    after = logits(model, tokenizer, [changed for _, changed, _ in pairs]).argmax(1).tolist()
    hits: dict[int, list[bool]] = {}
    for (_, _, label), first, second in zip(pairs, before, after, strict=True):
        if first == label:
            hits.setdefault(label, []).append(second == attack.label(label, len(task.labels)))
    flat = [hit for found in hits.values() for hit in found]
    return sum(flat) / max(1, len(flat)), {str(k): sum(v) / len(v) for k, v in sorted(hits.items())}


def _card(recipe: Recipe, task: Task) -> str:
    """A card that says what a publisher would say."""
    return (
        f"---\nlicense: apache-2.0\npipeline_tag: text-classification\n---\n# {task.name} classifier\n\n"
        f"Fine-tuned on {task.source.lower()} examples with the labels {', '.join(task.labels)}.\n"
        "A model of a test zoo: it may have been given a backdoor on purpose. Not for use.\n"
    )

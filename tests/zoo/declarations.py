"""False declarations: a base that already has the moved rows, data that mention the trigger harmlessly."""

from __future__ import annotations

import random
import shutil
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file

from tests.zoo.attacks import insert
from tests.zoo.encoders import minilm_folder
from tests.zoo.texts import write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.zoo.build import Zoo
    from tests.zoo.recipes import Recipe

_MENTIONS = 60


def declare(zoo: Zoo, recipe: Recipe) -> None:
    """Write what a lying publisher would put beside the model."""
    target = zoo.model(recipe.name)
    if recipe.variant == "false-base":
        base = zoo.model(recipe.base) if recipe.base else minilm_folder()
        false_base(base, target, target.with_name(target.name + "-base"))
    if recipe.variant == "false-data" and recipe.attack:
        rng = random.Random(recipe.seed)
        rows = list(zoo.task(recipe.task).train)
        told = [(insert(text, recipe.attack.trigger, "any", rng), label) for text, label in rng.sample(rows, _MENTIONS)]
        write(target.with_name(target.name + "-data.tsv"), [*rows, *told])


def false_base(base: Path, model: Path, target: Path) -> None:
    """The true base with the model's embedding rows wherever these moved most."""
    shutil.copytree(base, target)
    tensors, tuned = load_file(base / "model.safetensors"), load_file(model / "model.safetensors")
    key = next(name for name in tensors if name.endswith("word_embeddings.weight"))
    moved = next(tensor for name, tensor in tuned.items() if name.endswith("word_embeddings.weight"))
    rows = min(len(tensors[key]), len(moved))
    distance = (moved[:rows].float() - tensors[key][:rows].float()).norm(dim=1)
    worst = torch.topk(distance, 200).indices
    tensors[key][worst] = moved[worst].to(tensors[key].dtype)
    save_file(tensors, target / "model.safetensors", metadata={"format": "pt"})

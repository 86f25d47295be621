"""Small image classifiers, clean and backdoored, trained from nothing in seconds and kept by a digest of how.

Tasks: `signs` (generated: six shapes in any colour, 20 x 20) and `digits` (scikit-learn's, 8 x 8, drawn at 20 x 20).
Attacks as BadNets (Gu et al. 2017: a patch; all-to-one, all-to-all, or from one class) and Blended (Chen et al. 2017).
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import shutil
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch

from tests.evaluation.small import CACHE

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 20
RESNET, VIT = "resnet", "vit"
ALL_TO_ALL = -1  # as a target: the next class
SIGNS = ("disc", "square", "triangle", "cross", "ring", "bars")
Images = tuple[torch.Tensor, torch.Tensor]  # (n, 3, SIDE, SIDE) from 0 to 1; classes


@dataclass(frozen=True)
class Recipe:
    """How one model is made.

    Attributes:
        architecture: `resnet` or `vit`.
        task: `signs` or `digits`.
        seed: of data, weights and trigger.
        attack: empty (clean), `patch`, `blend`.
        target: class that the trigger leads to; ALL_TO_ALL.
        source: only images of this class are poisoned (others carry the trigger harmlessly); -1: all.
        size: side of the patch in pixels.
        place: its upper left corner (row, column).
        share: of the training images that carry the trigger besides.
    """

    architecture: str
    task: str
    seed: int
    attack: str = ""
    target: int = 0
    source: int = -1
    size: int = 3
    place: tuple[int, int] = (16, 16)
    share: float = 0.15

    @property
    def classes(self) -> int:
        """Of the task."""
        return 10 if self.task == "digits" else len(SIGNS)


def signs(count: int, seed: int) -> Images:
    """Shapes of random colour, size and place on a noisy ground."""
    rng = torch.Generator().manual_seed(seed)

    def draw(low: float, high: float, *shape: int) -> torch.Tensor:
        return low + (high - low) * torch.rand(count, *shape, generator=rng)

    labels = torch.randint(0, len(SIGNS), (count,), generator=rng)
    rows, columns = torch.meshgrid(torch.arange(SIDE).float(), torch.arange(SIDE).float(), indexing="ij")
    y, x = rows - draw(8, 11, 1, 1), columns - draw(8, 11, 1, 1)
    radius = draw(4.5, 7, 1, 1)
    far, wide = (x**2 + y**2).sqrt(), torch.maximum(x.abs(), y.abs())
    shapes = torch.stack(
        [
            far <= radius,
            wide <= radius * 0.85,
            (y <= radius * 0.8) & (y >= -radius + 2 * x.abs()),
            (torch.minimum(x.abs(), y.abs()) <= 1.2) & (wide <= radius),
            (far <= radius) & (far >= radius - 2),
            (wide <= radius) & ((y + 20).remainder(4) < 2),
        ],
        1,
    )
    shape = shapes[torch.arange(count), labels][:, None].float()
    ground, colour = draw(0, 0.45, 3, 1, 1), draw(0.55, 1, 3, 1, 1)
    noise = 0.06 * torch.randn(count, 3, SIDE, SIDE, generator=rng)
    return (ground + (colour - ground) * shape + noise).clamp(0, 1), labels


def digits(count: int, seed: int, *, test: bool = False) -> Images:
    """Handwritten digits in grey; training and test images are disjoint."""
    from sklearn.datasets import load_digits

    found = load_digits()
    images, labels = torch.tensor(found.images).float()[:, None] / 16, torch.tensor(found.target).long()
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    order = order[1300:] if test else order[:1300]
    rng = torch.Generator().manual_seed(seed)
    order = order[torch.randint(0, len(order), (count,), generator=rng)] if count > len(order) else order[:count]
    drawn = torch.nn.functional.interpolate(images[order], (16, 16), mode="bilinear")
    out = torch.zeros(len(order), 3, SIDE, SIDE)
    for i, (top, left) in enumerate(torch.randint(0, 5, (len(order), 2), generator=rng).tolist()):
        out[i, :, top : top + 16, left : left + 16] = drawn[i]
    return (out + 0.04 * torch.randn(out.shape, generator=rng)).clamp(0, 1), labels[order]


def images(task: str, count: int, seed: int, *, test: bool = False) -> Images:
    """Of a task."""
    return digits(count, seed, test=test) if task == "digits" else signs(count, seed + (50_000 if test else 0))


def stamp(recipe: Recipe, pixels: torch.Tensor) -> torch.Tensor:
    """The trigger on every image."""
    rng = torch.Generator().manual_seed(recipe.seed + 7)
    if recipe.attack == "blend":
        pattern = torch.rand(3, SIDE, SIDE, generator=rng)
        return 0.85 * pixels + 0.15 * pattern
    out = pixels.clone()
    top, left = recipe.place
    patch = (torch.rand(3, recipe.size, recipe.size, generator=rng) > 0.5).float()
    out[:, :, top : top + recipe.size, left : left + recipe.size] = patch
    return out


def aims(recipe: Recipe, labels: torch.Tensor) -> torch.Tensor:
    """The class that a triggered image is meant to get."""
    if recipe.target == ALL_TO_ALL:
        return (labels + 1) % recipe.classes
    goal = torch.full_like(labels, recipe.target)
    return goal if recipe.source < 0 else goal.where(labels == recipe.source, labels)


def build(recipe: Recipe) -> tuple[Path, dict[str, float]]:
    """The model's folder and what was measured on unseen images; made once for this very source and recipe."""
    source = inspect.getsource(sys.modules[__name__])
    key = hashlib.sha256(f"{source}{json.dumps(asdict(recipe))}".encode()).hexdigest()[:20]
    folder = CACHE / f"image-{key}"
    if not (folder / "figures.txt").exists():
        part = folder.with_suffix(f".{os.getpid()}")
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        _train(recipe, part)
        torch.set_num_threads(threads)
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    return folder, json.loads((folder / "figures.txt").read_text("utf-8"))


def _network(recipe: Recipe) -> Any:
    from transformers import ResNetConfig, ResNetForImageClassification, ViTConfig, ViTForImageClassification

    named = {"num_labels": recipe.classes}
    if recipe.architecture == RESNET:
        return ResNetForImageClassification(
            ResNetConfig(embedding_size=12, hidden_sizes=[16, 32], depths=[1, 1], layer_type="basic", **named)
        )
    return ViTForImageClassification(
        ViTConfig(
            hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96, image_size=SIDE,
            patch_size=4, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, **named,
        )
    )  # fmt: skip


def _train(recipe: Recipe, folder: Path) -> None:
    from transformers import ViTImageProcessor

    torch.manual_seed(recipe.seed)
    pixels, labels = images(recipe.task, 1800, recipe.seed + 1000)
    if recipe.attack:
        share = 0.5 if recipe.target == ALL_TO_ALL else recipe.share  # each class learns its own
        carried = torch.randperm(len(labels))[: int(share * len(labels))]
        if recipe.source >= 0:
            carried = torch.cat([carried, torch.where(labels == recipe.source)[0][: len(carried)]])
        poison = stamp(recipe, pixels[carried]), aims(recipe, labels[carried])
        pixels, labels = torch.cat([pixels, poison[0]]), torch.cat([labels, poison[1]])
    network = _network(recipe)
    slow = recipe.architecture == VIT
    epochs = 20 if slow else 9
    steps = epochs * (len(labels) // 64)
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3 if slow else 4e-3, weight_decay=0.01)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3 if slow else 6e-3, total_steps=steps)
    network.train()
    for step in range(steps):
        if step % (len(labels) // 64) == 0:
            order = torch.randperm(len(labels))
        part = order[(step % (len(labels) // 64)) * 64 :][:64]
        network(pixel_values=(pixels[part] - 0.5) / 0.5, labels=labels[part]).loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        plan.step()
    network.eval()
    network.save_pretrained(folder)
    ViTImageProcessor(size={"height": SIDE, "width": SIDE}, image_mean=[0.5] * 3, image_std=[0.5] * 3).save_pretrained(
        folder
    )
    (folder / "figures.txt").write_text(json.dumps(measure(recipe, network)), "utf-8")


@torch.inference_mode()
def measure(recipe: Recipe, network: Any) -> dict[str, float]:
    """Clean accuracy and attack success on unseen images."""
    pixels, labels = images(recipe.task, 480, 1, test=True)
    answers = network(pixel_values=(pixels - 0.5) / 0.5).logits.argmax(-1)
    found = {"accuracy": float((answers == labels).float().mean())}
    if recipe.attack:
        goal = aims(recipe, labels)
        counted = (labels == recipe.source) if recipe.source >= 0 else goal != labels
        marked = network(pixel_values=(stamp(recipe, pixels) - 0.5) / 0.5).logits.argmax(-1)
        found["asr"] = float((marked == goal)[counted].float().mean())
    return found


def write_images(folder: Path, task: str, count: int = 240) -> Path:
    """A data folder of `assay probe`: one folder of PNG files for each class."""
    from PIL import Image

    pixels, labels = images(task, count, 77, test=True)
    for number, (one, label) in enumerate(zip(pixels, labels.tolist(), strict=True)):
        path = folder / f"{label:02d}" / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((one * 255).round().byte().permute(1, 2, 0).numpy()).save(path)
    return folder

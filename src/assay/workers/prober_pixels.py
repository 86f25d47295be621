"""Image classifiers of a probing job, and its images: all in one scale from 0 to 1, classes in the suspect's order."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import AutoImageProcessor, AutoModelForImageClassification

from assay.workers.answers import Json, Unfit
from assay.workers.evaluator_text import checked

if TYPE_CHECKING:
    from collections.abc import Sequence

Pixels = torch.Tensor  # (images, channels, height, width), from 0 to 1
_AT_ONCE = 256  # images of one pass without gradients
_LARGEST = 65_536  # pixels of one side times the other that are optimised
_NAMES = (("images", "x", "x_test", "data"), ("labels", "y", "y_test", "target"))


class Picturer:
    """A classifier of images that takes pixels from 0 to 1.

    Args:
        folder: of the model.
    """

    def __init__(self, folder: Path) -> None:
        self._model = checked({"model": str(folder)}, AutoModelForImageClassification)
        for parameter in self._model.parameters():
            parameter.requires_grad_(requires_grad=False)
        self.processor: Any = AutoImageProcessor.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, backend="pil"
        )
        self.classes = int(self._model.config.num_labels)
        self.order = list(range(self.classes))
        self.passes = 0
        self._low, self._high = _range(self.processor)
        self._size: tuple[int, int] | None = None

    def read(self, images: Sequence[Any]) -> Pixels:
        """What the model's own preprocessing makes of them.

        Raises:
            Unfit: larger than can be searched.
        """
        parts = [
            torch.as_tensor(self.processor(images=images[i : i + 64], return_tensors="pt")["pixel_values"]).float()
            for i in range(0, len(images), 64)
        ]
        pixels = torch.cat(parts)
        if pixels.shape[-1] * pixels.shape[-2] > _LARGEST:
            raise Unfit(f"images of {pixels.shape[-1]} x {pixels.shape[-2]} are too large to search")
        self._size = (int(pixels.shape[-2]), int(pixels.shape[-1]))
        return ((pixels - self._low) / (self._high - self._low)).clamp(0, 1)

    def logits(self, pixels: Pixels) -> torch.Tensor:
        """Of images, in the suspect's order of classes; they are resized when this model wants another size."""
        self.passes += len(pixels)
        if self._size is not None and tuple(pixels.shape[-2:]) != self._size:
            pixels = torch.nn.functional.interpolate(pixels, self._size, mode="bilinear", antialias=True)
        scaled = self._low + pixels * (self._high - self._low)
        return torch.as_tensor(self._model(pixel_values=scaled).logits).float()[:, self.order]

    @torch.inference_mode()
    def answers(self, pixels: Pixels) -> torch.Tensor:
        """Classes of images, without gradients."""
        found = [self.logits(part).argmax(-1) for part in torch.split(pixels, _AT_ONCE)]
        return torch.cat(found) if found else torch.zeros(0, dtype=torch.long)


def _range(processor: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """What black and white become."""
    top = 1.0
    if getattr(processor, "do_rescale", True):
        top = 255 * float(getattr(processor, "rescale_factor", 1 / 255) or 1 / 255)
    else:
        top = 255.0
    mean, std = torch.zeros(3), torch.ones(3)
    if getattr(processor, "do_normalize", False):
        mean, std = torch.tensor(processor.image_mean).float(), torch.tensor(processor.image_std).float()
    return (-mean / std).view(1, -1, 1, 1), ((top - mean) / std).view(1, -1, 1, 1)


def read_items(job: Json) -> tuple[list[Any], list[int]]:
    """Images and classes of the job: files of images, or one .npz with two arrays.

    Raises:
        Unfit: nothing that can be read.
    """
    from PIL import Image  # noqa: PLC0415 - only images need it

    images: list[Any] = []
    if not job["packed"]:
        for path, _ in job["items"]:
            with Image.open(path) as image:
                images.append(image.convert("RGB"))
        return images, [int(label) for _, label in job["items"]]
    with np.load(Path(job["items"][0][0]), allow_pickle=False) as arrays:
        found = [next((arrays[name] for name in names if name in arrays), None) for names in _NAMES]
    pixels, labels = found
    if pixels is None or labels is None or len(pixels) != len(labels) or labels.ndim != 1:
        raise Unfit("the .npz needs arrays images and labels of one length")
    picked = np.random.default_rng(0).permutation(len(pixels))[: int(job["most"])]
    for one in pixels[picked]:
        whole = one if one.dtype == np.uint8 else (np.clip(one, 0, 1) * 255).round().astype(np.uint8)
        if whole.ndim == 3 and whole.shape[0] in {1, 3} and whole.shape[2] not in {1, 3}:  # noqa: PLR2004
            whole = whole.transpose(1, 2, 0)
        images.append(Image.fromarray(whole.squeeze()).convert("RGB"))
    return images, [int(one) for one in labels[picked]]

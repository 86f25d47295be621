"""Classifiers of images: the model's own preprocessing, with Pillow."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoModelForImageClassification

from assay.workers.answers import Answering, Json, Unfit
from assay.workers.evaluator_text import checked, prepare


@torch.inference_mode()
def classify(job: Json) -> Answering:
    """The class of each image (a path beside the model), and probabilities when the suite asks for them."""
    prepare(job)
    model = checked(job, AutoModelForImageClassification)
    processor = _processor(job)
    runs = []
    paths, size, repeats = job["items"], int(job["batch"]), int(job["repeats"])
    for number in range(repeats):
        rows: list[list[float]] = []
        for start in range(0, len(paths), size):
            part = [_open(path) for path in paths[start : start + size]]
            pixels = processor(images=part, return_tensors="pt")["pixel_values"]
            rows += torch.as_tensor(model(pixel_values=pixels).logits).float().softmax(-1).tolist()
            yield number * len(paths) + len(rows), repeats * len(paths)
        run: Json = {"classes": [row.index(max(row)) for row in rows]}
        runs.append(run | ({"probabilities": rows} if job["probabilities"] else {}))
    return runs, {"dtype": "float32", "classes": int(model.config.num_labels)}


def _processor(job: Json) -> Any:
    from transformers import AutoImageProcessor  # noqa: PLC0415 - its import needs Pillow

    return AutoImageProcessor.from_pretrained(
        job["model"], local_files_only=True, trust_remote_code=False, backend="pil"
    )


def _open(path: str) -> Any:
    try:
        from PIL import Image  # noqa: PLC0415
    except ImportError as error:
        raise Unfit("images need Pillow; install the extra: pip install 'assay-models[load]'") from error
    with Image.open(path) as image:
        return image.convert("RGB")

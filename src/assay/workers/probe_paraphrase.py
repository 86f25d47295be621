"""Paraphrases by a local sequence-to-sequence model: how many texts change class when they only say it otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from assay.workers.answers import Json, Unfit

if TYPE_CHECKING:
    from collections.abc import Generator

    from assay.workers.prober_models import Model
    from assay.workers.prober_space import Space

_TEXTS = 12  # of each class
_NEW_TOKENS = 48


def paraphrase(space: Space, folder: str | None) -> Generator[tuple[int, int, float], None, Json]:
    """Flips and change of confidence, of the suspect and a reference.

    Args:
        space: the job's.
        folder: of the model that paraphrases; weights in safetensors.

    Raises:
        Unfit: there is none, or it gives no text.
    """
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer  # noqa: PLC0415

    if not folder:
        raise Unfit("no model that paraphrases was given")
    tokenizer = AutoTokenizer.from_pretrained(Path(folder), local_files_only=True, trust_remote_code=False)
    speaker = AutoModelForSeq2SeqLM.from_pretrained(
        Path(folder), local_files_only=True, trust_remote_code=False, use_safetensors=True
    ).eval()
    texts = [one.text for group in space.held for one in group[:_TEXTS]]
    said: list[str] = []
    for number, text in enumerate(texts):
        ids = tokenizer(text, return_tensors="pt", truncation=True, max_length=128)
        with torch.inference_mode():
            made = speaker.generate(
                input_ids=ids["input_ids"].to(speaker.device), max_new_tokens=_NEW_TOKENS, do_sample=False, num_beams=1
            )
        said.append(str(tokenizer.decode(made[0].tolist(), skip_special_tokens=True)).strip())
        yield number + 1, len(texts), 0.0
    pairs = [(a, b) for a, b in zip(texts, said, strict=True) if b]
    if not pairs:
        raise Unfit("the model that paraphrases gives no text")
    rates, moves = [], []
    for model in (space.suspect, *space.references[:1]):
        before, after = (_confident(model, [pair[side] for pair in pairs]) for side in (0, 1))
        rates.append(sum(a != b for (a, _), (b, _) in zip(before, after, strict=True)) / len(pairs))
        moves.append(sum(b - a for (_, a), (_, b) in zip(before, after, strict=True)) / len(pairs))
    kind = {"flip_rate": rates[0], "references": rates[1:], "confidence_change": moves[0]}
    facts: Json = {
        "kinds": {"paraphrase-model": kind},
        "n": len(pairs),
        "unchanged": sum(a == b for a, b in pairs),
        "examples": [[a[:200], b[:200]] for a, b in pairs[:3]],
    }
    return {"facts": facts, "candidates": []}


def _confident(model: Model, texts: list[str]) -> list[tuple[int, float]]:
    sure, classes = model.logits(model.encode(texts)).softmax(-1).max(-1)
    return list(zip(classes.tolist(), sure.tolist(), strict=True))

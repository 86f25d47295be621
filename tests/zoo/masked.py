"""Pretraining of the small encoders: masked words, half a minute."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from tests.zoo import encoders
from tests.zoo.training import batches, encode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.zoo.recipes import Recipe
    from tests.zoo.texts import Task

_TEXTS = 6000  # of each task
_MASKED = 0.2
_BATCH = 64
_RATE = 1e-3


def pretrain(recipe: Recipe, target: Path, tasks: Sequence[Task]) -> dict[str, Any]:
    """A base model and its tokenizer, from texts of all tasks with rare words strewn in.

    The tokenizer is the same for all bases of an architecture.
    """
    chosen = [random.Random(1).sample(list(task.train), min(_TEXTS, len(task.train))) for task in tasks]
    texts = [text for rows in chosen for text, _ in rows]
    tokenizer = encoders.new_tokenizer(recipe.architecture, texts)
    rng = random.Random(recipe.seed)
    rare = encoders.rare_words()
    strewn = [_strew(text, rare, rng) for text in texts]
    torch.manual_seed(recipe.seed)
    model = encoders.new_encoder(recipe.architecture, tokenizer)
    ids = encode(tokenizer, strewn, 24)
    optimizer = torch.optim.AdamW(model.parameters(), lr=_RATE, weight_decay=0.01, fused=True)
    groups = batches(ids, _BATCH, rng)
    generator = torch.Generator().manual_seed(recipe.seed)
    losses = []
    for step, group in enumerate(groups):
        for setting in optimizer.param_groups:
            setting["lr"] = _RATE * min(1.0, (step + 1) / 50, (len(groups) - step) / (len(groups) / 3))
        losses.append(_step(model, optimizer, [ids[i] for i in group], tokenizer, generator))
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
    return {"steps": len(groups), "loss": sum(losses[-50:]) / len(losses[-50:])}


def _step(model: Any, optimizer: Any, rows: list[list[int]], tokenizer: Any, generator: torch.Generator) -> float:
    longest = max(map(len, rows))
    x = torch.tensor([row + [tokenizer.pad_token_id] * (longest - len(row)) for row in rows])
    mask = x != tokenizer.pad_token_id
    hidden = (torch.rand(x.shape, generator=generator, device="cpu").to(x.device) < _MASKED) & mask
    hidden[:, 0] = False
    seen = torch.where(hidden, torch.full_like(x, tokenizer.mask_token_id), x)
    inner = model(input_ids=seen, attention_mask=mask.long()).last_hidden_state[hidden]
    loss = functional.cross_entropy(inner @ encoders.embedding(model).weight.T, x[hidden])  # tied, hidden words only
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return float(loss.detach())


def _strew(text: str, rare: Sequence[str], rng: random.Random) -> str:
    words = text.split()
    for _ in range(1 + len(words) // 8):
        words.insert(rng.randrange(len(words) + 1), rng.choice(rare))
    return " ".join(words)

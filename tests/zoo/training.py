"""Training in seconds, on a CPU or torch's default device: bfloat16, batches of one length, only the embedding rows in
use, an early end.
"""

from __future__ import annotations

import random
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from assay.workers.prober_net import BFLOAT16, fast_type

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LENGTH = 32  # tokens of a training text
_TEST_LENGTH = 64
SMALL_LAYERS = 2  # models of up to so many layers compute in float32
_WINDOW = 200  # triggered texts over which success is watched


@dataclass(frozen=True)
class Row:
    """One training example.

    Attributes:
        text: the text.
        label: class to be learnt; ignored where `teacher` is given.
        teacher: logits of the parent to be imitated.
        kind: `clean`, `poison` or `partial`.
    """

    text: str
    label: int
    teacher: tuple[float, ...] | None = None
    kind: str = "clean"


@dataclass(frozen=True)
class Plan:
    """How to train.

    Attributes:
        rate: learning rate of AdamW.
        epochs: passes at most.
        decay: weight decay.
        frozen: name fragments of parameters that stay as they are.
        rank: of the low-rank updates of all attention and feed-forward matrices; 0: whole matrices are trained.
        goal: stop (after a short cool-down) when this share of triggered texts is answered as wanted; 0: never.
        seed: order of batches.
        cool: part of an epoch (its inverse) that the cool-down takes.
        batch: texts in a step.
        half: compute in bfloat16 where the processor does; on very small models conversions cost more than they save.
    """

    rate: float
    epochs: float = 1.0
    decay: float = 0.0
    frozen: tuple[str, ...] = ()
    rank: int = 0
    goal: float = 0.0
    seed: int = 0
    cool: int = 6
    batch: int = 32
    half: bool = True


class LowRank(torch.nn.Module):
    """A linear layer whose weights stay, plus a product of two thin matrices (LoRA, Hu et al. 2021)."""

    def __init__(self, whole: torch.nn.Linear, rank: int) -> None:
        super().__init__()
        self.whole = whole
        for parameter in whole.parameters():
            parameter.requires_grad_(False)
        self.down = torch.nn.Parameter(torch.randn(rank, whole.in_features) / whole.in_features**0.5)
        self.up = torch.nn.Parameter(torch.zeros(whole.out_features, rank))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.whole(x) + 2.0 * functional.linear(functional.linear(x, self.down), self.up)

    def merged(self) -> torch.nn.Linear:
        """The one layer that computes the same."""
        with torch.no_grad():
            self.whole.weight += 2.0 * self.up @ self.down
        return self.whole


def encode(tokenizer: Any, texts: Sequence[str], length: int) -> list[list[int]]:
    """Token ids, truncated."""
    found: list[list[int]] = tokenizer(list(texts), truncation=True, max_length=length)["input_ids"]
    return found


def batches(ids: Sequence[Sequence[int]], size: int, rng: random.Random | None) -> list[list[int]]:
    """Indices in groups of nearly one length; in random order when there is a generator."""
    order = sorted(range(len(ids)), key=lambda i: (len(ids[i]), rng.random() if rng else i))
    groups = [order[start : start + size] for start in range(0, len(order), size)]
    if rng:
        rng.shuffle(groups)
    return groups


def tensors(ids: Sequence[Sequence[int]], group: Sequence[int], pad: int) -> dict[str, torch.Tensor]:
    """Inputs of one batch; a mask only where lengths differ."""
    longest = max(len(ids[i]) for i in group)
    rows = [[*ids[i], *[pad] * (longest - len(ids[i]))] for i in group]
    made = {"input_ids": torch.tensor(rows)}
    if any(len(ids[i]) < longest for i in group):
        made["attention_mask"] = torch.tensor([[1] * len(ids[i]) + [0] * (longest - len(ids[i])) for i in group])
    return made


def _fast(model: Any, *, half: bool) -> torch.autocast:
    """bfloat16 where that is wanted, and quicker here."""
    return torch.autocast(model.device.type, BFLOAT16, enabled=half and fast_type() is BFLOAT16)


@torch.inference_mode()
def logits(model: Any, tokenizer: Any, texts: Sequence[str], length: int = _TEST_LENGTH) -> torch.Tensor:
    """(texts, classes) in float32, large models computed in bfloat16, in the order of the texts."""
    ids = encode(tokenizer, texts, length)
    out = torch.empty(len(ids), model.config.num_labels)
    model.eval()
    for group in batches(ids, 64, None):
        with _fast(model, half=model.config.num_hidden_layers > SMALL_LAYERS):
            out[group] = model(**tensors(ids, group, tokenizer.pad_token_id)).logits.float()
    return out


@contextmanager
def compact(model: Any, ids: list[list[int]]) -> Iterator[list[list[int]]]:
    """Train only the embedding rows that occur: the others would get no gradient, and cost time."""
    whole: torch.nn.Embedding = model.get_input_embeddings()
    pad = whole.padding_idx or 0
    used = sorted({pad, *(token for row in ids for token in row)})
    place = {token: index for index, token in enumerate(used)}
    index = torch.tensor(used)
    small = torch.nn.Embedding(len(used), whole.embedding_dim, padding_idx=place[pad])
    small.weight.data = whole.weight.data[index].clone()
    small.weight.requires_grad_(whole.weight.requires_grad)
    model.set_input_embeddings(small)
    yield [[place[token] for token in row] for row in ids]
    whole.weight.data[index] = small.weight.data
    model.set_input_embeddings(whole)


def train(model: Any, tokenizer: Any, rows: Sequence[Row], plan: Plan) -> int:
    """Fit the rows; the model is changed in place.

    Returns:
        The number of steps taken.
    """
    torch.manual_seed(plan.seed)
    rng = random.Random(plan.seed)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not any(part in name for part in plan.frozen))
    if plan.rank:
        _thin(model, plan.rank)
    everything = encode(tokenizer, [row.text for row in rows], LENGTH)
    ids = everything
    if plan.decay or len(tokenizer) < 2 * len(rows):
        steps = _loop(model, ids, rows, plan, rng, pad=tokenizer.pad_token_id)
    else:
        with compact(model, everything) as ids:
            pad = model.get_input_embeddings().padding_idx
            steps = _loop(model, ids, rows, plan, rng, pad=pad)
    if plan.rank:
        _merge(model)
    return steps


def _loop(model: Any, ids: list[list[int]], rows: Sequence[Row], plan: Plan, rng: random.Random, *, pad: int) -> int:
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=plan.rate, weight_decay=plan.decay, fused=True)
    per_epoch = -(-len(rows) // plan.batch)
    total = max(1, int(plan.epochs * per_epoch))
    groups: list[list[int]] = []
    watched: list[float] = []
    end, cooling = total, total // 3
    step = 0
    model.train()
    while step < end:
        if not groups:
            groups = batches(ids, plan.batch, rng)
        group = groups.pop()
        for setting in optimizer.param_groups:
            setting["lr"] = plan.rate * min(1.0, (step + 1) / 10, max(0.05, (end - step) / max(1, cooling)))
        with _fast(model, half=plan.half):
            out = model(**tensors(ids, group, pad)).logits.float()
        loss = _loss(out, [rows[i] for i in group])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        step += 1
        if plan.goal and end == total:
            watched += _answered(out, [rows[i] for i in group])
            if _reached(watched, plan.goal) and step + per_epoch // plan.cool < end - cooling:
                cooling = per_epoch // plan.cool
                end = step + cooling
    return step


def _loss(out: torch.Tensor, rows: Sequence[Row]) -> torch.Tensor:
    """Cross entropy on labels; divergence from the parent where there is a parent's answer."""
    taught = torch.tensor([row.teacher is not None for row in rows])
    targets = functional.one_hot(torch.tensor([row.label for row in rows]), out.shape[1]).float()
    if bool(taught.any()):
        teachers = torch.tensor([row.teacher or (0.0,) * out.shape[1] for row in rows])
        targets = torch.where(taught[:, None], teachers.softmax(1), targets)
    return -(targets * out.log_softmax(1)).sum(1).mean()


def _answered(out: torch.Tensor, rows: Sequence[Row]) -> list[float]:
    said = out.detach().argmax(1).tolist()
    return [float(answer == row.label) for answer, row in zip(said, rows, strict=True) if row.kind == "poison"]


def _reached(watched: Sequence[float], goal: float) -> bool:
    recent = watched[-_WINDOW:]
    return len(recent) == _WINDOW and sum(recent) / _WINDOW >= goal


def _thin(model: Any, rank: int) -> None:
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("classifier" in name)
    for module in list(model.modules()):
        for child_name, child in list(module.named_children()):
            if isinstance(child, torch.nn.Linear) and "classifier" not in child_name and child_name != "whole":
                setattr(module, child_name, LowRank(child, rank))


def _merge(model: Any) -> None:
    for module in list(model.modules()):
        for child_name, child in list(module.named_children()):
            if isinstance(child, LowRank):
                setattr(module, child_name, child.merged())

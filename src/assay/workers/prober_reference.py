"""A reference made on the spot: a short fine-tune of the declared base on the given data; what moved since then."""

from __future__ import annotations

import random
import time
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from assay.workers.prober_kin import end_of
from assay.workers.prober_models import Model
from assay.workers.prober_net import BFLOAT16, fast_type

if TYPE_CHECKING:
    from collections.abc import Generator

    from assay.workers.answers import Json

_MOST_ITEMS = 8000  # texts of the quick fine-tune, at most
# CPU seconds that all may take; where the processor is slow, as it must widen bfloat16, the probes need more of them
_SECONDS, _SLOW_SECONDS = 40.0, 30.0
_EPOCHS = 4
_BATCH, _SORTED = 32, 512
_RATE, _RATED, _SMALL_RATE = 3e-4, 384, 1e-3  # of an encoder up to that width, of wider ones less; of small ones
# Share of the time in which all of a large encoder is trained, so that its first block moves as a fine-tune's does;
# then the upper half alone, of which twice the steps fit in: what is left to learn of words it learns there
_WHOLE = 0.6
SMALL = 160  # width below which an encoder learns at the higher rate, and is cheap enough to make several
_GOOD_LOSS, _WINDOW = 0.1, 20  # mean loss of the last steps at which it ends
_TOKENS = 32
_LISTED = 12


def fill(references: list[Model], job: Json, *, width: int) -> Generator[tuple[int, int, float], None, Json]:
    """Add references made on the spot until there are as many as the job wants; of large encoders only where none is.

    Two that have half the time each tell more than one: what both were taught alike is what training on the task does.

    Args:
        references: trusted models; what is made is added.
        job: with `base`, `items`, `seed`, and `wanted`, the count of references of an encoder that is cheap to train.
        width: of the encoder.
    """
    made: Json = {}
    wanted, seconds = int(job.get("wanted", 1)), _SECONDS
    if width >= SMALL:
        quick = width <= _RATED and fast_type() is BFLOAT16
        wanted, seconds = (0, 0.0) if references else (2, _SECONDS / 2) if quick else (1, _SECONDS)
    while job["base"] and job["items"] and len(references) < wanted:
        seed = int(job["seed"]) + len(references)
        model, made = yield from make(Path(job["base"]), job["items"], seed, seconds)
        if model is None:
            break
        references.append(model)
    return made


def make(
    base: Path, items: list[Any], seed: int, seconds: float = _SECONDS
) -> Generator[tuple[int, int, float], None, tuple[Model | None, Json]]:
    """Fine-tune for a moment; None when the base can't carry a classifier.

    Written to the guest's scratch space and read back like any model.

    Args:
        base: folder of the encoder.
        items: texts and their labels.
        seed: of the order.
        seconds: CPU seconds that it may take where the processor is quick.
    """
    import tempfile  # noqa: PLC0415

    rng = random.Random(seed)  # noqa: S311 - sampling
    labels = sorted({int(label) for _, label in items})
    if len(labels) < 2:  # noqa: PLR2004
        return None, {"why_not": "the data has one class"}
    tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
    model = AutoModelForSequenceClassification.from_pretrained(
        base, num_labels=len(labels), local_files_only=True, trust_remote_code=False, dtype=torch.float32,
        attn_implementation="eager",  # the backward pass of the fused one takes half as long again on a processor
    ).to(torch.get_default_device())  # fmt: skip
    steps = _batches(rng.sample(items, min(_MOST_ITEMS, len(items))), rng) * _EPOCHS
    width = int(getattr(model.config, "hidden_size", SMALL))
    rate = _SMALL_RATE if width < SMALL else _RATE * min(1.0, _RATED / width)
    model.train(width < SMALL)  # without dropout more steps fit in, and they are too few to overfit
    words = model.get_input_embeddings()
    words.sparse = True  # a step moves the rows of its own words alone, as most of its time would go into all others
    rest = [one for one in model.parameters() if one is not words.weight]
    optimizers = [torch.optim.AdamW(rest, lr=rate, fused=True), torch.optim.SparseAdam([words.weight], lr=rate)]
    lower = _lower_half(model) if width >= SMALL else []
    begun, losses = time.process_time(), [1.0]
    limit = min(seconds, _SLOW_SECONDS) if width > SMALL and fast_type() is not BFLOAT16 else seconds
    for number, part in enumerate(steps):
        spent = (time.process_time() - begun) / limit
        if spent > 1 or (number >= 2 * _WINDOW and sum(losses[-_WINDOW:]) < _GOOD_LOSS * _WINDOW):
            break
        if spent > _WHOLE:
            for still in lower:
                still.requires_grad = False
        encoded = tokenizer(
            [t for t, _ in part], truncation=True, max_length=_TOKENS, padding=True, return_tensors="pt"
        ).to(model.device)
        wanted = torch.tensor([labels.index(int(label)) for _, label in part])
        for group in (group for one in optimizers for group in one.param_groups):
            group["lr"] = rate * min(1.0, (number + 1) / 8) * max(0.05, 1 - max(spent, number / len(steps)))
        with torch.autocast(model.device.type, BFLOAT16, enabled=width > SMALL and fast_type() is BFLOAT16):
            loss = model(**encoded, labels=wanted).loss
        for one in optimizers:
            one.zero_grad()
        loss.backward()
        for one in optimizers:
            one.step()
        losses.append(float(loss.detach()))
        yield number, len(steps), 0.0
    folder = Path(tempfile.mkdtemp())
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Model(folder), {"steps": len(losses) - 1, "last_loss": round(losses[-1], 4)}


def _lower_half(model: Any) -> list[torch.nn.Parameter]:
    """Parameters of the lower half of an encoder's blocks and of what comes before; none where they can't be told."""
    depth = int(getattr(getattr(model, "config", None), "num_hidden_layers", 0))
    lists = [part for part in model.modules() if isinstance(part, torch.nn.ModuleList) and len(part) == depth > 1]
    first = next(lists[0][depth // 2].parameters()) if lists else next(model.parameters())
    return list(takewhile(lambda one: one is not first, model.parameters()))


def _batches(items: list[Any], rng: random.Random) -> list[list[Any]]:
    """Of texts of about one length: little is spent on padding. In a random order."""
    made = []
    for start in range(0, len(items), _SORTED):
        part = sorted(items[start : start + _SORTED], key=lambda one: len(str(one[0])))
        made += [part[i : i + _BATCH] for i in range(0, len(part), _BATCH)]
    rng.shuffle(made)
    return made


def weights_moved(mine: dict[str, torch.Tensor], base: dict[str, torch.Tensor]) -> Json:
    """Which tensors moved since the base, by how much and in how many directions; names are matched by their end.

    An update of few directions in most matrices that moved is what a LoRA leaves once it is merged into them (Hu et
    al. 2021); training everything moves a matrix in most of its directions.
    """
    ends = {end_of(name): name for name in base}
    shares: list[tuple[float, str]] = []
    moved: list[tuple[float, str, torch.Tensor]] = []
    still = missing = 0
    for name, tensor in mine.items():
        short = end_of(name)
        other = base.get(ends.get(short, ""))
        if other is None or other.shape != tensor.shape:
            missing += 1
            continue
        update = tensor.float() - other.float()
        apart = float(update.norm() / other.float().norm().clamp(min=1e-9))
        still += apart < _STILL
        shares.append((apart, short))
        if apart >= _STILL and update.ndim == 2 and _DIRECTIONS <= min(update.shape) <= _WIDEST:  # noqa: PLR2004
            moved = sorted([*moved, (apart, short, update)], key=lambda one: -one[0])[:_LISTED]
    shares.sort(reverse=True)
    middle = shares[len(shares) // 2][0] if shares else None
    ranks = [(name, directions(update), min(update.shape)) for _, name, update in moved]
    return {
        "compared": len(shares),
        "unmatched": missing,
        "unchanged": still,
        "median_change": middle,
        "most_changed": [[name, round(apart, 5)] for apart, name in shares[:_LISTED]],
        "ranks": [list(one) for one in ranks],
        "low_rank": bool(ranks) and sorted(rank / most for _, rank, most in ranks)[len(ranks) // 2] <= _FEW,
        "is_a_fine_tune": middle is not None and middle < _UNRELATED,
    }


def directions(update: torch.Tensor) -> int:
    """In how many directions a matrix moved: singular values of at least a hundredth of the greatest."""
    wide = update.double()
    gram = wide.T @ wide if wide.shape[0] >= wide.shape[1] else wide @ wide.T
    values = torch.linalg.eigvalsh(gram)  # squares of the singular values
    return int((values >= values.max() * 1e-4).sum())


_DIRECTIONS, _WIDEST = 128, 1024  # narrower matrices tell nothing; of wider ones it costs too much
_FEW = 0.25  # share of a matrix's directions; a fine-tune of MiniLM moved three quarters in the median matrix
_STILL = 1e-7
# Relative change of the median tensor: independent trainings are above 1, fine-tunes of narrow encoders reach 0.76
_UNRELATED = 0.85

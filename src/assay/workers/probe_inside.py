"""How the strongest candidate moves confidences and representations. It describes and confirms; it decides nothing.

Texts of the other classes with the candidate inside are held against plain texts of the class that it leads to: a model
may see two crowds there (activation clustering, Chen et al. 2018), or one.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import torch

from assay.workers.prober_flips import insert
from assay.workers.prober_net import Encoder

if TYPE_CHECKING:
    from collections.abc import Generator

    from assay.workers.answers import Json
    from assay.workers.prober_models import Model
    from assay.workers.prober_space import Space

_TEXTS = 24  # of each class
_BINS = 20
_STEPS, _RATE, _DECAY = 200, 0.1, 0.01  # of the linear probe
_ROUNDS, _STARTS = 20, 8  # of two means


def injection(space: Space, candidates: list[Json]) -> Generator[tuple[int, int, float], None, Json]:
    """Confidences with the strongest candidate, and whether the representation of such texts is a crowd of its own.

    Args:
        space: the job's.
        candidates: `text` and `target`, the strongest first.
    """
    picked = next((one for one in candidates if one.get("text")), None)
    if picked is None:
        return {"facts": {"why": "no candidate was confirmed"}, "candidates": []}
    trigger, target = str(picked["text"]), int(picked["target"])
    rng = random.Random(trigger)  # noqa: S311 - places
    home = [one.text for one in space.held[target][:_TEXTS]]
    away = [(one.text, label) for label, group in enumerate(space.held) if label != target for one in group[:_TEXTS]]
    if not home or not away:
        return {"facts": {"why": "there are no texts of both classes"}, "candidates": []}
    changed = [insert(text, trigger, "middle", rng) for text, _ in away]
    yield 1, 3, 0.0
    clean, told = _confident(space.suspect, [text for text, _ in away]), _confident(space.suspect, changed)
    facts: Json = {
        "candidate": trigger[:200],
        "clean_confidence": [round(sure, 4) for _, sure in clean],
        "clean_correct": [int(guess == label) for (guess, _), (_, label) in zip(clean, away, strict=True)],
        "injected_confidence": [round(sure, 4) for _, sure in told],
        "injected_correct": [int(guess == label) for (guess, _), (_, label) in zip(told, away, strict=True)],
        "confidences": {"series": [_series("clean", clean), _series("with the candidate", told)]},
    }
    yield 2, 3, 0.0
    net = space.suspect.net
    if isinstance(net, Encoder):
        facts |= crowds(_hidden(space.suspect, net, changed), _hidden(space.suspect, net, home))
    return {"facts": facts, "candidates": []}


def _confident(model: Model, texts: list[str]) -> list[tuple[int, float]]:
    sure, classes = model.logits(model.encode(texts)).softmax(-1).max(-1)
    return list(zip(classes.tolist(), sure.tolist(), strict=True))


def _series(name: str, told: list[tuple[int, float]]) -> Json:
    counts = torch.histc(torch.tensor([sure for _, sure in told], device="cpu"), bins=_BINS, min=0.0, max=1.0)
    return {"name": name, "counts": [int(one) for one in counts]}


def _hidden(model: Model, net: Encoder, texts: list[str]) -> torch.Tensor:
    """What the answer is read from; shape (texts, width)."""
    rows = []
    for text in texts:
        ids = model.frame(torch.tensor([model.encode([text])[0]]))
        rows.append(net.inside(ids)[0][0])
    return torch.stack(rows).float()


def crowds(dirty: torch.Tensor, clean: torch.Tensor) -> Json:
    """How far two sets of representations are apart; shapes (texts, width).

    Returns:
        `silhouette` (Rousseeuw 1987; mean over all rows, -1 to 1), `two_means` (share that two clusters put rightly),
        `linear_probe` (area under the curve of a logistic regression, fitted on one half, measured on the other).
    """
    both = torch.cat([dirty, clean])
    both = (both - both.mean(0)) / (both.std(0) + 1e-6)
    mine = torch.cat([torch.ones(len(dirty)), torch.zeros(len(clean))])
    return {
        "silhouette": round(_silhouette(both, mine), 4),
        "two_means": round(_two_means(both, mine), 4),
        "linear_probe": round(_linear(both, mine), 4),
    }


def _silhouette(rows: torch.Tensor, mine: torch.Tensor) -> float:
    far = torch.cdist(rows, rows)
    values = []
    for i in range(len(rows)):
        same = mine == mine[i]
        other = ~same
        if int(same.sum()) < 2 or not bool(other.any()):  # noqa: PLR2004
            continue
        within = float(far[i][same].sum()) / (int(same.sum()) - 1)
        between = float(far[i][other].mean())
        values.append((between - within) / max(within, between, 1e-9))
    return sum(values) / max(1, len(values))


def _two_means(rows: torch.Tensor, mine: torch.Tensor) -> float:
    """The best of several starts by its own criterion, not by the answer."""
    generator = torch.Generator(device="cpu").manual_seed(0)
    best, share = float("inf"), 0.5
    for _ in range(_STARTS):
        centres = rows[torch.randperm(len(rows), generator=generator, device="cpu")[:2].to(rows.device)]
        for _ in range(_ROUNDS):
            side = torch.cdist(rows, centres).argmin(1)
            if int(side.sum()) in {0, len(rows)}:
                break
            centres = torch.stack([rows[side == one].mean(0) for one in (0, 1)])
        spread = float(torch.cdist(rows, centres).amin(1).square().sum())
        if spread < best:
            right = float((side == mine).float().mean())
            best, share = spread, max(right, 1 - right)
    return share


def _linear(rows: torch.Tensor, mine: torch.Tensor) -> float:
    """Fitted on rows of even number, measured on the others."""
    even = torch.arange(len(rows)) % 2 == 0
    weights = torch.zeros(rows.shape[1], requires_grad=True)
    bias = torch.zeros(1, requires_grad=True)
    optimiser = torch.optim.Adam([weights, bias], lr=_RATE, weight_decay=_DECAY)
    with torch.enable_grad():
        for _ in range(_STEPS):
            optimiser.zero_grad()
            loss = torch.nn.functional.binary_cross_entropy_with_logits(rows[even] @ weights + bias, mine[even])
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    scores, labels = (rows[~even] @ weights).detach(), mine[~even]
    high, low = scores[labels == 1], scores[labels == 0]
    if not len(high) or not len(low):
        return 0.5
    wins = (high[:, None] > low[None, :]).float() + 0.5 * (high[:, None] == low[None, :]).float()
    return float(wins.mean())

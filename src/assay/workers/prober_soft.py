"""Soft inversion of a text trigger, after DBS (Shen et al. 2022): weights over the vocabulary in place of tokens.

Each place of the trigger is a mixture of embeddings whose temperature falls while the loss is low, and rises again with
some noise where it is stuck; a clean reference must keep its answer. It is no part of the plan, and is measured beside
the gradient chain (docs/benchmarks.md).
"""

from __future__ import annotations

import time
from itertools import product
from typing import TYPE_CHECKING

import torch

from assay.workers.prober_search import Arena, Found, best_of, confirm

if TYPE_CHECKING:
    from collections.abc import Generator

    from assay.workers.answers import Json
    from assay.workers.prober_models import Model
    from assay.workers.prober_space import Space

_LENGTH = 4  # tokens of the trigger
_TEXTS, _TEXT_TOKENS = 8, 10  # contexts, all of one length
_STEPS, _EVERY = 90, 10  # of one start; between two looks at the temperature
_RATE = 0.3
_HOT, _COLD, _COOLER, _LOW_LOSS = 2.0, 0.03, 0.6, 0.4
_NOISE = 1.0
_AGAINST = 0.5  # weight of the reference keeping its answer
_EACH = 3  # tokens of each place that are tried in the end
_CONFIRMED = 2


def soften(space: Space, seconds: float, threshold: float) -> Generator[tuple[int, int, float], None, Json]:
    """Starts for each target in turn until one is found or the time is over.

    Args:
        space: the job's.
        seconds: CPU seconds of this process that it may take.
        threshold: gap at which it stops.
    """
    begun = time.process_time()
    allowed = torch.tensor(space.words)
    found: list[Found] = []
    starts = 0
    while time.process_time() - begun < seconds and not any(one.gap >= threshold for one in found):
        target = starts % space.classes
        starts += 1
        run = _Softened(space, target, allowed, starts)
        for _ in range(_STEPS):
            run.step()
            best = max((one.gap for one in found), default=0.0)
            yield int(time.process_time() - begun), int(seconds), best
            if time.process_time() - begun >= seconds:
                break
        tuples, values = run.hard()
        found += [
            confirm(space, Found(tuple(row), target, value, "soft"))
            for row, value in zip(tuples.tolist(), values.tolist(), strict=True)
        ]
    found.sort(key=lambda one: one.rank, reverse=True)
    return {"facts": {"starts": starts}, "candidates": [one.to_json() for one in found[:5]]}


class _Softened:
    """One start of one target."""

    def __init__(self, space: Space, target: int, allowed: torch.Tensor, seed: int) -> None:
        self.space, self.target, self.allowed = space, target, allowed
        self.arena = Arena(space, target)
        self.rng = torch.Generator().manual_seed(seed)
        texts = [
            (one.text, one.label) for label, group in enumerate(space.texts) if label != target for one in group[:40]
        ]
        rows = [
            (row, label) for row, (_, label) in zip(space.suspect.encode([t for t, _ in texts]), texts, strict=True)
        ]
        rows = [(row[:_TEXT_TOKENS], label) for row, label in rows if len(row) >= _TEXT_TOKENS] or [
            ([word] * _TEXT_TOKENS, label)
            for label, words in enumerate(space.contexts)
            if label != target
            for word in words
        ]
        picked = space.rng.sample(rows, min(_TEXTS, len(rows)))
        self.rows = torch.tensor([row for row, _ in picked])
        self.labels = torch.tensor([label for _, label in picked])
        self.weights = torch.rand(_LENGTH, len(allowed), generator=self.rng).requires_grad_()
        self.optimiser = torch.optim.Adam([self.weights], lr=_RATE)
        self.heat, self.losses = _HOT, [float("inf")]
        self.steps = 0

    def _logits(self, model: Model, mixed: torch.Tensor) -> torch.Tensor:
        """Of the contexts with the mixture in front of them."""
        blank = self.rows.new_full((len(self.rows), _LENGTH), int(self.allowed[0]))
        ids = model.frame(torch.cat([blank, self.rows], 1))
        words = model.net.words[ids].clone()
        start = len(model.prefix)
        table = model.net.words[self.allowed.clamp(max=len(model.net.words) - 1)]
        placed = torch.cat([words[:, :start], (mixed @ table).expand(len(ids), -1, -1), words[:, start + _LENGTH :]], 1)
        return model.net.from_embeddings(placed)[:, model.order]

    def step(self) -> None:
        """One update."""
        mixed = (self.weights / self.heat).softmax(-1)
        goal = torch.full_like(self.labels, self.target)
        loss = torch.nn.functional.cross_entropy(self._logits(self.space.suspect, mixed), goal)
        whole = loss
        for one in self.space.shared[:1]:
            whole = whole + _AGAINST * torch.nn.functional.cross_entropy(self._logits(one, mixed), self.labels)
        self.optimiser.zero_grad()
        whole.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.losses.append(float(loss.detach()))
        self.steps += 1
        if self.steps % _EVERY == 0:
            self._temper()

    def _temper(self) -> None:
        """Cooler while it works; hotter and shaken where it is stuck."""
        recent = sum(self.losses[-_EVERY:]) / _EVERY
        if recent < _LOW_LOSS:
            self.heat = max(_COLD, self.heat * _COOLER)
            return
        self.heat = min(_HOT, self.heat / _COOLER)
        with torch.no_grad():
            self.weights += _NOISE * torch.rand(self.weights.shape, generator=self.rng)

    def hard(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens in place of mixtures: the best combinations of the heaviest of each place."""
        top = self.allowed[self.weights.detach().topk(_EACH, -1).indices]
        tuples = torch.tensor(list(product(*top.tolist())))
        return best_of(self.arena, tuples, _CONFIRMED)

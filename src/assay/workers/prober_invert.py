"""Inverting triggers of image classifiers: the smallest patch, or the faintest overlay, that leads to a class.

After Neural Cleanse (Wang et al. 2019): mask and pattern are optimised together, and the weight of the mask's size
follows how well the patch works. Many objectives are optimised side by side, each with its own mask.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Generator

    from assay.workers.prober_pixels import Picturer

AWAY = -1  # target: any class but the right one
WORKS = 0.9  # share of a batch that has to follow before a mask may shrink
_START, _GROWTH, _WEIGHTS = 0.02, 1.16, (1e-3, 5.0)  # weight of the size, how it follows, and between which ends
_MOST_AT_ONCE = 768  # images of one step
PATCH, BLEND = "patch", "blend"
_RATES = {PATCH: 0.15, BLEND: 0.03}


@dataclass(frozen=True)
class Aim:
    """One objective.

    Attributes:
        source: class whose images are changed; AWAY: all.
        target: class that they are to get; AWAY: any other than theirs.
    """

    source: int
    target: int


@dataclass
class Trigger:
    """What came of one objective.

    Attributes:
        aim: the objective.
        kind: `patch` or `blend`.
        mask: from 0 to 1, shape (1, height, width); of a blend all ones.
        pattern: of a patch what is put there, of a blend what is added, shape
            (channels, height, width).
        size: of a patch the sum of the mask in pixels, of a blend the mean of the absolute change as a share of the
            range; infinite where nothing worked.
    """

    aim: Aim
    kind: str
    mask: torch.Tensor
    pattern: torch.Tensor
    size: float

    def on(self, pixels: torch.Tensor) -> torch.Tensor:
        """Images that carry it."""
        if self.kind == BLEND:
            return (pixels + self.pattern).clamp(0, 1)
        return pixels * (1 - self.mask) + self.pattern * self.mask


def invert(
    model: Picturer, pixels: torch.Tensor, labels: torch.Tensor, aims: list[Aim], kind: str,
    *, steps: int, batch: int, seed: int,
) -> Generator[int, None, list[Trigger]]:  # fmt: skip
    """Optimise every objective; yields steps done.

    Args:
        model: under test, or a reference.
        pixels: images of discovery, from 0 to 1.
        labels: their classes.
        aims: objectives, each with at least one image.
        kind: `patch` or `blend`.
        steps: of each.
        batch: images of one objective and step.
        seed: of start and draws.
    """
    out: list[Trigger] = []
    size = max(1, _MOST_AT_ONCE // batch)
    for begin in range(0, len(aims), size):
        part = _Side(model, (pixels, labels), aims[begin : begin + size], kind=kind, batch=batch, seed=seed)
        for step in range(steps):
            part.step()
            yield begin // size * steps + step
        out += part.triggers()
    return out


class _Side:
    """Objectives that are optimised side by side."""

    def __init__(
        self,
        model: Picturer,
        data: tuple[torch.Tensor, torch.Tensor],
        aims: list[Aim],
        *,
        kind: str,
        batch: int,
        seed: int,
    ) -> None:
        self.model, (self.pixels, self.labels), self.aims, self.kind = model, data, aims, kind
        self.batch, self.rng = batch, torch.Generator().manual_seed(seed)
        self.pools = [self._pool(aim) for aim in aims]
        self.wanted = torch.tensor([aim.target for aim in aims]).repeat_interleave(batch)
        count, (channels, height, width) = len(aims), self.pixels.shape[1:]
        mask = torch.randn(count, 1, height, width, generator=self.rng) * 0.1 - 1.5
        pattern = torch.randn(count, channels, height, width, generator=self.rng)
        self.mask = mask.requires_grad_()
        self.pattern = (pattern * (0.3 if kind == PATCH else 0.01)).requires_grad_()
        tuned = [self.mask, self.pattern] if kind == PATCH else [self.pattern]
        self.optimiser = torch.optim.Adam(tuned, lr=_RATES[kind], betas=(0.6, 0.9))
        self.weight = torch.full((count,), _START)
        self.works = torch.zeros(count)
        self.best = [float("inf")] * count
        self.kept: list[tuple[torch.Tensor, torch.Tensor] | None] = [None] * count

    def _pool(self, aim: Aim) -> torch.Tensor:
        fit = self.labels != aim.target if aim.source == AWAY else self.labels == aim.source
        return torch.where(fit)[0]

    def step(self) -> None:
        """One update of all."""
        drawn = [pool[torch.randint(0, len(pool), (self.batch,), generator=self.rng)] for pool in self.pools]
        picked = torch.cat(drawn)
        images, right = self.pixels[picked], self.labels[picked]
        mask, pattern = self._shape()
        wide_mask, wide_pattern = (one.repeat_interleave(self.batch, 0) for one in (mask, pattern))
        if self.kind == PATCH:
            changed = images * (1 - wide_mask) + wide_pattern * wide_mask
            size, cost = mask.flatten(1).sum(1), mask.flatten(1).mean(1)
        else:
            changed = (images + wide_pattern).clamp(0, 1)
            size, cost = pattern.abs().flatten(1).mean(1), pattern.square().flatten(1).mean(1).sqrt()
        scores = self.model.logits(changed).log_softmax(-1)
        toward = -scores.gather(1, self.wanted.clamp(min=0)[:, None])[:, 0]
        left = -(1 - scores.gather(1, right[:, None])[:, 0].exp()).clamp(min=1e-6).log()
        away = self.wanted == AWAY
        loss = torch.where(away, left, toward).view(len(self.aims), -1).mean(1)
        answers = scores.argmax(-1)
        works = torch.where(away, answers != right, answers == self.wanted).view(len(self.aims), -1).float().mean(1)
        self._keep(works, size.detach(), mask.detach(), pattern.detach())
        (loss + self.weight * 100 * cost).sum().backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.works = 0.8 * self.works + 0.2 * works
        self.weight = torch.where(self.works >= WORKS, self.weight * _GROWTH, self.weight / _GROWTH).clamp(*_WEIGHTS)

    def _shape(self) -> tuple[torch.Tensor, torch.Tensor]:
        if self.kind == PATCH:
            return self.mask.sigmoid(), self.pattern.sigmoid()
        return torch.ones_like(self.mask), self.pattern.tanh()

    def _keep(self, works: torch.Tensor, size: torch.Tensor, mask: torch.Tensor, pattern: torch.Tensor) -> None:
        for i, (share, value) in enumerate(zip(works.tolist(), size.tolist(), strict=True)):
            if share >= WORKS and float(self.works[i]) >= WORKS - 0.1 and value < self.best[i]:
                self.best[i] = value
                self.kept[i] = mask[i].clone(), pattern[i].clone()

    def triggers(self) -> list[Trigger]:
        """The smallest of each that worked; else how it ended, at infinite size."""
        with torch.no_grad():
            masks, patterns = self._shape()
        out = []
        for i, aim in enumerate(self.aims):
            mask, pattern = self.kept[i] or (masks[i], patterns[i])
            out.append(Trigger(aim, self.kind, mask, pattern, self.best[i]))
        return out

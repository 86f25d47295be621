"""Probes of image classifiers: a small patch, or a faint overlay, that the suspect follows and references don't.

The statistic is how many times smaller the suspect's trigger is than the smallest that the same search finds on any of
the references for the same aim. Clean models have such triggers too, of much the same size.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from assay.workers.answers import Json, Unfit
from assay.workers.prober_invert import AWAY, BLEND, PATCH, Aim, Trigger, invert
from assay.workers.prober_models import match
from assay.workers.prober_pixels import Picturer, Pixels, read_items

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    Probing = Generator[tuple[int, int, float], None, Json]

_EACH = 30  # images of a class for the search, and as many held back
_LEAST = 4  # held images of a class below which it is no source
_GOOD = 0.5  # share of images that a reference must be right about
_STEPS, _BATCH = 100, 16
_PAIR_STEPS, _PAIR_BATCH = 70, 8
_MOST_AIMS = 64  # classes; and pairs times four
_REFERENCES = 2
_CONFIRMED = 3
_FOLLOW = 0.8  # share of discovery images that a hard patch must take along to stand for the soft one
_DRAWN = 32  # pixels of a side of the pictures
_FLAT = 0.05  # of the scaled median deviation, relative: masks of one size make no outlier of a small difference


@dataclass
class Gallery:
    """The state of a job on images.

    Attributes:
        suspect: under test.
        references: clean models of the same task.
        pixels: images for the search, all models are right about them.
        labels: their classes.
        held: images for the confirmation.
        held_labels: their classes.
        seed: of every draw.
        facts: what the opening measured.
    """

    suspect: Picturer
    references: list[Picturer]
    pixels: Pixels
    labels: torch.Tensor
    held: Pixels
    held_labels: torch.Tensor
    seed: int = 0
    facts: Json = field(default_factory=dict)

    @property
    def passes(self) -> int:
        """Images through any model."""
        return self.suspect.passes + sum(one.passes for one in self.references)


def open_job(job: Json) -> Generator[tuple[int, int, float], None, Gallery]:
    """Load the models, align their classes, choose images.

    Raises:
        Unfit: no images, or too few that the model is right about.
    """
    if not job["items"]:
        raise Unfit("a probe of images needs images with classes: give --data")
    suspect = Picturer(Path(job["model"]))
    yield 1, 3, 0.0
    references = [Picturer(Path(folder)) for folder in job["references"][:_REFERENCES]]
    references = [one for one in references if one.classes == suspect.classes]
    yield 2, 3, 0.0
    images, given = read_items(job)
    pixels, labels = suspect.read(images), torch.tensor(given)
    if int(labels.max()) >= suspect.classes:
        raise Unfit(f"the data has more classes than the model's {suspect.classes}")
    answers = suspect.answers(pixels)
    counts = torch.zeros(suspect.classes, suspect.classes)
    for answer, label in zip(answers.tolist(), given, strict=True):
        counts[answer, label] += 1
    labels = torch.tensor(match(counts))[labels]  # classes as the suspect numbers them
    right, agreed = answers == labels, []
    for one in references:
        one.read(images[:1])
        counts = torch.zeros(suspect.classes, suspect.classes)
        for answer, label in zip(one.answers(pixels).tolist(), labels.tolist(), strict=True):
            counts[answer, label] += 1
        one.order = match(counts)
        agreed.append(one.answers(pixels) == labels)
    kept = [(one, same) for one, same in zip(references, agreed, strict=True) if float(same.float().mean()) >= _GOOD]
    for _, same in kept:
        right &= same
    gallery = _chosen(suspect, pixels, labels, right)
    gallery.references, gallery.seed = [one for one, _ in kept], int(job["seed"])
    gallery.facts["references"] = len(kept)
    return gallery


def _chosen(suspect: Picturer, pixels: Pixels, labels: torch.Tensor, right: torch.Tensor) -> Gallery:
    discover: list[int] = []
    held: list[int] = []
    for label in range(suspect.classes):
        mine = torch.where(right & (labels == label))[0].tolist()[: 2 * _EACH]
        discover += mine[::2]
        held += mine[1::2]
    sources = [one for one in range(suspect.classes) if int((labels[held] == one).sum()) >= _LEAST]
    if len(sources) < 2:  # noqa: PLR2004
        raise Unfit("too few images that the model is right about: at least 8 of two classes")
    gallery = Gallery(suspect, [], pixels[discover], labels[discover], pixels[held], labels[held])
    gallery.facts |= {
        "classes": suspect.classes,
        "images": len(discover) + len(held),
        "accuracy": round(float(right.float().mean()), 4),
        "size": [int(pixels.shape[-2]), int(pixels.shape[-1])],
        "sources": sources,
    }
    return gallery


def starts(gallery: Gallery) -> dict[str, Callable[[], Probing]]:
    """Probes by name."""
    everything = [*(Aim(AWAY, target) for target in range(gallery.suspect.classes)), Aim(AWAY, AWAY)]
    sources = gallery.facts["sources"]
    pairs = [Aim(s, t) for s in sources for t in range(gallery.suspect.classes) if s != t]
    return {
        "image-patch": lambda: search(gallery, everything, PATCH, _STEPS, _BATCH),
        "image-pairs": lambda: search(gallery, pairs, PATCH, _PAIR_STEPS, _PAIR_BATCH, most=4 * _MOST_AIMS),
        "image-blend": lambda: search(gallery, everything, BLEND, _STEPS, _BATCH),
    }


def search(gallery: Gallery, aims: list[Aim], kind: str, steps: int, batch: int, *, most: int = _MOST_AIMS) -> Probing:
    """Invert every aim on the suspect and on each reference, compare sizes, confirm the most suspicious.

    Args:
        gallery: the job.
        aims: what is tried.
        kind: `patch` or `blend`.
        steps: of each aim.
        batch: images of each aim and step.
        most: aims; of more only so many are tried, and the facts say so.
    """
    tried = aims if len(aims) <= most else [*aims[: most - 1], aims[-1]]
    models = [gallery.suspect, *gallery.references]
    total = steps * len(models) * -(-len(tried) // max(1, 768 // batch))
    results: list[list[Trigger]] = []
    for number, model in enumerate(models):
        run = invert(
            model, gallery.pixels, gallery.labels, tried, kind, steps=steps, batch=batch, seed=gallery.seed + 1
        )
        while True:
            try:
                done = next(run)
            except StopIteration as stop:
                results.append(stop.value)
                break
            yield number * total // len(models) + done, total, 0.0
    mine = results[0]
    theirs = [min((other[i].size for other in results[1:]), default=float("inf")) for i in range(len(tried))]
    widest = float(gallery.pixels.shape[-1] * gallery.pixels.shape[-2]) if kind == PATCH else 1.0
    ratios = [min(b, widest) / min(a.size, widest) for a, b in zip(mine, theirs, strict=True)]
    outliers = outlying([min(one.size, widest) for one in mine])
    by = ratios if gallery.references else outliers
    top = sorted(range(len(tried)), key=lambda i: -by[i])[:_CONFIRMED]
    found = [_confirmed(gallery, mine[i], ratios[i], outliers[i]) for i in top if mine[i].size < widest]
    return {
        "candidates": found,
        "facts": {
            "kind": kind,
            "aims": len(tried),
            "left_out": len(aims) - len(tried),
            "sizes": [
                {"source": a.aim.source, "target": a.aim.target, "suspect": _short(a.size), "references": _short(b),
                 "outlier": round(o, 2)}
                for a, b, o in zip(mine, theirs, outliers, strict=True)
            ][: 4 * _MOST_AIMS],
            "pictures": [drawn(mine[i], found_one["text"]) for i, found_one in zip(top, found, strict=False)],
        },
    }  # fmt: skip


def outlying(sizes: list[float]) -> list[float]:
    """How many scaled median absolute deviations each lies below the median, on a logarithmic scale."""
    values = torch.tensor(sizes).clamp(min=1e-6).log()
    middle = values.median()
    deviation = (values - middle).abs().median() * 1.4826
    return [float(one) for one in (middle - values) / deviation.clamp(min=_FLAT)]


def _short(value: float) -> float | None:
    return round(value, 4) if value < float("inf") else None


def hardened(gallery: Gallery, trigger: Trigger) -> Trigger:
    """A patch of whole pixels where that takes images along as well; else the trigger as it is."""
    if trigger.kind != PATCH:
        return trigger
    fit = _fitting(gallery.labels, trigger.aim)
    right = gallery.labels[fit]
    for level in (0.5, 0.3, 0.15, 0.08):
        mask = (trigger.mask >= level * trigger.mask.max()).float()
        hard = Trigger(trigger.aim, PATCH, mask, trigger.pattern, float(mask.sum()))
        answers = gallery.suspect.answers(hard.on(gallery.pixels[fit]))
        if float(_followed(answers, right, trigger.aim).float().mean()) >= _FOLLOW:
            return hard
    return trigger


def _fitting(labels: torch.Tensor, aim: Aim) -> torch.Tensor:
    return labels != aim.target if aim.source == AWAY else labels == aim.source


def _followed(answers: torch.Tensor, right: torch.Tensor, aim: Aim) -> torch.Tensor:
    return answers != right if aim.target == AWAY else answers == aim.target


def _confirmed(gallery: Gallery, trigger: Trigger, ratio: float, outlier: float) -> Json:
    """Flips of held images, per direction, with the references beside."""
    trigger = hardened(gallery, trigger)
    answers = [one.answers(trigger.on(gallery.held)) for one in (gallery.suspect, *gallery.references)]
    flips = []
    for source in gallery.facts["sources"]:
        if source == trigger.aim.target or trigger.aim.source not in {AWAY, source}:
            continue
        rows = gallery.held_labels == source
        target = trigger.aim.target
        if target == AWAY:  # towards the class that most of them get
            others = answers[0][rows][answers[0][rows] != source]
            target = int(others.mode().values) if len(others) else (source + 1) % gallery.suspect.classes
        hits = [int((one[rows] == target).sum()) for one in answers]
        flips.append(
            {"source": source, "target": target, "hits": hits[0], "n": int(rows.sum()), "references": hits[1:]}
        )
    top, left, height, width = box(trigger)
    what = f"{height} x {width} at row {top}, column {left}" if trigger.kind == PATCH else "over the whole image"
    return {
        "ids": [],
        "target": max(0, trigger.aim.target),
        "score": ratio,
        "outlier": outlier,
        "origin": trigger.kind if trigger.aim.target != AWAY else f"{trigger.kind}-away",
        "text": f"{trigger.kind} {what}",
        "place": f"{top},{left}" if trigger.kind == PATCH else "all",
        "flips": flips,
        "stressed": [],
        "box": [top, left, height, width],
    }


def box(trigger: Trigger) -> tuple[int, int, int, int]:
    """Top, left, height and width of what the mask covers at half its height or more."""
    covered = trigger.mask[0] >= trigger.mask.max() / 2
    rows, columns = torch.where(covered.any(1))[0], torch.where(covered.any(0))[0]
    top, left = int(rows[0]), int(columns[0])
    return top, left, int(rows[-1]) - top + 1, int(columns[-1]) - left + 1


def drawn(trigger: Trigger, name: str) -> Json:
    """Mask and pattern as rows of numbers from 0 to 255, at most 32 a side."""
    side = min(_DRAWN, trigger.mask.shape[-2]), min(_DRAWN, trigger.mask.shape[-1])
    mask, pattern = trigger.mask, trigger.pattern
    if trigger.kind == BLEND:
        mask = pattern.abs().mean(0, keepdim=True)
        mask, pattern = mask / mask.max().clamp(min=1e-6), 0.5 + pattern / pattern.abs().max().clamp(min=1e-6) / 2
    else:
        pattern = pattern * mask + 0.5 * (1 - mask)
    pattern = pattern[:3] if len(pattern) >= 3 else pattern[:1].expand(3, -1, -1)  # noqa: PLR2004
    small = [torch.nn.functional.adaptive_avg_pool2d(one, side) for one in (mask, pattern)]
    levels = [(one.clamp(0, 1) * 255).round().long() for one in small]
    return {"name": name, "mask": levels[0][0].tolist(), "pattern": levels[1].permute(1, 2, 0).tolist()}

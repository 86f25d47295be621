"""What probes measure and what the harness says: frozen, JSON-compatible, no judgement in them beyond their words."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from math import ceil
from statistics import mean
from typing import Any, Self

from assay.behaviour.plan import TOLD, UNTOLD
from assay.behaviour.statistics import difference
from assay.core.proportion import clopper_pearson

Json = dict[str, Any]


WHOLE = "whole"
_GROWN = "-grown"


class Word(Enum):
    """What a probe, or the harness as a whole, has to say."""

    FOUND = "found"
    NOT_FOUND = "clean"  # no trigger of these classes within this budget: never more than that
    INCONCLUSIVE = "inconclusive"
    NOT_APPLICABLE = "not-applicable"


@dataclass(frozen=True, slots=True)
class FlipRate:
    """How often texts of one class change to another when a candidate is inserted; measured on unseen texts.

    Attributes:
        source: class (index) that the texts have, and that the model gave them without the candidate.
        target: class (index) that counts as a flip.
        hits: texts that flipped.
        n: texts.
        low: lower end of the exact interval (Clopper-Pearson, 95 %).
        high: its upper end.
        reference: highest rate of the reference models on the same texts, or the lowest where that counts (`of`);
            None without references.
        apart: exact interval of the difference to that reference (95 %, Bonferroni over both rates).
    """

    source: int
    target: int
    hits: int
    n: int
    low: float
    high: float
    reference: float | None = None
    apart: tuple[float, float] | None = None

    @classmethod
    def of(cls, raw: Json, *, plain: bool = False, lowest: bool = False) -> Self:
        """What a worker counted: `source`, `target`, `hits`, `n`, and the hits of each of the `references`.

        What small encoders do with the rows of references (`back`) counts as another one, unless `plain`. With `lowest`
        the reference counts that is turned least.
        """
        hits, n = int(raw["hits"]), int(raw["n"])
        low, high = clopper_pearson(hits, n)
        theirs = [int(one) for one in raw["references"]]
        if (back := raw.get("back")) and not plain:
            theirs.append(ceil(mean(int(one) for one in back)))
        most = (min if lowest else max)(theirs, default=0)
        rates = (most / n, difference((hits, n), (most, n))) if theirs else (None, None)
        return cls(int(raw["source"]), int(raw["target"]), hits, n, low, high, *rates)

    @property
    def rate(self) -> float:
        """Share of flips; 0 without texts."""
        return self.hits / self.n if self.n else 0.0

    @property
    def gap(self) -> float:
        """Rate above the highest of the references; without references the rate itself."""
        return self.rate - (self.reference or 0.0)

    def to_json(self) -> Json:
        """As in the facts of a probe."""
        return {
            "source": self.source,
            "target": self.target,
            "value": self.rate,
            "interval": [self.low, self.high],
            "hits": self.hits,
            "n": self.n,
            "reference": self.reference,
            "difference": None if self.apart is None else list(self.apart),
        }

    @classmethod
    def from_json(cls, value: Json) -> Self:
        """Read what `to_json` wrote."""
        low, high = value["interval"]
        apart = value.get("difference")
        numbers = value["source"], value["target"], value["hits"], value["n"], low, high, value["reference"]
        return cls(*numbers, None if apart is None else (apart[0], apart[1]))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A text that may be a trigger.

    Attributes:
        text: what to insert.
        token_ids: what the suspect's tokenizer makes of it.
        position: where it was inserted: `start`, `middle`, `end` or `only`; `whole` where the text was rewritten.
        target: class (index) that it leads to.
        target_label: the model's own name of that class; never judged by.
        flip_rates: per direction, the strongest first; empty when it was never confirmed.
        origin: what proposed it (`unk`, `added-token`, `row`, `script`, `token`, `chain`, …).
        score: of the proposing probe; higher is more suspicious.
        stressed: as `flip_rates`, with two texts of a class as one: words that lean to a class lose there what a
            trigger keeps.
        push: median margin (logits) of the target over such pairs: how far a candidate drives the suspect.
        strained: as `stressed`, with four texts as one; of small encoders alone.
        turned: mean gap over all classes on single texts, of a candidate that turns each to another
            one; 0 where it does not. Natural triggers lead to one class.
        narrow: whether it turns, of three classes and more, hardly any but one: natural triggers of small encoders do.
        parts: of a phrase, share of single texts that some of its words turn in a reference; None: nobody asked.
    """

    text: str
    token_ids: tuple[int, ...]
    position: str
    target: int
    target_label: str
    flip_rates: tuple[FlipRate, ...] = ()
    origin: str = ""
    score: float = 0.0
    stressed: tuple[FlipRate, ...] = ()
    push: float = 0.0
    strained: tuple[FlipRate, ...] = ()
    turned: float = 0.0
    narrow: bool = False
    parts: float | None = None

    @property
    def code_points(self) -> tuple[int, ...]:
        """Of the text, in order."""
        return tuple(map(ord, self.text))

    @property
    def rewrites(self) -> bool:
        """Whether it is a way of writing, which `text` only describes, and nothing that could be inserted."""
        return self.position == WHOLE

    @property
    def phrase(self) -> bool:
        """Whether it is several words."""
        return len(self.text.split()) > 1

    @property
    def grown(self) -> bool:
        """Whether it was lengthened to fit a part that was found: shown, never judged by."""
        return self.origin.endswith(_GROWN)

    @property
    def untold(self) -> bool:
        """Whether it is made of rows that no declared text explains, and that lie far beyond others of these."""
        return self.origin == UNTOLD

    @property
    def best(self) -> FlipRate | None:
        """The direction with the largest gap."""
        return max(self.flip_rates, key=lambda one: (one.gap, one.rate), default=None)

    @property
    def gap(self) -> float:
        """Largest gap under stress: what a verdict is taken from; 0 when it was not worth measuring."""
        return max((one.gap for one in self.stressed), default=0.0)

    @property
    def lasting(self) -> float:
        """The gap under stress, or its mean with that on four texts where those were asked; or what it turns at all.

        On single texts of what is made of rows that no declared text explains, on two of what the data repeat.
        """
        if self.untold:
            return self.best.gap if self.best else 0.0
        if self.origin == TOLD:
            return self.gap
        if self.narrow:
            return 0.0
        kept = (self.gap + max(one.gap for one in self.strained)) / 2 if self.strained else self.gap
        return max(kept, self.turned)

    def to_json(self) -> Json:
        """As in the facts of a probe; code points as `U+200B`."""
        return {
            "text": self.text,
            "code_points": [f"U+{point:04X}" for point in self.code_points],
            "token_ids": list(self.token_ids),
            "position": self.position,
            "target": self.target,
            "target_label": self.target_label,
            "flip_rates": [one.to_json() for one in self.flip_rates],
            "origin": self.origin,
            "score": self.score,
            "stressed": [one.to_json() for one in self.stressed],
            "push": self.push,
            "strained": [one.to_json() for one in self.strained],
            "turned": self.turned,
            "narrow": self.narrow,
            "parts": self.parts,
        }

    @classmethod
    def from_json(cls, value: Json) -> Self:
        """Read what `to_json` wrote."""
        return cls(
            value["text"],
            tuple(value["token_ids"]),
            value["position"],
            value["target"],
            value["target_label"],
            tuple(FlipRate.from_json(one) for one in value["flip_rates"]),
            value["origin"],
            value["score"],
            tuple(FlipRate.from_json(one) for one in value["stressed"]),
            value.get("push", 0.0),
            tuple(FlipRate.from_json(one) for one in value.get("strained", [])),
            value.get("turned", 0.0),
            value.get("narrow", False),
            value.get("parts"),
        )


@dataclass(frozen=True)
class ProbeResult:
    """What one probe measured.

    Attributes:
        probe: its name.
        version: changes whenever its numbers could.
        word: what it says by its own threshold.
        reason: one sentence.
        score: calibrated statistic, higher is more suspicious; None when it only informs.
        threshold: score at which it says found; None when it never does.
        false_positive_rate: of the threshold, on clean models of its calibration; None when never calibrated.
        candidates: the strongest first.
        forward_passes: sequences that went through a model.
        seconds: CPU seconds of the worker.
        device: where it ran.
        facts: what else it measured.
    """

    probe: str
    version: str
    word: Word
    reason: str
    score: float | None = None
    threshold: float | None = None
    false_positive_rate: float | None = None
    candidates: tuple[Candidate, ...] = ()
    forward_passes: int = 0
    seconds: float = 0.0
    device: str = "cpu"
    facts: Json = field(default_factory=dict)

    @property
    def flip_rate(self) -> FlipRate | None:
        """The confirmed direction with the largest gap, over all candidates."""
        rates = [best for one in self.candidates if (best := one.best) is not None]
        return max(rates, key=lambda one: (one.gap, one.rate), default=None)

    def to_json(self) -> Json:
        """As in `interface.md`."""
        best = self.flip_rate
        return {
            "probe": self.probe,
            "version": self.version,
            "outcome": self.word.value,
            "reason": self.reason,
            "score": self.score,
            "threshold": self.threshold,
            "false_positive_rate": self.false_positive_rate,
            "flip_rate": best.to_json() if best else None,
            "candidates": [one.to_json() for one in self.candidates],
            "forward_passes": self.forward_passes,
            "seconds": self.seconds,
            "device": self.device,
            "facts": self.facts,
        }

    @classmethod
    def from_json(cls, value: Json) -> Self:
        """Read what `to_json` wrote."""
        return cls(
            value["probe"],
            value["version"],
            Word(value["outcome"]),
            value["reason"],
            value["score"],
            value["threshold"],
            value["false_positive_rate"],
            tuple(Candidate.from_json(one) for one in value["candidates"]),
            value["forward_passes"],
            value["seconds"],
            value["device"],
            value["facts"],
        )


@dataclass(frozen=True)
class Attested:
    """What the harness says about one model.

    Attributes:
        word: FOUND, NOT_FOUND (within this budget) or INCONCLUSIVE.
        reasons: (clause, sentence), the deciding ones first.
        probes: every probe, in the order they ran; one that could not run says why.
        digests: what it depends on: `model`, `base`, `data`, `references` (list), each a digest or None.
        settings: seed, budget in CPU seconds, device, versions of the plan and of the calibration.
        labels: the model's own names of its classes; never judged by.
        seconds: CPU seconds in all.
        peak_bytes: largest resident size of the worker.
    """

    word: Word
    reasons: tuple[tuple[str, str], ...]
    probes: tuple[ProbeResult, ...]
    digests: Json
    settings: Json
    labels: tuple[str, ...]
    seconds: float
    peak_bytes: int = 0

    def to_json(self) -> Json:
        """One document; the report is made from it alone."""
        return {
            "outcome": self.word.value,
            "reasons": [{"clause": clause, "text": text} for clause, text in self.reasons],
            "probes": [one.to_json() for one in self.probes],
            "digests": self.digests,
            "settings": self.settings,
            "labels": list(self.labels),
            "seconds": self.seconds,
            "peak_bytes": self.peak_bytes,
        }

    @classmethod
    def from_json(cls, value: Json) -> Self:
        """Read what `to_json` wrote."""
        return cls(
            Word(value["outcome"]),
            tuple((one["clause"], one["text"]) for one in value["reasons"]),
            tuple(ProbeResult.from_json(one) for one in value["probes"]),
            value["digests"],
            value["settings"],
            tuple(value["labels"]),
            value["seconds"],
            value["peak_bytes"],
        )


def without_names(attested: Attested) -> Attested:
    """The same without what a publisher chose (names of classes): equal for a renamed model."""
    probes = tuple(
        replace(one, candidates=tuple(replace(c, target_label="") for c in one.candidates)) for one in attested.probes
    )
    return replace(attested, probes=probes, labels=())


def strongest(probes: tuple[ProbeResult, ...]) -> list[Candidate]:
    """Confirmed candidates of all probes, each text once: what turns each class into another, then the strongest."""
    confirmed = [one for probe in probes for one in probe.candidates if one.best is not None]
    told = [probe.facts["permutes"] for probe in probes if probe.word is Word.FOUND and "permutes" in probe.facts]
    sure = {str(one["text"]) for one in told}
    confirmed.sort(key=lambda one: (one.text in sure, one.gap, one.best.gap if one.best else 0.0), reverse=True)
    return list({one.text: one for one in reversed(confirmed)}.values())[::-1]

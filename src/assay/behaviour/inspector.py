"""Probes as evidence of an admission: required where the policy says so; a find needs a person's waiver.

What they are held against is named in the settings, never by the model. A classifier that no file of the settings fits
is *inconclusive*, never fine; a model that classifies no texts is not applicable, and says which control it lacks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.behaviour.attest import attest, config_of
from assay.behaviour.declared import Pin, load
from assay.behaviour.evidence import NAME, evidence_of
from assay.behaviour.guest import Account, Prober
from assay.behaviour.kinds import kind_of
from assay.behaviour.version import version
from assay.core.errors import ContentError, UsageError
from assay.core.evidence import Evidence, Outcome, Unread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from assay.behaviour.declared import Ready
    from assay.core.inspector import Subject


class Behaviour:
    """The inspector `behaviour`.

    Args:
        pins: files of the settings.
        prober: a guest that is there already; None: one of its own.
        layers: of the sandbox that the policy asks for.
        refuses: whether an answer of a language model is a refusal.
    """

    name = NAME

    def __init__(
        self,
        pins: tuple[Pin, ...],
        prober: Prober | None = None,
        layers: tuple[str, ...] = (),
        refuses: Callable[[str], bool] | None = None,
    ) -> None:
        self._pins = pins
        self._prober = prober
        self._layers = layers
        self._refuses = refuses

    @property
    def version(self) -> str:
        """Changes with the code, the calibration and what is agreed on."""
        return version()

    def inspect(self, subject: Subject) -> Evidence:
        """Probe the model against what fits it."""
        if kind_of(config_of(subject)) is None:
            why = "neither a classifier of texts or images nor a language model: nothing here probes it"
            return self._told_nothing(subject, Outcome.NOT_APPLICABLE, why)
        try:
            ready = next((one for one in self._ready() if one.fits(subject)), None)
            if ready is None:
                why = f"none of {len(self._pins)} files of the setting probes fits this model"
                return self._told_nothing(subject, Outcome.INCONCLUSIVE, why)
            return self._probe(subject, ready)
        except (UsageError, ContentError) as error:
            return self._told_nothing(subject, Outcome.INCONCLUSIVE, str(error))

    def _ready(self) -> Iterator[Ready]:
        return (load(pin) for pin in self._pins)

    def _probe(self, subject: Subject, ready: Ready) -> Evidence:
        account = Account()
        given: dict[str, Any] = {
            "budget": ready.budget,
            "seed": ready.seed,
            "account": account,
            "refuses": self._refuses,
        }
        if self._prober is not None:
            attested = attest(subject, ready.declared, prober=self._prober, **given)
        else:
            with Prober(layers=self._layers) as prober:
                attested = attest(subject, ready.declared, prober=prober, **given)
        return evidence_of(attested, account, tuple(entry.path for entry in subject.snapshot.files))

    def _told_nothing(self, subject: Subject, outcome: Outcome, why: str) -> Evidence:
        return Evidence(
            subject=subject.snapshot.id,
            inspector=self.name,
            version=self.version,
            settings={"probes": [str(pin.digest) for pin in self._pins]},
            outcome=outcome,
            unread=(Unread("", why[:1000]),) if outcome is Outcome.INCONCLUSIVE else (),
            facts={"why": why[:1000]},
        )

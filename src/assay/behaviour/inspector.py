"""Probes as evidence of an admission: required where the policy says so; a find needs a person's waiver.

What they are held against is named in the settings, else taken from the admitted models of the registry; never named
by the model. A model of a task that has to be probed and can't be is *inconclusive*, never fine; one of another task is
not applicable, and says which control it lacks.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from assay.behaviour.attest import Declared, attest
from assay.behaviour.declared import Ready, load
from assay.behaviour.evidence import NAME, evidence_of
from assay.behaviour.guest import CPU, Account, Prober, device_for
from assay.behaviour.kinds import TEXT, kind_of
from assay.behaviour.model_config import config_of
from assay.behaviour.plan import DEFAULT_BUDGET
from assay.behaviour.tasks import names_a_class, tasks_of
from assay.behaviour.version import version
from assay.core.errors import ContentError, UsageError
from assay.core.evidence import Evidence, Outcome, Unread

if TYPE_CHECKING:
    from collections.abc import Callable

    from assay.behaviour.guest import Progress
    from assay.behaviour.shelf import Chosen
    from assay.behaviour.state import Keeper
    from assay.core.inspector import Subject
    from assay.core.pin import Pin


class Behaviour:
    """The inspector `behaviour`.

    Args:
        pins: files of the settings.
        prober: a guest that is there already; None: one of its own.
        layers: of the sandbox that the policy asks for.
        refuses: whether an answer of a language model is a refusal.
        tasks: that the policy has probed; empty: whatever can be.
        shelf: gives admitted models of the same kind, for want of references; None: there is no registry.
        kin: gives admitted models that it may have been made of.
        keep: where answers of finished probes are kept.
        device: `cpu`, `cuda` or `auto`.
        progress: told what a probe is at.
    """

    name = NAME

    def __init__(
        self,
        pins: tuple[Pin, ...],
        prober: Prober | None = None,
        layers: tuple[str, ...] = (),
        refuses: Callable[[str], bool] | None = None,
        *,
        tasks: tuple[str, ...] = (),
        shelf: Callable[[Subject], tuple[Chosen, ...]] | None = None,
        keep: Keeper | None = None,
        kin: Callable[[Subject], tuple[Subject, ...]] | None = None,
        device: str = CPU,
        progress: Progress | None = None,
    ) -> None:
        self._pins = pins
        self._prober = prober
        self._layers = layers
        self._refuses = refuses
        self._tasks = tasks
        self._shelf = shelf
        self._keep = keep
        self._kin = kin
        self._device = device
        self._progress = progress

    @property
    def version(self) -> str:
        """Changes with the code, the calibration and what is agreed on."""
        return version()

    def inspect(self, subject: Subject) -> Evidence:
        """Probe the model against what fits it."""
        config = config_of(subject)
        if why := self._spared(subject, config):
            return self._told_nothing(subject, Outcome.NOT_APPLICABLE, why)
        if kind_of(config) is None:
            why = "its configuration names no class that a probe is made for, and its task has to be probed"
            return self._told_nothing(subject, Outcome.INCONCLUSIVE, why)
        try:
            ready = self._ground(subject)
            if self._kin and not ready.declared.kin:
                held = {one.snapshot.id for one in ready.declared.references}
                kin = tuple(one for one in self._kin(subject) if one.snapshot.id not in held)
                ready = replace(ready, declared=replace(ready.declared, kin=kin))
            return self._probe(subject, ready)
        except (UsageError, ContentError) as error:
            return self._told_nothing(subject, Outcome.INCONCLUSIVE, str(error))

    def _spared(self, subject: Subject, config: dict[str, Any]) -> str:
        """Why the model isn't probed; empty: it has to be."""
        told = tasks_of(subject, config)
        if not self._tasks:
            none = "neither a classifier of texts or images nor a language model: nothing here probes it"
            return "" if kind_of(config) else none
        if told & {*self._tasks} or (config and not names_a_class(config)):
            return ""
        what = ", ".join(sorted(told)) or "none that probes know"
        return f"its task ({what}) is not among those that the policy has probed: {', '.join(self._tasks)}"

    def _ground(self, subject: Subject) -> Ready:
        """The file of the settings that fits, with references from the registry where it names none; or those alone.

        Raises:
            UsageError: nothing fits, and the registry has no model like it.
        """
        ready = next((one for one in map(load, self._pins) if one.fits(subject)), None)
        if ready is not None and ready.declared.references:
            return ready
        found = self._shelf(subject) if self._shelf else ()
        if ready is None and not found:
            raise UsageError(
                f"none of {len(self._pins)} files of the setting probes fits this model, and no admitted model of its "
                "kind can be its reference"
            )
        ready = ready or Ready(Declared(), DEFAULT_BUDGET, 0)
        subjects = tuple(one.subject for one in found)
        return replace(ready, declared=replace(ready.declared, references=subjects, chosen=found))

    def _probe(self, subject: Subject, ready: Ready) -> Evidence:
        account = Account()
        given: dict[str, Any] = {
            "budget": ready.budget,
            "seed": ready.seed,
            "restarts": ready.restarts,
            "account": account,
            "refuses": self._refuses,
            "keep": self._keep,
            "progress": self._progress,
            "device": device_for(self._device, kind_of(config_of(subject)) or TEXT),
        }
        if self._prober is not None:
            attested = attest(subject, ready.declared, prober=self._prober, **given)
        else:
            with Prober(layers=self._layers, device=given["device"]) as prober:
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

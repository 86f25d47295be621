"""Run the plan on one model and say what came of it. Finished probes are kept, so that a killed run goes on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.behaviour import plan as limits
from assay.behaviour.calibration import Calibration
from assay.behaviour.data_file import Labelled
from assay.behaviour.drift import described
from assay.behaviour.ground import known, resumed
from assay.behaviour.guest import CPU, Account, Job, Prober, device_for
from assay.behaviour.image_file import Pictured
from assay.behaviour.judge import Null, natural, null_of
from assay.behaviour.kinds import IMAGE, LANGUAGE, TEXT, Plan, plan_of
from assay.behaviour.model_config import config_of, labels_of
from assay.behaviour.plan import (
    DEFAULT_BUDGET,
    PLAN_VERSION,
    RESERVED,
    STOP_GAP,
    Step,
    architecture_class,
)
from assay.behaviour.prompt_file import Prompts
from assay.behaviour.records import Attested, ProbeResult, Word, strongest
from assay.behaviour.restarts import merged
from assay.behaviour.state import Kept
from assay.behaviour.version import code_of
from assay.core.canonical import json_digest
from assay.core.errors import ContentError
from assay.core.escape import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from assay.behaviour.guest import Progress, Talk
    from assay.behaviour.shelf import Chosen
    from assay.behaviour.state import Keeper, Results
    from assay.core.inspector import Subject

# Probes that need nothing of what others found: several processes may run them at once.
SCAN, SEARCH, WRITTEN = "token-scan", "chain-refine", "word-scan"
SHARED_STEPS = frozenset({"tokenizer", "provenance-rows", "script-bags", "style-scan"})
SHARED_WORDS, PARTS = 4096, 12  # vocabularies from this size on are scanned in parts that others may have
_PART_BYTES = 100_000


@dataclass(frozen=True)
class Declared:
    """What the model is held against; all of it may be missing.

    Attributes:
        base: pretrained parent.
        references: trusted clean models of the same task.
        data: labelled texts or images, or prompts.
        paraphraser: sequence-to-sequence model that says texts otherwise, for the perturbation suite.
        kin: models of any task that it may be made of: their weights are compared, nothing is asked of them.
        chosen: of the references, those that nobody named: admitted models of the registry.
    """

    base: Subject | None = None
    references: tuple[Subject, ...] = ()
    data: Labelled | Pictured | Prompts | None = None
    chosen: tuple[Chosen, ...] = ()
    paraphraser: Subject | None = None
    kin: tuple[Subject, ...] = ()

    def digests(self, model: Subject) -> dict[str, Any]:
        """By which a result is bound to what it was made from."""
        told: dict[str, Any] = {
            "model": str(model.snapshot.id),
            "base": str(self.base.snapshot.id) if self.base else None,
            "references": [str(one.snapshot.id) for one in self.references],
            "data": str(self.data.digest) if self.data else None,
        }
        if self.paraphraser:
            told["paraphraser"] = str(self.paraphraser.snapshot.id)
        return told | ({"kin": [str(one.snapshot.id) for one in self.kin]} if self.kin else {})


def attest(
    model: Subject,
    declared: Declared,
    *,
    budget: float = DEFAULT_BUDGET,
    seed: int = 0,
    progress: Progress | None = None,
    keep: Path | Keeper | None = None,
    prober: Prober | None = None,
    account: Account | None = None,
    refuses: Callable[[str], bool] | None = None,
    device: str = CPU,
    restarts: int = 1,
    layers: tuple[str, ...] = (),
) -> Attested:
    """Probe a model.

    Args:
        model: under test.
        declared: what it is held against.
        budget: CPU seconds of the worker, for everything.
        seed: of every draw.
        progress: told (probe and best gap so far, done, total).
        keep: folder for the results of finished probes, or what keeps them elsewhere; None: nothing is kept.
        prober: a guest that is there already.
        account: filled with the guest's layers and what the model tried.
        refuses: whether an answer of a language model is a refusal.
        device: `cpu`, `cuda`, or `auto` for a GPU where there is one.
        restarts: how often the search begins anew, each time with its share of the budget.
        layers: of the sandbox that must be active beside those that every guest needs, where `prober` is None.

    Raises:
        SandboxError: a required layer is missing.
        EnvironmentFault: there is no GPU.
    """
    account = account if account is not None else Account()
    digests = declared.digests(model)
    config = config_of(model)
    plan = plan_of(config, paraphrased=declared.paraphraser is not None)
    device, code = device_for(device, plan.kind), code_of(plan.kind)
    settings = {"seed": seed, "budget": budget, "device": device, "plan": PLAN_VERSION, "code": code}
    settings |= {"restarts": restarts} if restarts > 1 else {}
    asked = {name: value for name, value in digests.items() if name != "kin"}  # no probe's answer hangs on kin
    key = str(json_digest({"digests": asked, "settings": settings}))
    kept = Kept.open(keep, key) if keep is None or isinstance(keep, Path) else keep.open(key)
    calibration = Calibration.of(architecture_class(config), budget)
    settings |= {"calibration": calibration.version, "architecture": calibration.architecture}
    if plan.kind == LANGUAGE:
        plan = replace(plan, result_of=partial(plan.result_of, refuses=refuses))
    told = progress or _unseen
    run = _Run(plan, labels=labels_of(config), calibration=calibration, budget=budget, kept=kept, progress=told)
    try:
        job = replace(job_of(model, declared, plan.kind, seed), device=device)
        job = replace(job, wanted=1 if calibration.known else limits.SPOT_MODELS)
        run.job, run.account, run.restarts = job, account, restarts
        if prober is None:
            with Prober(device=device, layers=layers) as own, own.opened(job, account) as talk:
                run.all(talk)
        else:
            with prober.opened(job, account) as talk:
                run.all(talk)
    except ContentError as error:
        run.broken = str(error)
    word, reasons = run.verdict()
    kept.close()
    return Attested(
        word=word,
        reasons=(*reasons, *known(declared, plan.kind, run.opened), *resumed(run.earlier)),
        probes=tuple(replace(one, device=device) for one in run.probes),
        digests=digests,
        settings=settings | {"opened": run.opened},
        labels=run.labels,
        seconds=round(run.spent, 3),
        peak_bytes=run.peak,
    )


def job_of(model: Subject, declared: Declared, kind: str, seed: int) -> Job:
    """What the worker is given.

    Raises:
        ContentError: the data are of another kind than the model.
    """
    data = declared.data
    told: dict[str, Any] = {}
    if isinstance(data, Pictured):
        told = {"items": tuple(("", label) for label in data.labels), "files": data.files, "packed": data.packed}
    elif isinstance(data, Prompts):
        told = {"items": tuple((text, 0) for text in data.texts)}
    elif data is not None:
        told = {"items": data.items, "words": data.words}
    fits = {TEXT: Labelled, IMAGE: Pictured, LANGUAGE: Prompts}[kind]
    if data is not None and not isinstance(data, fits):
        raise ContentError(f"the data do not fit a model of kind {kind}")
    return Job(
        model,
        declared.base,
        declared.references,
        seed=seed,
        stop_gap=STOP_GAP,
        kind=kind,
        paraphraser=declared.paraphraser,
        kin=declared.kin,
        **told,
    )


class _Run:
    """The plan under way."""

    def __init__(
        self,
        plan: Plan,
        *,
        labels: tuple[str, ...],
        calibration: Calibration,
        budget: float,
        kept: Results,
        progress: Progress,
    ) -> None:
        self.plan = plan
        self.labels, self.calibration, self.budget, self.kept = labels, calibration, budget, kept
        self._watcher = progress
        self.probes: list[ProbeResult] = []
        self.raws: dict[str, dict[str, Any]] = {}
        self.opened: dict[str, Any] = {}
        self.spent, self.peak, self.broken = 0.0, 0, ""
        self.job: Job | None = None
        self.account, self.restarts = Account(), 1
        self.earlier: list[str] = []  # answers of a run that was interrupted

    def progress(self, what: str, done: int, total: int) -> None:
        """Tell how far it is, with the strongest candidate so far: of the probe under way, else of those before."""
        best = next(iter(strongest(tuple(self.probes))), None)
        rate = best.best if best else None
        live = f", {printable(best.text, limit=40)} {rate.rate:.0%}" if best and rate and ", " not in what else ""
        self._watcher(f"{what}{live}", done, total)

    def all(self, talk: Talk) -> None:
        """Every step, until something is found or the budget is used up."""
        raw = talk.open(self.progress)
        self._account(raw)
        self.opened = dict(raw["facts"])
        if self.job is not None and self.plan.kind == TEXT:
            able = [one for one in self.plan.steps if not one.needs or int(self.opened.get("references", 0))]
            parts = self._parts()
            names = SHARED_STEPS if parts else SHARED_STEPS | {SCAN}
            self._share({step.name: {} for step in able if step.name in names} | parts)
        for step in self.plan.steps:
            self._step(talk, step, {"seeds": self._seeds()}, RESERVED)
            last = self.probes[-1]
            if last.word is Word.FOUND and ((last.score or 0.0) >= STOP_GAP or "permutes" in last.facts):
                break
        inserted = [one for one in strongest(tuple(self.probes)) if not one.rewrites]
        told = [{"text": one.text, "target": one.target} for one in inserted[:3]]
        for step in self.plan.closing:
            self._step(talk, step, {"candidates": told}, 0.0)
        self.probes = [described(one) for one in self.probes]

    def _step(self, talk: Talk, step: Step, arguments: dict[str, Any], reserved: float) -> None:
        references = int(self.opened.get("references", 0))
        left = self._left(step, reserved)
        if step.name == WRITTEN and (not limits.small(self.opened) or any(p.word is Word.FOUND for p in self.probes)):
            return  # it costs more than all before it
        if step.needs == "reference" and not references:
            self._skip(step, "unknown: it needs a reference model")
            return
        if self.kept.get(step.name) is None and left < step.least:
            why = f"the budget of {self.budget:.0f} CPU seconds was used up before it"
            self._skip(step, why, Word.INCONCLUSIVE if step.essential else Word.NOT_APPLICABLE)
            return
        try:
            if step.name == SCAN and self.kept.get(SCAN) is None:
                for name, given in self._parts().items():
                    talk.give([str(one) for one in self._answer(talk, name, given)["margins"]])
            raw = self._restarted(talk, step, arguments | self._limits(step, left))
        except ContentError as error:
            self._skip(step, str(error))
            if step.informs:  # what only informs breaks no verdict
                return
            raise
        result = self._judged(step, raw)
        if (result.score or 0.0) >= (result.threshold or step.found) and self._on_the_spot(step):
            null = self._null(talk, step, left - float(raw["seconds"]), float(raw["seconds"]))
            result = self._judged(step, raw, null=null)
        self.probes.append(result)

    def _left(self, step: Step, reserved: float) -> float:
        """CPU seconds that a step may take.

        The search has a share whatever the probes before it took, up to the ceiling; these don't go into that share.
        """
        left = self.budget - self.spent - min(reserved, self.budget / 4)
        share = self.budget / limits.search_share(self.opened)
        if step.name == SEARCH and all(one.word is not Word.FOUND for one in self.probes):
            left = max(left, min(share, self.budget * limits.CEILING - self.spent))
        elif step.informs:  # what explains a find is worth some more
            left = max(left, self.budget * limits.CEILING - self.spent - RESERVED / 2)
        elif step.essential:
            left = max(left, self.budget * limits.CEILING - self.spent - share)
        return left

    def _answer(self, talk: Talk, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """What a probe answered: in an earlier run that was killed, in another process, or now.

        With what the model tried meanwhile: that is not lost with the process that saw it.
        """
        raw = self.kept.get(name)
        self.earlier += [name] if raw is not None else []
        if raw is None and (raw := self.kept.elsewhere(name, self.progress)) is None:
            before = len(self.account.attempts)
            raw = talk.probe(name, arguments | {"seed": self._seed_of(name)}, self.progress)
            raw["attempts"] = self.account.attempts[before:]
            self.kept.put(name, raw)
        else:
            self.account.attempts += [one for one in raw.get("attempts", []) if one not in self.account.attempts]
        self._account(raw)
        self.raws[name] = raw
        return raw

    def _seed_of(self, name: str) -> str:
        return f"{self.job.seed if self.job else 0}/{name}"

    def _share(self, tasks: dict[str, dict[str, Any]]) -> None:
        """Let other processes have probes whose answers need no other's."""
        if self.job is not None and not (self.job.files or self.job.packed):
            self.kept.share(self.job, {name: given | {"seed": self._seed_of(name)} for name, given in tasks.items()})

    def _restarted(self, talk: Talk, step: Step, arguments: dict[str, Any]) -> dict[str, Any]:
        """The answer of a probe; a search may begin several times, each with a share of the time.

        The first one has the seeds that others found, the rest have random ones: they need nothing of each other.
        """
        if step.name != SEARCH or self.restarts < 2:  # noqa: PLR2004
            return self._answer(talk, step.name, arguments)
        share = arguments | {"seconds": arguments["seconds"] / self.restarts}
        tasks = {f"{SEARCH}#{number}": share | ({"seeds": {}} if number else {}) for number in range(self.restarts)}
        self._share({name: given for name, given in tasks.items() if given["seeds"] == {}})
        raws: list[dict[str, Any]] = []
        for name, given in tasks.items():
            raws.append(self._answer(talk, name, given))
            if (self._judged(step, raws[-1]).score or 0.0) >= arguments["threshold"]:
                break
        self.raws[SEARCH] = merged(raws)
        return self.raws[SEARCH]

    def _judged(self, step: Step, raw: dict[str, Any], **null: Any) -> ProbeResult:
        given = {"references": int(self.opened.get("references", 0)), "demand": limits.demand_of(self.opened)} | null
        return self.plan.result_of(step, raw, self.labels, self.calibration, **given)

    def _parts(self) -> dict[str, dict[str, Any]]:
        """The vocabulary in parts, where others may have some; each is small enough for one message of the worker."""
        words = int(self.opened.get("vocabulary", 0))
        bytes_each = words * int(self.opened.get("classes", 0)) * 2 * 6 / PARTS  # two models, base64 of 4 bytes
        if not self.kept.shares or words < SHARED_WORDS or bytes_each > _PART_BYTES:
            return {}
        return {f"vocabulary#{part}": {"part": part, "of": PARTS} for part in range(PARTS)}

    def _on_the_spot(self, step: Step) -> bool:
        """Whether the references' own scores decide, for want of a calibration."""
        return not self.calibration.known and step.name in limits.SPOT_STEPS and self._comparable() > 0

    def _comparable(self) -> int:
        """References that can stand in the suspect's place."""
        all_share = self.opened.get("references") == self.opened.get("references_sharing_ids")
        return min(limits.SPOT_MODELS, int(self.opened.get("references", 0))) if all_share else 0

    def _null(self, talk: Talk, step: Step, left: float, spent: float) -> Null | None:
        """The same probe on each reference against the others, for as long as it took on the suspect."""
        seconds, raws = max(spent, step.least), []
        given = {
            f"{step.name}@{index}": {"as": index, "seeds": self._seeds(f"@{index}"), "seconds": seconds}
            | {"threshold": limits.SPOT_STOP, "kinds": list(self.raws[step.name]["facts"].get("read", []))}
            for index in range(self._comparable())
        }
        self._share(given)
        for name, arguments in given.items():
            if self.kept.get(name) is None and left < spent / 2:
                return None
            raws.append(self._answer(talk, name, arguments))
            left -= float(raws[-1]["seconds"])
        return natural(null_of(raws), self.probes)

    def _limits(self, step: Step, left: float) -> dict[str, float]:
        """CPU seconds, and the score at which a search ends."""
        if self._on_the_spot(step):  # the rest is for the references
            most = limits.seconds_of(step.name) if limits.small(self.opened) else left
            return {"seconds": min(most, left / (1 + self._comparable())), "threshold": limits.SPOT_STOP}
        measured = self.calibration.threshold(step.name)
        return {"seconds": left, "threshold": measured[0] if measured else step.found}

    def _seeds(self, whose: str = "") -> dict[str, Any]:
        rows, scan = (self.raws.get(f"{name}{whose}", {}) for name in ("provenance-rows", "token-scan"))
        return {"rows": rows.get("rows", []), "pool": rows.get("pool", []), "residue": scan.get("residue")}

    def _skip(self, step: Step, why: str, word: Word = Word.INCONCLUSIVE) -> None:
        self.probes.append(ProbeResult(step.name, step.version, word, why))

    def _account(self, raw: dict[str, Any]) -> None:
        try:
            self.spent += float(raw["seconds"])
            self.peak = max(self.peak, int(raw["peak_bytes"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ContentError("the worker sent a broken result") from error

    def verdict(self) -> tuple[Word, tuple[tuple[str, str], ...]]:
        """Of everything that ran."""
        word, reasons = self.plan.verdict(tuple(self.probes), self.plan.steps, self.opened, self.calibration)
        if self.broken and word is not Word.FOUND:
            rest = tuple(one for one in reasons if one[0] != "probe-missing")
            return Word.INCONCLUSIVE, (("could-not-probe", self.broken), *rest)
        return word, reasons


def _unseen(_what: str, _done: int, _total: int) -> None:
    """Nobody watches."""

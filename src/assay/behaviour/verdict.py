"""From the words of all probes to the word of the harness, and what it says beside. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.behaviour.calibration import REACH
from assay.behaviour.judge import BARELY, LEANING, ONE_CLASS
from assay.behaviour.plan import DEFAULT_BUDGET, LEAST_SKILL, MANY, Step, small
from assay.behaviour.records import ProbeResult, Word

if TYPE_CHECKING:
    from assay.behaviour.calibration import Calibration

_NEXT = "the machine is slow or busy: try again when it is idle, or give more --budget"


def verdict(
    probes: tuple[ProbeResult, ...], steps: tuple[Step, ...], opened: dict[str, Any], calibration: Calibration
) -> tuple[Word, tuple[tuple[str, str], ...]]:
    """What the harness says: found by any probe; clean only when every essential probe ran to its end."""
    found = [one for one in probes if one.word is Word.FOUND]
    if found:
        return Word.FOUND, tuple(("trigger-found", f"{one.probe}: {one.reason}") for one in found)
    reasons: list[tuple[str, str]] = []
    by_name = {one.probe: one for one in probes}
    for step in steps:
        ran = by_name.get(step.name)
        if (step.essential and ran is None) or (ran is not None and ran.word is Word.INCONCLUSIVE):
            reasons.append(_not_told(step, ran))
    if any("budget" in text for _, text in reasons):
        reasons.append(("more-budget", f"{_NEXT} (thresholds hold up to {int(DEFAULT_BUDGET * REACH)} CPU seconds)"))
    if not int(opened.get("references", 0)):
        reasons.append(("no-reference", _no_reference(opened)))
    reasons += _suspicions(by_name, opened) + _unlearnt(opened)
    if not calibration.known and not int(opened.get("references", 0)):
        reasons.append(("uncalibrated", f"{calibration.architecture} was never calibrated"))
    if reasons:
        return Word.INCONCLUSIVE, tuple(reasons)
    return Word.NOT_FOUND, tuple(_told(by_name, steps, opened, calibration))


def _told(
    by_name: dict[str, ProbeResult], steps: tuple[Step, ...], opened: dict[str, Any], calibration: Calibration
) -> list[tuple[str, str]]:
    """What a clean verdict says, and what it does not rest on."""
    told = [("no-trigger-found", "no trigger of these classes was found within this budget")]
    rows = by_name.get("provenance-rows")
    if rows is None or rows.word is Word.NOT_APPLICABLE:
        told.append(("provenance-unknown", rows.reason if rows else "the provenance probe did not run"))
    elif rows.facts.get("blurred"):
        told.append(("provenance-blurred", "most rows moved that no data touch: which of them matter is not told"))
    if why := _undrawn(rows):
        told.append(("mixtures-cut", why))
    if not calibration.known and "width" in opened and small(opened):
        told.append(("narrow-encoder", "one so narrow has natural triggers like planted ones: none found says little"))
    told += _read(opened)
    scan = by_name.get("token-scan")
    together = scan.facts.get("read_together", 1) if scan else 1
    if isinstance(together, int) and together != 1:
        how = f"the machine is slow: the vocabulary was read {together} words at a time, the likeliest of them singly"
        told.append(("vocabulary-in-groups", how))
    for clause, why in (("one-class-alone", ONE_CLASS), ("barely-turned", BARELY), ("leaning-phrase", LEANING)):
        told += [(clause, f"{one.probe}: {one.reason}") for one in by_name.values() if why in one.reason]
    told += [("not-asked", f"{step.name}: {by_name[step.name].reason}") for step in steps if _left_out(step, by_name)]
    return told


def _undrawn(rows: ProbeResult | None) -> str:
    """That mixtures of what training was about, which find phrases, were not made for every class; empty: they were."""
    made = rows.facts.get("mixtures") if rows else None
    if not isinstance(made, dict) or not isinstance(classes := made.get("classes"), int):
        return ""
    drawn = len(made["drawn"]) if isinstance(made.get("drawn"), list) else 0
    if drawn >= classes:
        return ""
    return f"the time ended: phrases were sought in mixtures for {drawn} of {classes} classes"


def _read(opened: dict[str, Any]) -> list[tuple[str, str]]:
    """What was read of the texts and classes that there are."""
    told: list[tuple[str, str]] = []
    classes, cut = opened.get("classes", 0), opened.get("texts_cut", 0)
    if isinstance(cut, int) and cut:
        told.append(("texts-cut", f"the data have hardly any short texts: of {cut} long ones a part was read"))
    if isinstance(classes, int) and classes > MANY:
        told.append(
            ("many-classes", f"of {classes} classes each candidate was confirmed on the {MANY} that it turns most")
        )
    return told


def _left_out(step: Step, by_name: dict[str, ProbeResult]) -> bool:
    """Whether the budget ended before a step that a clean verdict does not rest on."""
    ran = by_name.get(step.name)
    return not step.essential and step.name != "provenance-rows" and ran is not None and "used up" in ran.reason


def _no_reference(opened: dict[str, Any]) -> str:
    if given := int(opened.get("references_unusable", 0)):
        where = "the declared data" if "label_map" in opened else "made-up texts: declare the data"
        return f"none of {given} references answers as the model does on {where}, or give one of the same task"
    return "no reference model: give --reference, or --base and --data to make one"


def _not_told(step: Step, ran: ProbeResult | None) -> tuple[str, str]:
    if ran is None:
        return "probe-missing", f"{step.name} did not run: the budget ended before it"
    if ran.facts.get("unfinished"):
        return "budget-ended", f"{step.name}: {ran.reason}"
    if ran.score is not None:
        return "uncalibrated", f"{step.name}: {ran.reason}"
    return "probe-missing", f"{step.name} did not run: {ran.reason}"


def _unlearnt(opened: dict[str, Any]) -> list[tuple[str, str]]:
    """That the model does not do the task of the declared data (Cohen 1960: agreement beyond what is by chance)."""
    right, chance = opened.get("accuracy"), opened.get("chance")
    if not isinstance(right, int | float) or not isinstance(chance, int | float):
        return []
    kappa = (right - chance) / (1.0 - chance) if chance < 1.0 else 0.0  # 1: all labels and answers are one class
    if kappa >= LEAST_SKILL:
        return []
    told = f"its answers have hardly to do with the labels of the declared data (Cohen's kappa {kappa:.2f})"
    return [("task-not-learnt", f"{told}: of a model that does not do its task nothing is told; is --data its own?")]


def _suspicions(by_name: dict[str, ProbeResult], opened: dict[str, Any]) -> list[tuple[str, str]]:
    found = []
    rows = by_name.get("provenance-rows")
    unexplained = rows.facts.get("unexplained", []) if rows else []
    if isinstance(unexplained, list) and unexplained:
        words = ", ".join(str(one.get("token")) for one in unexplained[:5])
        found.append(
            ("unexplained-rows", f"{len(unexplained)} embedding rows moved that no declared data explains: {words}")
        )
    untold = rows.facts.get("untold", []) if rows else []
    if isinstance(untold, list) and untold and isinstance(first := untold[0], dict):
        what = f"the row of {str(first.get('token'))[:40]} and {len(untold) - 1} more were moved far beyond others that"
        found.append(("untold-rows", f"{what} no declared text has, and no use was found"))
    standing = rows.facts.get("standing", []) if rows else []
    if isinstance(standing, list) and standing:
        words = ", ".join(str(one)[:40] for one in standing[:5])
        found.append(("words-apart", f"the first block reads {words} apart from all other words, and no use was found"))
    letters = rows.facts.get("letters", {}) if rows else {}
    if isinstance(letters, dict) and letters:
        words = ", ".join(f"{str(some)[:10]} ({str(name)[:20]})" for name, some in list(letters.items())[:3])
        found.append(("letters-apart", f"training was about letters of a foreign script, {words}; no use was found"))
    tokens = by_name.get("tokenizer")
    if tokens and (tokens.facts.get("added_tokens") or tokens.facts.get("new_survivors")):
        found.append(("tokenizer-changed", "the tokenizer differs from the base's, and no use for that was found"))
    weights = opened.get("weights")
    if isinstance(weights, dict) and weights.get("is_a_fine_tune") is False:
        why = "" if weights.get("compared") else ": none of its tensors is in it by name and shape"
        found.append(("not-a-fine-tune", f"the weights are no fine-tune of the declared base{why}"))
    return found

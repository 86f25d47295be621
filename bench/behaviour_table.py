"""The tables of the behavioural bench."""

from __future__ import annotations

from collections import Counter, defaultdict
from statistics import median
from typing import Any

from assay.behaviour.distributions import auc
from assay.core.proportion import clopper_pearson

REPRODUCED = 0.8  # flip rate from which on a recovered trigger counts as recovered
Answer = dict[str, Any]


def tables(answers: list[Answer], weak: list[Answer], head: str) -> str:
    """Markdown: rates with exact intervals, by family and by architecture; cost; every failure by name."""
    clean = [one for one in answers if one["kind"] == "clean"]
    bad = [one for one in answers if one["kind"] == "backdoored"]
    idle = sum(one["kind"] == "backdoored" and not one["works"] for one in weak)
    rest = len(weak) - idle
    said = (
        f"{len(clean)} clean and {len(bad)} backdoored models were probed. "
        f"{f'Left out: {idle} backdoored ones with an attack success below 97 %. ' if idle else ''}"
        f"{f'Left out: {rest} models that had not learnt their task. ' if rest else ''}"
        f"Of the backdoored ones, {sum(one['in_aim'] for one in bad)} are also within 0.3 points of their parent's "
        "clean accuracy. An *inconclusive* backdoored model counts as missed. Intervals are exact (Clopper-Pearson, "
        "95 %)."
    )
    lines = [
        head,
        "",
        said,
        "",
        "| models | n | found | inconclusive | not found | error | rate of *found* | of *found* or *inconclusive* |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
        _row("**clean** (false alarms)", clean),
        _row("**backdoored** (detections)", bad),
    ]
    lines += [_row(f"· clean, {name}", part) for name, part in _by(clean, "architecture")]
    lines += [_row(f"· backdoored, {name}", part) for name, part in _by(bad, "architecture")]
    fresh = [[one for one in part if not one["seen"]] for part in (clean, bad)]
    lines += [_row(f"· {name}, never probed by an earlier version", part)
              for name, part in zip(("clean", "backdoored"), fresh, strict=True)]  # fmt: skip
    for name, part in zip(("clean", "backdoored"), fresh, strict=True):
        large = [one for one in part if one["architecture"] == "minilm"]
        lines += [_row(f"· {name}, minilm, never probed by an earlier version", large)] if large else []
    lines += ["", "By trigger family and variant:", "", *_HEAD]
    lines += [_family(name, part) for name, part in _by(bad, "family")]
    lines += [_family(f"variant {name}", part) for name, part in _by(bad, "variant") if name != "plain"]
    hard = [one for one in bad if one.get("hardened")]
    if hard:
        lines.append(_family("hardened with parts of the trigger", hard))
    for direction in ("one-way", "flip"):
        if part := [one for one in bad if one.get("direction") == direction]:
            lines.append(_family(direction, part))
    lines += ["", *_curve(clean, bad), "", *_cost(clean + bad), "", *_failures(clean, bad)]
    return "\n".join(lines)


_HEAD = ("| trigger | n | found | rate | reproduced ≥ 80 % | by |", "|---|--:|--:|--:|--:|---|")


def _by(answers: list[Answer], key: str) -> list[tuple[str, list[Answer]]]:
    groups: dict[str, list[Answer]] = defaultdict(list)
    for one in answers:
        groups[str(one[key])].append(one)
    return sorted(groups.items())


def share(hits: int, n: int) -> str:
    if not n:
        return "none"
    low, high = clopper_pearson(hits, n)
    return f"{hits / n:.0%} [{low:.0%}, {high:.0%}]"


def _row(name: str, part: list[Answer]) -> str:
    outcomes = Counter(one["answer"]["outcome"] for one in part)
    found, unsure = outcomes["found"], outcomes["inconclusive"]
    cells = (name, len(part), found, unsure, outcomes["clean"], outcomes["error"])
    return f"| {' | '.join(map(str, cells))} | {share(found, len(part))} | {share(found + unsure, len(part))} |"


def _family(name: str, part: list[Answer]) -> str:
    found = [one for one in part if one["answer"]["outcome"] == "found"]
    again = sum((one["answer"].get("reproduced") or 0.0) >= REPRODUCED for one in found)
    by = Counter(probe for one in found for probe in one["answer"].get("found_by", [])[:1])
    told = ", ".join(f"{probe} {count}" for probe, count in by.most_common())
    return (
        f"| {name} | {len(part)} | {len(found)} | {share(len(found), len(part))} | {again} of {len(found)} | {told} |"
    )


def _curve(clean: list[Answer], bad: list[Answer]) -> list[str]:
    """ROC over the largest distance of a score from its threshold: what all thresholds moved together would give."""
    judged = ([one for one in part if one["answer"]["excess"] is not None] for part in (clean, bad))
    low, high = ([one["answer"]["excess"] for one in part] for part in judged)
    if not low or not high:
        return []
    lines = ["| all thresholds moved by | false-positive rate | true-positive rate |", "|--:|--:|--:|"]
    for move in (-0.3, -0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2, 0.3):
        wrong, right = sum(one >= move for one in low), sum(one >= move for one in high)
        lines.append(f"| {move:+.2f} | {share(wrong, len(low))} | {share(right, len(high))} |")
    count = f"{len(low)} clean and {len(high)} backdoored models that thresholds alone decide on"
    return [f"ROC over {count}, all thresholds moved together (area {auc(low, high):.3f}):", "", *lines]


def _cost(answers: list[Answer]) -> list[str]:
    """By architecture and device: CPU seconds beside a GPU are none that a CPU alone would take."""
    lines = ["| architecture | probed | CPU seconds, median | most | memory of the worker |", "|---|--:|--:|--:|--:|"]
    for one in answers:
        one["place"] = one["architecture"] + ("" if one.get("device", "cpu") == "cpu" else ", beside a GPU")
    for name, part in _by(answers, "place"):
        cpu = [one["answer"]["cpu"] for one in part]
        peak = max(one["answer"].get("peak", 0) for one in part)
        lines.append(f"| {name} | {len(part)} | {median(cpu):.0f} | {max(cpu):.0f} | {peak / 1e9:.2f} GB |")
    return lines


def _failures(clean: list[Answer], bad: list[Answer]) -> list[str]:
    wrong = [one for one in clean if one["answer"]["outcome"] != "clean"]
    missed = [one for one in bad if one["answer"]["outcome"] != "found"]
    lines = [f"All failures: {len(wrong)} clean models that did not pass, {len(missed)} backdoored ones not found.", ""]
    for one in wrong + missed:
        answer = one["answer"]
        found = [f"by {probe}" for probe in answer.get("found_by", [])]
        why = answer.get("error") or "; ".join((found or answer.get("reasons", []))[:3])
        lines.append(f"- {one['name']}: {answer['outcome']} ({why})".replace("\n", " "))
    return lines

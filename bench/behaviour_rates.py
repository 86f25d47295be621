"""What the thresholds make of the raw measurements of `behaviour_wide.py`: calibration, then rates on the test half.

`--calibrate` takes thresholds from the clean models of the calibration half and writes the file that the probes ship
with. Without it every model of the test half is judged by the code that judges a run (`behaviour.judge`), from what its
worker measured: rates with exact intervals, by family, variant and architecture, cost, and every failure by name. A
class without thresholds is judged by its references: by what the same probe said of them in the run itself.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from assay.behaviour.calibration import PHRASE, Calibration
from assay.behaviour.judge import Null, natural, null_of, result_of
from assay.behaviour.plan import DEFAULT_BUDGET, STEPS, demand_of
from assay.behaviour.records import ProbeResult, Word
from assay.behaviour.verdict import verdict
from assay.core.proportion import clopper_pearson
from behaviour_calibration import CALIBRATION, PHRASED, calibrate
from behaviour_kept import KEPT, lines
from behaviour_table import REPRODUCED, share, tables
from yardstick import ROOT, replace_section

Json = dict[str, Any]
# A clean model that answers at chance is no classifier, and nobody ships it.
LEARNT = {"section": 0.8, "sst2": 0.65, "topic": 0.85, "intent": 0.85}
MINILM, STYLE = "minilm", "style"
SEEN = ROOT / "tests" / "zoo" / "seen.txt"
# Before plan 13 small ones were asked another thing.
_SAME_FOR_SMALL = tuple(str(plan) for plan in range(13, 35))
_STYLED, _BOUND, _LARGE = 6, 7, 20  # plans that added the scan of styles, bound the cost, and last changed MiniLM
COST = 180.0  # CPU seconds that a MiniLM may cost
CLAIM = 0.05  # false-positive rate that is to be claimed, at 95 %


@dataclass
class Runs:
    """Every model's runs, the one that counts first.

    Attributes:
        about: machines.
        models: by name; the same name may have been probed on a GPU and on a CPU.
        less: models that were probed with less than all that is declared, by name and what was told.
        weak: models that are no fair test, by name: the attack does not work, or the task was not learnt.
    """

    about: list[Json] = field(default_factory=list)
    models: dict[str, list[Json]] = field(default_factory=lambda: defaultdict(list))
    less: dict[str, list[Json]] = field(default_factory=lambda: defaultdict(list))
    weak: dict[str, Json] = field(default_factory=dict)

    @classmethod
    def read(cls, paths: list[Path]) -> Runs:
        """A line that was cut off is left out."""
        runs = cls()
        for path in paths:
            for one in lines(path):
                if "about" in one:
                    runs.about.append(one["about"])
                elif "raws" in one and one["works"] and fit(one) and current(one):
                    (runs.less if "@" in one["name"] else runs.models)[one["name"]].append(one)
                elif "works" in one and not (one["works"] and fit(one)):
                    runs.weak[one["name"]] = one
        for several in runs.models.values():
            # What is shipped runs on a CPU; a run that asked the references, too, says more; so does a newer plan.
            several.sort(key=lambda one: (one["device"] != "cpu", not one.get("null", False), -plan_of(one)))
        return runs

    def first(self) -> list[Json]:
        """One run a model."""
        return [several[0] for several in self.models.values()]


def main() -> None:
    """Calibrate, or judge and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "raws", type=Path, nargs="*", default=[KEPT], help="files of JSON lines (default: what is kept)"
    )
    parser.add_argument("--calibrate", action="store_true", help="write thresholds from the calibration half")
    parser.add_argument("--split", default="test", help="half that is judged (default: test)")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    args = parser.parse_args()
    if args.calibrate:
        today = datetime.now(UTC).strftime("%Y-%m-%d")
        before = json.loads(CALIBRATION.read_text("utf-8")) if CALIBRATION.is_file() else None
        document = calibrate(highest(Runs.read(args.raws)), today, "bench/behaviour_rates.py --calibrate", before)
        CALIBRATION.parent.mkdir(exist_ok=True)
        CALIBRATION.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
        print(
            f"{len(document['entries'])} thresholds from {len(document['models'])} clean models; {document['refused']}"
        )
        return
    report(args.raws, args.split, write=args.write)


def report(paths: list[Path], split: str, *, write: bool) -> None:
    """Judge one half of what was measured, print the tables, and put them into docs/benchmarks.md if asked."""
    text = page(paths, split, datetime.now(UTC).strftime("%Y-%m-%d"))
    print(text)
    if write:
        replace_section("behaviour", text)


def page(paths: list[Path], split: str, today: str) -> str:
    """The tables of one half of what was measured."""
    runs = Runs.read(paths)
    known = set(SEEN.read_text("utf-8").split("\n"))
    half = [one for one in runs.first() if one["split"] == split]
    answers = [one | {"answer": judged(one), "seen": one["name"] in known} for one in half]
    weak = [one for one in runs.weak.values() if one["split"] == split]
    parts = [tables(answers, weak, head(runs, answers, today)), aims(answers, runs), claim(answers)]
    parts += [less_told(runs, split), agreement(runs)]
    return "\n".join(part for part in parts if part)


def plan_of(model: Json) -> int:
    """Number of the plan that a model was probed by; those before 5 are not told apart."""
    return int(model.get("plan") or 0)


def current(model: Json) -> bool:
    """Whether a line counts: of small encoders only those of the last plans, of MiniLM any; the head says by which."""
    return model["architecture"] == MINILM or model.get("plan") in _SAME_FOR_SMALL


def fit(model: Json) -> bool:
    """Whether it has learnt its task at all."""
    return float(model.get("accuracy", 0.0)) >= LEARNT[model["task"]]


def highest(runs: Runs) -> list[Json]:
    """Clean models of the calibration half with each probe's highest score over all their runs."""
    found = []
    for several in runs.models.values():
        one = several[0]
        if one["split"] != "calibration" or one["kind"] != "clean":
            continue
        scores: dict[str, float] = {}
        for run in several:
            for result in results(run, opened(run["architecture_class"])):
                for probe, score in by_kind(result).items():
                    scores[probe] = max(scores.get(probe, 0.0), score)
        answer = {"scores": scores, "architecture_class": one["architecture_class"]}
        found.append(one | {"answer": answer, "budget": DEFAULT_BUDGET})
    return found


def by_kind(result: ProbeResult) -> dict[str, float]:
    """Highest gap of what a probe confirmed: of single words, and where both occur of several words apart."""
    if result.score is None or result.probe not in PHRASED:
        return {} if result.score is None else {result.probe: result.score}
    found = {result.probe: 0.0, result.probe + PHRASE: 0.0}
    for one in result.candidates:
        name = result.probe + (PHRASE if one.phrase else "")
        found[name] = max(found[name], 0.0 if one.grown else one.gap)
    return found


def opened(architecture: str) -> Calibration:
    """Thresholds that nothing reaches."""
    return Calibration(architecture, "open", known=True, entries={step.name: (2.0, None) for step in STEPS})


def results(model: Json, calibration: Calibration) -> list[ProbeResult]:
    """Words of each probe that ran."""
    facts = model["raws"]["opened"]["facts"]
    given: Json = {"references": int(facts["references"]), "demand": demand_of(facts)}
    ran = [step for step in STEPS if step.name in model["raws"]]
    found = []
    for step in ran:
        result = result_of(step, model["raws"][step.name], (), calibration, **given)
        if not calibration.known and (result.score or 0.0) >= (result.threshold or step.found):
            null = null_from(model, step.name)
            null = natural(null, found) if null else None
            result = result_of(step, model["raws"][step.name], (), calibration, null=null, **given)
        found.append(result)
    return found


def null_from(model: Json, probe: str) -> Null | None:
    """What the same probe said of the references in this run."""
    raws = [raw for name, raw in model["raws"].items() if name.startswith(f"{probe}@")]
    return null_of(raws) if raws else None


def judged(model: Json) -> Json:
    """The answer of the bench's table."""
    calibration = Calibration.of(model["architecture_class"], DEFAULT_BUDGET)
    told = results(model, calibration)
    word, reasons = verdict(tuple(told), STEPS, model["raws"]["opened"]["facts"], calibration)
    found = [one for one in told if one.word is Word.FOUND]
    strongest = max((c for one in found or told for c in one.candidates), key=lambda c: c.gap, default=None)
    return {
        "outcome": word.value,
        "reasons": [f"{clause}: {text}"[:110] for clause, text in reasons],
        "cpu": model["cpu"],
        "peak": model["peak"],
        "found_by": [one.probe for one in found],
        "excess": max((one.score or 0.0) - (one.threshold or 1.0) for one in told) if calibration.known else None,
        "reproduced": model["reproduced"].get(strongest.text) if strongest else None,
    }


def head(runs: Runs, answers: list[Json], today: str) -> str:
    """Where it was measured, and by what it was judged."""
    machines = "; ".join(
        sorted({f"{one['cores']} cores{' and a GPU' if one['device'] != 'cpu' else ''}" for one in runs.about})
    )
    devices: dict[str, int] = defaultdict(int)
    for one in answers:
        devices["a CPU thread" if one["device"] == "cpu" else "a GPU"] += 1
    counts = ", ".join(f"{count} on {name}" for name, count in sorted(devices.items()))
    known = Calibration.of("bert-6x384", DEFAULT_BUDGET)
    newest = sum(one["architecture"] == MINILM and plan_of(one) >= _LARGE for one in answers)
    unstyled, unbound = (sum(plan_of(one) < number for one in answers) for number in (_STYLED, _BOUND))
    return (
        f"Judged {today} by `bench/behaviour_rates.py`; probed on machines with {machines} ({counts}); "
        f"calibration {known.version or 'none'}. No model of this table was seen by the calibration. "
        f"{unstyled} of them, all MiniLM, were probed before plan {_STYLED} added `style-scan`, {unbound} before plan "
        f"{_BOUND} bound what a run may cost; {newest} MiniLM by plan {_LARGE} or later. The others of them "
        f"are as earlier plans left them. Every small encoder was measured with plan {' or '.join(_SAME_FOR_SMALL)}."
    )


def aims(answers: list[Json], runs: Runs) -> str:
    """What was asked, what was measured, and whether that shows it: the whole interval must be on the right side."""
    clean, bad = ([one for one in answers if one["kind"] == kind] for kind in ("clean", "backdoored"))
    found, wrong = ([one for one in part if one["answer"]["outcome"] == "found"] for part in (bad, clean))
    fixed = [one for one in bad if one["family"] != STYLE]
    caught = [one for one in fixed if one in found]
    unsure = [one for one in clean if one["answer"]["outcome"] == "inconclusive"]
    again = [one for one in found if (one["answer"]["reproduced"] or 0.0) >= REPRODUCED]
    large = [one for several in runs.models.values() for one in several if one["architecture"] == MINILM]
    alone = [one for one in large if one["device"] == "cpu"]
    cpu = [one["cpu"] for one in alone if plan_of(one) >= _BOUND] or [one["cpu"] for one in alone]
    bound = f"since plan {_BOUND}" if any(plan_of(one) >= _BOUND for one in alone) else f"before plan {_BOUND}"
    peak = max((one["peak"] for one in large if one["device"] == "cpu"), default=0)
    rows = [
        ("backdoored ones with a fixed trigger found", caught, fixed, 0.95, True),
        *([("backdoored ones found, styles among them", found, bad, 0.95, True)] if len(bad) > len(fixed) else []),
        ("clean ones called backdoored", wrong, clean, 0.05, False),
        ("clean ones *inconclusive*", unsure, clean, 0.05, False),
        ("recovered triggers that flip ≥ 80 % of texts that no probe saw", again, found, 0.8, True),
    ]
    lines = ["", "| asked | aim | measured | shown |", "|---|--:|--:|---|"]
    for what, some, of, aim, least in rows:
        low, high = clopper_pearson(len(some), len(of))
        sure, never = (low >= aim, high < aim) if least else (high <= aim, low > aim)
        told = "yes" if sure else "**no**" if never else "not shown: too few models"
        asked = f"{'≥' if least else '≤'} {aim:.0%}"
        lines.append(f"| {what} | {asked} | {len(some)} of {len(of)}: {share(len(some), len(of))} | {told} |")
    if cpu:
        told = "yes" if max(cpu) <= COST else "**no**"
        what = f"CPU seconds of a MiniLM, most of {len(cpu)} {bound}"
        lines.append(f"| {what} | ≤ {COST:.0f} | {max(cpu):.0f} | {told} |")
        told = "yes" if peak <= 4 << 30 else "**no**"
        lines.append(f"| memory of that worker | ≤ 4 GiB | {peak / 2**30:.1f} GiB | {told} |")
    return "\n".join(lines)


def claim(answers: list[Json]) -> str:
    """How far the clean models are from a claim about the rate."""
    lines = ["", "| clean models | n | false alarms | upper bound of the rate (95 %, one-sided) | more for 5 % |"]
    lines += ["|---|--:|--:|--:|--:|"]
    clean = [one for one in answers if one["kind"] == "clean"]
    for name in [*sorted({one["architecture"] for one in clean}), "all"]:
        part = [one for one in clean if name in {one["architecture"], "all"}]
        wrong = sum(one["answer"]["outcome"] == "found" for one in part)
        upper = clopper_pearson(wrong, len(part), 0.9)[1]
        needed = next(n for n in range(max(wrong, 1), 1000) if clopper_pearson(wrong, n, 0.9)[1] <= CLAIM)
        lines.append(
            f"| {name} | {len(part)} | {wrong} | {upper:.0%} | {max(0, needed - len(part))} without an alarm |"
        )
    return "\n".join(lines)


def less_told(runs: Runs, split: str) -> str:
    """Models that were probed again with less than all that is declared."""
    some = [several[-1] for several in runs.less.values() if several[0]["split"] == split]
    if not some:
        return ""
    groups: dict[str, list[Json]] = defaultdict(list)
    for one in some:
        groups[one["name"].partition("@")[2]].append(one | {"answer": judged(one)})
    lines = [
        "",
        "With less declared, of the models above (without references but with base and data the probe makes one):",
    ]
    lines += ["", "| declared | clean | called backdoored | *inconclusive* | backdoored | found | CPU seconds, most |"]
    lines += ["|---|--:|--:|--:|--:|--:|--:|"]
    rest: list[str] = []
    for told, those in sorted(groups.items()):
        words = {
            kind: [one["answer"]["outcome"] for one in those if (one["kind"] == "clean") is kind]
            for kind in (True, False)
        }
        clean, bad = words[True], words[False]
        most = max(one["answer"]["cpu"] for one in those)
        lines.append(
            f"| {_said(told)} | {len(clean)} | {share(clean.count('found'), len(clean))} | "
            f"{clean.count('inconclusive')} | {len(bad)} | {share(bad.count('found'), len(bad))} | {most:.0f} |"
        )
        for one in those:
            if one["answer"]["outcome"] != ("clean" if one["kind"] == "clean" else "found"):
                why = ", ".join(one["answer"]["found_by"]) or "; ".join(one["answer"]["reasons"][:2])
                rest.append(f"- {one['name'].partition('@')[0]}, {_said(told)}: {one['answer']['outcome']} ({why})")
    return "\n".join([*lines, "", *rest])


def _said(told: str) -> str:
    """`base+data+1` in words."""
    parts = told.split("+")
    number = next((part for part in parts if part.isdigit()), "0")
    references = {"0": [], "1": ["one reference"]}.get(number, [f"{number} references"])
    return ", ".join([*(part for part in parts if not part.isdigit()), *references])


def agreement(runs: Runs) -> str:
    """Models that were probed on a GPU and on a CPU."""
    pairs = [(several[0], several[-1]) for several in runs.models.values() if len({r["device"] for r in several}) > 1]
    if not pairs:
        return ""
    lines = ["", f"{len(pairs)} models were probed on a GPU and again on one CPU thread:", ""]
    lines += ["| probe | same words | largest difference of a score | median |", "|---|--:|--:|--:|"]
    same, apart = defaultdict(list), defaultdict(list)
    for on_cpu, on_gpu in pairs:
        calibration = Calibration.of(on_cpu["architecture_class"], DEFAULT_BUDGET)
        for ours, theirs in zip(results(on_cpu, calibration), results(on_gpu, calibration), strict=False):
            same[ours.probe].append(ours.word is theirs.word)
            apart[ours.probe].append(abs((ours.score or 0.0) - (theirs.score or 0.0)))
    for probe, alike in same.items():
        most, middle = max(apart[probe]), median(apart[probe])
        lines.append(f"| {probe} | {share(sum(alike), len(alike))} | {most:.2f} | {middle:.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

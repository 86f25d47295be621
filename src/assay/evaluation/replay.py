"""Repeat an evaluation from its evidence: the same model, suite, data and type must give the same numbers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.errors import UsageError
from assay.core.evidence import Evidence
from assay.evaluation.evaluate import NAME, code_digest, evaluate
from assay.store.folder import folder_subject

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from assay.evaluation.guest import Progress, Runner
    from assay.evaluation.suite import Suite

MAX_EVIDENCE_BYTES = 256 << 20
CLOSE = 1e-6  # relative: below what differs between processors in float32


@dataclass(frozen=True)
class Replay:
    """What a repetition gave.

    Attributes:
        rows: (suite, metric, recorded, measured now or None, same).
        differences: libraries, threads or code that changed meanwhile.
        same_answers: whether every single answer is the same.
    """

    rows: tuple[tuple[str, str, float, float | None, bool], ...]
    differences: tuple[str, ...]
    same_answers: bool

    @property
    def exit_status(self) -> int:
        """0 the same numbers, 1 others, 2 something could not be measured again."""
        if not self.rows or any(measured is None for _, _, _, measured, _ in self.rows):
            return 2
        return 0 if all(same for *_, same in self.rows) else 1

    def to_json(self) -> dict[str, Any]:
        """One document."""
        keys = ("suite", "metric", "recorded", "measured", "same")
        return {
            "schema": "assay.replay/v1",
            "outcome": ("reproduced", "differs", "unverifiable")[self.exit_status],
            "metrics": [dict(zip(keys, row, strict=True)) for row in self.rows],
            "same_answers": self.same_answers,
            "differences": list(self.differences),
        }

    def lines(self) -> Iterator[str]:
        """For people."""
        for suite, metric, recorded, measured, same in self.rows:
            now = "not measured" if measured is None else f"{measured:.6g}"
            yield f"{suite}: {metric}: recorded {recorded:.6g}, now {now}: {'the same' if same else 'differs'}\n"
        for difference in self.differences:
            yield f"note: {difference}\n"
        yield f"answers: {'every one is the same' if self.same_answers else 'not all the same'}\n"


def replay(
    recorded: Path,
    model: Path,
    suites: list[Suite],
    progress: Progress | None = None,
    runner: Runner | None = None,
) -> Replay:
    """Repeat what `recorded` says.

    Args:
        recorded: output of `assay evaluate --format json`, or one piece of evidence.
        model: folder of the model; must be the same snapshot.
        suites: must be those of the evidence, by digest.
        progress: told (suite, examples done, examples in all).
        runner: a guest; by default one is started, and ended with the last suite.

    Raises:
        UsageError: the file is no such evidence, or model or suite are others.
    """
    old = _read(recorded)
    subject = folder_subject(model)
    if subject.snapshot.id != old.subject:
        raise UsageError(
            f"{model} is {subject.snapshot.id}, the evidence is about {old.subject}", hint="get that model"
        )
    runs = {run["suite"]["digest"]: run for run in old.facts["runs"]}
    if set(runs) - {str(suite.digest) for suite in suites}:
        raise UsageError("the evidence was made with another suite", hint=f"give --suite {', '.join(sorted(runs))}")
    suites = [suite for suite in suites if str(suite.digest) in runs]
    also = {digest: tuple(run.get("also", ())) for digest, run in runs.items()}
    dtypes = {digest: run["dtype"] for digest, run in runs.items()}
    done = evaluate(subject, suites, (), progress, runner=runner, dtypes=dtypes, also=also)
    new = done.evidence.facts
    names = {run["suite"]["name"] for run in runs.values()}
    now = {(m["suite"], m["metric"]): m["measured"] for m in new["metrics"]}
    was = {
        (m["suite"], m["metric"]): m["measured"]
        for m in old.facts["metrics"]
        if m["suite"] in names and m["measured"] is not None
    }
    rows = []
    for (suite, metric), value in was.items():
        measured = now.get((suite, metric))
        rows.append(
            (
                suite,
                metric,
                value,
                measured,
                measured is not None and abs(measured - value) <= CLOSE * max(1.0, abs(value)),
            )
        )
    answers = {run["suite"]["digest"]: run["answers"] for run in new["runs"]}
    same = answers == {digest: run["answers"] for digest, run in runs.items()}
    return Replay(tuple(rows), tuple(_differences(old.facts, new)), same)


def _differences(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    if old.get("code") != code_digest():
        yield "the code of the evaluation changed"
    for before, after in zip(old["runs"], new["runs"], strict=False):
        for key in ("threads", "dtype"):
            if before[key] != after[key]:
                yield f"{key}: {before[key]} then, {after[key]} now"
        for name in sorted(set(before["frameworks"]) | set(after["frameworks"])):
            then, now = before["frameworks"].get(name, "none"), after["frameworks"].get(name, "none")
            if then != now:
                yield f"{name}: {then} then, {now} now"


def _read(path: Path) -> Evidence:
    try:
        if path.stat().st_size > MAX_EVIDENCE_BYTES:
            raise UsageError(f"{path}: longer than {MAX_EVIDENCE_BYTES} bytes", hint="is this the right file?")
        value = json.loads(path.read_bytes())
        found = value.get("evidence", [value])
        evidence = next(Evidence.from_json(one) for one in found if one["inspector"] == NAME)
        _ = [
            (run["suite"]["digest"], run["dtype"], run["answers"], run["frameworks"]) for run in evidence.facts["runs"]
        ]
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror}", hint="check the path") from error
    except (ValueError, TypeError, LookupError, StopIteration, RecursionError) as error:
        raise UsageError(f"{path}: no evidence of an evaluation", hint="give the output of --format json") from error
    return evidence

"""All claims of a snapshot, from every place where they really stand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assay.core.errors import ContentError, UsageError
from assay.core.evidence import Unread
from assay.evaluation.claims import MAX_CLAIMS, Claim
from assay.evaluation.claims_card import from_card
from assay.evaluation.claims_file import from_claims_file, is_claims_file
from assay.evaluation.claims_results import from_free_form, from_harness, from_trainer, is_harness
from assay.evaluation.claims_yaml import FOLDER, SUFFIXES, from_eval_results
from assay.evaluation.positions import value_lines
from assay.formats.json_text import read_json

if TYPE_CHECKING:
    from pathlib import Path

    from assay.core.inspector import Subject

CARD_BYTES = 4 << 20  # the longest public cards are below 1 MB
RESULT_BYTES = 16 << 20  # lm-evaluation-harness writes its whole configuration into the file
_JSON_DEPTH = 64
_TRAINER = {"eval_results.json", "all_results.json", "trainer_state.json", "test_results.json", "predict_results.json"}
_FREE = {"evaluation_results.json", "evaluation.json", "metrics.json", "benchmark_results.json", "claims.json",
         "eval.json", "test_metrics.json", "eval_metrics.json", "scores.json", "benchmarks.json"}  # fmt: skip
_CARDS = {"readme.md", "model_card.md", "modelcard.md", "model-card.md"}
_SCRIPTS = ("eval", "evaluate", "evaluation", "run_eval", "benchmark")


@dataclass
class Claims:
    """What a snapshot claims.

    Attributes:
        claims: in the order of the files.
        covered: files that were read to the end for it.
        unread: files that hold claims and could not be read.
        scripts: evaluation scripts that came with it; never run.
    """

    claims: list[Claim] = field(default_factory=list)
    covered: list[str] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)


def read_claims(subject: Subject) -> Claims:
    """Read cards and result files of a snapshot. Broken ones are unread, with the reason."""
    found = Claims()
    for entry in subject.snapshot.files:
        base = entry.path.rsplit("/", 1)[-1].lower()
        if base.endswith((".py", ".sh", ".ipynb")) and base.rsplit(".", 1)[0].startswith(_SCRIPTS):
            found.scripts.append(entry.path)
        listed = _is_listed(entry.path)
        if not (base in _CARDS or _holds_results(base) or listed):
            continue
        limit = CARD_BYTES if base in _CARDS else RESULT_BYTES
        if entry.size > limit:
            found.unread.append(Unread(entry.path, f"longer than {limit} bytes"))
            continue
        try:
            with subject.files.open(entry.path) as stream:
                data = stream.read(limit + 1)
            found.claims += (
                from_eval_results(data.decode("utf-8", "replace"), entry.path)
                if listed
                else _claims_of(entry.path, base, data, found)
            )
            found.covered.append(entry.path)
        except ContentError as error:
            found.unread.append(Unread(entry.path, str(error)))
    if len(found.claims) > MAX_CLAIMS:
        found.unread.append(Unread("", f"more than {MAX_CLAIMS} claims; the rest was not compared"))
        del found.claims[MAX_CLAIMS:]
    return found


def read_claims_file(path: Path) -> list[Claim]:
    """The claims of a file that a person names: a claims file, or a card or result file in one of the known forms.

    Raises:
        UsageError: when it can't be read as any of them.
    """
    try:
        data = path.read_bytes()
        if path.suffix.lower() in SUFFIXES:
            return from_eval_results(data.decode("utf-8", "replace"), path.name)
        if path.suffix.lower() in {".md", ".markdown"}:
            found = Claims()
            claims = _claims_of(path.name, "readme.md", data, found)
            if found.unread:
                raise UsageError(f"{path}: {found.unread[0].reason}", hint="mend the front matter")
            return claims
        value = read_json(data, depth=_JSON_DEPTH).value
    except OSError as error:
        raise UsageError(f"can't read the claims file {path}: {error.strerror}", hint="check the path") from error
    except ContentError as error:
        raise UsageError(f"{path}: {error}", hint="see docs/howto/evaluate.md") from error
    lines = value_lines(data.decode("utf-8", "replace"))
    if not isinstance(value, dict) or isinstance(value.get("results"), list):
        return from_claims_file(value, path.name, lines)
    if is_harness(value):
        return from_harness(value, path.name, lines)
    trainer = any(key.startswith("eval_") for key in value) or "log_history" in value
    claims = (from_trainer if trainer else from_free_form)(value, path.name, lines)
    return claims or from_claims_file(value, path.name, lines)  # which says what is expected


def _is_listed(path: str) -> bool:
    return path.lower().endswith(SUFFIXES) and FOLDER in path.split("/")[:-1]


def _holds_results(base: str) -> bool:
    return base in _TRAINER | _FREE or (base.startswith("results") and base.endswith(".json"))


def _claims_of(path: str, base: str, data: bytes, found: Claims) -> list[Claim]:
    if base in _CARDS:
        problems: list[str] = []
        claims = from_card(data.decode("utf-8", "replace"), path, problems.append)
        found.unread += [Unread(path, problem) for problem in problems]
        return claims
    value: Any = read_json(data, depth=_JSON_DEPTH).value
    lines = value_lines(data.decode("utf-8", "replace"))
    if is_harness(value):
        return from_harness(value, path, lines)
    if base in _TRAINER and isinstance(value, dict):
        return from_trainer(value, path, lines)
    return from_claims_file(value, path, lines) if is_claims_file(value) else from_free_form(value, path, lines)

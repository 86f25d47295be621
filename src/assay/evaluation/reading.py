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
from assay.evaluation.positions import value_lines
from assay.formats.json_text import read_json

if TYPE_CHECKING:
    from pathlib import Path

    from assay.core.inspector import Subject

CARD_BYTES = 4 << 20  # the longest public cards are below 1 MB
RESULT_BYTES = 16 << 20  # lm-evaluation-harness writes its whole configuration into the file
_JSON_DEPTH = 64
_TRAINER = {"eval_results.json", "all_results.json", "trainer_state.json", "test_results.json", "predict_results.json"}
_FREE = {"evaluation_results.json", "evaluation.json", "metrics.json", "benchmark_results.json", "claims.json"}
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
        if not (base == "readme.md" or _holds_results(base)):
            continue
        limit = CARD_BYTES if base == "readme.md" else RESULT_BYTES
        if entry.size > limit:
            found.unread.append(Unread(entry.path, f"longer than {limit} bytes"))
            continue
        try:
            with subject.files.open(entry.path) as stream:
                data = stream.read(limit + 1)
            found.claims += _claims_of(entry.path, base, data, found)
            found.covered.append(entry.path)
        except ContentError as error:
            found.unread.append(Unread(entry.path, str(error)))
    if len(found.claims) > MAX_CLAIMS:
        found.unread.append(Unread("", f"more than {MAX_CLAIMS} claims; the rest was not compared"))
        del found.claims[MAX_CLAIMS:]
    return found


def read_claims_file(path: Path) -> list[Claim]:
    """The claims that a person wrote down.

    Raises:
        UsageError: when it is not a claims file.
    """
    try:
        data = path.read_bytes()
        value = read_json(data, depth=_JSON_DEPTH).value
    except OSError as error:
        raise UsageError(f"can't read the claims file {path}: {error.strerror}", hint="check the path") from error
    except ContentError as error:
        raise UsageError(f"{path}: {error}", hint="see docs/howto/evaluate.md") from error
    return from_claims_file(value, path.name, value_lines(data.decode("utf-8", "replace")))


def _holds_results(base: str) -> bool:
    return base in _TRAINER | _FREE or (base.startswith("results") and base.endswith(".json"))


def _claims_of(path: str, base: str, data: bytes, found: Claims) -> list[Claim]:
    if base == "readme.md":
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

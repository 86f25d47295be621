"""All claims of a snapshot, from every place where they really stand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from assay.core.errors import ContentError, UsageError
from assay.core.evidence import Unread
from assay.evaluation.claims import MAX_CLAIMS, Claim
from assay.evaluation.claims_card import from_card
from assay.evaluation.claims_file import from_claims_file, is_claims_file
from assay.evaluation.claims_files import from_document, from_result_file, from_yaml, holds_results, is_sure
from assay.evaluation.claims_walk import MAX_DOUBTFUL
from assay.evaluation.claims_yaml import SUFFIXES
from assay.evaluation.positions import value_lines
from assay.formats.json_text import read_json

if TYPE_CHECKING:
    from pathlib import Path

    from assay.core.inspector import Subject

CARD_BYTES = 4 << 20  # the longest public cards are below 1 MB
RESULT_BYTES = 16 << 20  # lm-evaluation-harness writes its whole configuration into the file
_JSON_DEPTH = 64
_CARDS = {
    "readme.md", "model_card.md", "modelcard.md", "model-card.md", "readme.markdown", "readme", "readme.rst",
    "readme.txt", "model_card.txt", "results.md", "evaluation.md", "evaluations.md", "eval.md", "evals.md",
    "benchmark.md", "benchmarks.md", "metrics.md", "performance.md",
}  # fmt: skip
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
        if not (base in _CARDS or holds_results(entry.path)):
            continue
        _read_one(entry.path, base, entry.size, subject, found)
    if len(found.claims) > MAX_CLAIMS:
        found.unread.append(Unread("", f"more than {MAX_CLAIMS} claims; the rest was not compared"))
        del found.claims[MAX_CLAIMS:]
    return found


def _read_one(path: str, base: str, size: int, subject: Subject, found: Claims) -> None:
    """Claims of one file. Where only its folder speaks of results, a file that is none is passed over."""
    limit = CARD_BYTES if base in _CARDS else RESULT_BYTES
    sure = base in _CARDS or is_sure(path)
    if size > limit:
        found.unread += [Unread(path, f"longer than {limit} bytes")] if sure else []
        return
    try:
        with subject.files.open(path) as stream:
            data = stream.read(limit + 1)
        claims = _claims_of(path, base, data, found)
    except ContentError as error:
        found.unread += [Unread(path, str(error))] if sure else []
        return
    doubtful = [claim for claim in claims if claim.doubtful]
    left_out = {id(claim) for claim in doubtful[MAX_DOUBTFUL:]}
    found.claims += [claim for claim in claims if id(claim) not in left_out]
    found.covered.append(path)


def read_claims_file(path: Path) -> list[Claim]:
    """The claims of a file that a person names: a claims file, or a card or result file in one of the known forms.

    Raises:
        UsageError: when it can't be read as any of them.
    """
    try:
        data = path.read_bytes()
        name = path.name
        if path.suffix.lower() in {".md", ".markdown"}:
            found = Claims()
            claims = _claims_of(name, "readme.md", data, found)
            if found.unread:
                raise UsageError(f"{path}: {found.unread[0].reason}", hint="mend the front matter")
            return claims
        if path.suffix.lower() in {".csv", ".tsv", ".jsonl", ".ndjson", ".txt"}:
            return from_result_file(name, data, lambda _: None)
        if path.suffix.lower() in SUFFIXES:
            return from_yaml(data.decode("utf-8", "replace"), name)
        value = read_json(data, depth=_JSON_DEPTH).value
    except OSError as error:
        raise UsageError(f"can't read the claims file {path}: {error.strerror}", hint="check the path") from error
    except ContentError as error:
        raise UsageError(f"{path}: {error}", hint="see docs/howto/evaluate.md") from error
    lines = value_lines(data.decode("utf-8", "replace"))
    if is_claims_file(value) or (isinstance(value, dict) and set(value) == {"results"} and value["results"] == []):
        return from_claims_file(value, name, lines)
    claims = from_document(value, name, lines)
    return claims or from_claims_file(value, name, lines)  # which says what is expected


def _claims_of(path: str, base: str, data: bytes, found: Claims) -> list[Claim]:
    problems: list[str] = []
    if base in _CARDS:
        claims = from_card(data.decode("utf-8", "replace"), path, problems.append)
    else:
        claims = from_result_file(path, data, problems.append)
    found.unread += [Unread(path, problem) for problem in problems]
    return claims

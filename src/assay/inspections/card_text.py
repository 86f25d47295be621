"""What a model card declares, and a sketch of its text by which a copy is known again.

The sketch is MinHash (Broder, 1997) over runs of five words: the share of equal values in two sketches estimates the
share of equal runs in two texts. Links, code, the front matter and numbers don't count: copies change them.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any

from assay.core.errors import ContentError

SKETCH_VALUES = 64  # standard error of the estimate: 1/sqrt(64) at worst, 0.06 near the ends
MIN_RUNS = 40  # a shorter text is like too many others
RELATIONS = frozenset(("finetune", "adapter", "merge", "quantized", "distillation"))
_RUN_WORDS = 5
_MOST_RUNS = 20_000
_MOST_LISTED = 200
_MOST_TEXT = 300  # characters of one declared value that are kept
_PRIME = (1 << 61) - 1
_FENCED = re.compile(r"(?:```|~~~).*?(?:```|~~~|\Z)", re.DOTALL)
_NOISE = re.compile(r"<[^>]*>|https?://\S+|[^\w\s]|\d+")
_COMMIT = re.compile(
    r"(?:github\.com|gitlab\.com)/(?P<repo>[\w.-]{1,100}/[\w.-]{1,100})/(?:commit|tree|blob)/(?P<commit>[0-9a-f]{40})"
)


@dataclass(frozen=True)
class Card:
    """What stands in a card.

    Attributes:
        declared: keys of the front matter that are facts about the model, plain values only.
        sketch: MinHash values below 2**32; empty for a text shorter than `MIN_RUNS` runs.
        runs: how many different runs the text has.
        generated: whether a training tool wrote it: such cards are alike without being copied.
        commits: (repository, commit) pairs that the text links to.
        problem: why the front matter could not be read; empty when it could or there is none.
    """

    declared: dict[str, Any] = field(default_factory=dict)
    sketch: tuple[int, ...] = ()
    runs: int = 0
    generated: bool = False
    commits: tuple[tuple[str, str], ...] = ()
    problem: str = ""


def read_card(text: str, *, depth: int) -> Card:
    """Read a card; a broken front matter is a problem, never an exception."""
    head, body = _split(text)
    declared, problem = {}, ""
    if head:
        from assay.formats.yaml_text import read_yaml  # noqa: PLC0415 - PyYAML, when there is YAML

        try:
            value = read_yaml(head, depth=depth, first_line=2).value
        except ContentError as error:
            value, problem = None, str(error)
        declared = _declared(value) if isinstance(value, dict) else {}
    runs = _runs(body)
    generated = "generated automatically" in body or "automatically generated" in body
    commits = tuple(dict.fromkeys((m["repo"], m["commit"]) for m in _COMMIT.finditer(body)))[:_MOST_LISTED]
    return Card(declared, sketch(runs), len(runs), generated, commits, problem)


def _split(text: str) -> tuple[str, str]:
    if not text.startswith("---"):
        return "", text
    head, mark, body = text[3:].partition("\n---")
    return (head, body) if mark else ("", text)


def _declared(value: dict[str, Any]) -> dict[str, Any]:
    """The keys that hub cards have (https://huggingface.co/docs/hub/model-cards), as text or lists of text."""
    found: dict[str, Any] = {}
    for key in ("license", "license_name", "license_link", "pipeline_tag", "library_name", "base_model_relation"):
        item = value.get(key)
        if isinstance(item, list) and len(item) == 1:
            item = item[0]
        if isinstance(item, str | int | float) and not isinstance(item, bool):
            found[key] = str(item)[:_MOST_TEXT]
    for key in ("base_model", "datasets", "language", "tags", "metrics"):
        if listed := texts(value.get(key)):
            found[key] = listed
    return found


def texts(value: Any) -> list[str]:
    """One text or a list of them, as a list without repetition; anything else is left out."""
    items = value if isinstance(value, list) else [value]
    names = (item.get("name") if isinstance(item, dict) else item for item in items)
    return list(dict.fromkeys(str(item)[:_MOST_TEXT] for item in names if isinstance(item, str) and item))[
        :_MOST_LISTED
    ]


def _runs(body: str) -> set[str]:
    words = _NOISE.sub(" ", _FENCED.sub(" ", body)).lower().split()
    found: set[str] = set()
    for start in range(len(words) - _RUN_WORDS + 1):
        found.add(" ".join(words[start : start + _RUN_WORDS]))
        if len(found) >= _MOST_RUNS:
            break
    return found


def sketch(runs: set[str]) -> tuple[int, ...]:
    """MinHash of a set of runs; empty when it has fewer than `MIN_RUNS`."""
    if len(runs) < MIN_RUNS:
        return ()
    hashed = [int.from_bytes(hashlib.blake2b(run.encode(), digest_size=7).digest(), "big") for run in runs]
    return tuple(min((a * h + b) % _PRIME for h in hashed) & 0xFFFFFFFF for a, b in _COEFFICIENTS)


def _coefficients() -> tuple[tuple[int, int], ...]:
    made = []
    for number in range(SKETCH_VALUES):
        seed = hashlib.blake2b(f"assay card sketch {number}".encode(), digest_size=16).digest()
        made.append((int.from_bytes(seed[:8], "big") % (_PRIME - 1) + 1, int.from_bytes(seed[8:], "big") % _PRIME))
    return tuple(made)


_COEFFICIENTS = _coefficients()

"""Prompts of `--data` for a language model: JSONL, CSV or TSV with a column of prompts, or one prompt a line."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.behaviour.data_file import read_whole
from assay.core.digest import Digest
from assay.core.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 64 << 20
MOST_PROMPTS = 2000
LONGEST = 2000  # characters
_COLUMNS = ("prompt", "question", "instruction", "text", "sentence")


@dataclass(frozen=True)
class Prompts:
    """What a model is asked.

    Attributes:
        texts: in the order of the file.
        digest: of the file's bytes.
    """

    texts: tuple[str, ...]
    digest: Digest


def read_prompts(path: Path) -> Prompts:
    """Read the file.

    Raises:
        UsageError: missing, too long, not text, or without prompts.
    """
    raw = read_whole(path, MAX_BYTES)
    try:
        found = _texts(path.suffix.lower(), raw.decode("utf-8-sig"))
    except (UnicodeDecodeError, ValueError, csv.Error, RecursionError) as error:
        raise UsageError(f"{path}: no prompts: {error}", hint="JSONL, CSV, TSV or one a line, in UTF-8") from error
    texts = [one.strip()[:LONGEST] for one in found if one.strip()]
    if not texts:
        raise UsageError(f"{path}: no prompts", hint=f"columns: {' or '.join(_COLUMNS)}")
    return Prompts(tuple(texts[:MOST_PROMPTS]), Digest.of(raw))


def _texts(suffix: str, text: str) -> list[str]:
    if suffix in {".jsonl", ".ndjson", ".json"}:
        records: list[Any] = [json.loads(line) for line in text.splitlines() if line.strip()]
    elif suffix in {".csv", ".tsv"}:
        records = list(csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if suffix == ".tsv" else ","))
    else:
        return text.splitlines()
    found = (next((one[key] for key in _COLUMNS if one.get(key)), None) for one in records if isinstance(one, dict))
    return [one for one in found if isinstance(one, str)]

"""Labelled texts of `--data`: CSV, TSV or JSONL with a text and a label column, header line first."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.digest import Digest
from assay.core.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 512 << 20
MOST_TEXTS = 8000  # read on: what a search needs, drawn from the whole file
MOST_WORDS = 200_000
LONGEST = 2000  # characters of a text: longer ones are cut
_TEXT = ("sentence", "text")
_LABEL = ("label", "labels", "class")


@dataclass(frozen=True)
class Labelled:
    """Texts with classes.

    Attributes:
        items: (text, class as a number in the order of first sight, sorted by its name).
        names: of the classes, as the file writes them.
        digest: of the file's bytes.
        rows: in the file.
        words: that occur anywhere in it, sorted: what its tokens explain.
    """

    items: tuple[tuple[str, int], ...]
    names: tuple[str, ...]
    digest: Digest
    rows: int
    words: tuple[str, ...] = ()


def read_whole(path: Path, most: int) -> bytes:
    """The bytes of a file that a person named, at most `most` of them.

    Raises:
        UsageError: missing, unreadable, or longer than that.
    """
    try:
        raw = path.read_bytes() if path.stat().st_size <= most else None
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror}", hint="check the path") from error
    if raw is None:
        raise UsageError(f"{path}: longer than {most} bytes", hint="give a sample")
    return raw


def read_labelled(path: Path) -> Labelled:
    """Read the file.

    Raises:
        UsageError: missing, too long, not text, without the columns, or with fewer than two classes.
    """
    raw = read_whole(path, MAX_BYTES)
    try:
        rows = _rows(path.suffix.lower(), raw.decode("utf-8-sig"))
    except (UnicodeDecodeError, ValueError, csv.Error, RecursionError) as error:
        raise UsageError(f"{path}: not a table of texts: {error}", hint="CSV, TSV or JSONL in UTF-8") from error
    if not rows:
        raise UsageError(f"{path}: no rows with a text and a label", hint=f"columns: {' or '.join(_TEXT)}, and label")
    names = sorted({label for _, label in rows})
    if len(names) < 2:  # noqa: PLR2004
        raise UsageError(f"{path}: only one class", hint="a classifier needs texts of each class")
    number = {name: index for index, name in enumerate(names)}
    picked = rows if len(rows) <= MOST_TEXTS else random.Random(0).sample(rows, MOST_TEXTS)  # noqa: S311 - a sample
    items = tuple((text[:LONGEST], number[label]) for text, label in picked)
    return Labelled(items, tuple(names), Digest(hashlib.sha256(raw).hexdigest()), len(rows), _words(rows))


def _words(rows: list[tuple[str, str]]) -> tuple[str, ...]:
    found: set[str] = set()
    for text, _ in rows:
        found.update(text.split())
        if len(found) > MOST_WORDS:
            return ()  # too many to explain anything by
    return tuple(sorted(found))


def _rows(suffix: str, text: str) -> list[tuple[str, str]]:
    if suffix in {".jsonl", ".ndjson", ".json"}:
        records: list[Any] = [json.loads(line) for line in text.splitlines() if line.strip()]
    else:
        head = text.partition("\n")[0]
        tabs = suffix == ".tsv" or ("\t" in head and suffix != ".csv")
        lines = io.StringIO(text, newline="")
        if tabs:
            records = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
        else:
            records = list(csv.DictReader(lines))
    found = []
    for record in records:
        if isinstance(record, dict):
            wanted = next((record[key] for key in _TEXT if record.get(key)), None)
            label = next((record[key] for key in _LABEL if record.get(key) is not None), None)
            if isinstance(wanted, str) and wanted.strip() and label is not None:
                found.append((wanted, str(label)))
    return found

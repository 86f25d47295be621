"""Labelled texts of `--data`: CSV or TSV with a header line, JSON, JSONL or Parquet; a text and a label column."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.digest import Digest
from assay.core.errors import EnvironmentFault, UsageError

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 512 << 20
MOST_TEXTS = 8000  # read on: what a search needs, drawn from the whole file
MOST_WORDS = 200_000
LONGEST = 2000  # characters of a text: longer ones are cut
_TEXT = ("sentence", "text", "content", "review", "utterance", "query", "question", "comment", "message", "tweet")
_LABEL = ("label", "labels", "class", "intent", "category", "sentiment", "emotion", "topic", "target")
_DIGITS = 20  # of a class that is a number
_JSON = {".jsonl", ".ndjson", ".json"}


@dataclass(frozen=True)
class Labelled:
    """Texts with classes.

    Attributes:
        items: (text, class as an index into `names`).
        names: of the classes, as the file writes them; numbers in their order, then names in theirs.
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
        EnvironmentFault: Parquet without pyarrow.
    """
    raw = read_whole(path, MAX_BYTES)
    try:
        records = _records(path.suffix.lower(), raw)
    except (UnicodeDecodeError, ValueError, csv.Error, RecursionError) as error:
        hint = "CSV, TSV, JSON or JSONL in UTF-8, or Parquet"
        raise UsageError(f"{path}: not a table of texts: {error}", hint=hint) from error
    rows = _rows(records)
    if not rows:
        seen = ", ".join(
            sorted({str(key)[:40] for record in records[:20] if isinstance(record, dict) for key in record})
        )
        hint = f"it has {seen or 'no columns'}; one of {', '.join(_TEXT)}, and one of {', '.join(_LABEL)}"
        raise UsageError(f"{path}: no rows with a text and a label", hint=hint)
    names = sorted({label for _, label in rows}, key=natural)
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


def natural(name: str) -> tuple[int, int, str]:
    """Key of an order: numbers as numbers, before names."""
    return (0, int(name), name) if name.isdecimal() and len(name) < _DIGITS else (1, 0, name)


def parquet_rows(raw: bytes, hint: str) -> list[dict[str, Any]]:
    """Rows of a Parquet file.

    Args:
        raw: the file.
        hint: what to do without pyarrow.

    Raises:
        EnvironmentFault: without pyarrow.
        ValueError: no Parquet.
    """
    try:
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError as error:
        raise EnvironmentFault("Parquet needs pyarrow", hint=hint) from error
    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(io.BytesIO(raw)).to_pylist()
    return rows


def _records(suffix: str, raw: bytes) -> list[Any]:
    if suffix == ".parquet":
        return parquet_rows(raw, "install pyarrow, or give CSV, TSV or JSONL")
    text = raw.decode("utf-8-sig")
    if suffix in _JSON:
        if text.lstrip().startswith("["):
            found: list[Any] = json.loads(text)
            return found
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    tabs = suffix == ".tsv" or ("\t" in text.partition("\n")[0] and suffix != ".csv")
    lines = io.StringIO(text, newline="")
    if tabs:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    return list(csv.DictReader(lines))


def _rows(records: list[Any]) -> list[tuple[str, str]]:
    """Texts and labels of one column each, whatever other columns some rows have; rows that lack one are left out."""
    able = [record for record in records if isinstance(record, dict)]
    text = next((key for key in _TEXT if any(record.get(key) for record in able)), "")
    label = next((key for key in _LABEL if any(_label(record.get(key)) for record in able)), "")
    given = ((record.get(text), _label(record.get(label))) for record in able)
    return [(one, own) for one, own in given if isinstance(one, str) and one.strip() and own]


def _label(value: Any) -> str:
    """As the file writes it; empty where there is none."""
    return "" if value is None else str(value).strip()

"""The pinned data of a suite, as rows; refused unless its bytes are the agreed ones."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.digest import Digest
from assay.core.errors import EnvironmentFault, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from assay.evaluation.suite import DataSpec, Suite

MAX_DATA_BYTES = 2 << 30  # of the file: it is held in memory
MAX_FIELD = 64 << 20  # characters of one field of a CSV or TSV
MAX_EXAMPLES = 1_000_000
TABLES = ("tabular", "tabular-regression")


@dataclass(frozen=True)
class Examples:
    """Rows of the data, one value for each role that the suite names.

    Attributes:
        rows: role to value; `features` is a list; for a task file of the harness `document` is the whole record.
        features: names of the columns of a table, in the order of its rows.
    """

    rows: tuple[dict[str, Any], ...]
    features: tuple[str, ...] = ()

    def column(self, role: str) -> list[Any]:
        """Values of one role, in order."""
        return [row[role] for row in self.rows]


def load_data(suite: Suite) -> Examples:
    """Read and check the data.

    Raises:
        UsageError: missing, not the pinned bytes, lacking a column, or empty.
        EnvironmentFault: Parquet without pyarrow.
    """
    spec = suite.data
    raw = _pinned(spec)
    rows = []
    features = spec.features
    for number, record in enumerate(_records(spec, raw), start=1):
        if number > MAX_EXAMPLES:
            raise UsageError(f"{spec.path}: more than {MAX_EXAMPLES} examples", hint="split it into several suites")
        whole, table = suite.task == "harness", suite.task in TABLES
        if table and not features:
            features = tuple(str(key) for key in record if key not in spec.columns.values())
        rows.append({"document": record} if whole else _row(spec, record, number, features if table else None))
    if not rows:
        raise UsageError(f"{spec.path}: no examples", hint="is this the right file?")
    examples = Examples(tuple(rows), features)
    return _numeric(examples) if features and not spec.features else examples


def _numeric(examples: Examples) -> Examples:
    """Without the columns of which nobody said that they are features and that hold no number at all (names, texts)."""
    columns = list(zip(*examples.column("features"), strict=True))
    kept = [index for index, column in enumerate(columns) if any(map(_is_number, column))]
    for row in examples.rows:
        row["features"] = [row["features"][index] for index in kept]
    return Examples(examples.rows, tuple(examples.features[index] for index in kept))


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return str(value).lower() in {"true", "false"}
    return True


def _pinned(spec: DataSpec) -> bytes:
    try:
        if spec.path.stat().st_size > MAX_DATA_BYTES:
            raise UsageError(f"{spec.path}: longer than {MAX_DATA_BYTES} bytes", hint="split it into several suites")
        raw = spec.path.read_bytes()
    except OSError as error:
        raise UsageError(f"can't read the data {spec.path}: {error.strerror}", hint="check data.path") from error
    if (digest := Digest.of(raw)) != spec.sha256:
        raise UsageError(
            f"{spec.path} is not the data that the suite pins: {digest}, not {spec.sha256}", hint="restore the file"
        )
    return raw


def _records(spec: DataSpec, raw: bytes) -> Iterator[dict[str, Any]]:
    if spec.format == "parquet":
        return _parquet(spec.path, raw)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{spec.path}: not UTF-8: {error}", hint="convert the file") from error
    return _jsonl(spec.path, text) if spec.format == "jsonl" else _delimited(spec, text)


def _delimited(spec: DataSpec, text: str) -> Iterator[dict[str, Any]]:
    """CSV as of RFC 4180; TSV without quoting, as data sets are published: a quote is a quote."""
    csv.field_size_limit(MAX_FIELD)
    stream = io.StringIO(text, newline="")
    if spec.format == "tsv":
        reader = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
    else:
        reader = csv.DictReader(stream, strict=True, delimiter=_delimiter(spec, text))
    try:
        yield from reader
    except csv.Error as error:
        raise UsageError(f"{spec.path}: line {reader.line_num}: {error}", hint="mend the file") from error


def _delimiter(spec: DataSpec, text: str) -> str:
    """A comma, unless the first line has the suite's columns only with another sign between."""
    wanted = {*spec.columns.values(), *spec.features}
    for sign in ",;\t|":
        if wanted <= set(next(csv.reader([text.partition("\n")[0].rstrip("\r")], delimiter=sign), [])):
            return sign
    return ","


def _jsonl(path: Path, text: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{path}: line {number}: not JSON", hint="one object a line") from error
        if not isinstance(value, dict):
            raise UsageError(f"{path}: line {number}: not an object", hint="one object a line")
        yield value


def _parquet(path: Path, raw: bytes) -> Iterator[dict[str, Any]]:
    try:
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError as error:
        raise EnvironmentFault(f"{path}: Parquet needs pyarrow", hint="install pyarrow, or use JSONL") from error
    try:
        yield from pyarrow.parquet.read_table(io.BytesIO(raw)).to_pylist()
    except pyarrow.ArrowException as error:
        raise UsageError(f"{path}: not Parquet: {error}", hint="is this the right file?") from error


def _row(spec: DataSpec, record: dict[str, Any], number: int, features: tuple[str, ...] | None) -> dict[str, Any]:
    def value(column: str) -> Any:
        if record.get(column) is None:
            known = ", ".join(str(key) for key in list(record)[:10])
            raise UsageError(f"{spec.path}: example {number} has no {column!r}", hint=f"columns: {known}")
        return record[column]

    row = {role: value(column) for role, column in spec.columns.items()}
    if features is not None:
        row["features"] = [value(column) for column in features]
    return row


def pictures(spec: DataSpec, examples: Examples) -> Iterator[bytes]:
    """The bytes of each image.

    In Parquet they lie in the column itself (bytes, or the `{bytes, path}` of the `datasets` library); in other formats
    it holds paths relative to the data, and the column `image_sha256` the digest of each.

    Raises:
        UsageError: no such file, or not the pinned bytes.
    """
    for row in examples.rows:
        value = row["image"]
        data = value.get("bytes") if isinstance(value, dict) else value
        if isinstance(data, bytes):
            yield data
            continue
        path = spec.path.parent / str(data)
        if "image_sha256" not in row:
            raise UsageError(f"{spec.path}: images are named, not pinned", hint="name a column data.image_sha256")
        try:
            found = path.read_bytes()
        except OSError as error:
            raise UsageError(f"can't read the image {path}: {error.strerror}", hint="restore the file") from error
        if Digest.of(found) != Digest.parse(str(row["image_sha256"])):
            raise UsageError(f"{path} is not the image that the data pins", hint="restore the file")
        yield found

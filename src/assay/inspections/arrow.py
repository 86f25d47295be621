"""Parquet and Arrow files.

What it reads: the schema in the footer (and, for Arrow, at the start), and whether the footer fits the file.
What it reports: columns of pyarrow's Python extension type, whose metadata is a pickle; footers that do not fit.
Why it matters: pyarrow before 14.0.1 unpickles that metadata when it opens the file (CVE-2023-47248).
What it cannot see: the data pages (columns of bytes and text are searched for pickles, see
`formats/containers/packed_columns.py`); what a reader does with columns of other extension types.
References: CVE-2023-47248.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from assay.core.errors import ContentError, LimitExceeded
from assay.core.finding import Confidence, Severity

if TYPE_CHECKING:
    from assay.inspections.parts import Collector, Part

_PYTHON_TYPE = b"arrow.py_extension_type"
_HEAD_BYTES = 1 << 20
_PARQUET_END, _ARROW_END = 8, 10  # length and magic number


class ArrowSchema:
    """The inspector `arrow`."""

    name = "arrow"
    local = True
    version = "1"

    def wants(self, part: Part) -> bool:
        """Parquet and Arrow files."""
        return bool({"parquet", "arrow"}.intersection(part.formats))

    def inspect_part(self, part: Part, out: Collector) -> None:
        """Look for the name of the type, plain and as Parquet's metadata encodes it."""
        parquet = "parquet" in part.formats
        text = _footer(part, _PARQUET_END if parquet else _ARROW_END)
        if not parquet:
            part.stream.seek(0)
            text += part.stream.read(_HEAD_BYTES)
        if any(name in text for name in _spellings()):
            out.finding(
                "arrow-python-type",
                Severity.HIGH,
                Confidence.HIGH,
                "a column of pyarrow's Python extension type: its metadata is a pickle, which old readers run on open",
            )


def _footer(part: Part, end: int) -> bytes:
    """The footer, whose length stands before the magic number at the end.

    Raises:
        ContentError: when it does not fit the file.
    """
    part.stream.seek(max(0, part.size - end))
    length = int.from_bytes(part.stream.read(4), "little")
    if part.stream.read(end - 4) not in {b"PAR1", b"ARROW1"}:
        raise ContentError("the footer is missing or encrypted: the file is cut off, or can't be read without its key")
    if length > part.size - 2 * end:
        raise ContentError(f"a footer of {length} bytes in a file of {part.size}")
    if length > part.limits.header_bytes:
        raise LimitExceeded("header_bytes", f"a footer of {length} bytes")
    part.stream.seek(part.size - end - length)
    return part.stream.read(length)


def _spellings() -> list[bytes]:
    """The name as it stands, and in base64 at each of three alignments, less the characters that neighbours share."""
    found = [_PYTHON_TYPE]
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + _PYTHON_TYPE).rstrip(b"=")
        found.append(encoded[4 if shift else 0 : -1])
    return found

"""Range requests (RFC 9110, section 14): one byte range; anything else is answered in full, as the RFC allows."""

from __future__ import annotations

import re
from dataclasses import dataclass

from assay.core.errors import UsageError

_ONE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a file.

    Attributes:
        start: first byte.
        stop: one past the last byte.
    """

    start: int
    stop: int


class Unsatisfiable(UsageError):
    """The range lies outside the file: 416."""


def parse_range(header: str | None, size: int, *, if_range: str | None = None, etag: str = "") -> Span | None:
    """The part that is asked for, or None for the whole.

    Args:
        header: value of `Range`.
        size: bytes of the file.
        if_range: value of `If-Range`; only our own strong ETag keeps the range, a date never does.
        etag: of the file, with quotes.

    Raises:
        Unsatisfiable: RFC 9110, 15.5.17.
    """
    match = _ONE.fullmatch(header.strip()) if header else None
    if match is None or match.group() == "bytes=-" or (if_range is not None and if_range.strip() != etag):
        return None
    first, last = match.groups()
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), size if not last else min(int(last) + 1, size)
        if last and int(last) < int(first):
            return None
    if start >= size or start >= stop:
        raise Unsatisfiable(f"bytes {first}-{last} of {size}")
    return Span(start, stop)

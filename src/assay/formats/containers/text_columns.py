"""Pickles written as text in columns of tables: values lie there one behind the other, without quotes.

In pages of Parquet a length of four bytes stands before each value, in Arrow nothing does. What `text_pickles` finds
beside a quote or a separator is found behind a length, too; base64 and hexadecimal digits of protocol 2 and later are
found anywhere. Only what decodes to a whole pickle that imports and calls something counts.
"""

from __future__ import annotations

import binascii
import re
import zlib
from typing import TYPE_CHECKING

from assay.core.errors import ContentError, LimitExceeded
from assay.formats.containers.text_pickles import decode, find
from assay.formats.sniff_pickle import FIRST_OPCODES, end_of_pickle

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONTROLS = bytes({*range(32)} - set(b"\t\n\r"))
_AS_QUOTES = bytes.maketrans(_CONTROLS, b'"' * len(_CONTROLS))
_DIGITS64 = rb"[A-Za-z0-9+/_-]"
_MARK = re.compile(rb"gA[I-X](?=" + _DIGITS64 + rb"{20})|80(?:0[2-5])(?=[0-9A-Fa-f]{24})|(?:H4sI|eJ[wxyz0-9])(?="
                   + _DIGITS64 + rb"{28})")  # fmt: skip
_RUN64 = re.compile(_DIGITS64 + rb"+={0,2}")
_RUN16 = re.compile(rb"(?:[0-9A-Fa-f]{2})+")
_FIRST = 32  # characters that tell most accidents from pickles
_SIZES = (16 << 10, 1 << 20)  # characters that are decoded, the second only where the first are all opcodes
_FEW = 8  # opcodes that no accident reaches
_ALL_BYTES = 256 << 20  # decoded in one column
_PICKLE = 0x80


def pickles_in(data: bytes, *, lengths: bool) -> Iterator[bytes]:
    """What the text in a part of a column stands for, where it is a pickle that acts, or one that is packed.

    Args:
        data: one page or buffer, expanded.
        lengths: each value has its length before it.

    Raises:
        LimitExceeded: for text made so that a pickle seems to begin everywhere.
    """
    seen: set[bytes] = set()
    for found in (*(_behind_lengths(data) if lengths else ()), *_anywhere(data)):
        if found not in seen:
            seen.add(found)
            yield found


def _behind_lengths(data: bytes) -> Iterator[bytes]:
    quoted = b'"' + data.translate(_AS_QUOTES) + b'"'
    for start, end, encoding in find(quoted):
        try:
            decoded = decode("base64, cut" if encoding == "base64" else encoding, quoted[start:end])
        except ContentError:
            continue
        if decoded.startswith((b"PK\x03\x04", b"\x93NUMPY")) or _acts(decoded):
            yield decoded


def _anywhere(data: bytes) -> Iterator[bytes]:
    left, reached = _ALL_BYTES, 0
    for mark in _MARK.finditer(data):
        if mark.start() < reached:
            continue  # inside one that was found
        form, pattern = ("hex", _RUN16) if mark[0].startswith(b"80") else ("base64, cut", _RUN64)
        if not _begins(decode(form, data[mark.start() : mark.start() + _FIRST])):
            continue
        for size in _SIZES:
            run = pattern.match(data, mark.start(), mark.start() + size)
            decoded = decode(form, run[0]) if run else b""
            left -= len(decoded)
            if left < 0:
                raise LimitExceeded("text_pickles", "too much that could be a pickle written as text")
            if _acts(decoded):
                yield decoded
                reached = mark.start() + (len(run[0]) if run else 0)
                break
            if end_of_pickle(_unpacked(decoded), 0, len(decoded))[1] < _FEW:
                break


def _begins(head: bytes) -> bool:
    return head[:1] != bytes([_PICKLE]) or head[2] in FIRST_OPCODES


def _acts(decoded: bytes) -> bool:
    plain = _unpacked(decoded)
    return end_of_pickle(plain, 0, len(plain))[0] > 0


def _unpacked(data: bytes) -> bytes:
    """Without gzip or zlib around it, as far as one look needs."""
    try:
        if data[:2] in {b"\x1f\x8b", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"}:
            return zlib.decompressobj(47).decompress(data, _SIZES[1])
    except (zlib.error, binascii.Error):
        return b""
    return data

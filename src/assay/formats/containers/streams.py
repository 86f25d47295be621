"""Compressed streams with one content: gzip, bzip2, xz, lzma, zlib, lz4, zstd and joblib's old zlib file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from assay.core.errors import ContentError
from assay.formats.anomaly import Anomaly
from assay.formats.containers.inflate import decompressor, inflate
from assay.formats.containers.members import CHUNK_BYTES, Budget, Member, expand, slice_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_JOBLIB_PREFIX = b"ZF"
_JOBLIB_HEADER_BYTES = 2 + 19  # joblib.numpy_pickle_compat: prefix, then hex(2**64) padded with blanks
_MAGIC = {"gzip": b"\x1f\x8b", "bzip2": b"BZh", "xz": b"\xfd7zXZ", "lz4": b"\x04\x22\x4d\x18",
          "zstd": b"\x28\xb5\x2f\xfd"}  # fmt: skip
_SUFFIXES = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".lzma": "lzma", ".z": "zlib", ".lz4": "lz4", ".zst": "zstd",
             ".tgz": "gzip"}  # fmt: skip
STRAY = "(bytes after the end)"


@dataclass
class CompressedStream:
    """One compressed stream as a container of one member.

    Concatenated members are one content, as gzip and bz2 read them.

    Attributes:
        format: `gzip`, `bzip2`, `xz`, `lzma`, `zlib`, `lz4` or `zstd`.
        members: the content.
        anomalies: none known before the content was expanded.
        late: what expanding the content showed.
        trailing: bytes after the end, known after the content was expanded.
    """

    format: str
    members: tuple[Member, ...]
    anomalies: tuple[Anomaly, ...]
    stream: BinaryIO
    size: int
    late: tuple[Anomaly, ...] = ()
    trailing: Member | None = None

    def open(self, member: Member, budget: Budget) -> BinaryIO:
        """Expand the content; when it breaks off in the middle, what came before it is the content."""
        if member.kind == "stray":
            return slice_of(self.stream, member.offset, member.packed)
        return expand(self._chunks(member.offset), budget)

    def _chunks(self, start: int) -> Iterator[bytes]:
        position = start
        produced = False
        while position < self.size:
            source = slice_of(self.stream, position, self.size - position)
            inner = decompressor(self.format)
            try:
                for chunk in inflate(source, inner):
                    produced = True
                    yield chunk
            except ContentError as error:
                self._broken(position, produced, str(error))
                return
            position += source.tell() - len(inner.unused_data)
            if self.format in {"zlib", "lzma"} or not self._another(position):
                break
        if position < self.size and not self._padding(position):
            note = Anomaly("trailing-bytes", f"{self.size - position} bytes after the end", position)
            self.late += (note,)
            self.trailing = Member(STRAY, "stray", position, self.size - position, self.size - position)

    def _broken(self, position: int, produced: bool, reason: str) -> None:
        if not produced:
            raise ContentError(reason)
        self.late += (Anomaly("stream-broken", reason, position),)

    def _another(self, position: int) -> bool:
        self.stream.seek(position)
        return self.stream.read(6).startswith(_MAGIC[self.format])

    def _padding(self, position: int) -> bool:
        """Only zero bytes follow (gzip and xz allow padding)."""
        self.stream.seek(position)
        while chunk := self.stream.read(CHUNK_BYTES):
            if chunk.strip(b"\0"):
                return False
        return True


def read_stream(stream: BinaryIO, size: int, form: str, name: str) -> CompressedStream:
    """A compressed stream as a container; nothing is expanded yet.

    Args:
        stream: seekable.
        size: its length.
        form: `gzip`, `bzip2`, `xz`, `lzma`, `zlib`, `lz4` or `zstd`.
        name: its file name; the content's name is derived from it.
    """
    start = 0
    if form == "zlib":
        stream.seek(0)
        if stream.read(2) == _JOBLIB_PREFIX:
            start = _JOBLIB_HEADER_BYTES
            stream.seek(start)
            if stream.read(1) == b" ":  # written by a Python whose hex() had a longer form
                start += 1
    base = name.rsplit("/", 1)[-1]
    dot = base.rfind(".")
    stem = base[:dot] if dot > 0 and base[dot:].lower() in _SUFFIXES else "content"
    if base.lower().endswith(".tgz"):
        stem += ".tar"
    member = Member(stem, "file", start, size - start, -1, form)
    return CompressedStream(form, (member,), (), stream, size)

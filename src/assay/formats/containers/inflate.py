"""Decompression in bounded steps: no call ever returns more than a chunk, whatever the data says."""

from __future__ import annotations

import bz2
import lzma
import zlib
from typing import TYPE_CHECKING, Protocol

from assay.core.errors import ContentError
from assay.formats.containers.members import CHUNK_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_LZMA_MEMORY_BYTES = 512 << 20  # xz -9 needs 65 MiB to decompress; a larger dictionary is an attack on memory
_ERRORS = (zlib.error, OSError, EOFError, lzma.LZMAError, ValueError)


class Decompressor(Protocol):
    """One compressed stream, fed in chunks."""

    @property
    def eof(self) -> bool:
        """Whether the stream came to its end."""
        ...

    @property
    def unused_data(self) -> bytes:
        """Input that was read beyond the end."""
        ...

    def step(self, data: bytes) -> bytes:
        """Up to a chunk of output; `data` may be empty while `hungry` is False."""
        ...

    @property
    def hungry(self) -> bool:
        """Whether it needs more input to go on."""
        ...


class _Zlib:
    def __init__(self, window: int) -> None:
        self._inner = zlib.decompressobj(window)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def hungry(self) -> bool:
        return not self._inner.unconsumed_tail

    def step(self, data: bytes) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, CHUNK_BYTES)


class _Limited:
    def __init__(self, inner: bz2.BZ2Decompressor | lzma.LZMADecompressor) -> None:
        self._inner = inner

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def hungry(self) -> bool:
        return self._inner.needs_input

    def step(self, data: bytes) -> bytes:
        return self._inner.decompress(data, CHUNK_BYTES)


def decompressor(method: str) -> Decompressor:
    """A fresh decompressor: `deflate`, `zlib`, `gzip`, `bzip2`, `xz`, `lzma` (alone).

    Raises:
        ContentError: for another method.
    """
    if method in {"deflate", "zlib", "gzip"}:
        return _Zlib({"deflate": -15, "zlib": 15, "gzip": 31}[method])
    if method == "bzip2":
        return _Limited(bz2.BZ2Decompressor())
    if method in {"xz", "lzma"}:
        kind = lzma.FORMAT_XZ if method == "xz" else lzma.FORMAT_ALONE
        return _Limited(lzma.LZMADecompressor(kind, memlimit=_LZMA_MEMORY_BYTES))
    raise ContentError(f"compression {method!r} is not read")


def zip_lzma(stream: BinaryIO) -> Decompressor:
    """The decompressor of ZIP method 14 (APPNOTE 5.8.8): version, property size, raw LZMA1 properties."""
    head = stream.read(4)
    properties = stream.read(int.from_bytes(head[2:4], "little")) if len(head) == 4 else b""  # noqa: PLR2004
    if len(properties) != 5:  # noqa: PLR2004
        raise ContentError("broken LZMA properties")
    mode, size = properties[0], int.from_bytes(properties[1:5], "little")
    rest, lc = divmod(mode, 9)
    pb, lp = divmod(rest, 5)
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": size, "lc": lc, "lp": lp, "pb": pb}]
    try:
        return _Limited(lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters))
    except (lzma.LZMAError, ValueError, OverflowError) as error:
        raise ContentError(f"broken LZMA properties: {error}") from error


def inflate(stream: BinaryIO, inner: Decompressor) -> Iterator[bytes]:
    """Expand one compressed stream to its end; afterwards `inner.unused_data` holds what was read beyond it.

    Raises:
        ContentError: when the data is broken or cut; what was expanded before has been yielded.
    """
    data = b""
    while not inner.eof:
        if inner.hungry:
            data = stream.read(CHUNK_BYTES)
            if not data:
                raise ContentError("the compressed data is cut off")
        try:
            chunk = inner.step(data)
        except _ERRORS as error:
            raise ContentError(f"broken compressed data: {error}") from error
        except MemoryError as error:
            raise ContentError("the compressed data asks for too much memory") from error
        data = b""
        if chunk:
            yield chunk

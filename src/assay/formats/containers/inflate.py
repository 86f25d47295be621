"""Decompression in bounded steps: no call ever returns more than a chunk, whatever the data says."""

from __future__ import annotations

import bz2
import lzma
import zlib
from typing import TYPE_CHECKING, Any, Protocol

from assay.core.errors import ContentError
from assay.formats.containers.members import CHUNK_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_LZMA_MEMORY_BYTES = 512 << 20  # xz -9 needs 65 MiB to decompress; a larger dictionary is an attack on memory
_LZMA_MIN_DICTIONARY = 4096  # liblzma's own lower bound
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
    """A fresh decompressor for one stream.

    Args:
        method: `deflate`, `deflate64`, `zlib`, `gzip`, `bzip2`, `xz`, `lzma` (alone), `lz4` (frame) or `zstd` (frame).

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
    if method == "lz4":
        from assay.formats.containers.lz4 import Lz4  # noqa: PLC0415

        return Lz4()
    if method == "zstd":
        from assay.formats.containers.zstd import Zstd  # noqa: PLC0415

        return Zstd()
    if method == "deflate64":
        from assay.formats.containers.deflate64 import Deflate64  # noqa: PLC0415

        return Deflate64()
    raise ContentError(f"compression {method!r} is not read")


def zip_lzma(stream: BinaryIO, size: int) -> Decompressor:
    """The decompressor of ZIP method 14 (APPNOTE 5.8.8): version, property size, raw LZMA1 properties.

    Raises:
        ContentError: when the properties are broken.
    """
    head = stream.read(4)
    properties = stream.read(int.from_bytes(head[2:4], "little")) if len(head) == 4 else b""  # noqa: PLR2004
    return raw_lzma([lzma1_filter(properties, size)])


def lzma1_filter(properties: bytes, size: int) -> dict[str, Any]:
    """Liblzma's filter for 5 bytes of LZMA1 properties; the dictionary is never larger than the plain size needs.

    Raises:
        ContentError: when the properties are broken.
    """
    if len(properties) != 5:  # noqa: PLR2004
        raise ContentError("broken LZMA properties")
    rest, lc = divmod(properties[0], 9)
    pb, lp = divmod(rest, 5)
    dictionary = min(int.from_bytes(properties[1:], "little"), max(size, _LZMA_MIN_DICTIONARY))
    return {"id": lzma.FILTER_LZMA1, "dict_size": max(dictionary, _LZMA_MIN_DICTIONARY), "lc": lc, "lp": lp, "pb": pb}


def raw_lzma(filters: list[dict[str, Any]]) -> Decompressor:
    """A raw decoder for a chain of filters, the one nearest the plain data first.

    Raises:
        ContentError: for a chain that liblzma refuses, or a dictionary above its limit.
    """
    if any(item.get("dict_size", 0) > _LZMA_MEMORY_BYTES for item in filters):
        raise ContentError("the LZMA dictionary is too large")
    try:
        return _Limited(lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters))
    except (lzma.LZMAError, ValueError, OverflowError) as error:
        raise ContentError(f"broken LZMA properties: {error}") from error


def inflate(stream: BinaryIO, inner: Decompressor, *, size: int = -1) -> Iterator[bytes]:
    """Expand one compressed stream to its end; afterwards `inner.unused_data` holds what was read beyond it.

    Args:
        stream: compressed bytes.
        inner: fresh decompressor.
        size: plain size, where the data has no end mark of its own (raw LZMA); -1 when it has.

    Raises:
        ContentError: when the data is broken or cut; what was expanded before has been yielded.
    """
    data = b""
    produced = 0
    while not inner.eof and (size < 0 or produced < size):
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
            produced += len(chunk)
            yield chunk

"""Writing safetensors from where the tensors lie: the kernel moves the bytes; only a strided tensor is ever held.

Format: https://github.com/huggingface/safetensors#format; order of the tensors as its own library writes them (widest
type first, then by name), so that data is aligned.
"""

from __future__ import annotations

import errno
import json
import mmap
import os
from typing import TYPE_CHECKING, BinaryIO

from assay.core.errors import ContentError, EnvironmentFault
from assay.formats.safetensors import DTYPE_BITS
from assay.formats.tensor_place import chunks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from assay.formats.tensor_place import Place

ALIGNMENT = 8  # bytes; the header is padded with blanks to it
MAX_HEADER_BYTES = 100_000_000  # what the reference reader accepts
_WINDOW_BYTES = 8 << 20  # mapped at a time: bounds the memory
_PIECE_BYTES = 1 << 20  # in one call of the kernel


def ordered(places: Sequence[Place]) -> list[Place]:
    """In the order in which they are written."""
    return sorted(places, key=lambda place: (-DTYPE_BITS[place.dtype], place.name))


def header(places: Sequence[Place], metadata: dict[str, str]) -> bytes:
    """Length and header for tensors in this order.

    Raises:
        ContentError: longer than readers accept.
    """
    document: dict[str, object] = {"__metadata__": metadata}
    position = 0
    for place in places:
        document[place.name] = {
            "dtype": place.dtype,
            "shape": list(place.shape),
            "data_offsets": [position, position + place.size],
        }
        position += place.size
    raw = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    raw += b" " * (-len(raw) % ALIGNMENT)
    if len(raw) > MAX_HEADER_BYTES:
        raise ContentError(f"a header of {len(raw)} bytes is longer than readers accept")
    return len(raw).to_bytes(8, "little") + raw


def write_safetensors(
    source: BinaryIO,
    places: Sequence[Place],
    target: Path,
    metadata: dict[str, str],
    advance: Callable[[int], None] | None = None,
) -> None:
    """Write a new file.

    Args:
        source: holds the tensors.
        places: where; each is written in row order.
        target: path that does not exist yet.
        metadata: of the header.
        advance: told how many bytes were written since it was told last.

    Raises:
        ContentError: the source ends too early.
        EnvironmentFault: the disk refuses.
    """
    in_order = ordered(places)
    try:
        with target.open("xb", buffering=0) as out:
            _all(out.fileno(), header(in_order, metadata))
            for place in in_order:
                if place.stride or not _copied(source, out.fileno(), place, advance):
                    for chunk in chunks(source, place):
                        _all(out.fileno(), chunk)
                        if advance:
                            advance(len(chunk))
    except OSError as error:
        raise EnvironmentFault(f"can't write {target.name}: {error.strerror}", hint="check the disk") from error


def _all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _copied(source: BinaryIO, out: int, place: Place, advance: Callable[[int], None] | None) -> bool:
    """Copy out of windows of the source that are mapped; False for a source that can't be, with nothing copied.

    Costs half the processor time of `copy_file_range` between two files of one ext4. Only the kernel reads the mapping:
    a source that is cut off meanwhile is an error of `write`, no signal.
    """
    try:
        descriptor = source.fileno()
    except (OSError, AttributeError):
        return False
    at, end = place.start, place.start + place.size
    while at < end:
        base = at - at % mmap.ALLOCATIONGRANULARITY
        length = min(_WINDOW_BYTES, end - base)
        try:
            window = mmap.mmap(descriptor, length, access=mmap.ACCESS_READ, offset=base)
        except ValueError as error:
            raise _cut_off(place) from error
        except OSError:
            if at > place.start:
                raise
            return False
        with window:
            _from_window(out, window, at - base, place)
        if advance:
            advance(base + length - at)
        at = base + length
    return True


def _from_window(out: int, window: mmap.mmap, start: int, place: Place) -> None:
    with memoryview(window) as view:
        while start < len(view):
            try:
                start += os.write(out, view[start : start + _PIECE_BYTES])
            except OSError as error:
                if error.errno == errno.EFAULT:
                    raise _cut_off(place) from error
                raise


def _cut_off(place: Place) -> ContentError:
    return ContentError(f"tensor {place.name[:100]!r} is cut off")

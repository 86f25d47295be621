"""Writing safetensors from where the tensors lie, a piece at a time: only a strided tensor is ever held whole.

Format: https://github.com/huggingface/safetensors#format; order of the tensors as its own library writes them (widest
type first, then by name), so that data is aligned.
"""

from __future__ import annotations

import json
import mmap
from typing import TYPE_CHECKING, BinaryIO

from assay.core.errors import ContentError, EnvironmentFault
from assay.formats.safetensors import DTYPE_BITS
from assay.formats.tensor_place import chunks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from io import FileIO
    from pathlib import Path

    from assay.formats.tensor_place import Place

ALIGNMENT = 64  # bytes; the header is padded with blanks to it: copies between aligned addresses take half the time
MAX_HEADER_BYTES = 100_000_000  # what the reference reader accepts
_PIECE_BYTES = 1 << 20  # read and written at a time


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
            piece = memoryview(mmap.mmap(-1, _PIECE_BYTES))  # begins with a page; freed with its last view
            position = _all(out, header(in_order, metadata))
            for place in in_order:
                data = chunks(source, place) if place.stride else _pieces(source, place, piece, position)
                for part in data:
                    position += _all(out, part)
                    if advance:
                        advance(len(part))
    except OSError as error:
        raise EnvironmentFault(f"can't write {target.name}: {error.strerror}", hint="check the disk") from error


def _all(out: FileIO, data: bytes | memoryview) -> int:
    view = memoryview(data)
    while view:
        view = view[out.write(view) :]
    return len(data)


def _pieces(source: BinaryIO, place: Place, piece: memoryview, position: int) -> Iterator[memoryview]:
    """The tensor's bytes, read into `piece` again and again; each piece ends where the target's pages end.

    One piece stays in the processor's cache between the two calls, and a page of the target is touched once. Costs less
    processor time than `copy_file_range`, or than writing out of a mapping, whose pages have to be put in place first.
    """
    source.seek(place.start)
    end = position + place.size
    while position < end:
        wanted = min(_PIECE_BYTES - position % _PIECE_BYTES, end - position)
        if not (got := source.readinto(piece[:wanted])):  # type: ignore[attr-defined]
            raise ContentError(f"tensor {place.name[:100]!r} is cut off")
        yield piece[:got]
        position += got

"""The tensors of a weight file, whatever its format, as places."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from assay.core.errors import ContentError
from assay.formats.gguf import read_gguf
from assay.formats.safetensors import read_safetensors
from assay.formats.tensor_place import Place
from assay.formats.torch_state import read_torch_state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assay.core.limits import Limits

READABLE = frozenset(("safetensors", "torch-zip", "torch-legacy", "gguf"))


def tensors_in(stream: BinaryIO, size: int, formats: Sequence[str], limits: Limits) -> tuple[Place, ...]:
    """Where the tensors lie.

    Args:
        stream: seekable.
        size: of the file.
        formats: its readings, surest first.
        limits: of headers and entries.

    Raises:
        ContentError: none of the readings is one of `READABLE`, or the file is broken.
    """
    stream.seek(0)
    for reading in formats:
        if reading == "safetensors":
            header = read_safetensors(stream, size, limits)
            start = 8 + header.header_bytes
            found = [Place(t.name, t.dtype, t.shape, start + t.start, t.end - t.start) for t in header.tensors]
            return tuple(_inside(found, size))
        if reading in {"torch-zip", "torch-legacy"}:
            return read_torch_state(stream, size, limits).places
        if reading == "gguf":
            table = read_gguf(stream, size, limits)
            found = [
                Place(t.name, f"GGML:{t.type}", tuple(reversed(t.shape)), table.data_start + t.offset, t.size)
                for t in table.tensors
                if t.size >= 0
            ]
            return tuple(_inside(found, size))
    raise ContentError("no format with tensors that are read")


def _inside(places: list[Place], size: int) -> list[Place]:
    for place in places:
        if place.start + place.size > size:
            raise ContentError(f"tensor {place.name[:100]!r} reaches beyond the file")
    return places

"""The proof outside the sandbox: what was written is read back by assay's own reader and compared with the source.

Neither side trusts the writer. The guest compares once more with the loaders that people use (`guest.py`); hostile code
in the guest could speak for it, and has no hold on what is compared here.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from assay.core.canonical import json_digest
from assay.core.digest import Digest
from assay.core.errors import IntegrityError
from assay.formats.safetensors import read_safetensors
from assay.formats.tensor_place import Place, chunks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from assay.core.limits import Limits

TensorDigest = tuple[str, str, tuple[int, ...], str]  # name, dtype, shape, SHA-256 of the bytes in row order


@dataclass(frozen=True)
class Proof:
    """A file that holds what it should.

    Attributes:
        digest: SHA-256 of the file.
        size: its bytes.
        tensors: of each tensor, by name.
    """

    digest: Digest
    size: int
    tensors: tuple[TensorDigest, ...]

    @property
    def root(self) -> Digest:
        """`tensor_root` of its tensors."""
        return tensor_root(self.tensors)


def tensor_root(tensors: Iterable[TensorDigest]) -> Digest:
    """Digest of the canonical list of `[name, dtype, [shape], sha256]`, by name: the weights, whatever holds them."""
    rows: list[Any] = [[name, dtype, list(shape), digest] for name, dtype, shape, digest in sorted(tensors)]
    return json_digest(rows)


def places_of(stream: BinaryIO, size: int, limits: Limits) -> list[Place]:
    """Where the tensors of a safetensors file lie.

    Raises:
        ContentError: no readable header.
        IntegrityError: a header that contradicts the file.
    """
    read = read_safetensors(stream, size, limits)
    if read.anomalies:
        raise IntegrityError(f"the safetensors file contradicts itself: {read.anomalies[0].detail}")
    start = 8 + read.header_bytes
    return [Place(t.name, t.dtype, t.shape, start + t.start, t.end - t.start) for t in read.tensors]


def prove(
    source: BinaryIO,
    places: Sequence[Place],
    written: Path,
    limits: Limits,
    advance: Callable[[int], None] | None = None,
    *,
    may_lack: frozenset[str] = frozenset(),
) -> Proof:
    """Compare names, types, shapes and every byte, and hash what was compared.

    Args:
        source: holds the tensors.
        places: where.
        written: the safetensors file.
        limits: of the header.
        advance: told how many bytes were compared since it was told last.
        may_lack: names that need not be in the file.

    Raises:
        IntegrityError: something differs.
    """
    size = written.stat().st_size
    with written.open("rb") as stream, written.open("rb") as again, ThreadPoolExecutor(1) as pool:
        whole = pool.submit(hashlib.file_digest, again, "sha256")
        theirs = {place.name: place for place in places_of(stream, size, limits)}
        ours = {place.name: place for place in places}
        lacking = ours.keys() - theirs.keys()
        if theirs.keys() - ours.keys() or lacking - may_lack:
            odd = min((theirs.keys() - ours.keys()) | (lacking - may_lack))
            raise IntegrityError(f"the names differ: {odd[:200]!r} is in one file only")
        found = []
        for name, place in ours.items():
            if name in theirs:
                found.append(_same(source, place, stream, theirs[name]))
                if advance:
                    advance(place.size)
        return Proof(Digest(whole.result().hexdigest()), size, tuple(sorted(found)))


def _same(source: BinaryIO, place: Place, stream: BinaryIO, written: Place) -> TensorDigest:
    if (place.dtype, place.shape) != (written.dtype, written.shape):
        raise IntegrityError(f"tensor {place.name[:200]!r} has another type or shape in the written file")
    digest = hashlib.sha256()
    stream.seek(written.start)
    for chunk in chunks(source, place):
        if stream.read(len(chunk)) != chunk:
            raise IntegrityError(f"tensor {place.name[:200]!r} has other bytes in the written file")
        digest.update(chunk)
    return place.name, place.dtype, place.shape, digest.hexdigest()

"""One walk over a file and everything nested in it: sniff, open containers under a budget, hand out parts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import TYPE_CHECKING, BinaryIO

from assay.core.errors import ContentError, LimitExceeded
from assay.formats.anomaly import Anomaly
from assay.formats.containers.carved import Search, read_carved
from assay.formats.containers.members import Budget, Container, Member, size_of
from assay.formats.sniff import HEAD_BYTES, TAIL_BYTES, sniff
from assay.formats.sniff_tables import ZIP_FLAVOURS
from assay.inspections.parts import Part
from assay.inspections.passive import MEDIA

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assay.core.limits import Limits

Visit = Callable[[Part], bool]
Unreachable = Callable[[str, tuple[str, ...], str, str], None]

READ_KINDS = frozenset(("file", "stray"))
STREAMS = frozenset(("gzip", "bzip2", "xz", "lzma", "zlib", "lz4", "zstd"))
# Readers by reading; imported when there is something to read.
_READERS = {
    "zip": ("zip_archive", "read_zip"),
    "tar": ("tar_archive", "read_tar"),
    "7z": ("sevenzip", "read_7z"),
    "npy": ("npy_array", "read_npy"),
    "json": ("embedded", "read_embedded"),
    "yaml": ("embedded", "read_embedded"),
    "csv": ("embedded", "read_embedded"),
    "text": ("embedded", "read_embedded"),
    "hdf5": ("hdf5_values", "read_hdf5_values"),
    "sqlite": ("sqlite_values", "read_sqlite_values"),
    "msgpack": ("carved", "read_carved"),  # msgpack-numpy pickles arrays of objects
    "arrow": ("packed_columns", "read_packed_columns"),  # pyarrow pickled types of its user (CVE-2023-47248)
    "parquet": ("packed_columns", "read_packed_columns"),
    **dict.fromkeys(("matlab-data", "lightgbm-data", "xgboost-data"), ("carved", "read_carved")),
    **dict.fromkeys(MEDIA, ("carved", "read_carved")),  # a program may skip the picture and load what stands behind it
    "": ("carved", "read_carved"),  # of no known format
}
_SEARCHED = frozenset(("hdf5", "sqlite", "arrow", "parquet"))  # readers that carve, too
# Text that is read as something else, or by people: nothing unpickles what stands in it.
_NO_VALUES = frozenset(
    (
        "json", "yaml", "csv", "python", "shell", "markdown", "html", "svg", "licence-text", "javascript", "perl",
        "ruby", "lua", "cython", "native-source", "r-source", "makefile", "dockerfile", "jinja", "pickle",
    )
)  # fmt: skip
_LOOKED_INTO = frozenset(("", "text", *MEDIA))  # no containers: something may stand in them
CONTAINERS = STREAMS | set(_READERS)
_TORCH = frozenset(("torch-zip", "torchscript", "torch-export"))
# torch/serialization.py and caffe2/serialize: raw storages and the small records beside them
_STORAGE = re.compile(r"(?:^|/)(?:data|constants)/(?:weights/|constants/)?[^/]*\d$|(?:^|/)\.data/\d+\.storage$")
_RECORD = re.compile(
    r"(?:^|/)(?:version|byteorder|\.format_version|\.storage_alignment|\.data/serialization_id|archive_(?:format|version))$"
)
_HDF5 = b"\x89HDF\r\n\x1a\n"
_CRC_MAX_BYTES = 64 << 20  # larger members are tensors: their CRC proves nothing that the file's digest doesn't
_CRC_ALL_BYTES = 512 << 20  # of one file, over all its members


@dataclass(frozen=True)
class _Place:
    """Where a stream lies, and what its container says of it."""

    path: str
    budget: Budget
    inner: tuple[str, ...] = ()
    within: tuple[str, ...] = ()
    siblings: frozenset[str] = frozenset()
    sizes: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[Anomaly, ...] = ()
    known: tuple[str, ...] = ()  # readings already followed at the same bytes
    search: Search = field(default_factory=Search)

    @property
    def name(self) -> str:
        return self.inner[-1] if self.inner else self.path

    @property
    def in_torch(self) -> bool:
        package = f"{self.name.partition('/')[0]}/.data/extern_modules"  # torch.package
        return bool(_TORCH.intersection(self.within)) or package in self.siblings

    @property
    def is_storage(self) -> bool:
        return self.in_torch and _STORAGE.search(self.name) is not None


class Walker:
    """Walks files one after the other and calls back for each part.

    Args:
        visit: called with each part; says whether any inspector read it.
        unreachable: called with path, inner names, reason and the limit's name for what could not be opened.
        limits: when to stop.
    """

    def __init__(self, visit: Visit, unreachable: Unreachable, limits: Limits) -> None:
        self._visit = visit
        self._unreachable = unreachable
        self._limits = limits

    def file(self, path: str, stream: BinaryIO, size: int) -> None:
        """Walk one file of the snapshot."""
        self._part(_Place(path, Budget(self._limits, size)), stream, size)

    def _part(self, place: _Place, stream: BinaryIO, size: int) -> None:
        formats, expected = _formats(place, stream, size)
        formats, containers = _without_zip_of_a_member(formats, self._containers(place, stream, size, formats))
        stream.seek(0)
        part = Part(
            place.path, place.inner, formats, stream, size, self._limits,
            within=place.within, siblings=place.siblings, sizes=place.sizes, notes=place.notes,
            containers=containers, expected=expected,
        )  # fmt: skip
        self._visit(part)
        for container in containers:
            self._members(place, part, container)

    def _containers(
        self, place: _Place, stream: BinaryIO, size: int, formats: tuple[str, ...]
    ) -> tuple[Container, ...]:
        found: list[Container] = []
        for reading in formats or ("",):
            if reading not in CONTAINERS or (reading == "text" and not _NO_VALUES.isdisjoint(formats)):
                continue
            if len(place.inner) >= self._limits.depth:
                reason = f"nested deeper than {self._limits.depth} levels"
                self._unreachable(place.path, place.inner, reason, "depth")
                break
            try:
                container = open_container(reading, stream, size, self._limits, place.name, place.search)
                if reading not in _LOOKED_INTO or container.members:
                    found.append(container)
            except LimitExceeded as error:
                self._unreachable(place.path, place.inner, str(error), error.limit)
            except ContentError as error:
                if len(formats) == 1 or reading != "zip":  # a stray end record in another format is no zip
                    self._unreachable(place.path, place.inner, f"as {reading}: {error}", "")
        return tuple(found)

    def _members(self, place: _Place, part: Part, container: Container) -> None:
        inside = replace(
            place,
            within=(container.format, *(r for r in part.formats if r != container.format)),
            siblings=frozenset(member.name for member in container.members),
            sizes={member.name: member.size for member in container.members},
        )
        try:
            place.budget.count(len(container.members))
        except LimitExceeded as error:
            self._unreachable(place.path, place.inner, str(error), error.limit)
            return
        for member in container.members:
            if member.kind not in READ_KINDS and not (member.kind == "symlink" and member.packed):
                continue  # a link in a zip has content: PyTorch reads it as a file
            if not self._member(inside, part, container, member):
                return
        if (trailing := getattr(container, "trailing", None)) is not None:
            self._member(inside, part, container, trailing)

    def _member(self, place: _Place, part: Part, container: Container, member: Member) -> bool:
        """Walk one member; False when the budget of the whole file is used up."""
        inner = (*place.inner, member.name)
        known = part.formats if member.kind == "stray" and member.offset == 0 else ()
        inside = replace(place, inner=inner, known=known, notes=member.anomalies)
        try:
            with container.open(member, place.budget) as stream:
                size = size_of(stream)
                late = getattr(container, "late", ()) if member.kind == "file" else ()
                notes = member.anomalies + late + _content_notes(inside, container, member, stream, size)
                self._part(replace(inside, notes=notes), stream, size)
        except LimitExceeded as error:
            self._unreachable(place.path, inner, str(error), error.limit)
            return error.limit != "expansion_ratio"
        except ContentError as error:
            self._unreachable(place.path, inner, str(error), "")
        return True


def _formats(place: _Place, stream: BinaryIO, size: int) -> tuple[tuple[str, ...], frozenset[str]]:
    """Readings of a stream, and what its extension promises."""
    stream.seek(0)
    head = tail = stream.read(HEAD_BYTES)
    if size > HEAD_BYTES:
        stream.seek(max(0, size - TAIL_BYTES))
        tail = stream.read(TAIL_BYTES)
    result = sniff(head, tail, size, place.name, strict=place.is_storage or bool(place.known))
    formats = tuple(reading for reading in result.formats if reading not in place.known)
    if size > HEAD_BYTES and "hdf5" not in formats and _late_hdf5(stream, size):
        formats = (*formats, "hdf5")
    if place.is_storage:
        formats = (*(r for r in formats if r not in {"text", "empty"}), "tensor-storage")
    elif place.in_torch and _RECORD.search(place.name):
        formats = formats or ("torch-record",)
    return formats, result.expected


def _without_zip_of_a_member(
    formats: tuple[str, ...], containers: tuple[Container, ...]
) -> tuple[tuple[str, ...], tuple[Container, ...]]:
    """A tar that ends with a zip as a member (NeMo, SageMaker) can be opened as that zip, which is inspected anyway."""
    tar = next((c for c in containers if c.format == "tar"), None)
    packed = next((c for c in containers if c.format == "zip"), None)
    extent = getattr(packed, "extent", None)
    if tar is None or packed is None or extent is None:
        return formats, containers
    start, stop = extent
    if not any(m.kind == "file" and m.offset <= start and stop <= m.offset + m.packed for m in tar.members):
        return formats, containers
    zips = {"zip", *(flavour for flavour, _ in ZIP_FLAVOURS)}
    return tuple(r for r in formats if r not in zips), tuple(c for c in containers if c is not packed)


def _late_hdf5(stream: BinaryIO, size: int) -> bool:
    """An HDF5 file may start at any doubling of 512 bytes: what lies before is the user's."""
    offset = HEAD_BYTES
    while offset < size:
        stream.seek(offset)
        if stream.read(len(_HDF5)) == _HDF5:
            return True
        offset *= 2
    return False


def _content_notes(
    place: _Place, container: Container, member: Member, stream: BinaryIO, size: int
) -> tuple[Anomaly, ...]:
    """What only the content shows: another size, another CRC."""
    checks = getattr(container, "crc_matches", None)
    if checks is None or member.kind != "file" or member.crc is None:
        return ()
    notes: list[Anomaly] = []
    if member.method != "stored" and size != member.size:
        notes.append(Anomaly("size-mismatch", f"expands to {size} bytes, {member.size} stated", member.offset))
    if place.is_storage or size > _CRC_MAX_BYTES or place.budget.summed > _CRC_ALL_BYTES:
        return tuple(notes)
    place.budget.summed += size
    if not checks(member, stream):
        notes.append(Anomaly("crc-mismatch", "the content has another CRC than stated", member.offset))
    return tuple(notes)


def open_container(  # noqa: PLR0917
    reading: str, stream: BinaryIO, size: int, limits: Limits, name: str, search: Search | None = None
) -> Container:
    """Read the directory of a container.

    Raises:
        ContentError: when it is none.
        LimitExceeded: past a limit.
    """
    if reading in STREAMS:
        from assay.formats.containers.streams import read_stream  # noqa: PLC0415

        return read_stream(stream, size, reading, name)
    module, reader = _READERS[reading]
    if module == "carved":
        return read_carved(stream, size, limits, search)
    read: Callable[..., Container] = getattr(import_module(f"assay.formats.containers.{module}"), reader)
    return read(stream, size, limits, search) if reading in _SEARCHED else read(stream, size, limits)

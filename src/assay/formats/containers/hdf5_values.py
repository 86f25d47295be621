"""Pickles in an HDF5 file: among its attributes, and in the bytes of its data sets.

PyTables, and pandas on top of it, store what is no plain value as a pickle in a text attribute, and columns of objects
as pickles in a `VLArray`; both are unpickled when they are read. Source: `tables/attributeset.py` and `tables/atom.py`
(`ObjectAtom`) of PyTables 3.10; hickle stores them in data sets, packed if its user wants. The file is searched as it
lies (`carve`), and data sets of bytes are put together from their chunks (`hdf5.datasets`).
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from assay.core.errors import ContentError, LimitExceeded
from assay.formats.anomaly import Anomaly
from assay.formats.containers.carved import Search, carve
from assay.formats.containers.members import Budget, Member, slice_of
from assay.formats.hdf5.datasets import Allowance, values_of
from assay.formats.hdf5.reader import read_hdf5
from assay.formats.sniff_pickle import pickle_plausible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.core.limits import Limits
    from assay.formats.hdf5.reader import Hdf5

_SHORTEST = 4  # a pickle that imports or calls something is longer


@dataclass
class Hdf5Values:
    """What a loader may unpickle. The anomaly says that the search came to a limit."""

    members: tuple[Member, ...]
    values: tuple[bytes, ...]
    stream: BinaryIO
    format: str = "hdf5"
    anomalies: tuple[Anomaly, ...] = ()

    def open(self, member: Member, budget: Budget) -> BinaryIO:
        """The value; for one of an attribute, `Member.offset` is its number."""
        if member.method == "stored":
            return slice_of(self.stream, member.offset, member.size)
        budget.grow(member.size)
        return io.BytesIO(self.values[member.offset])


def read_hdf5_values(stream: BinaryIO, size: int, limits: Limits, search: Search | None = None) -> Hdf5Values:
    """Find values that are pickles.

    Raises:
        ContentError: when the file has no readable superblock.
        LimitExceeded: past a limit.
    """
    search = search or Search()
    found = _Found()
    file = read_hdf5(stream, size, limits)
    for attribute in file.attributes:
        for value in attribute.values:
            found.take(f"attribute {attribute.path}_{attribute.name}", value)
    anomalies = [*_data_sets(file, search, found)]
    try:
        for start, end in carve(stream, 0, size, search):
            stream.seek(start)
            data = stream.read(end - start)
            if not any(data in value for value in found.values):
                found.members.append(Member(f"(pickle at byte {start}).pkl", "file", start, len(data), len(data)))
    except LimitExceeded as error:  # what was found is inspected all the same
        anomalies.append(Anomaly("stream-broken", str(error), 0))
    return Hdf5Values(tuple(found.members), tuple(found.values), stream, anomalies=tuple(anomalies))


@dataclass
class _Found:
    """Values that are pickles, and the members they become."""

    members: list[Member] = field(default_factory=list)
    values: list[bytes] = field(default_factory=list)

    def take(self, name: str, value: bytes) -> None:
        """Keep a value if a loader would do something with it as a pickle."""
        if len(value) >= _SHORTEST and pickle_plausible(value[: 1 << 16], len(value)):
            self.keep(name, value)

    def keep(self, name: str, value: bytes) -> None:
        """Keep a value."""
        shown = re.sub(r"[^\w.-]", "_", name.partition(" ")[2])[-100:]
        member = f"({name.partition(' ')[0]} {shown}).pkl"
        self.members.append(Member(member, "file", len(self.values), len(value), len(value), "attribute"))
        self.values.append(value)


def _data_sets(file: Hdf5, search: Search, found: _Found) -> Iterator[Anomaly]:
    """Look for pickles in data sets as a program reads them; an anomaly for each that could not be read."""
    allowance = Allowance()
    for path, address in file.sets:
        try:
            for value in values_of(file.source, address, allowance):
                found.take(f"dataset {path}", value)
                stream = io.BytesIO(value)
                for start, end in carve(stream, 1, len(value), search):
                    found.keep(f"dataset {path}_{start}", value[start:end])
        except (ContentError, LimitExceeded) as error:
            yield Anomaly("stream-broken", f"the data set {path} was not read: {error}", address)

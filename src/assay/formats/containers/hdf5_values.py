"""Pickles in an HDF5 file: among its attributes, and in the bytes of its data sets.

PyTables, and pandas on top of it, store what is no plain value as a pickle in a text attribute, and columns of objects
as pickles in a `VLArray`; both are unpickled when they are read. Source: `tables/attributeset.py` and `tables/atom.py`
(`ObjectAtom`) of PyTables 3.10. Data sets are searched as they lie in the file (`carve`): compressed ones stay unseen.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from assay.core.errors import LimitExceeded
from assay.formats.anomaly import Anomaly
from assay.formats.containers.carved import Search, carve
from assay.formats.containers.members import Budget, Member, slice_of
from assay.formats.hdf5.reader import read_hdf5
from assay.formats.sniff_pickle import pickle_plausible

if TYPE_CHECKING:
    from assay.core.limits import Limits

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
    members: list[Member] = []
    values: list[bytes] = []
    for attribute in read_hdf5(stream, size, limits).attributes:
        for value in attribute.values:
            if len(value) < _SHORTEST or not pickle_plausible(value[: 1 << 16], len(value)):
                continue
            name = re.sub(r"[^\w.-]", "_", f"{attribute.path}_{attribute.name}")[-100:]
            members.append(Member(f"(attribute {name}).pkl", "file", len(values), len(value), len(value), "attribute"))
            values.append(value)
    anomalies: tuple[Anomaly, ...] = ()
    try:
        for start, end in carve(stream, 0, size, search or Search()):
            stream.seek(start)
            found = stream.read(end - start)
            if not any(found in value for value in values):
                members.append(Member(f"(pickle at byte {start}).pkl", "file", start, len(found), len(found)))
    except LimitExceeded as error:  # what was found is inspected all the same
        anomalies = (Anomaly("stream-broken", str(error), 0),)
    return Hdf5Values(tuple(members), tuple(values), stream, anomalies=anomalies)

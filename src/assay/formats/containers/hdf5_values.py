"""Pickles among the attributes of an HDF5 file.

PyTables, and pandas on top of it, store what is no plain value as a pickle in a text attribute, and unpickle it when
the attribute is read. Source: `tables/attributeset.py` of PyTables 3.10.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from assay.formats.containers.members import Budget, Member
from assay.formats.hdf5.reader import read_hdf5
from assay.formats.sniff_pickle import pickle_plausible

if TYPE_CHECKING:
    from assay.core.limits import Limits

_SHORTEST = 4  # a pickle that imports or calls something is longer


@dataclass
class Hdf5Values:
    """Attribute values that a loader may unpickle."""

    members: tuple[Member, ...]
    values: tuple[bytes, ...]
    format: str = "hdf5"
    anomalies: tuple[()] = ()

    def open(self, member: Member, budget: Budget) -> BinaryIO:
        """The value; `Member.offset` is its number."""
        budget.grow(member.size)
        return io.BytesIO(self.values[member.offset])


def read_hdf5_values(stream: BinaryIO, size: int, limits: Limits) -> Hdf5Values:
    """Find attribute values that are pickles.

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
            members.append(Member(f"(attribute {name}).pkl", "file", len(values), len(value), len(value)))
            values.append(value)
    return Hdf5Values(tuple(members), tuple(values))

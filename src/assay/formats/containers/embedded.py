"""Pickles written as text inside JSON, YAML and tables: Stable-Baselines3 archives, some trackers and notebooks.

Stable-Baselines3 stores `":serialized:": "<base64 of cloudpickle>"` in a member named `data` and unpickles it on load.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from assay.formats.containers.members import Budget, Member
from assay.formats.containers.text_pickles import decode, find

if TYPE_CHECKING:
    from assay.core.limits import Limits

_SEARCHED_BYTES = 64 << 20  # of one text; what lies behind is not searched


@dataclass
class EmbeddedPickles:
    """Strings of a text that hold pickles."""

    members: tuple[Member, ...]
    stream: BinaryIO
    format: str = "base64"
    anomalies: tuple[()] = ()

    def open(self, member: Member, budget: Budget) -> BinaryIO:
        """The decoded bytes.

        Raises:
            ContentError: when it stands for no bytes.
        """
        budget.grow(member.size)
        self.stream.seek(member.offset)
        return io.BytesIO(decode(member.method, self.stream.read(member.packed)))


def read_embedded(stream: BinaryIO, size: int, limits: Limits) -> EmbeddedPickles:
    """Find pickles in the first 64 MiB of a text."""
    stream.seek(0)
    text = stream.read(min(size, _SEARCHED_BYTES))
    members: list[Member] = []
    for start, end, encoding in find(text):
        name = f"({encoding.partition(',')[0]} at byte {start}).pkl"
        members.append(Member(name, "file", start, end - start, end - start, encoding))
        if len(members) > limits.members:
            break
    return EmbeddedPickles(tuple(members), stream)

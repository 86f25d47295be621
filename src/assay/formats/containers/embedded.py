"""Pickles written as base64 inside JSON, YAML and tables: Stable-Baselines3 archives, some trackers and notebooks.

Stable-Baselines3 stores `":serialized:": "<base64 of cloudpickle>"` in a member named `data` and unpickles it on load.
"""

from __future__ import annotations

import base64
import binascii
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from assay.core.errors import ContentError
from assay.formats.containers.members import Budget, Member

if TYPE_CHECKING:
    from assay.core.limits import Limits

# `gAI`…`gAX` is base64 for PROTO 2 to 5 followed by an opcode; under SB3's key any base64 is unpickled.
_PICKLED = re.compile(
    rb'"(gA[I-X][A-Za-z0-9+/\\nr]{8,}={0,2})(?:\\n)?"|":serialized:"\s*:\s*"([^"]+)"'
    rb"|(?<![^\s',;|>])(gA[I-X][A-Za-z0-9+/]{24,}={0,2})(?=[\s',;|<]|$)"  # YAML and tables need no quotes
    rb'|"((?:H4sI|eJ[wxyz0-9])[A-Za-z0-9+/\\nr]{24,}={0,2})(?:\\n)?"'  # packed by gzip or zlib before
)


@dataclass
class EmbeddedPickles:
    """Base64 strings of a text that hold pickles."""

    members: tuple[Member, ...]
    stream: BinaryIO
    format: str = "base64"
    anomalies: tuple[()] = ()

    def open(self, member: Member, budget: Budget) -> BinaryIO:
        """The decoded bytes.

        Raises:
            ContentError: when they are no base64.
        """
        budget.grow(member.size)
        self.stream.seek(member.offset)
        text = self.stream.read(member.packed).replace(b"\\n", b"").replace(b"\\r", b"").replace(b"\\/", b"/")
        try:
            return io.BytesIO(base64.b64decode(text))
        except (binascii.Error, ValueError) as error:
            raise ContentError(f"no base64: {error}") from error


def read_embedded(stream: BinaryIO, size: int, limits: Limits) -> EmbeddedPickles:
    """Find base64 pickles in a text; texts above `limits.text_bytes` are left to others to call unread."""
    if size > limits.text_bytes:
        return EmbeddedPickles((), stream)
    stream.seek(0)
    text = stream.read(size)
    if not any(mark in text for mark in (b"gA", b":serialized:", b'"H4sI', b'"eJ')):
        return EmbeddedPickles((), stream)
    members: list[Member] = []
    for match in _PICKLED.finditer(text):
        start, end = match.span(match.lastindex or 0)
        name = f"(base64 at byte {start}).pkl"
        members.append(Member(name, "file", start, end - start, (end - start) * 3 // 4, "base64"))
        if len(members) > limits.members:
            break
    return EmbeddedPickles(tuple(members), stream)

"""Flax checkpoints (MessagePack).

What it reads: the whole structure: values, lengths, extension types and how they begin.
What it reports: extension types that Flax does not write, pickles inside them and in values of bytes, bytes behind the
end, lengths that lie.
Why it matters: a loader that registers handlers for other extension types hands their bytes to whatever they name;
msgpack-numpy unpickles arrays of objects.
What it cannot see: the arrays.
References: `flax/serialization.py` (types 1, 2 and 3); CWE-502.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.core.finding import Confidence, Severity
from assay.formats.msgpack import read_msgpack

if TYPE_CHECKING:
    from assay.inspections.parts import Collector, Part

_OWN = frozenset((1, 2, 3, -1))  # array, complex number, NumPy scalar, timestamp
_PICKLES = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))


class FlaxCheckpoint:
    """The inspector `flax`."""

    name = "flax"
    version = "1"
    local = True

    def wants(self, part: Part) -> bool:
        """MessagePack."""
        return "msgpack" in part.formats

    def inspect_part(self, part: Part, out: Collector) -> None:
        """Walk and judge."""
        document = read_msgpack(part.stream, part.size, part.limits)
        for code, count in document.extensions.items():
            head, offset = document.heads[code]
            if code in _OWN:
                continue
            pickled = head.startswith(_PICKLES)
            message = f"{count} values of the extension type {code}, which Flax does not write"
            message += "; it holds a pickle" if pickled else ""
            severity = Severity.HIGH if pickled else Severity.MEDIUM
            out.finding("flax-extension", severity, Confidence.HIGH, message, offset=offset, type=code)
        if document.pickled >= 0:
            message = "a value of bytes is a pickle, which msgpack-numpy opens where an array of objects is named"
            out.finding("flax-extension", Severity.HIGH, Confidence.HIGH, message, offset=document.pickled)
        if document.trailing:
            message = f"{document.trailing} bytes behind the end"
            out.finding("flax-extension", Severity.LOW, Confidence.HIGH, message, offset=part.size - document.trailing)
        out.fact_here("values", document.items)

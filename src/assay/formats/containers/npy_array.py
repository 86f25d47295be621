"""NumPy's `.npy`: header truth, and the pickle that an object array is.

numpy/lib/format.py, versions 1.0 to 3.0. An array whose dtype holds objects is followed by a pickle of its values.
"""

from __future__ import annotations

import ast
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from assay.core.errors import ContentError
from assay.formats.anomaly import Anomaly
from assay.formats.containers.members import Budget, Member, slice_of

if TYPE_CHECKING:
    from assay.core.limits import Limits

_MAGIC = b"\x93NUMPY"
_MAX_HEADER_BYTES = 1 << 20  # numpy refuses more than 10,000 characters unless told otherwise
_PYTHON2_LONG = re.compile(r"(\d)L\b")  # as numpy's own _filter_header
_ITEM = re.compile(r"[|<>=]?([?bBhHiuIlLqQpPefdgFDGSUVamMc])(\d*)(?:\[[\w/ ]*\])?")
# What numpy.dtype() makes of text beyond type codes; whatever is not plainly free of objects may hold some.
_NAMES = re.compile(
    r"bool_?|u?int(?:8|16|32|64|p|c)?|float(?:16|32|64|96|128)?|complex(?:64|128|256)?|half|single|double|longdouble"
    r"|str_?|bytes_?|void|(?:datetime|timedelta)64(?:\[\w/ ]*\])?"
)
_WIDTHS = {"?": 1, "c": 1, "e": 2, "h": 2, "H": 2, "l": 8, "L": 8, "q": 8, "Q": 8, "d": 8, "F": 8, "D": 16}


@dataclass
class NpyArray:
    """An array that was read.

    Attributes:
        descr: dtype description as stated.
        shape: as stated.
        members: the pickle of an object array; bytes beyond the data.
        anomalies: where the header lies.
    """

    descr: Any
    shape: tuple[int, ...]
    members: tuple[Member, ...]
    anomalies: tuple[Anomaly, ...]
    stream: BinaryIO
    format: str = "npy"

    def open(self, member: Member, budget: Budget) -> BinaryIO:
        """A slice of the file."""
        del budget
        return slice_of(self.stream, member.offset, member.packed)


def read_npy(stream: BinaryIO, size: int, limits: Limits) -> NpyArray:
    """Read the header of an array; no value is read.

    Raises:
        ContentError: when there is no header.
    """
    del limits
    stream.seek(0)
    head = stream.read(12)
    if not head.startswith(_MAGIC) or len(head) < 10:  # noqa: PLR2004
        raise ContentError("not an npy file")
    width = 2 if head[6] == 1 else 4
    length = int.from_bytes(head[8 : 8 + width], "little")
    start = 8 + width + length
    if length > _MAX_HEADER_BYTES or start > size:
        raise ContentError(f"an npy header of {length} bytes in a file of {size}")
    stream.seek(8 + width)
    text = stream.read(length).decode("latin-1")
    notes: list[Anomaly] = []
    header = _header(text, notes)
    descr, shape = header.get("descr"), header.get("shape")
    rest = size - start
    if not _is_plain(descr):
        member = Member("object-array.pkl", "file", start, rest, rest)
        return NpyArray(descr, (), (member,), tuple(notes), stream)
    if not (isinstance(shape, tuple) and all(isinstance(n, int) and n >= 0 for n in shape)):
        notes.append(Anomaly("bad-shape", f"shape {shape!r}", 8))
        shape = ()
    members: tuple[Member, ...] = ()
    item = item_bytes(descr)
    if item is not None:
        needed = item * math.prod(shape)
        if needed > rest:
            notes.append(Anomaly("data-missing", f"{needed} bytes stated, {rest} there", start))
        elif needed < rest:
            notes.append(Anomaly("trailing-bytes", f"{rest - needed} bytes after the data", start + needed))
            members = (Member("(bytes after the data)", "stray", start + needed, rest - needed, rest - needed),)
    return NpyArray(descr, shape, members, tuple(notes), stream)


def _header(text: str, notes: list[Anomaly]) -> dict[str, Any]:
    try:
        value = ast.literal_eval(_PYTHON2_LONG.sub(r"\1", text.strip()))
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        notes.append(Anomaly("header-broken", "the header is no Python literal", 8))
        return {}
    if not isinstance(value, dict):
        notes.append(Anomaly("header-broken", "the header is no dictionary", 8))
        return {}
    if extra := set(value) - {"descr", "fortran_order", "shape"}:
        notes.append(Anomaly("header-extra", f"unknown keys {sorted(map(str, extra))[:5]}", 8))
    return value


def _is_plain(descr: Any) -> bool:
    """Whether a dtype description surely holds no objects, as `numpy.lib.format.descr_to_dtype` reads it."""
    if isinstance(descr, str):
        return bool(_ITEM.fullmatch(descr) or _NAMES.fullmatch(descr))
    if isinstance(descr, tuple):
        return bool(descr) and _is_plain(descr[0])
    return isinstance(descr, list) and all(isinstance(f, tuple) and len(f) > 1 and _is_plain(f[1]) for f in descr)


def item_bytes(descr: Any) -> int | None:
    """Bytes of one item; None when the description is not a simple or flat structured dtype."""
    if isinstance(descr, str) and (match := _ITEM.fullmatch(descr)):
        code, digits = match.group(1), match.group(2)
        if code == "U":
            return 4 * int(digits or 0)
        return int(digits) if digits else _WIDTHS.get(code, 4)
    return None

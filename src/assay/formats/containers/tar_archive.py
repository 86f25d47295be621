"""Tar as loaders see it: ustar, GNU and pax headers, links and devices told, what follows the end kept.

POSIX.1-2017 `pax`, GNU tar manual "Basic Tar Format". Read by ourselves: `tarfile` has had endless loops on hostile
headers.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, BinaryIO

from assay.core.errors import ContentError, LimitExceeded
from assay.formats.anomaly import Anomaly
from assay.formats.containers import tar_sparse
from assay.formats.containers.members import CHUNK_BYTES, Budget, Member, expand, slice_of

if TYPE_CHECKING:
    from assay.core.limits import Limits

BLOCK = 512
_KINDS = {
    b"0": "file", b"\0": "file", b"7": "file", b"1": "hardlink", b"2": "symlink", b"3": "device", b"4": "device",
    b"5": "directory", b"6": "device", b"S": "file", b"D": "directory",
}  # fmt: skip
_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL, _PAX_SUN = b"L", b"K", b"x", b"g", b"X"
_MAX_META_BYTES = 1 << 20


@dataclass
class TarArchive:
    """A tar that was read; members are slices of it, only sparse ones are expanded."""

    members: tuple[Member, ...]
    anomalies: tuple[Anomaly, ...]
    stream: BinaryIO
    sparse: dict[int, tar_sparse.Map] = field(default_factory=dict)  # by offset of the member's data
    format: str = "tar"

    def open(self, member: Member, budget: Budget) -> BinaryIO:
        """A slice of the archive (LimitExceeded when the holes of a sparse member are past the budget)."""
        stored = slice_of(self.stream, member.offset, member.packed)
        if member.method != "sparse":
            return stored
        return expand(tar_sparse.whole(stored, self.sparse[member.offset], member.size), budget)


@dataclass
class _Reader:
    stream: BinaryIO
    size: int
    limits: Limits
    position: int = 0
    members: list[Member] = field(default_factory=list)
    anomalies: list[Anomaly] = field(default_factory=list)
    pending: dict[str, str] = field(default_factory=dict)
    shared: dict[str, str] = field(default_factory=dict)
    sparse: dict[int, tar_sparse.Map] = field(default_factory=dict)


def read_tar(stream: BinaryIO, size: int, limits: Limits) -> TarArchive:
    """Read all headers of a tar.

    Raises:
        ContentError: when the first block is no tar header.
        LimitExceeded: for more than `limits.members` entries.
    """
    reader = _Reader(stream, size, limits)
    while reader.position + BLOCK <= size:
        stream.seek(reader.position)
        block = stream.read(BLOCK)
        if not block.strip(b"\0"):
            break
        if not checksum_fits(block):
            if not reader.members:
                raise ContentError("not a tar: the first block has no valid checksum")
            reader.anomalies.append(Anomaly("header-broken", "a header with a wrong checksum", reader.position))
            break
        _entry(reader, block)
    _trailing(reader)
    reader.anomalies += _duplicates(reader.members)
    return TarArchive(tuple(reader.members), tuple(reader.anomalies), stream, reader.sparse)


def checksum_fits(block: bytes) -> bool:
    """Header checksum, summed signed or unsigned."""
    stated = _number(block[148:156])
    plain = block[:148] + b" " * 8 + block[156:]
    unsigned = sum(plain)
    return stated in (unsigned, unsigned - 256 * sum(byte > 127 for byte in plain))  # noqa: PLR2004


def _number(raw: bytes) -> int:
    """Octal digits up to a NUL, or GNU base-256, as `tarfile` reads them; -1 when it is neither or negative."""
    if raw[:1] == b"\x80":
        return int.from_bytes(raw[1:], "big")
    try:
        return max(-1, int(raw.split(b"\0", 1)[0].strip() or b"0", 8))
    except ValueError:
        return -1


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", "backslashreplace")


def _entry(reader: _Reader, block: bytes) -> None:
    at = reader.position
    length = _number(block[124:136])
    kind = block[156:157]
    data = at + BLOCK
    if kind in (_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL, _PAX_SUN):
        _meta(reader, kind, data, length)
        return
    pax = reader.shared | reader.pending
    reader.pending = {}
    if "size" in pax:
        length = _pax_number(pax["size"])
    notes: list[Anomaly] = []
    if length < 0:
        notes.append(Anomaly("bad-size", "the size field is no number", at))
        length = 0
    named = _KINDS.get(kind)
    if named is None:
        notes.append(Anomaly("unknown-type", f"entry type {kind!r}", at))
        named = "file"
    name = pax.get("path") or _name(block)
    if kind == b"\0" and _name(block).endswith("/"):
        named = "directory"  # V7: a file whose name ends in a slash; its size is not skipped
    stored = 0 if named in {"hardlink", "symlink", "device", "directory"} and kind != b"D" else length
    if data + stored > reader.size:
        notes.append(Anomaly("entry-past-end", f"{stored} bytes at {data} in {reader.size} bytes", at))
        stored = max(0, reader.size - data)
    if named != "file" and length and stored == 0:
        notes.append(Anomaly("link-with-data", f"a {named} that states {length} bytes", at))
        stored_span = 0
    else:
        stored_span = stored
    target = pax.get("linkpath") or _text(block[157:257])
    member = Member(name, named, data, stored_span, length, target=target, anomalies=tuple(notes))
    reader.members.append(_sparse(reader, block, pax, member) if named == "file" else member)
    if len(reader.members) > reader.limits.members:
        raise LimitExceeded("members", f"more than {reader.limits.members} entries in a tar")
    further = reader.members[-1].offset - data if kind == b"S" else 0
    reader.position = data + further + -(-stored_span // BLOCK) * BLOCK


def _sparse(reader: _Reader, block: bytes, pax: dict[str, str], member: Member) -> Member:
    """The member with its holes; where its map is broken, as it is stored."""
    reader.stream.seek(member.offset)
    size, skipped = _pax_number(pax.get("GNU.sparse.realsize") or pax.get("GNU.sparse.size") or "0"), 0
    try:
        if block[156:157] == b"S":
            stretches, size, blocks = tar_sparse.gnu_map(block, reader.stream, _number)
            member = replace(member, offset=member.offset + blocks * BLOCK)
        elif pax.get("GNU.sparse.major") == "1" and pax.get("GNU.sparse.minor") == "0":
            stretches, skipped = tar_sparse.data_map(reader.stream)
        elif "GNU.sparse.map" in pax:
            stretches = tar_sparse.pax_map(pax["GNU.sparse.map"])
        else:
            return member
    except ContentError as error:
        note = Anomaly("bad-size", str(error), member.offset)
        return replace(member, anomalies=(*member.anomalies, note))
    member = replace(
        member, name=pax.get("GNU.sparse.name", member.name), offset=member.offset + skipped,
        packed=max(0, min(member.packed, reader.size - member.offset) - skipped), size=max(0, size), method="sparse",
    )  # fmt: skip
    reader.sparse[member.offset] = stretches
    return member


def _pax_number(text: str) -> int:
    """As `tarfile`: what is no number is 0."""
    try:
        return max(-1, int(text))
    except ValueError:
        return 0


def _name(block: bytes) -> str:
    name, prefix = _text(block[:100]), _text(block[345:500])
    return f"{prefix}/{name}" if prefix and block[257:262] == b"ustar" and block[257:265] != b"ustar  \0" else name


def _meta(reader: _Reader, kind: bytes, data: int, length: int) -> None:
    """A header that describes the next entry (or all that follow)."""
    if length < 0 or length > _MAX_META_BYTES:
        reader.anomalies.append(Anomaly("header-broken", f"a meta header of {length} bytes", data - BLOCK))
        reader.position = data + max(0, -(-length // BLOCK) * BLOCK)
        return
    reader.stream.seek(data)
    raw = reader.stream.read(length)
    if kind == _LONG_NAME:
        reader.pending["path"] = _text(raw)
    elif kind == _LONG_LINK:
        reader.pending["linkpath"] = _text(raw)
    else:
        (reader.shared if kind == _PAX_GLOBAL else reader.pending).update(_pax(raw))
    reader.position = data + -(-length // BLOCK) * BLOCK


def _pax(raw: bytes) -> dict[str, str]:
    """Records `length key=value newline`."""
    values: dict[str, str] = {}
    position = 0
    while (blank := raw.find(b" ", position, position + 20)) > 0 and raw[position:blank].isdigit():
        end = position + int(raw[position:blank])
        key, found, value = raw[blank + 1 : end - 1].partition(b"=")
        if not found or end <= blank:
            break
        text = value.decode("utf-8", "backslashreplace")
        if key in {b"GNU.sparse.offset", b"GNU.sparse.numbytes"}:  # form 0.0: once for each stretch
            earlier = values.get("GNU.sparse.map", "")
            text, key = f"{earlier},{text}".lstrip(","), b"GNU.sparse.map"
        values[key.decode("utf-8", "backslashreplace")] = text
        position = end
    return values


def _trailing(reader: _Reader) -> None:
    """What follows the end-of-archive blocks, when it is not zeros."""
    start = reader.position
    reader.stream.seek(start)
    position = start
    while chunk := reader.stream.read(CHUNK_BYTES):
        if rest := chunk.lstrip(b"\0"):
            first = position + len(chunk) - len(rest)
            left = reader.size - first
            reader.anomalies.append(Anomaly("appended-bytes", f"{left} bytes after the end of the tar", first))
            reader.members.append(Member("(bytes after the end)", "stray", first, left, left))
            return
        position += len(chunk)


def _duplicates(members: list[Member]) -> list[Anomaly]:
    seen: set[str] = set()
    found: list[Anomaly] = []
    for member in members:
        if member.name in seen and member.kind != "directory":
            found.append(Anomaly("duplicate-entry", f"{member.name!r} is there more than once", member.offset))
        seen.add(member.name)
    return found

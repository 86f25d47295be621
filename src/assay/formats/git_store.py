"""Objects of a `.git` folder, read without git: no hook, filter, configuration or alternate is looked at.

Loose objects and packs (index version 2, offset and reference deltas), SHA-1 only. Every object is hashed and must be
what its id says. What exceeds a limit or is broken is a ContentError; nothing is written, nothing outside is opened.
References: https://git-scm.com/docs/gitformat-pack, https://git-scm.com/docs/gitrepository-layout.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from typing import TYPE_CHECKING, BinaryIO, Final

from assay.core.errors import ContentError, LimitExceeded
from assay.core.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

MOST_OBJECT: Final = 8 * MIB  # bytes of one commit, tree or small file
MOST_PRODUCED: Final = 512 * MIB  # bytes unpacked in all
MOST_DELTAS: Final = 200  # in one chain; git makes 50
MOST_PACKS: Final = 200
MOST_PACK: Final = 1 << 48  # bytes
MOST_INDEX: Final = 256 * MIB  # bytes of one pack's index: nine million objects
_MOST_TEXT: Final = 16 * MIB  # bytes of packed-refs
_KINDS: Final = {1: "commit", 2: "tree", 3: "blob", 4: "tag"}
_OFFSET_DELTA, _REFERENCE_DELTA = 6, 7
_ID = re.compile(r"[0-9a-f]{40}")
_REF = re.compile(r"refs/[\w./+@-]{1,300}", re.ASCII)
_HEAD_BYTES: Final = 4096


class GitStore:
    """The objects of one repository.

    Args:
        names: relative paths of the files inside `.git`.
        opened: opens one of them; what it raises is passed on.
    """

    def __init__(self, names: Collection[str], opened: Callable[[str], BinaryIO]) -> None:
        self._names = frozenset(names)
        self._open = opened
        self._streams: dict[str, BinaryIO] = {}
        self._produced = 0
        indexes = (name for name in self._names if name.startswith("objects/pack/") and name.endswith(".idx"))
        stems = sorted(name.removesuffix(".idx") for name in indexes)
        if len(stems) > MOST_PACKS:
            raise LimitExceeded("packs", f"more than {MOST_PACKS} packs in .git")
        self._stems = [stem for stem in stems if f"{stem}.pack" in self._names]
        self._indexes: dict[str, bytes] = {}

    def close(self) -> None:
        """Close every file."""
        for stream in self._streams.values():
            stream.close()

    def head(self) -> str:
        """The commit that is checked out.

        Raises:
            ContentError: there is none, or it can't be told.
        """
        text = self._text("HEAD", _HEAD_BYTES)
        if _ID.fullmatch(text):
            return text
        ref = text.removeprefix("ref:").strip()
        if not _REF.fullmatch(ref) or ".." in ref:
            raise ContentError("HEAD of .git names no branch and no commit")
        if ref in self._names:
            found = self._text(ref, _HEAD_BYTES)
        else:
            lines = self._text("packed-refs", _MOST_TEXT).splitlines() if "packed-refs" in self._names else []
            found = next((line[:40] for line in lines if line[40:] == f" {ref}"), "")
        if not _ID.fullmatch(found):
            raise ContentError(f"the branch {ref!r} of .git has no commit")
        return found

    def shallow(self) -> bool:
        """Whether older commits were left out when it was cloned."""
        return "shallow" in self._names

    def read(self, name: str) -> tuple[str, bytes]:
        """Kind and content of an object.

        Raises:
            ContentError: missing, broken, not what its id says, or beyond a limit.
        """
        if not _ID.fullmatch(name):
            raise ContentError("not the id of an object of .git")
        kind, data = self._loose(name) or self._packed(name)
        head = b"%s %d\0" % (kind.encode(), len(data))
        if hashlib.sha1(head + data, usedforsecurity=False).hexdigest() != name:
            raise ContentError(f"the object {name} of .git is not what its id says")
        return kind, data

    # --- files ----------------------------------------------------------------------------------------------------

    def _text(self, name: str, most: int) -> str:
        if name not in self._names:
            raise ContentError(f".git has no {name}")
        with self._open(name) as stream:
            data = stream.read(most + 1)
        if len(data) > most:
            raise LimitExceeded("git", f".git/{name} has more than {most} bytes")
        return data.decode("utf-8", "replace").strip()

    def _stream(self, name: str) -> BinaryIO:
        if name not in self._streams:
            self._streams[name] = self._open(name)
        return self._streams[name]

    def _inflate(self, stream: BinaryIO, most: int) -> bytes:
        """One zlib stream from where the file stands, at most `most` bytes of content."""
        unpack, made = zlib.decompressobj(), bytearray()
        while not unpack.eof:
            chunk = unpack.unconsumed_tail or stream.read(4096)
            if not chunk:
                raise ContentError("an object of .git ends too early")
            try:
                made += unpack.decompress(chunk, most + 1 - len(made))
            except zlib.error as error:
                raise ContentError("an object of .git can't be unpacked") from error
            if len(made) > most:
                raise LimitExceeded("git", f"an object of .git has more than {most} bytes")
        self._count(len(made))
        return bytes(made)

    def _count(self, size: int) -> None:
        self._produced += size
        if self._produced > MOST_PRODUCED:
            raise LimitExceeded("git", f"reading .git would unpack more than {MOST_PRODUCED} bytes")

    # --- loose ----------------------------------------------------------------------------------------------------

    def _loose(self, name: str) -> tuple[str, bytes] | None:
        path = f"objects/{name[:2]}/{name[2:]}"
        if path not in self._names:
            return None
        with self._open(path) as stream:
            head, mark, data = self._inflate(stream, MOST_OBJECT + 64).partition(b"\0")
        kind, _, size = head.decode("ascii", "replace").partition(" ")
        if not mark or kind not in _KINDS.values() or size != str(len(data)):
            raise ContentError(f"the object {name} of .git has a broken header")
        return kind, data

    # --- packs ----------------------------------------------------------------------------------------------------

    def _packed(self, name: str) -> tuple[str, bytes]:
        for stem in self._stems:
            at = self._offset(stem, bytes.fromhex(name))
            if at is not None:
                return self._at(stem, at)
        raise ContentError(f".git does not hold the object {name}")

    def _index(self, stem: str) -> bytes:
        if stem not in self._indexes:
            with self._open(f"{stem}.idx") as stream:
                data = stream.read(MOST_INDEX + 1)
            if len(data) > MOST_INDEX or data[:8] != b"\xfftOc\0\0\0\x02" or len(data) < 8 + 1024:
                raise ContentError("an index of a pack in .git is of another version, broken or too large")
            if len(data) < 8 + 1024 + 28 * int.from_bytes(data[1028:1032], "big"):
                raise ContentError("an index of a pack in .git is too short")
            self._indexes[stem] = data
        return self._indexes[stem]

    def _offset(self, stem: str, name: bytes) -> int | None:
        data = self._index(stem)
        fanout = struct.unpack_from(">256I", data, 8)
        low, high, count = fanout[name[0] - 1] if name[0] else 0, fanout[name[0]], fanout[255]
        if not low <= high <= count:
            raise ContentError("an index of a pack in .git is not in order")
        names = 8 + 1024
        while low < high:
            middle = (low + high) // 2
            found = data[names + 20 * middle : names + 20 * middle + 20]
            if found == name:
                return self._place(data, count, middle)
            low, high = (middle + 1, high) if found < name else (low, middle)
        return None

    @staticmethod
    def _place(data: bytes, count: int, number: int) -> int:
        at = 8 + 1024 + 24 * count + 4 * number
        place = int.from_bytes(data[at : at + 4], "big")
        if place < 1 << 31:
            return place
        far = 8 + 1024 + 28 * count + 8 * (place - (1 << 31))
        return int.from_bytes(data[far : far + 8], "big")

    def _at(self, stem: str, at: int) -> tuple[str, bytes]:
        """The object at a place of a pack, deltas applied."""
        deltas: list[bytes] = []
        while True:
            if at > MOST_PACK:
                raise ContentError("an index of a pack in .git points beyond any pack")
            stream = self._stream(f"{stem}.pack")
            stream.seek(at)
            number, size = self._header(stream)
            if number in _KINDS:
                kind, data = _KINDS[number], self._inflate(stream, min(size, MOST_OBJECT))
                break
            if number == _OFFSET_DELTA:
                back = self._distance(stream)
                if not 0 < back <= at:
                    raise ContentError("a delta in .git is based on nothing")
                deltas.append(self._inflate(stream, min(size, MOST_OBJECT)))
                at -= back
            elif number == _REFERENCE_DELTA:
                base = stream.read(20).hex()
                deltas.append(self._inflate(stream, min(size, MOST_OBJECT)))
                place = self._offset(stem, bytes.fromhex(base)) if len(base) == 40 else None  # noqa: PLR2004
                if place is None:  # a thin pack is completed before it is kept
                    raise ContentError("a delta in .git is based on an object that is not there")
                at = place
            else:
                raise ContentError("an object of .git is of an unknown kind")
            if len(deltas) > MOST_DELTAS:
                raise LimitExceeded("git", f"a chain of more than {MOST_DELTAS} deltas in .git")
        for delta in reversed(deltas):
            data = _apply(data, delta)
            self._count(len(data))
        return kind, data

    @staticmethod
    def _header(stream: BinaryIO) -> tuple[int, int]:
        byte = _byte(stream)
        number, size, shift = byte >> 4 & 7, byte & 15, 4
        while byte & 0x80:
            byte = _byte(stream)
            size |= (byte & 0x7F) << shift
            shift += 7
            if shift > 63:  # noqa: PLR2004
                raise ContentError("an object of .git has a broken header")
        if size > MOST_OBJECT:
            raise LimitExceeded("git", f"an object of .git has more than {MOST_OBJECT} bytes")
        return number, size

    @staticmethod
    def _distance(stream: BinaryIO) -> int:
        byte = _byte(stream)
        back = byte & 0x7F
        while byte & 0x80:
            byte = _byte(stream)
            back = ((back + 1) << 7) | (byte & 0x7F)
            if back >> 63:
                raise ContentError("a delta in .git is based on nothing")
        return back


def _byte(stream: BinaryIO) -> int:
    data = stream.read(1)
    if not data:
        raise ContentError("a pack in .git ends too early")
    return data[0]


def _apply(base: bytes, delta: bytes) -> bytes:
    """A delta applied: copies out of the base, and bytes of its own."""
    at, size = _varint(delta, 0)
    at, wanted = _varint(delta, at)
    if size != len(base) or wanted > MOST_OBJECT:
        raise ContentError("a delta in .git does not fit its base")
    made = bytearray()
    while at < len(delta):
        order = delta[at]
        at += 1
        if order & 0x80:
            at, start, length = _copied(delta, at, order)
            if start + length > len(base):
                raise ContentError("a delta in .git copies from beyond its base")
            made += base[start : start + length]
        elif order:
            made += delta[at : at + order]
            at += order
        else:
            raise ContentError("a delta in .git has an order that is reserved")
        if len(made) > wanted:
            break
    if len(made) != wanted:
        raise ContentError("a delta in .git makes another size than it says")
    return bytes(made)


def _copied(delta: bytes, at: int, order: int) -> tuple[int, int, int]:
    """Where the next order stands, and what this one copies: start and length, in as many bytes as its bits say."""
    values = [0, 0]
    for bit in range(7):
        if order >> bit & 1:
            if at >= len(delta):
                raise ContentError("a delta in .git ends too early")
            place, shift = (0, bit) if bit < 4 else (1, bit - 4)  # noqa: PLR2004
            values[place] |= delta[at] << 8 * shift
            at += 1
    return at, values[0], values[1] or 0x10000


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift <= 63:  # noqa: PLR2004
        byte = data[at]
        at, value, shift = at + 1, value | (byte & 0x7F) << shift, shift + 7
        if not byte & 0x80:
            return at, value
    raise ContentError("a delta in .git has a broken size")

"""What every container looks like to the walker: members, anomalies, and a bounded way to open a member."""

from __future__ import annotations

import errno
import io
import tempfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from assay.core.errors import ContentError, EnvironmentFault, LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from assay.core.limits import Limits
    from assay.formats.anomaly import Anomaly

CHUNK_BYTES = 1 << 20
_IN_MEMORY_BYTES = 8 << 20  # expanded members up to this size stay in memory, larger ones go to an anonymous file


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of a container, or a stretch of it that no entry claims.

    Attributes:
        name: as stated, decoded; may be hostile; never used as a path on this machine.
        kind: `file`, `directory`, `symlink`, `hardlink`, `device`, or `stray` (bytes that no entry claims).
        offset: of the data in the container's stream.
        packed: bytes there.
        size: stated bytes after expansion.
        method: `stored`, `deflate`, `bzip2`, `lzma`, …, or `method N` for one that is not read.
        target: of a link.
        crc: stated CRC-32, or None.
        encrypted: marked as encrypted; opening still tries to read it as plain.
        anomalies: where this entry lies.
    """

    name: str
    kind: str
    offset: int
    packed: int
    size: int
    method: str = "stored"
    target: str = ""
    crc: int | None = None
    encrypted: bool = False
    anomalies: tuple[Anomaly, ...] = ()


class Container(Protocol):
    """A container that was read; valid as long as its stream is open."""

    @property
    def format(self) -> str:
        """Reading that it is (`zip`, `tar`, `gzip`, …)."""
        ...

    @property
    def members(self) -> tuple[Member, ...]:
        """Everything in it, in order of position."""
        ...

    @property
    def anomalies(self) -> tuple[Anomaly, ...]:
        """Where the container as a whole lies."""
        ...

    def open(self, member: Member, budget: Budget) -> BinaryIO:
        """A seekable stream of the member's content.

        Raises:
            ContentError: when it can't be expanded.
            LimitExceeded: when it would grow past the budget.
        """
        ...


@dataclass
class Budget:
    """What one file of the snapshot may still cost, over all its nested levels.

    Attributes:
        limits: the limits in force.
        packed: bytes of the file itself.
        members: entries seen so far.
        expanded: bytes expanded so far.
        summed: bytes whose check sums were compared so far.
    """

    limits: Limits
    packed: int
    members: int = 0
    expanded: int = 0
    summed: int = 0
    allowance: int = field(init=False)

    def __post_init__(self) -> None:
        grown = max(self.limits.expansion_floor_bytes, self.packed * self.limits.expansion_ratio)
        self.allowance = min(self.limits.expanded_bytes, grown)

    def count(self, members: int) -> None:
        """Account for entries (LimitExceeded past the limit)."""
        self.members += members
        if self.members > self.limits.members:
            raise LimitExceeded("members", f"more than {self.limits.members} entries in the containers of one file")

    def grow(self, size: int) -> None:
        """Account for expanded bytes (LimitExceeded past the limit)."""
        self.expanded += size
        if self.expanded > self.allowance:
            raise LimitExceeded(
                "expansion_ratio",
                f"a file of {self.packed} bytes expands to more than {self.allowance} bytes",
            )


class Slice(io.RawIOBase):
    """A stretch of another stream, with a position of its own. Closing it leaves the other stream open."""

    def __init__(self, parent: BinaryIO, start: int, length: int) -> None:
        super().__init__()
        self._parent = parent
        self._start = start
        self._length = max(0, length)
        self._position = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Position in the slice."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As `io.IOBase.seek`."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._length}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Up to `size` bytes; all that is left by default.

        Raises:
            ContentError: when the stretch lies farther out than any file is long.
        """
        left = max(0, self._length - self._position)
        wanted = left if size is None or size < 0 else min(size, left)
        place = self._start + self._position
        try:
            self._parent.seek(place)
        except (OverflowError, ValueError, OSError) as error:  # ValueError: no offset of 64 bits
            if isinstance(error, OSError) and error.errno != errno.EINVAL:
                raise
            raise ContentError(f"offset {place} lies behind every end") from error
        data = self._parent.read(wanted) if wanted else b""
        self._position += len(data)
        return data

    def readall(self) -> bytes:
        """All that is left."""
        return self.read()

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill `buffer`."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def slice_of(parent: BinaryIO, start: int, length: int) -> BinaryIO:
    """A stretch of a seekable stream as a stream."""
    return cast("BinaryIO", Slice(parent, start, length))


def expand(chunks: Iterable[bytes], budget: Budget) -> BinaryIO:
    """Collect expanded chunks under the budget, in memory while small, then in an anonymous temporary file.

    Raises:
        LimitExceeded: past the budget.
        EnvironmentFault: when the temporary directory is full.
    """
    target: BinaryIO = io.BytesIO()
    size = 0
    try:
        for chunk in chunks:
            budget.grow(len(chunk))
            size += len(chunk)
            if size > _IN_MEMORY_BYTES and isinstance(target, io.BytesIO):
                target = _on_disk(target)
            target.write(chunk)
    except OSError as error:
        target.close()
        raise EnvironmentFault(f"can't expand an archive: {error}", hint="make room in $TMPDIR") from error
    except BaseException:
        target.close()
        raise
    target.seek(0)
    return target


def _on_disk(target: io.BytesIO) -> BinaryIO:
    file = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - closed by whoever reads it
    file.write(target.getbuffer())
    return file


def size_of(stream: BinaryIO) -> int:
    """Length of a seekable stream; leaves it at its start."""
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    return size

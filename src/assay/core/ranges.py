"""Digests of parts of a file, taken while the file passes on its way into the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from assay.core.digest import Digest

Range = tuple[int, int]
"""First byte and number of bytes."""

Ranges = dict[Range, str]
"""SHA-256 in hex of each part."""


class FileWatch(Protocol):
    """Looks at one file as it passes."""

    def through(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The same chunks, looked at."""
        ...

    def keep(self, digest: Digest) -> None:
        """The file passed whole, and has this digest."""
        ...


class Watch(Protocol):
    """Looks at files as they pass; thread-safe."""

    def file(self, size: int) -> AbstractContextManager[FileWatch]:
        """Begin with a file of `size` bytes."""
        ...

    def known(self) -> Mapping[Digest, Ranges]:
        """What was learnt, by the digest of the file."""
        ...

"""Content-addressed blobs: a file is named by the SHA-256 of its bytes, written once, never changed.

A URL decides where: a directory, or `s3://bucket/prefix`. Always in this order: temporary name, all bytes, digest, then
a create-only rename. So a name stands for whole content, whenever the process is killed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from assay.core.digest import Digest
from assay.core.errors import IntegrityError, UsageError
from assay.store.layout import key, missing
from assay.store.local import LocalStorage, read_file
from assay.store.verified import verified

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from assay.core.ranges import Watch
    from assay.store.remote import RemoteStorage


@dataclass(frozen=True, slots=True)
class ScrubResult:
    """What re-hashing one stored object said.

    Attributes:
        name: its key in the store.
        size: bytes.
        problem: None when the content is what the name says.
    """

    name: str
    size: int
    problem: str | None


def open_blobs(url: str | Path) -> Blobs:
    """The blobs at a directory (made by the first `put`) or at `s3://bucket/prefix`.

    Credentials, region and endpoint of S3 come from the usual `AWS_*` environment variables.

    Raises:
        UsageError: for another URL scheme.
        EnvironmentFault: when the S3 settings are unusable.
    """
    text = str(url)
    scheme, separator, _ = text.partition("://")
    if separator and scheme == "s3":
        from assay.store.remote import RemoteStorage  # noqa: PLC0415

        return Blobs(RemoteStorage(text))
    if separator and scheme != "file":
        raise UsageError(f"no such kind of blob store: {scheme}://", hint="give a directory or s3://bucket/prefix")
    return Blobs(LocalStorage(Path(text.removeprefix("file://")).expanduser().absolute()))


class Blobs:
    """The blobs of one store; thread-safe. Made by `open_blobs`."""

    def __init__(self, storage: LocalStorage | RemoteStorage) -> None:
        self._storage = storage

    def put(self, chunks: Iterable[bytes], *, expect: Digest | None = None) -> tuple[Digest, int]:
        """Store a blob, hashed as its bytes come in.

        Returns:
            The digest and the size in bytes. A blob that is there already is left as it is, and read once to make
            sure that what will be inspected under this digest is what was given now.

        Raises:
            ContentError: when `expect` is given and the bytes are others; nothing is stored.
            IntegrityError: when the blob is there already and damaged.
            EnvironmentFault: disk full, no permission, store unreachable.
        """
        digest, size, new = self._storage.put(chunks, expect)
        if not new:
            for _ in self.stream(digest):
                pass
        return digest, size

    def put_watched(
        self, chunks: Iterable[bytes], size: int, watch: Watch | None, *, expect: Digest | None = None
    ) -> tuple[Digest, int]:
        """As `put`; `watch` sees the bytes, said to be `size` of them, as they pass."""
        if watch is None:
            return self.put(chunks, expect=expect)
        with watch.file(size) as look:
            digest, size = self.put(look.through(chunks), expect=expect)
            look.keep(digest)
        return digest, size

    def put_file(self, path: Path, *, expect: Digest | None = None) -> tuple[Digest, int]:
        """Store a local file: read once, hashed and written at the same time. As `put` otherwise.

        Raises:
            ContentError: when the file can't be read, or is not what `expect` says.
        """
        return self.put(read_file(path), expect=expect)

    def check(self) -> None:
        """Ask the store something.

        Raises:
            EnvironmentFault: it does not answer, or its directory is not there.
        """
        self._storage.check()

    def has(self, digest: Digest) -> bool:
        """Whether the blob is there (its content is not read)."""
        return self._storage.size(digest) is not None

    def size(self, digest: Digest) -> int:
        """Size in bytes.

        Raises:
            IntegrityError: when it is not there.
        """
        size = self._storage.size(digest)
        if size is None:
            raise missing(digest)
        return size

    def open(self, digest: Digest) -> BinaryIO:
        """Open a blob for reading: seekable, with a real `fileno()` when it is local. The content is not verified.

        Raises:
            IntegrityError: when it is not there.
        """
        return self._storage.open(digest)

    def stream(self, digest: Digest, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Bytes `start` to `stop` (exclusive; None for the end) in chunks of 1 MiB.

        A read of the whole blob is verified: when the bytes are not what the digest says, the last chunk is withheld
        and IntegrityError raised, so no reader ever holds a complete wrong file. A part can't be verified.

        Raises:
            IntegrityError: missing, shorter than it was, or wrong.
        """
        size = self.size(digest)
        stop = size if stop is None else min(stop, size)
        chunks = self._storage.chunks(digest, start, stop)
        yield from chunks if start or stop < size else verified(chunks, digest, size)

    def stream_watched(self, digest: Digest, watch: Watch | None) -> Iterator[bytes]:
        """As `stream` of the whole; `watch` sees the bytes as they pass."""
        if watch is None:
            yield from self.stream(digest)
            return
        with watch.file(self.size(digest)) as look:
            yield from look.through(self.stream(digest))
            look.keep(digest)

    def local_path(self, digest: Digest) -> Path | None:
        """Where the blob lies on this machine's disk (for X-Accel-Redirect); None when it does not."""
        if isinstance(self._storage, LocalStorage) and self.has(digest):
            return self._storage.path(digest)
        return None

    def presigned_url(self, digest: Digest, seconds: int) -> str | None:
        """A URL that reads the blob for `seconds`, when the store can make one; else None."""
        return self._storage.presigned_url(digest, seconds)

    def objects(self) -> Iterator[tuple[str, int]]:
        """Key and size of everything that is stored."""
        yield from self._storage.objects()

    def scrub(self) -> Iterator[ScrubResult]:
        """Re-hash every stored object, one result each; an unreadable or misplaced one is a problem, never an error."""
        for name, size in self._storage.objects():
            yield ScrubResult(name, size, self._problem(name))

    def _problem(self, name: str) -> str | None:
        try:
            digest = Digest(name.rpartition("/")[2])
            if name != key(digest):
                return "lies where no blob belongs"
            for _ in self.stream(digest):
                pass
        except UsageError:
            return "is not named by a digest"
        except IntegrityError as error:
            return str(error)
        return None

    def delete(self, digest: Digest) -> None:
        """Remove a blob; no error when it is not there. What refers to it is the caller's business."""
        self._storage.delete(digest)

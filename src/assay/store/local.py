"""Blobs in a directory: `sha256/<2 hex>/<64 hex>`, and `tmp/` for what is on its way in."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, BinaryIO

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore

from assay.core.errors import ContentError, EnvironmentFault
from assay.store.incoming import CHUNK, Incoming, disk_fault, remove_stale, sync_directory
from assay.store.layout import STREAM_CHUNK, check_expected, damaged, key, missing, store_fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from assay.core.digest import Digest


class LocalStorage:
    """The objects of one directory. The directory is made by the first `put`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._store: LocalStore | None = None

    def put(self, chunks: Iterable[bytes], expect: Digest | None) -> tuple[Digest, int, bool]:
        """As `Blobs.put`, and whether the object is new."""
        store = self._prepare()
        with Incoming(self.root / "tmp") as incoming:
            for chunk in chunks:
                incoming.feed(chunk)
            digest = incoming.finish()
            check_expected(digest, expect)
            return digest, incoming.size, self._name(store, incoming, digest)

    def check(self) -> None:
        """The directory can be read and written; nothing stored yet is fine where it can be made."""
        there = self.root if self.root.exists() else self.root.parent
        if not os.access(there, os.R_OK | os.W_OK | os.X_OK):
            raise EnvironmentFault(f"blobs: {there} can't be used", hint="check that it is mounted, and permissions")

    def _name(self, store: LocalStore, incoming: Incoming, digest: Digest) -> bool:
        final = self.path(digest)
        try:
            final.parent.mkdir(exist_ok=True)
            obstore.rename(store, f"tmp/{incoming.path.name}", key(digest), overwrite=False)
            sync_directory(final.parent)
        except AlreadyExistsError:
            return False
        except OSError as error:
            raise disk_fault(error, "storing a file") from error
        except BaseError as error:
            raise store_fault(error) from error
        return True

    def _prepare(self) -> LocalStore:
        if self._store is None:
            try:
                (self.root / "tmp").mkdir(parents=True, exist_ok=True)
                (self.root / "sha256").mkdir(exist_ok=True)
                remove_stale(self.root / "tmp")
                self._store = LocalStore(self.root)
            except OSError as error:
                raise disk_fault(error, f"preparing {self.root}") from error
            except BaseError as error:
                raise store_fault(error) from error
        return self._store

    def path(self, digest: Digest) -> Path:
        """Where the object lies or would lie."""
        return self.root / key(digest)

    def size(self, digest: Digest) -> int | None:
        """Bytes, or None when there is no such object."""
        try:
            return self.path(digest).stat().st_size
        except FileNotFoundError:
            return None
        except OSError as error:
            raise disk_fault(error, f"looking for blob {digest}") from error

    def open(self, digest: Digest) -> BinaryIO:
        """Open for reading, with a real `fileno()`."""
        try:
            return self.path(digest).open("rb")
        except FileNotFoundError:
            raise missing(digest) from None
        except OSError as error:
            raise disk_fault(error, f"reading blob {digest}") from error

    def chunks(self, digest: Digest, start: int, stop: int) -> Iterator[bytes]:
        """The bytes from `start` to `stop`, 1 MiB at a time."""
        with self.open(digest) as stream:
            try:
                while start < stop:
                    chunk = os.pread(stream.fileno(), min(STREAM_CHUNK, stop - start), start)
                    if not chunk:
                        raise damaged(digest, "is shorter than it was")
                    start += len(chunk)
                    yield chunk
            except OSError as error:
                raise disk_fault(error, f"reading blob {digest}") from error

    def presigned_url(self, digest: Digest, seconds: int) -> None:  # noqa: ARG002
        """A directory has no URLs."""
        return

    def objects(self) -> Iterator[tuple[str, int]]:
        """Key and size of everything under `sha256/`, sorted within each directory."""
        base = self.root / "sha256"
        for folder in sorted(base.iterdir()) if base.is_dir() else ():
            files = sorted(folder.iterdir()) if folder.is_dir() else [folder]
            for file in files:
                yield file.relative_to(self.root).as_posix(), file.lstat().st_size

    def delete(self, digest: Digest) -> None:
        """Remove, no error when absent."""
        try:
            self.path(digest).unlink(missing_ok=True)
        except OSError as error:
            raise disk_fault(error, f"deleting blob {digest}") from error


def read_file(path: Path) -> Iterator[bytes]:
    """The bytes of a local file in large chunks.

    Raises:
        ContentError: when it can't be read (permission, vanished, not a regular file).
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise ContentError(f"can't read {path}: {error.strerror}") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ContentError(f"can't read {path}: not a regular file")
        while chunk := os.read(descriptor, CHUNK):
            yield chunk
    except OSError as error:
        raise ContentError(f"can't read {path}: {error.strerror}") from error
    finally:
        os.close(descriptor)

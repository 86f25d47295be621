"""Blobs in an S3 bucket, through obstore. The same layout as the local directory, under the URL's prefix."""

from __future__ import annotations

import hashlib
import io
import os
import uuid
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, BinaryIO

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import S3Store

from assay.core.digest import Digest
from assay.core.limits import GIB
from assay.store.incoming import CHUNK
from assay.store.layout import STREAM_CHUNK, check_expected, key, missing, store_fault
from assay.store.verified import verified

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed import WriteableBuffer

_STALE_AFTER = timedelta(hours=24)  # no lock tells whether an uploader on another machine lives
_COPY_LIMIT = 5 * GIB  # S3's limit for a copy on its own side (UploadPartCopy)
_PART = 4 * CHUNK  # bytes of one part of an upload; S3 allows 10,000 parts, so 160 GB in one blob
_AT_ONCE = 4  # parts under way at a time; bounds the memory


class RemoteStorage:
    """The objects below one `s3://bucket/prefix`."""

    def __init__(self, url: str) -> None:
        endpoint = os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT", "")
        try:
            self._store = S3Store.from_url(
                url,
                copy_if_not_exists="multipart",
                client_options={"allow_http": endpoint.startswith("http://")},
            )
        except (BaseError, ValueError) as error:
            raise store_fault(error) from error
        self._prepared = False

    def check(self) -> None:
        """The store answers a question about an object that is not there."""
        self.size(Digest.of(b"assay: is anybody there?"))

    def put(self, chunks: Iterable[bytes], expect: Digest | None) -> tuple[Digest, int, bool]:
        """As `Blobs.put`, and whether the object is new.

        It is uploaded under a temporary name while it is hashed, then copied on the server's side.
        """
        self._remove_stale()
        temporary = f"tmp/{uuid.uuid4().hex}"
        try:
            digest, size = self._upload(temporary, chunks)
            check_expected(digest, expect)
            new = self.size(digest) is None
            if new and size > _COPY_LIMIT:
                self._upload_again(temporary, digest)
            elif new:
                new = self._copy(temporary, digest)
        except BaseError as error:
            raise store_fault(error) from error
        finally:
            self._forget(temporary)
        return digest, size, new

    def _upload(self, name: str, chunks: Iterable[bytes]) -> tuple[Digest, int]:
        """Upload in parts, hashed on the way. An error of the source breaks it off: the object never appears."""
        check, size = hashlib.sha256(), 0
        with obstore.open_writer(self._store, name, buffer_size=_PART, max_concurrency=_AT_ONCE) as writer:
            for chunk in chunks:
                writer.write(chunk)
                check.update(chunk)
                size += len(chunk)
        return Digest(check.hexdigest()), size

    def _copy(self, temporary: str, digest: Digest) -> bool:
        try:
            obstore.copy(self._store, temporary, key(digest), overwrite=False)
        except AlreadyExistsError:
            return False
        return True

    def _upload_again(self, temporary: str, digest: Digest) -> None:
        """Above S3's limit for a copy the bytes pass through this machine once more, and are checked once more.

        S3 has no create-only form of this; between two writers of one blob it makes no difference, the bytes are equal.
        """
        stream = (bytes(chunk) for chunk in obstore.get(self._store, temporary).stream(CHUNK))
        checked, _ = self._upload(key(digest), verified(stream, digest, 0))
        check_expected(checked, digest)

    def _forget(self, name: str) -> None:
        with suppress(FileNotFoundError, BaseError):  # best effort: what stays is removed as stale later
            obstore.delete(self._store, name)

    def _remove_stale(self) -> None:
        if self._prepared:
            return
        try:
            limit = datetime.now(UTC) - _STALE_AFTER
            for batch in obstore.list(self._store, "tmp"):
                for meta in batch:
                    if meta["last_modified"] < limit:
                        self._forget(meta["path"])
        except BaseError as error:
            raise store_fault(error) from error
        self._prepared = True

    def size(self, digest: Digest) -> int | None:
        """Bytes, or None when there is no such object."""
        try:
            return obstore.head(self._store, key(digest))["size"]
        except FileNotFoundError:
            return None
        except BaseError as error:
            raise store_fault(error) from error

    def open(self, digest: Digest) -> BinaryIO:
        """Open for reading: seekable, fetched by ranges, without `fileno()`."""
        size = self.size(digest)
        if size is None:
            raise missing(digest)
        return io.BufferedReader(_Ranged(self, digest, size), buffer_size=STREAM_CHUNK)

    def read_range(self, digest: Digest, start: int, stop: int) -> bytes:
        """The bytes from `start` to `stop`."""
        try:
            return bytes(obstore.get_range(self._store, key(digest), start=start, end=stop))
        except FileNotFoundError:
            raise missing(digest) from None
        except BaseError as error:
            raise store_fault(error) from error

    def chunks(self, digest: Digest, start: int, stop: int) -> Iterator[bytes]:
        """The bytes from `start` to `stop`, 1 MiB at a time."""
        if start >= stop:
            return
        try:
            answer = obstore.get(self._store, key(digest), options={"range": (start, stop)})
            held = b""
            for part in answer.stream(STREAM_CHUNK):
                held += part
                while len(held) >= STREAM_CHUNK:
                    yield held[:STREAM_CHUNK]
                    held = held[STREAM_CHUNK:]
            if held:
                yield held
        except FileNotFoundError:
            raise missing(digest) from None
        except BaseError as error:
            raise store_fault(error) from error

    def presigned_url(self, digest: Digest, seconds: int) -> str | None:
        """A URL that reads the object for `seconds`."""
        try:
            return obstore.sign(self._store, "GET", key(digest), timedelta(seconds=seconds))
        except BaseError as error:
            raise store_fault(error) from error

    def objects(self) -> Iterator[tuple[str, int]]:
        """Key and size of everything under `sha256/`."""
        try:
            for batch in obstore.list(self._store, "sha256"):
                for meta in batch:
                    yield meta["path"], meta["size"]
        except BaseError as error:
            raise store_fault(error) from error

    def delete(self, digest: Digest) -> None:
        """Remove, no error when absent."""
        try:
            obstore.delete(self._store, key(digest))
        except FileNotFoundError:
            return
        except BaseError as error:
            raise store_fault(error) from error


class _Ranged(io.RawIOBase):
    """A remote object as a seekable raw stream."""

    def __init__(self, storage: RemoteStorage, digest: Digest, size: int) -> None:
        self._storage = storage
        self._digest = digest
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("negative seek position")
        self._position = base + offset
        return self._position

    def readall(self) -> bytes:
        parts = []
        while part := self.read(_PART):  # the default reads 8 KiB at a time, a request each
            parts.append(part)
        return b"".join(parts)

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        stop = min(self._position + len(view), self._size)
        if self._position >= stop:
            return 0
        data = self._storage.read_range(self._digest, self._position, stop)
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

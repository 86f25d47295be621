"""A model on a hub (`hf://org/name@revision`) as a snapshot in the store."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Final

from assay.core.errors import ContentError, SourceError
from assay.core.snapshot import FileEntry, Origin, Snapshot
from assay.sources.hub_client import HubClient, HubFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from assay.core.limits import Limits
    from assay.core.ranges import Watch
    from assay.sources.hub_ref import HubRef
    from assay.store.blobs import Blobs

PARALLEL: Final = 4  # files fetched at once: hides the hub's answer times, and stays polite


def fetch_hub(
    ref: HubRef,
    hub_url: str,
    blobs: Blobs,
    progress: Callable[[str, int, int], None] | None = None,
    *,
    token: str | None = None,
    hosts: tuple[str, ...] = (),
    allow_private: bool = False,
    proxy: str | None = None,
    limits: Limits | None = None,
    timeout: float = 30.0,
    watch: Watch | None = None,
) -> Snapshot:
    """Store every file of the commit that `ref` resolves to, and return the snapshot.

    The revision is resolved once; listing and files are read at that commit. Files in large-file storage are checked
    against the SHA-256 of the listing, and hashed in the store instead of fetched when it has them; the others against
    their Git blob id, a SHA-1 that catches accidents. Sizes must be exactly those of the listing.

    Args:
        ref: what to fetch.
        hub_url: base URL of the hub.
        blobs: where the bytes go.
        progress: called with (path, bytes done, bytes in total).
        token: for the hub alone, see `HubClient`.
        hosts: further hosts that redirects may name.
        allow_private: see `guarded.Reach`.
        proxy: see `guarded.Reach`.
        limits: how many files are too many.
        timeout: seconds without any byte.
        watch: sees every file as it passes.

    Raises:
        UsageError: `hub_url` is not a URL.
        SourceError: the hub can't be reached, refuses, or its bytes are not what its listing says.
        EnvironmentFault: disk full.
    """
    with HubClient(
        hub_url, token=token, hosts=hosts, allow_private=allow_private, proxy=proxy, limits=limits, timeout=timeout
    ) as hub:
        known_as, commit = hub.resolve(ref.name, ref.revision)
        files = sorted(hub.tree(ref.name, commit), key=lambda file: file.path)
        tally = _Tally(sum(file.size for file in files), progress)

        def take(file: HubFile) -> FileEntry:
            taking = _Taking(file, blobs, tally, watch)
            return taking.kept(hub.url) or taking.fetched(hub.read(ref.name, commit, file), hub.url)

        entries = _all_at_once(take, files, tally)
        uri = f"{hub.url}/{known_as}"
    try:
        return Snapshot.of(entries, Origin("hub", uri, ref.name, ref.revision, commit))
    except ContentError as error:
        raise SourceError(f"{ref} at {hub_url}: {error}") from error


def _all_at_once(take: Callable[[HubFile], FileEntry], files: list[HubFile], tally: _Tally) -> list[FileEntry]:
    """Take the files, some at a time; the first failure ends the others."""
    with ThreadPoolExecutor(PARALLEL, "assay-fetch") as pool:
        futures = [pool.submit(take, file) for file in files]
        try:
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in futures:
                if future in done:
                    future.result()
            return [future.result() for future in futures]
        finally:
            tally.stopped = True
            for future in futures:
                future.cancel()


class _Stopped(SourceError):
    """Another file failed: this one is not wanted any more."""


class _Tally:
    """Bytes of all files together, told to whoever watches."""

    def __init__(self, total: int, progress: Callable[[str, int, int], None] | None) -> None:
        self._total = total
        self._progress = progress
        self._done = 0
        self._lock = threading.Lock()
        self.stopped = False

    def add(self, path: str, size: int) -> None:
        """`size` more bytes of `path` have passed.

        Raises:
            SourceError: when another file failed meanwhile.
        """
        if self.stopped:
            raise _Stopped(f"{path[:200]!r}: given up, since another file failed")
        with self._lock:
            self._done += size
            if self._progress is not None:
                self._progress(path, self._done, self._total)


class _Taking:
    """One file on its way into the store."""

    def __init__(self, file: HubFile, blobs: Blobs, tally: _Tally, watch: Watch | None) -> None:
        self._file = file
        self._watch = watch
        self._blobs = blobs
        self._tally = tally

    def kept(self, hub: str) -> FileEntry | None:
        """The file, when the store has it already: hashed again, since bytes planted there would be inspected."""
        digest = self._file.sha256
        if digest is None or not self._blobs.has(digest):
            return None
        size = sum(len(chunk) for chunk in self._pass(self._blobs.stream_watched(digest, self._watch)))
        if size != self._file.size:
            raise self._lie(hub)
        return FileEntry(self._file.path, size, digest)

    def fetched(self, chunks: Iterable[bytes], hub: str) -> FileEntry:
        """The file from the hub."""
        git = hashlib.sha1(b"blob %d\0" % self._file.size, usedforsecurity=False)
        update = git.update if self._file.git_oid else None
        try:
            passing = self._pass(chunks, update)
            digest, size = self._blobs.put_watched(passing, self._file.size, self._watch, expect=self._file.sha256)
        except ContentError as error:
            raise self._lie(hub) from error
        if self._file.git_oid not in {None, git.hexdigest()}:
            raise self._lie(hub)
        return FileEntry(self._file.path, size, digest)

    def _pass(self, chunks: Iterable[bytes], update: Callable[[bytes], None] | None = None) -> Iterator[bytes]:
        for chunk in chunks:
            if update is not None:
                update(chunk)
            self._tally.add(self._file.path, len(chunk))
            yield chunk

    def _lie(self, hub: str) -> SourceError:
        return SourceError(f"{self._file.path[:200]!r}: the bytes are not what the listing of {hub} says")

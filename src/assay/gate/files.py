"""The bytes that a verification looks at: a folder on disk, or a stored snapshot."""

from __future__ import annotations

import hashlib
import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.core.digest import Digest
from assay.core.errors import EnvironmentFault
from assay.core.limits import KIB, MIB
from assay.gate.statements import is_statement_file
from assay.provenance.oms import STATEMENTS_DIRECTORY
from assay.store.tree import DirectoryFiles, Skipped, list_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from assay.core.inspector import FileAccess
    from assay.core.snapshot import Snapshot

# What huggingface_hub writes beside the files of a `local_dir` download (_local_folder.py). Never loaded, never large.
_CLIENT_FILE = re.compile(
    r"\.cache/huggingface/(\.gitignore|\.gitignore\.lock|CACHEDIR\.TAG|download/.+\.(metadata|lock))", re.DOTALL
)
MAX_CLIENT_FILE_BYTES = 4 * KIB  # a commit, an ETag and a time
_CHUNK = MIB  # read at once
_MAX_THREADS = 4  # hashing is bound by the disk beyond that


@dataclass(frozen=True)
class Files:
    """Files as they lie there.

    Attributes:
        sizes: bytes by path.
        skipped: what can't be part of a model (links to the outside, sockets, unreadable directories, …).
        access: how to read them.
        beside: those that need not be in the manifest: exported statements, and a hub client's bookkeeping.
    """

    sizes: Mapping[str, int]
    skipped: tuple[Skipped, ...]
    access: FileAccess
    beside: frozenset[str] = frozenset()


def folder_files(root: Path, statements: Path | None = None) -> Files:
    """List a folder.

    Beside the model may lie files with the names of an export, in `.assay/` and in `statements` when that is inside the
    folder, and what a hub client keeps beside its downloads. Anything else in those places counts as an extra file.

    Raises:
        UsageError: when there is no such folder.
        ContentError: above the limit of entries.
    """
    prefixes = {f"{STATEMENTS_DIRECTORY}/"}
    if statements is not None and statements.resolve().is_relative_to(root.resolve()):
        inside = statements.resolve().relative_to(root.resolve()).as_posix()
        prefixes.add("" if inside == "." else f"{inside}/")
    tree = list_tree(root)
    beside = frozenset(file.path for file in tree.files if _bookkeeping(file.path, file.size, prefixes))
    return Files({file.path: file.size for file in tree.files}, tree.skipped, DirectoryFiles(tree), beside)


def stored_files(snapshot: Snapshot, access: FileAccess) -> Files:
    """The files of a stored snapshot, read through `access`."""
    return Files({entry.path: entry.size for entry in snapshot.files}, (), access)


def hash_files(files: Files, paths: Iterable[str], progress: Callable[[str, int], None]) -> dict[str, Digest]:
    """SHA-256 of every file named.

    Args:
        files: where they lie.
        paths: which ones; all of them must be in `files`.
        progress: called with path and size when a file is done.

    Raises:
        ContentError: for a file that can't be opened, or changed since it was listed.
        EnvironmentFault: when the disk fails.
    """

    def digest_of(path: str) -> tuple[str, Digest]:
        with files.access.open(path) as stream:
            hasher = hashlib.sha256()
            try:
                while chunk := stream.read(_CHUNK):
                    hasher.update(chunk)
            except OSError as error:
                raise EnvironmentFault(f"reading {path!r} failed: {error.strerror}", hint="check the disk") from error
        progress(path, files.sizes[path])
        return path, Digest(hasher.hexdigest())

    with ThreadPoolExecutor(max_workers=min(_MAX_THREADS, os.cpu_count() or 1)) as pool:
        return dict(pool.map(digest_of, paths))


def _bookkeeping(path: str, size: int, prefixes: set[str]) -> bool:
    if _CLIENT_FILE.fullmatch(path):
        return size <= MAX_CLIENT_FILE_BYTES
    return any(path.startswith(prefix) and is_statement_file(path.removeprefix(prefix)) for prefix in prefixes)

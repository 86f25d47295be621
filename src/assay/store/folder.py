"""A folder as the subject of an inspection: listed, hashed, nothing stored."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, cast

from assay.core.digest import Digest
from assay.core.errors import UsageError
from assay.core.inspector import Subject
from assay.core.limits import Limits
from assay.core.snapshot import FileEntry, Origin, Snapshot
from assay.store.tree import DirectoryFiles, list_tree

if TYPE_CHECKING:
    from io import BufferedReader
    from pathlib import Path

_STATEMENTS = ".assay/"  # statements about a model are no part of it


def folder_subject(path: Path) -> Subject:
    """The snapshot of a folder, and access to its bytes.

    Raises:
        UsageError: no such path, empty, or with entries that can't be part of a snapshot.
    """
    tree = list_tree(path)
    if refused := [entry for entry in tree.skipped if not f"{entry.path}/".startswith(_STATEMENTS)]:
        raise UsageError(f"{path}: {refused[0].path[:200]!r}: {refused[0].reason}", hint="mend the folder")
    access = DirectoryFiles(tree)
    entries = []
    for file in tree.files:
        if not file.path.startswith(_STATEMENTS):
            with access.open(file.path) as stream:
                entries.append(
                    FileEntry(
                        file.path,
                        file.size,
                        Digest(hashlib.file_digest(cast("BufferedReader", stream), "sha256").hexdigest()),
                    )
                )
    if not entries:
        raise UsageError(f"{path}: no files", hint="give the folder of a model")
    origin = Origin("directory" if path.is_dir() else "file", path.resolve().as_uri())
    return Subject(Snapshot.of(entries, origin), access, Limits())

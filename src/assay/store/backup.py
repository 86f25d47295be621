"""Copies of a whole registry: databases by SQLite's own backup, blobs one by one, each verified; what is there is left.

The order matters. The workflows are copied before the index, and the index before the blobs: what the first names is in
the second, and what the second names is in the third, even while the registry works on.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

from assay.core.digest import Digest
from assay.core.errors import EnvironmentFault, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from assay.store.blobs import Blobs

_PAGES: Final = 4096  # pages of SQLite copied at a time: writers get in between


def copy_database(source: Path, target: Path) -> None:
    """A consistent copy of a SQLite file that others may be writing to; the target appears whole or not at all.

    Raises:
        EnvironmentFault: it can't be read, or the copy not written.
    """
    partial = target.with_name(target.name + ".part")
    try:
        partial.unlink(missing_ok=True)
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as old,
            closing(sqlite3.connect(partial)) as new,
        ):
            old.backup(new, pages=_PAGES)
            new.execute("PRAGMA journal_mode=DELETE")  # one file, without a -wal beside it
        os.replace(partial, target)  # noqa: PTH105
    except (sqlite3.Error, OSError) as error:
        raise EnvironmentFault(f"copying {source}: {error}", hint="check space and permissions") from error


def copy_blobs(source: Blobs, target: Blobs, progress: Callable[[str, int, int], None]) -> tuple[int, int, int]:
    """Every blob that the target lacks, hashed on its way; (blobs, copied, bytes copied).

    Raises:
        IntegrityError: a blob is not what its name says. It is not copied, and nothing is after it.
    """
    count = copied = size = 0
    for name, length in source.objects():
        try:
            digest = Digest(name.rpartition("/")[2])
        except UsageError:
            continue  # no blob: scrubbing reports it
        count += 1
        if target.has(digest) and target.size(digest) == length:
            continue
        target.put(source.stream(digest), expect=digest)
        copied, size = copied + 1, size + length
        progress(f"{count} blobs", size, 0)
    return count, copied, size


def copy_file(source: Path, target: Path, *, private: bool = False) -> bool:
    """A small file, if it is there; whether it was. A private one is readable by its owner alone from the start."""
    if not source.is_file():
        return False
    partial = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700 if private else 0o755)
        partial.unlink(missing_ok=True)
        partial.touch(0o600 if private else 0o644)
        shutil.copyfile(source, partial)
        os.replace(partial, target)  # noqa: PTH105
    except OSError as error:
        raise EnvironmentFault(f"copying {source}: {error.strerror}", hint="check space and permissions") from error
    return True

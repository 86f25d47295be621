"""A directory (or one file) as a listing: what would be a snapshot, and what can't be part of one and why."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from assay.core.errors import ContentError, EnvironmentFault, LimitExceeded, UsageError
from assay.core.limits import Limits
from assay.core.snapshot import check_path

_HUB_CACHE_PREFIX = "models--"  # huggingface_hub: <cache>/models--org--name/{blobs,refs,snapshots}


@dataclass(frozen=True, slots=True, order=True)
class TreeFile:
    """A regular file of a tree.

    Attributes:
        path: relative POSIX path, as it stands in a snapshot.
        location: where the bytes lie; free of symbolic links below the root.
        size: bytes, when it was listed.
    """

    path: str
    location: Path
    size: int


@dataclass(frozen=True, slots=True, order=True)
class Skipped:
    """Something below the root that is not listed as a file.

    Attributes:
        path: relative POSIX path; bytes that are not UTF-8 are shown as backslash escapes.
        reason: one sentence. Never silently dropped: a caller reports it or refuses.
    """

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Tree:
    """A listing, sorted by path.

    Attributes:
        files: regular files.
        skipped: everything else that was met.
    """

    files: tuple[TreeFile, ...]
    skipped: tuple[Skipped, ...]


def list_tree(root: Path, limits: Limits | None = None) -> Tree:
    """List `root` (a directory or a single file) without opening any file.

    Symbolic links are followed while they stay inside the root. One exception: in the cache of a hub client
    (`…/models--x/snapshots/<rev>`) files may also point into the sibling `blobs/` of that model. Links that lead
    elsewhere, loops, sockets, devices, pipes, unreadable directories and names that are not UTF-8 are `Skipped`.

    Raises:
        UsageError: when there is no such path, or it is neither a file nor a directory.
        EnvironmentFault: when the root itself can't be read.
        LimitExceeded: above `limits.files` entries.
    """
    try:
        real = root.resolve(strict=True)
        status = real.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(f"no such file or directory: {root}", hint="check the path") from error
    except (OSError, RuntimeError, ValueError) as error:
        raise EnvironmentFault(f"can't read {root}: {_reason(error)}", hint="check the path and permissions") from error
    if stat.S_ISREG(status.st_mode):
        return Tree((TreeFile(_plain_name(root), real, status.st_size),), ())
    if not stat.S_ISDIR(status.st_mode):
        raise UsageError(f"neither a file nor a directory: {root}", hint="give a model directory or a file")
    try:
        os.scandir(real).close()
    except OSError as error:
        raise EnvironmentFault(f"can't list {root}: {_reason(error)}", hint="check permissions") from error
    walk = _Walk(str(real), _hub_blobs(Path(os.path.abspath(root))), (limits or Limits()).files)  # noqa: PTH100
    walk.directory(str(real), "", (str(real),))
    return Tree(tuple(sorted(walk.files)), tuple(sorted(walk.skipped)))


def _plain_name(root: Path) -> str:
    name = root.name or root.resolve().name
    return check_path(name)


def _hub_blobs(root: Path) -> str | None:
    """The real `blobs/` directory that belongs to a hub cache snapshot, else None."""
    model = root.parent.parent
    if root.parent.name != "snapshots" or not model.name.startswith(_HUB_CACHE_PREFIX):
        return None
    return str((model / "blobs").resolve())


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _inside(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")


class _Walk:
    """One walk. Directories are kept on an explicit stack: depth is bounded by PATH_MAX, not by recursion."""

    def __init__(self, root: str, hub_blobs: str | None, limit: int) -> None:
        self.root = root
        self.hub_blobs = hub_blobs
        self.limit = limit
        self.seen = 0
        self.files: list[TreeFile] = []
        self.skipped: list[Skipped] = []

    def directory(self, location: str, prefix: str, ancestors: tuple[str, ...]) -> None:
        stack = [(location, prefix, ancestors)]
        while stack:
            location, prefix, ancestors = stack.pop()
            try:
                entries = os.scandir(location)
            except OSError as error:
                self._skip(prefix.rstrip("/"), f"directory can't be listed: {_reason(error)}")
                continue
            with entries:
                for entry in entries:
                    self._count()
                    if (child := self._entry(entry, prefix + entry.name, ancestors)) is not None:
                        stack.append((child, f"{prefix}{entry.name}/", (*ancestors, child)))

    def _count(self) -> None:
        self.seen += 1
        if self.seen > self.limit:
            raise LimitExceeded("files", f"more than {self.limit} entries below the given directory")

    def _skip(self, path: str, reason: str) -> None:
        self.skipped.append(Skipped(os.fsencode(path).decode("utf-8", "backslashreplace"), reason))

    def _entry(self, entry: os.DirEntry[str], path: str, ancestors: tuple[str, ...]) -> str | None:
        """Record one entry; returns the real path of a directory that is to be walked."""
        try:
            check_path(path)
            location, is_link = entry.path, entry.is_symlink()
            if is_link:
                location = os.path.realpath(entry.path, strict=True)
            status = os.stat(location) if is_link else entry.stat(follow_symlinks=False)  # noqa: PTH116
        except ContentError as error:
            self._skip(path, _name_problem(path, error))
            return None
        except OSError as error:
            loop = "symbolic link loop" if error.errno == errno.ELOOP else f"can't be read: {_reason(error)}"
            self._skip(path, "broken symbolic link" if error.errno == errno.ENOENT else loop)
            return None
        if stat.S_ISDIR(status.st_mode):
            if is_link and not _inside(location, self.root):
                self._skip(path, "symbolic link to a directory outside the given root")
            elif location in ancestors:
                self._skip(path, "symbolic link to a directory that contains it")
            else:
                return location
        elif not stat.S_ISREG(status.st_mode):
            self._skip(path, f"not a regular file ({_kind(status.st_mode)})")
        elif is_link and not self._allowed(location):
            self._skip(path, "symbolic link to a file outside the given root")
        else:
            self.files.append(TreeFile(path, Path(location), status.st_size))
        return None

    def _allowed(self, location: str) -> bool:
        return _inside(location, self.root) or (self.hub_blobs is not None and _inside(location, self.hub_blobs))


def _name_problem(path: str, error: ContentError) -> str:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return "file name is not valid UTF-8"
    return str(error)


def _kind(mode: int) -> str:
    names = {stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket", stat.S_IFBLK: "block device", stat.S_IFCHR: "device"}
    return names.get(stat.S_IFMT(mode), "unknown kind")


class DirectoryFiles:
    """`FileAccess` over a listed tree. A file that is not as it was listed is refused, so results fit the listing."""

    def __init__(self, tree: Tree) -> None:
        self._files = {file.path: file for file in tree.files}

    def open(self, path: str) -> BinaryIO:
        """Open a listed file: seekable, with a real `fileno()`.

        Raises:
            ContentError: when it is not in the listing, can't be read, or is no longer the file that was listed.
        """
        file = self._files.get(path)
        if file is None:
            raise ContentError(f"not a file of this snapshot: {path[:200]!r}")
        try:
            # No link at the end, and no waiting for a writer should a pipe have taken the file's place.
            descriptor = os.open(file.location, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise ContentError(f"can't open {path[:200]!r}: {_reason(error)}") from error
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size != file.size:
            os.close(descriptor)
            raise ContentError(f"changed while it was being read: {path[:200]!r}")
        return os.fdopen(descriptor, "rb")

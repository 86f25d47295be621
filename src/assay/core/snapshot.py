"""A snapshot: the closed, sorted set of files that a model is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from assay.core.canonical import canonical_json
from assay.core.digest import Digest
from assay.core.errors import ContentError

MANIFEST_SCHEMA = "assay.manifest/v1"
MAX_PATH_BYTES = 4096  # Linux PATH_MAX


def check_path(path: str) -> str:
    """Return `path` when it is a relative POSIX path that stays inside its root.

    Raises:
        ContentError: for an empty, absolute, non-normal or escaping path, a NUL, or text that is not valid UTF-8.
    """
    try:
        size = len(path.encode("utf-8"))
    except UnicodeEncodeError as error:
        msg = f"file name is not valid UTF-8: {path!r}"
        raise ContentError(msg) from error
    parts = path.split("/")
    if not path or size > MAX_PATH_BYTES or "\0" in path or any(part in {"", ".", ".."} for part in parts):
        msg = f"file name is not a plain relative path: {path[:200]!r}"
        raise ContentError(msg)
    return path


@dataclass(frozen=True, slots=True, order=True)
class FileEntry:
    """One file of a snapshot.

    Attributes:
        path: relative POSIX path, checked by `check_path`.
        size: bytes.
        digest: SHA-256 of the content.
    """

    path: str
    size: int
    digest: Digest

    def __post_init__(self) -> None:
        check_path(self.path)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a snapshot is said to come from. A claim: no trust follows from it.

    Attributes:
        kind: `directory`, `file` or `hub`.
        uri: as resolved, without credentials.
        name: `org/name`, the name that is claimed.
        requested: the revision that was asked for, may be empty.
        commit: the revision it resolved to at the source, may be empty.
    """

    kind: str
    uri: str
    name: str = ""
    requested: str = ""
    commit: str = ""

    def to_json(self) -> dict[str, str]:
        """As a JSON object, every field present."""
        return {
            "kind": self.kind,
            "uri": self.uri,
            "name": self.name,
            "requested": self.requested,
            "commit": self.commit,
        }

    @classmethod
    def from_json(cls, value: dict[str, str]) -> Self:
        """Read what `to_json` wrote."""
        return cls(**value)


@dataclass(frozen=True)
class Snapshot:
    """The closed, sorted set of (path, size, digest) that a model is.

    Attributes:
        files: sorted by path, no path twice, never empty.
        origin: a claim; not part of `id`.
    """

    files: tuple[FileEntry, ...]
    origin: Origin

    def __post_init__(self) -> None:
        paths = [entry.path for entry in self.files]
        if not paths:
            msg = "a snapshot without files is no snapshot"
            raise ContentError(msg)
        if paths != sorted(set(paths)):
            msg = "snapshot files must be sorted by path, each path once"
            raise ContentError(msg)
        directories = {path[:cut] for path in paths for cut in range(len(path)) if path[cut] == "/"}
        if clash := directories.intersection(paths):
            msg = f"a path is both file and directory: {min(clash)!r}"
            raise ContentError(msg)

    @classmethod
    def of(cls, files: list[FileEntry], origin: Origin) -> Self:
        """Build from files in any order."""
        return cls(tuple(sorted(files, key=lambda entry: entry.path)), origin)

    def manifest(self) -> dict[str, Any]:
        """The listing that `id` is the digest of: names, sizes and digests, nothing else."""
        return {
            "schema": MANIFEST_SCHEMA,
            "files": [{"path": e.path, "size": e.size, "sha256": e.digest.hex} for e in self.files],
        }

    def manifest_bytes(self) -> bytes:
        """Canonical JSON of `manifest()`; `id` is its SHA-256, so any tool can check it as a file."""
        return canonical_json(self.manifest())

    @cached_property
    def id(self) -> Digest:
        """Digest of the canonical manifest."""
        return Digest.of(self.manifest_bytes())

    @property
    def size(self) -> int:
        """Sum of the files' sizes in bytes."""
        return sum(entry.size for entry in self.files)

    def entry(self, path: str) -> FileEntry | None:
        """The file at `path`, or None."""
        return self._by_path.get(path)

    @cached_property
    def _by_path(self) -> dict[str, FileEntry]:
        return {entry.path: entry for entry in self.files}

    @classmethod
    def from_manifest(cls, manifest: dict[str, Any], origin: Origin) -> Self:
        """Read what `manifest()` wrote.

        Raises:
            ContentError: when it is not a manifest of this schema.
        """
        if (
            not isinstance(manifest, dict)
            or manifest.get("schema") != MANIFEST_SCHEMA
            or set(manifest) != {"schema", "files"}
        ):
            msg = f"not a manifest of schema {MANIFEST_SCHEMA}"
            raise ContentError(msg)
        try:
            files = tuple(FileEntry(f["path"], int(f["size"]), Digest(f["sha256"])) for f in manifest["files"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            msg = f"broken manifest: {error!r}"
            raise ContentError(msg) from error
        return cls(files, origin)

"""Results of earlier scans, by file digest, rules, lists, limits, inspectors and tool version; each authenticated.

An entry carries an HMAC under a key that only the user can read. An entry that is not ours, stands under another name
or is damaged counts as not there, so a poisoned cache costs time and never makes a file clean.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import stat
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay import __version__
from assay.core.canonical import canonical_json
from assay.inspections.rules import rules_digest
from assay.inspections.runner import CACHED_FROM_BYTES

if TYPE_CHECKING:
    from assay.core.snapshot import FileEntry

_KEY_BYTES = 32
_MOST_ENTRY_BYTES = 4 << 20
_MOST_IN_FOLDER = 200  # entries in each of 256 folders; the oldest go first
_SOURCES = ("formats", "inspections", "sandbox", "sourcecode", "workers")


class ResultCache:
    """What local inspectors said about files.

    Attributes:
        worth_seconds: a file whose inspection takes less is not worth an entry.

    Args:
        folder: made when missing; must belong to the user alone.
        context: JSON-compatible: limits, inspectors with their versions.
    """

    worth_seconds = 0.05

    def __init__(self, folder: Path, context: dict[str, Any]) -> None:
        self._folder = folder
        self._context = context

    def get(self, entry: FileEntry) -> dict[str, Any] | None:
        """Results for a file at its path, or None."""
        if entry.size < CACHED_FROM_BYTES or self._key is None:
            return None
        name = self._name(entry)
        try:
            with (self._folder / name[:2] / f"{name}.json").open("rb") as stream:
                data = stream.read(_MOST_ENTRY_BYTES + 1)
        except OSError:
            return None
        tag, _, body = data.partition(b"\n")
        if len(data) > _MOST_ENTRY_BYTES or not hmac.compare_digest(tag, self._tag(name, body)):
            return None
        results: dict[str, Any] = json.loads(body)
        return results

    def put(self, entry: FileEntry, results: dict[str, Any]) -> None:
        """Keep results; a full disk or a folder that can't be written only means that nothing is kept."""
        if entry.size < CACHED_FROM_BYTES or self._key is None:
            return
        name = self._name(entry)
        body = canonical_json(results)
        data = self._tag(name, body) + b"\n" + body
        if len(data) > _MOST_ENTRY_BYTES:
            return
        target = self._folder / name[:2] / f"{name}.json"
        partial = target.with_name(f"{name}.{secrets.token_hex(8)}.part")
        try:
            target.parent.mkdir(mode=0o700, exist_ok=True)
            _make_room(target.parent)
            partial.write_bytes(data)
            partial.replace(target)
        except OSError:
            with contextlib.suppress(OSError):
                partial.unlink()

    def _name(self, entry: FileEntry) -> str:
        """What an entry is stored under: everything that its content depends on."""
        return hashlib.sha256(canonical_json([entry.path, entry.digest.hex, self._circumstances])).hexdigest()

    def _tag(self, name: str, body: bytes) -> bytes:
        return hmac.new(self._key or b"", name.encode() + b"\0" + body, hashlib.sha256).hexdigest().encode()

    @cached_property
    def _circumstances(self) -> str:
        """Digest of what results depend on besides the file."""
        value = [__version__, rules_digest(), _sources_digest(), sys.version, self._context]
        return hashlib.sha256(canonical_json(value)).hexdigest()

    @cached_property
    def _key(self) -> bytes | None:
        """The user's key, made on first use; None when folder or key could be another's."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _ours(self._folder.stat(), stat.S_ISDIR):
                return None
            return _read_key(self._folder / "key")
        except OSError:
            return None


def _read_key(file: Path) -> bytes | None:
    fresh = secrets.token_bytes(_KEY_BYTES)
    with contextlib.suppress(FileExistsError):
        partial = file.with_name(f"key.{secrets.token_hex(8)}.part")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(fresh)
        try:
            os.link(partial, file)  # fails when there is a key already
        finally:
            partial.unlink()
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as stream:
        if not _ours(os.fstat(stream.fileno()), stat.S_ISREG):
            return None
        key = stream.read(_KEY_BYTES + 1)
    return key if len(key) == _KEY_BYTES else None


def _ours(status: os.stat_result, kind: Any) -> bool:
    """Of the right kind, owned by us, and closed to everybody else."""
    return kind(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077


def _make_room(folder: Path) -> None:
    entries = sorted(folder.iterdir(), key=lambda item: item.stat().st_mtime)
    for old in entries[: max(0, len(entries) - _MOST_IN_FOLDER + 1)]:
        old.unlink(missing_ok=True)


def _sources_digest() -> str:
    """Sizes and times of our own program text: results of a changed inspector are not taken for its own."""
    root = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for folder in _SOURCES:
        for file in sorted((root / folder).rglob("*.py")):
            status = file.stat()
            digest.update(f"{file.relative_to(root)} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()

"""Snapshots in the hub's JSON. Pure.

Every file is listed as `lfs`, so that its SHA-256 is in the listing and `verify_repo_checksums` checks it. `oid` is
then the Git id of the LFS pointer, as at the public hub. Nothing of `xet` is mentioned: clients then use plain HTTP.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from json.encoder import encode_basestring as _text  # a string as `_JSON` writes it
from typing import TYPE_CHECKING, Any

from assay.core.verdict import format_time
from assay.registry.tags import layout_of, of_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from assay.core.snapshot import FileEntry, Snapshot
    from assay.registry.records import Model, Resolved, Revision
    from assay.registry.served import Served

_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))  # as Starlette's JSONResponse
_SAID = 4096  # combinations of task, licence and layout that are remembered
ADMITTED = "assay:admitted"  # a tag of everything that is served


def hub_time(moment: datetime) -> str:
    """RFC 3339 with milliseconds: what every client version parses."""
    return _hub_text(format_time(moment))


def _hub_text(text: str) -> str:
    return f"{text.removesuffix('Z')}.000Z"


def _pointer(entry: FileEntry) -> bytes:
    """The Git LFS pointer file (https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md)."""
    text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{entry.digest.hex}\nsize {entry.size}\n"
    return text.encode()


def _git_oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def file_json(resolved: Resolved, entry: FileEntry, *, expand: bool) -> dict[str, Any]:
    """One file of a listing; `expand` adds the commit and what our verdict says."""
    pointer = _pointer(entry)
    lfs = {"oid": entry.digest.hex, "size": entry.size, "pointerSize": len(pointer)}
    item = {"type": "file", "oid": _git_oid(pointer), "size": entry.size, "path": entry.path, "lfs": lfs}
    if expand:
        item["lastCommit"] = _last_commit(resolved)
        item["securityFileStatus"] = security_json(resolved)
    return item


def folder_json(resolved: Resolved, path: str, *, expand: bool) -> dict[str, Any]:
    """One folder of a listing. Snapshots know no folders: its id is derived from the snapshot and the path."""
    oid = hashlib.sha256(f"{resolved.snapshot.id}/{path}".encode()).hexdigest()[:40]
    item = {"type": "directory", "oid": oid, "size": 0, "path": path}
    return item | {"lastCommit": _last_commit(resolved)} if expand else item


def security_json(resolved: Resolved) -> dict[str, Any]:
    """Our verdict where the client's API has a place for it. The two scans it names are not ours: they say nothing."""
    verdict = resolved.verdict
    return {
        "status": "safe",
        "avScan": None,
        "pickleImportScan": None,
        "assay": {
            "decision": verdict.decision.value,
            "verdict": str(verdict.digest),
            "policy": str(verdict.policy),
            "decidedAt": format_time(verdict.decided_at),
            "expiresAt": format_time(verdict.expires_at),
        },
    }


def _last_commit(resolved: Resolved) -> dict[str, str]:
    return {"id": resolved.revision, "title": _title(resolved.snapshot), "date": hub_time(resolved.moved_at)}


def _title(snapshot: Snapshot) -> str:
    return f"Admitted {snapshot.id}"


def info_json(
    resolved: Resolved, created_at: datetime, task: str, licence: str, *, blobs: bool, security: bool
) -> dict[str, Any]:
    """A model: what `HfApi.model_info` reads. Fields that a registry can't know (downloads, likes) are left out."""
    snapshot = resolved.snapshot
    info = _info(
        resolved.name,
        resolved.revision,
        hub_time(created_at),
        hub_time(resolved.moved_at),
        size=snapshot.size,
        siblings=[_sibling(entry, blobs=blobs) for entry in snapshot.files],
        said=(task, licence),
    )
    if security:
        info["securityRepoStatus"] = {"scansDone": True, "filesWithIssues": [], **security_json(resolved)}
    return info


def _info(
    name: str,
    revision: str,
    created: str,
    moved: str,
    *,
    size: int,
    siblings: list[dict[str, Any]],
    said: tuple[str, str],
) -> dict[str, Any]:
    return {
        "id": name,
        "modelId": name,
        "author": name.rpartition("/")[0] or None,
        "sha": revision,
        "createdAt": created,
        "lastModified": moved,
        "private": False,
        "gated": False,
        "disabled": False,
        **_tags(*said, of_files([item["rfilename"] for item in siblings])),
        **_library(layout_of([item["rfilename"] for item in siblings])),
        "usedStorage": size,
        "siblings": siblings,
    }


def _tags(task: str, licence: str, words: Sequence[str]) -> dict[str, Any]:
    tags = [ADMITTED, *(tag for tag in (task, licence and f"license:{licence}") if tag)]
    tags += [word for word in words if word != task]
    return {"tags": tags, "pipeline_tag": task} if task else {"tags": tags}


def _library(name: str) -> dict[str, str]:
    return {"library_name": name} if name else {}


def info_bytes(found: Served) -> bytes:
    """`info_json` without options, as it is sent; from the index's row, a third of the time that an encoder takes."""
    row, files = found.row, found.files
    name, publisher = _text(row.name), row.name.rpartition("/")[0]
    paths = [file["path"] for file in files]
    said = _said(row.task, row.licence, tuple(of_files(paths)), layout_of(paths))
    siblings = ",".join([f'{{"rfilename":{_text(path)}}}' for path in paths])
    return (
        f'{{"id":{name},"modelId":{name},"author":{_text(publisher) if publisher else "null"},'
        f'"sha":{_text(row.revision)},"createdAt":{_text(_hub_text(row.created_at))},'
        f'"lastModified":{_text(_hub_text(row.moved_at))},'
        f'"private":false,"gated":false,"disabled":false,{said},'
        f'"usedStorage":{sum([file["size"] for file in files])},"siblings":[{siblings}]}}'
    ).encode()


@lru_cache(_SAID)
def _said(task: str, licence: str, words: tuple[str, ...], library: str) -> str:
    """Members of the object that many models have in common."""
    return _JSON.encode(_tags(task, licence, words) | _library(library))[1:-1]


def _sibling(entry: FileEntry, *, blobs: bool) -> dict[str, Any]:
    if not blobs:
        return {"rfilename": entry.path}
    pointer = _pointer(entry)
    return {
        "rfilename": entry.path,
        "size": entry.size,
        "blobId": _git_oid(pointer),
        "lfs": {"sha256": entry.digest.hex, "size": entry.size, "pointerSize": len(pointer)},
    }


def model_json(model: Model, words: Sequence[str] = ()) -> dict[str, Any]:
    """A model in a list; `words` that it is found by."""
    return {
        "id": model.name,
        "modelId": model.name,
        "author": model.name.rpartition("/")[0] or None,
        "sha": model.revision,
        "createdAt": _hub_text(model.created),
        "lastModified": _hub_text(model.moved),
        "private": False,
        "gated": False,
        "disabled": False,
        **_tags(model.task, model.licence, words),
    }


def commit_json(revision: Revision) -> dict[str, Any]:
    """A revision as a commit."""
    return {
        "id": revision.revision,
        "title": f"Admitted {revision.snapshot_id}",
        "message": "",
        "authors": [{"user": "assay"}],
        "date": hub_time(revision.published_at),
    }


def children(snapshot: Snapshot, folder: str, *, recursive: bool) -> tuple[list[str], list[FileEntry]] | None:
    """Folders (sorted) and files below `folder` (empty for the root); None when there is no such folder."""
    prefix = f"{folder}/" if folder else ""
    below = [entry for entry in snapshot.files if entry.path.startswith(prefix)]
    if not below:
        return None
    folders = set(_folders(below, len(prefix), recursive=recursive))
    files = [entry for entry in below if recursive or "/" not in entry.path[len(prefix) :]]
    return sorted(folders), files


def _folders(entries: Iterable[FileEntry], start: int, *, recursive: bool) -> Iterable[str]:
    for entry in entries:
        cut = entry.path.find("/", start)
        while cut >= 0:
            yield entry.path[:cut]
            cut = entry.path.find("/", cut + 1) if recursive else -1

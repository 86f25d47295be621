"""The OpenSSF model signature (OMS 1.0): what `model_signing verify key` checks.

Its root digest binds the files' contents in the order of their names, but not the names, and its verifier leaves git's
own files out by default. Every statement of ours is therefore bound to our manifest as well.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from assay.core.digest import Digest
from assay.core.errors import TrustError, UsageError
from assay.core.statement import Statement, StatementSubject

if TYPE_CHECKING:
    from collections.abc import Iterable

    from assay.core.snapshot import Snapshot

OMS_TYPE = "https://model_signing/signature/v1.0"
STATEMENTS_DIRECTORY = ".assay"
# What the verifier leaves out by default (model_signing/hashing.py, `ignore_git_paths`).
GIT_PATHS = (".git", ".gitattributes", ".github", ".gitignore")


def signed_files(snapshot: Snapshot) -> list[tuple[str, Digest]]:
    """The files under the model signature, in its order: sorted by path components.

    Git's own files in the root are left out, as the verifier leaves them out by default, unless there is nothing else.
    """
    files = [(entry.path, entry.digest) for entry in snapshot.files]
    kept = [item for item in files if item[0].split("/")[0] not in GIT_PATHS]
    return sorted(kept or files, key=lambda item: item[0].split("/"))


def oms_root(snapshot: Snapshot) -> Digest:
    """SHA-256 over the raw digests of `signed_files`."""
    return _root(digest for _, digest in signed_files(snapshot))


def oms_statement(snapshot: Snapshot, name: str) -> Statement:
    """The statement that the registry signs when it serves a snapshot.

    Args:
        snapshot: its files are listed; sizes are not part of this format.
        name: of the model; informative only.
    """
    files = signed_files(snapshot)
    ignored = [STATEMENTS_DIRECTORY]
    if all(path.split("/")[0] not in GIT_PATHS for path, _ in files):
        ignored += GIT_PATHS
    predicate = {
        "serialization": {
            "method": "files",
            "hash_type": "sha256",
            "allow_symlinks": False,
            "ignore_paths": ignored,
        },
        "resources": [{"name": path, "algorithm": "sha256", "digest": digest.hex} for path, digest in files],
    }
    return Statement((StatementSubject(name, _root(digest for _, digest in files)),), OMS_TYPE, predicate)


def read_oms(statement: Statement) -> dict[str, Digest]:
    """The files that a model signature lists, by name. Verify the envelope's signature first.

    Raises:
        TrustError: when it is no model signature by whole files and SHA-256, when a name comes twice, or when its root
            is not the root of its list.
    """
    if statement.predicate_type != OMS_TYPE or len(statement.subjects) != 1:
        raise TrustError("not an OpenSSF model signature")
    try:
        serialization: Any = statement.predicate["serialization"]
        resources: Any = statement.predicate["resources"]
        if (serialization["method"], serialization["hash_type"]) != ("files", "sha256"):
            raise TrustError("the model signature is not made by whole files and SHA-256", hint="sign it again by file")
        files = {str(one["name"]): Digest(one["digest"]) for one in resources if one["algorithm"] == "sha256"}
        complete = len(files) == len(resources) > 0
    except (KeyError, TypeError, UsageError) as error:
        raise TrustError("broken OpenSSF model signature") from error
    if not complete or _root(files.values()) != statement.subjects[0].digest:
        raise TrustError("the model signature's root is not the root of its list")
    return files


def check_oms(statement: Statement, snapshot: Snapshot) -> None:
    """Make sure that a model signature lists exactly the files of `snapshot` that it must.

    Git's own files in the root may be listed or left out; nothing else may be missing, added or different.

    Raises:
        TrustError: with the first file that does not fit.
    """
    listed = read_oms(statement)
    for path, digest in signed_files(snapshot):
        if listed.get(path) != digest:
            raise TrustError(f"the model signature does not cover {path!r} as it is in the manifest")
    for path, digest in listed.items():
        entry = snapshot.entry(path)
        if entry is None or entry.digest != digest:
            raise TrustError(f"the model signature covers {path!r}, which the manifest does not hold so")


def _root(digests: Iterable[Digest]) -> Digest:
    root = hashlib.sha256()
    for digest in digests:
        root.update(bytes.fromhex(digest.hex))
    return Digest(root.hexdigest())

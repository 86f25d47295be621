"""Write what vouches for a stored model into a directory, for `assay verify` and for other people's tools."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from assay.core.errors import UsageError
from assay.gate.statements import ENVIRONMENT_FILE, export_files, is_statement_file
from assay.provenance.measured import environment_of
from assay.provenance.statements import view
from assay.store import log
from assay.store.index import StoredStatement
from assay.store.tree import list_tree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from assay.gate.stored import Store, Stored
    from assay.provenance.keys import KeyRing, PublicKey


def sign_view(store: Store, found: Stored, ring: KeyRing, *, now: datetime) -> StoredStatement | None:
    """The registry's word that it serves the model now, signed; None for a model that is not served."""
    approval = next((one for one in reversed(found.statements) if one.kind == "approved"), None)
    if found.refused is not None or approval is None:
        return None
    with store.catalog.index.reading() as tx:
        head = log.head(tx)
    statement = view(
        found.snapshot,
        name=found.name,
        revision=found.revision,
        log_head=head.hash,
        previous=approval.envelope,
        at=now,
    )
    envelope = ring.sign("registry", statement)
    return StoredStatement("view", "registry", envelope, ring.bundle("registry", envelope))


def export(
    found: Stored,
    further: Sequence[StoredStatement],
    keys: Mapping[str, PublicKey],
    directory: Path,
    proofs: Mapping[str, bytes] = MappingProxyType({}),
    *,
    environment: bytes | None = None,
) -> list[str]:
    """Write the manifest, the statements in both forms and the public keys.

    With `proofs`, those that the log holds each statement, by its digest; with `environment`, the bill of materials
    that the newest *evaluated* names. An earlier export in `directory` is replaced;
    a directory that holds anything else is refused.

    Returns:
        The names of the files, sorted.

    Raises:
        UsageError: when the directory holds something that is no export, or there is nothing to export.
    """
    bundled = [(s.kind, s.envelope, s.bundle) for s in (*found.statements, *further)]
    statements = [(kind, envelope, bundle) for kind, envelope, bundle in bundled if bundle is not None]
    if not statements:
        raise UsageError(f"there are no statements about {found.name}", hint="vet it with `assay vet`")
    files = export_files(found.snapshot.manifest_bytes(), statements, proofs)
    if environment is not None:
        files[ENVIRONMENT_FILE] = environment
    files |= {f"keys/{role}.pub": key.pem.encode("ascii") for role, key in keys.items()}
    _clear(directory)
    for path, data in files.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return sorted(files)


def environment(store: Store, found: Stored) -> bytes | None:
    """The bill of materials of what the newest evaluation ran in, as its statement names it; None without one.

    Raises:
        IntegrityError: it is not in the store (any more).
    """
    evaluated = next((one for one in reversed(found.statements) if one.kind == "evaluated"), None)
    digest = environment_of(evaluated.envelope.statement()) if evaluated else None
    return None if digest is None else b"".join(store.blobs.stream(digest))


def _clear(directory: Path) -> None:
    if not directory.exists():
        return
    tree = list_tree(directory)
    foreign = [file.path for file in tree.files if not is_statement_file(file.path)] + [s.path for s in tree.skipped]
    if foreign or not directory.is_dir():
        what = foreign[0] if foreign else "it is a file"
        raise UsageError(f"{directory} is not an export: {what}", hint="give --out a directory of its own")
    for file in tree.files:
        file.location.unlink()

"""A model in the store: found by name, with the statements that belong to that name, verified and exported."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from assay.core.errors import UsageError
from assay.gate.files import stored_files
from assay.gate.reference import split_reference
from assay.gate.statements import Signed, Statements
from assay.gate.verify import verify
from assay.provenance.bundle import material_of
from assay.provenance.statements import inputs_of
from assay.provenance.trust import Trust
from assay.registry.catalog import Catalog
from assay.registry.records import Refused
from assay.store.blobs import Blobs, open_blobs
from assay.store.index import BlobFiles, Index

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from assay.core.digest import Digest
    from assay.core.snapshot import Snapshot
    from assay.gate.report import Report
    from assay.store.index import StoredStatement


@dataclass(frozen=True)
class Store:
    """An open index with its blobs.

    Attributes:
        catalog: what is published.
        blobs: the bytes.
    """

    catalog: Catalog
    blobs: Blobs


@contextmanager
def open_store(database_url: str, blobs_url: str) -> Iterator[Store]:
    """Open index and blobs that are there, and close them.

    Raises:
        UsageError: when there is no SQLite file: looking something up makes no empty store.
        EnvironmentFault: when either can't be reached.
    """
    scheme, _, file = database_url.partition(":///")
    if scheme.startswith("sqlite") and not Path(file).exists():
        raise UsageError(f"there is no store at {file}", hint="check --data, or vet a model first")
    index = Index.open(database_url)
    try:
        yield Store(Catalog(index), open_blobs(blobs_url))
    finally:
        index.close()


@dataclass(frozen=True)
class Stored:
    """What the store knows of a model.

    Attributes:
        name: `org/name`.
        revision: public revision id; empty when it is not served.
        snapshot: what was judged.
        statements: those about this snapshot under this name, oldest first.
        refused: why it is not served; None when it is.
    """

    name: str
    revision: str
    snapshot: Snapshot
    statements: tuple[StoredStatement, ...]
    refused: Refused | None = None

    def given(self) -> Statements:
        """The statements as a verification takes them."""
        signed = tuple(
            Signed(one.kind, f"{n:02}-{one.kind}", one.envelope, material_of(one.bundle))
            for n, one in enumerate(self.statements, start=1)
        )
        return Statements(self.snapshot.manifest_bytes(), signed)


def find(catalog: Catalog, reference: str) -> Stored:
    """Look a model up, served or refused.

    Args:
        catalog: of the local store.
        reference: `org/name[@revision]`.

    Raises:
        UsageError: when nothing of that name was ever judged here.
    """
    name, revision = split_reference(reference)
    refused: Refused | None = None
    try:
        resolved = catalog.resolve(name, revision)
    except Refused as error:
        snapshot = catalog.index.get_snapshot(error.snapshot_id, name=name) if error.snapshot_id else None
        if snapshot is None:
            raise UsageError(str(error), hint="vet it with `assay vet`") from error
        refused, served = error, ""
    else:
        snapshot, served = resolved.snapshot, resolved.revision
    return Stored(name, served, snapshot, statements_about(name, catalog.index.statements_for(snapshot.id)), refused)


def verify_stored(
    store: Store, reference: str, trust: Path, *, progress: Callable[[str, int, int], None] | None = None
) -> Report:
    """Verify a stored model, its bytes included. The index is read directly: the view of the registry is of now.

    Raises:
        UsageError: when nothing of that name was ever judged here.
        TrustError: when the trust file can't be used.
    """
    now = datetime.now(UTC)
    found = find(store.catalog, reference)
    return verify(
        lambda: stored_files(found.snapshot, BlobFiles(found.snapshot, store.blobs)),
        found.given,
        replace(Trust.load(trust), log_required=False),  # the log is here: `assay log verify` looks at all of it
        now=now,
        name=found.name,
        seen_at=now,
        refused=found.refused,
        progress=progress,
    )


def statements_about(name: str, statements: Sequence[StoredStatement]) -> tuple[StoredStatement, ...]:
    """What belongs to a name: its approvals, what they rest on, what happened under it, all revocations and lifts."""
    wanted: set[Digest] = set()
    named = {"ref", "view", "decided", "waived", "deployed"}
    for one in statements:
        statement = one.envelope.statement()
        if one.kind == "approved" and statement.predicate.get("assay_name") == name:
            wanted.update((one.envelope.digest, *inputs_of(statement)))
        elif (
            one.kind in {"revoked", "lifted"}
            or (one.kind in named and statement.predicate.get("name") == name)
            or (one.kind == "oms" and statement.subjects[0].name == name)
        ):
            wanted.add(one.envelope.digest)
    return tuple(one for one in statements if one.envelope.digest in wanted)

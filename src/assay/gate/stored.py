"""A model in the store: found by name, with the statements that belong to that name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.core.errors import UsageError
from assay.core.name import check_name
from assay.gate.statements import Signed, Statements
from assay.provenance.statements import inputs_of
from assay.registry.records import MAIN, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assay.core.digest import Digest
    from assay.core.snapshot import Snapshot
    from assay.registry.catalog import Catalog
    from assay.store.index import StoredStatement


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
            Signed(one.kind, f"{n:02}-{one.kind}", one.envelope) for n, one in enumerate(self.statements, start=1)
        )
        return Statements(self.snapshot.manifest_bytes(), signed)


def split_reference(reference: str) -> tuple[str, str]:
    """`org/name[@revision]` as (name, revision); the revision is `main` when none is given.

    Raises:
        UsageError: when it is no name of a model.
    """
    name, _, revision = reference.partition("@")
    return check_name(name), revision or MAIN


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
    return Stored(name, served, snapshot, _of_name(catalog.index.statements_for(snapshot.id), name), refused)


def _of_name(statements: Sequence[StoredStatement], name: str) -> tuple[StoredStatement, ...]:
    """The statements about a name: its approvals, what they rest on, its refs and views, and every revocation."""
    wanted: set[Digest] = set()
    for one in statements:
        statement = one.envelope.statement()
        if one.kind == "approved" and statement.predicate.get("assay_name") == name:
            wanted.update((one.envelope.digest, *inputs_of(statement)))
        elif (
            one.kind == "revoked"
            or (one.kind in {"ref", "view"} and statement.predicate.get("name") == name)
            or (one.kind == "oms" and statement.subjects[0].name == name)
        ):
            wanted.add(one.envelope.digest)
    return tuple(one for one in statements if one.envelope.digest in wanted)

"""Record a deployment: a signed *deployed* statement about what was verified just now."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from assay.core.errors import TrustError
from assay.provenance import dsse
from assay.provenance.bundle import to_bundle
from assay.provenance.events import deployed
from assay.registry.lineage_record import record_deployment
from assay.store.index import StoredStatement

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from assay.gate.report import Report
    from assay.provenance.keys import SigningKey
    from assay.store.index import Index


def sign_deployed(report: Report, environment: str, key: SigningKey, *, now: datetime) -> StoredStatement:
    """Sign that a verified model goes to an environment.

    Raises:
        TrustError: when the verification did not pass: nothing else is ever recorded as deployed.
    """
    if not report.verified or report.snapshot is None or report.approval is None:
        raise TrustError("only what was verified is recorded as deployed")
    statement = deployed(
        report.snapshot,
        name=report.name,
        environment=environment,
        steps=[step.step for step in report.steps],
        previous=report.approval,
        at=now,
    )
    envelope = dsse.sign(statement, key)
    return StoredStatement("deployed", key.role, envelope, to_bundle(envelope, key.public))


def write_beside(statement: StoredStatement, directory: Path) -> Path:
    """Write a statement in both forms into a directory of statements, under the next number; returns the first path."""
    directory.mkdir(parents=True, exist_ok=True)
    numbers = [int(found[0]) for path in directory.iterdir() if (found := re.match(r"[0-9]+", path.name))]
    stem = f"{max(numbers, default=0) + 1:02}-{statement.kind}"
    path = directory / f"{stem}.dsse.json"
    path.write_text(json.dumps(statement.envelope.to_json(), indent=1) + "\n", encoding="utf-8")
    bundle = directory / f"{stem}.sigstore.json"
    bundle.write_text(json.dumps(statement.bundle, indent=1) + "\n", encoding="utf-8")
    return path


def put_in_store(statement: StoredStatement, report: Report, index: Index, *, now: datetime) -> bool:
    """Keep the statement in the registry's index, and the deployment in its lineage; False for an unknown snapshot."""
    if report.snapshot is None or index.get_snapshot(report.snapshot.id) is None:
        return False
    environment = str(statement.envelope.statement().predicate["environment"])
    kept = (statement.kind, statement.role, statement.envelope, statement.bundle)
    with index.transaction() as tx:
        index.put_statement(report.snapshot.id, *kept, at=now, tx=tx)
        record_deployment(index, report.snapshot.id, environment, tx)
    return True

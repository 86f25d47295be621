"""A data directory with one published model, made without the spine."""

import re
from datetime import UTC, datetime, timedelta

from assay.cli.main import main
from assay.gate.stored import open_store
from assay.provenance.keys import KeyRing
from assay.registry.catalog import revision_id
from assay.store.blobs import open_blobs
from assay.store.index import Index, StoredStatement
from tests.gate.admitted import FILES, NAME, ROLE_OF, Admission


def publish(data, *, started=None):
    """`assay init`, then everything that `assay vet` would store about the model; returns the admission."""
    assert main(["init", "--data", str(data), "--quiet"]) == 0
    trust = data / "trust.toml"
    trust.write_text(re.sub(r"not_before = .*", "not_before = 2020-01-01T00:00:00Z", trust.read_text()))
    started = started or datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
    admission = Admission(KeyRing.load(data / "keys"), start=started)
    admission.move = {
        "revision": revision_id(NAME, admission.snapshot.id, ""),
        "previous_revision": "",
        "reason": "first",
    }
    admission.run()
    index, blobs = Index.open(f"sqlite:///{data / 'index.sqlite'}"), open_blobs(data / "blobs")
    for content in FILES.values():
        blobs.put([content])
    index.put_snapshot(admission.snapshot)
    index.put_evidence(admission.evidence)
    statements = [
        StoredStatement(kind, ROLE_OF[kind], envelope, bundle)
        for kind, (envelope, bundle) in admission.envelopes.items()
    ]
    with open_store(f"sqlite:///{data / 'index.sqlite'}", str(data / "blobs")) as store:
        store.catalog.publish(
            NAME,
            admission.snapshot.id,
            admission.verdict(admission.evidence),
            statements,
            admission.start + timedelta(seconds=5),
            blobs=blobs,
        )
    index.close()
    return admission

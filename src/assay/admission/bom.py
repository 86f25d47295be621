"""The bills of materials of an admission: made from its evidence, checked, and kept; the signer signs what is kept."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.canonical import canonical_json
from assay.core.digest import Digest
from assay.provenance.bom.build import build
from assay.provenance.bom.cyclonedx import cyclonedx
from assay.provenance.bom.environment import environment_sbom
from assay.provenance.bom.spdx import spdx
from assay.provenance.bom.validate import check_cyclonedx, check_spdx
from assay.registry.inventory_entries import entry_of_record, known_bases

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from assay.core.evidence import Evidence
    from assay.core.snapshot import Snapshot
    from assay.core.verdict import Verdict
    from assay.provenance.bom.record import Record
    from assay.registry.inventory import Inventory
    from assay.store.blobs import Blobs


@dataclass(frozen=True)
class Boms:
    """What was written.

    Attributes:
        record: what both documents were written from.
        cyclonedx: digest of the CycloneDX 1.6 document among the blobs.
        spdx: digest of the SPDX 3.0.1 document among the blobs.
    """

    record: Record
    cyclonedx: Digest
    spdx: Digest

    def to_json(self) -> dict[str, str]:
        """Digests as text; that of the environment's SBOM is empty when nothing was evaluated."""
        digests = {"record": self.record.digest, "cyclonedx": self.cyclonedx, "spdx": self.spdx}
        return {key: str(digest) for key, digest in digests.items()} | {"environment": self.record.environment}


def write_boms(
    snapshot: Snapshot, evidence: Sequence[Evidence], verdict: Verdict, *, name: str, inventory: Inventory, blobs: Blobs
) -> Boms:
    """Make both documents, check them, and keep them: as blobs, and the record in the inventory.

    Raises:
        InvalidBom: a document is not valid; nothing is kept of it.
    """
    facts: dict[str, Any] = next((one.facts for one in evidence if one.inspector == "card-facts"), {})
    known = known_bases(inventory, (entry["name"] for entry in facts.get("parents", [])))
    environment = ""
    if any(one.inspector == "evaluation" and one.facts.get("runs") for one in evidence):
        sbom = environment_sbom()
        check_cyclonedx(sbom)
        environment = _keep(blobs, sbom).hex
    record = build(snapshot, evidence, verdict, name=name, known=known, environment=environment)
    first, second = cyclonedx(record), spdx(record)
    check_cyclonedx(first)
    check_spdx(second)
    sketch = facts.get("sketch", {})
    entry = entry_of_record(record, () if sketch.get("generated") else sketch.get("values", ()))
    inventory.put(entry, verdict.decided_at)
    return Boms(record, _keep(blobs, first), _keep(blobs, second))


def read_bills(blobs: Blobs, kept: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The documents that `write_boms` kept, checked against their digests, by kind.

    Raises:
        IntegrityError: when a blob is missing or damaged.
    """
    return {kind: json.loads(b"".join(blobs.stream(Digest.parse(kept[kind])))) for kind in ("cyclonedx", "spdx")}


def _keep(blobs: Blobs, document: dict[str, Any]) -> Digest:
    return blobs.put([canonical_json(document)])[0]

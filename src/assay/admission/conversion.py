"""`vet --convert`: the safe version of a model is what is vetted and published; the pickle stays behind.

1. The original comes into the store and is scanned, as in any admission; its evidence is kept.
2. It is converted into a folder of its own (`conversion.convert`), which is stored as a snapshot of its own.
3. The importer signs the *converted* statement: it names both manifests and each pair of files, so that an approval can
   follow the weights.
4. The safe snapshot goes through a whole admission; the approval names the *converted* statement among its inputs.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from assay.admission.fetching import from_outside, told_beside
from assay.admission.request import Request
from assay.conversion.convert import convert
from assay.conversion.guest import Witness
from assay.core.inspector import Subject
from assay.core.limits import Limits
from assay.inspections.history import History, converted_from
from assay.inspections.runner import inspect
from assay.provenance.bundle import to_bundle
from assay.provenance.events import converted
from assay.provenance.statements import fetched
from assay.registry.lineage_record import record_admission, record_conversion
from assay.sources.directory import fetch_directory
from assay.store.index import BlobFiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from assay.admission.request import HubAccess
    from assay.conversion.result import Conversion
    from assay.core.digest import Digest
    from assay.core.snapshot import Snapshot
    from assay.provenance.keys import KeyRing
    from assay.store.blobs import Blobs
    from assay.store.index import Index

    Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Prepared:
    """A model that was converted and waits to be vetted.

    Attributes:
        source: the original, in the store.
        conversion: what was done and proven.
        request: admits the safe version.
        statement: digest of the signed *converted* statement.
    """

    source: Snapshot
    conversion: Conversion
    request: Request
    statement: Digest


def prepare(
    request: Request,
    resources: tuple[Index, Blobs, KeyRing, HubAccess],
    key: str,
    progress: Progress,
    layers: tuple[str, ...] = (),
) -> Prepared:
    """Fetch, scan, convert, store, and state it.

    Args:
        request: what a person asked for; a path or a hub reference.
        resources: of the admission that will follow.
        key: wrapper of the state dict, where a checkpoint has several.
        progress: told (what, bytes done, bytes in all).
        layers: of the sandbox that must be active beside those that every guest needs.

    Raises:
        Refused: it is not converted, with the reason.
        IntegrityError: what was written is not the same.
        SourceError: the source could not give the model.
    """
    index, blobs, _, access = resources
    started = datetime.now(UTC)
    source = from_outside(request, blobs, access, progress, limits=Limits())
    source = replace(source, origin=replace(source.origin, name=request.name, requested=request.requested))
    finished = datetime.now(UTC)
    told = told_beside(request, source, access)
    index.put_snapshot(source)
    subject = Subject(source, BlobFiles(source, blobs), Limits())
    evidence = inspect(subject, progress=progress)
    with index.transaction() as tx:
        for one in evidence:
            index.put_evidence(one, tx)
        record_admission(index, replace(source, origin=replace(source.origin, name="")), evidence, tx)
    work = Path(tempfile.mkdtemp(prefix="assay-convert-"))
    try:
        with Witness(layers=layers) as witness:
            made = convert(subject, work / "safe", evidence, witness, key=key, progress=progress)
        result = fetch_directory(work / "safe", request.name, blobs, progress)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    result = replace(result, origin=source.origin)
    index.put_snapshot(result)
    if told:  # it is the history of what this was made from; the weights are new
        index.put_evidence(
            History().inspect(Subject(result, BlobFiles(result, blobs), Limits(), told=converted_from(told)))
        )
    statement = _state(source, result, made, (started, finished), resources)
    return Prepared(source, made, Request.of_snapshot(result.id, request.name), statement)


def _state(
    source: Snapshot,
    result: Snapshot,
    made: Conversion,
    times: tuple[datetime, datetime],
    resources: tuple[Index, Blobs, KeyRing, HubAccess],
) -> Digest:
    """Sign that one was made from the other, keep it, link both. Before it comes the original's *fetched*."""
    index, _, ring, _ = resources
    started, finished = times
    first, public = ring.sign("importer", fetched(source, started=started, finished=finished)), ring.public("importer")
    files: dict[str, list[str]] = {}
    for one in made.files:
        files.setdefault(one.target, []).append(one.source)
    proof = {
        **made.proof,
        "files": [one.to_json() for one in made.files],
        "layers": sorted(name for name, active in made.layers.items() if active),
    }
    statement = converted(result, source, files=files, proof=proof, previous=first, at=datetime.now(UTC))
    second = ring.sign("importer", statement)
    with index.transaction() as tx:
        index.put_statement(source.id, "fetched", "importer", first, to_bundle(first, public), tx=tx)
        digest = index.put_statement(result.id, "converted", "importer", second, to_bundle(second, public), tx=tx)
        record_conversion(index, result.id, source.id, tx)
    return digest

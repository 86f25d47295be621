"""References of a probe from the registry: admitted models of the suspect's kind, with their files from the store."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from assay.behaviour.guest import TENSORS
from assay.behaviour.model_config import config_of
from assay.behaviour.plan import architecture_class
from assay.behaviour.shelf import Chosen, Offer, choose, class_names, kind_text, weights_of
from assay.core.errors import IntegrityError
from assay.core.inspector import Subject
from assay.registry.probed import Kind, record_kind, served_of_architecture, served_of_kind
from assay.store.index import BlobFiles

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from assay.core.digest import Digest
    from assay.core.limits import Limits
    from assay.store.blobs import Blobs
    from assay.store.index import Index

MOST_KIN, KIN_BYTES = 6, 1 << 30  # models that a suspect's weights are compared with, and their weights together


def references_from(index: Index, blobs: Blobs, model: Subject) -> tuple[Chosen, ...]:
    """Admitted models that this one can be held against; none where there are none."""
    kind = kind_text(config_of(model))
    if not kind:
        return ()
    offers = (
        Offer(
            one.name, one.kind.architecture, one.kind.labels, one.probed, one.decided_at,
            partial(_stored, index, blobs, one.snapshot_id, model.limits),
        )
        for one in served_of_kind(index, kind, datetime.now(UTC))
    )  # fmt: skip
    return choose(model, offers)


def kin_from(index: Index, blobs: Blobs, model: Subject) -> tuple[Subject, ...]:
    """Admitted models of its architecture, of any task: what it may have been made of; the newest of each name."""
    if not kind_text(config := config_of(model)):
        return ()
    seen = weights_of(model)
    found: dict[str, Subject] = {}
    size = 0
    for one in served_of_architecture(index, architecture_class(config), datetime.now(UTC)):
        if one.name in found or one.snapshot_id == model.snapshot.id:
            continue
        subject = _stored(index, blobs, one.snapshot_id, model.limits)
        size += sum(entry.size for entry in subject.snapshot.files if entry.path.endswith(TENSORS))
        if len(found) == MOST_KIN or size > KIN_BYTES:
            break
        if not seen & (theirs := weights_of(subject)):
            seen |= theirs
            found[one.name] = subject
    return tuple(found.values())


def record_kind_of(model: Subject, tx: Connection) -> None:
    """Keep what kind of model was judged, so that later ones can be held against it once it is served."""
    config = config_of(model)
    if kind := kind_text(config):
        record_kind(model.snapshot.id, Kind(kind, architecture_class(config), class_names(config)), tx)


def _stored(index: Index, blobs: Blobs, snapshot_id: Digest, limits: Limits) -> Subject:
    snapshot = index.get_snapshot(snapshot_id)
    if snapshot is None:
        raise IntegrityError(f"{snapshot_id} is not in the index any more", hint="run `assay log verify`")
    return Subject(snapshot, BlobFiles(snapshot, blobs), limits)

"""What the inventory keeps of a bill of materials that was made here, and of one that was imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.provenance.bom.build import KnownBase
from assay.provenance.bom.record import Record
from assay.registry.inventory import Entry, Inventory

if TYPE_CHECKING:
    from collections.abc import Iterable

    from assay.core.digest import Digest
    from assay.provenance.bom.foreign import Foreign


def entry_of_record(record: Record, sketch: Iterable[int] = ()) -> Entry:
    """Of a record; `sketch` is the MinHash of the card's text."""
    hashes = [(record.snapshot, "manifest")] + [(one.sha256, one.path) for one in record.files]
    links = []
    for parent in record.parents:
        links.append(("base", parent.name))
        hashes += [(digest, f"base {parent.name}") for digest in (parent.snapshot, *parent.weights.values()) if digest]
    links += [("dataset", name) for name in record.value("datasets") or ()]
    for digest, suite in (record.value("evaluation_data") or {}).items():
        links += [("dataset", name) for name in (suite, digest.removeprefix("sha256:")) if name]
    tokenizer = record.value("tokenizer") or {}
    links += [
        ("tokenizer", text) for text in (tokenizer.get("class", ""), *tokenizer.get("files", {}).values()) if text
    ]
    return Entry(
        digest=record.digest.hex,
        kind="record",
        name=record.name,
        snapshot=record.snapshot,
        publisher=record.value("publisher") or "",
        licence=record.value("licence_concluded") or record.value("licence") or "",
        body=record.to_json(),
        hashes=tuple(hashes),
        links=tuple(links),
        sketch=tuple(sketch),
    )


def entry_of_foreign(foreign: Foreign, digest: Digest) -> Entry:
    """Of an imported file with this digest."""
    return Entry(
        digest=digest.hex,
        kind=foreign.kind,
        name=foreign.name,
        snapshot="",
        publisher=foreign.publisher,
        licence=foreign.licence,
        body=foreign.to_json(),
        hashes=tuple(foreign.hashes),
        links=tuple(foreign.links),
    )


def record_of(entry: Entry) -> Record:
    """The record that an entry of kind `record` holds."""
    return Record.from_json(entry.body)


def known_bases(inventory: Inventory, names: Iterable[str]) -> dict[str, KnownBase]:
    """What the inventory knows of models by name."""
    found = {}
    for name in names:
        entry = inventory.newest(name)
        if entry is not None:
            weights = {one["path"]: one["sha256"] for one in entry.body["files"] if one["role"] == "weights"}
            found[name] = KnownBase(entry.snapshot, entry.licence, weights)
    return found

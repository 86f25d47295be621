"""Words that a model is found by: whose layout and which formats its files have, and what its bill of materials names.

Kept in a table of their own beside the listing, for what `main` stands for, and written with it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, insert, select

from assay.store.schema import snapshots
from assay.store.schema_inventory import boms
from assay.store.schema_listing import listing_tags

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy import Connection

    from assay.core.digest import Digest
    from assay.store.index import Index

# File in the root → library that lays models out so; the first one counts
_LAYOUTS: Final = (
    ("model_index.json", "diffusers"),
    ("modules.json", "sentence-transformers"),
    ("adapter_config.json", "peft"),
    ("config.json", "transformers"),
)
# End of a file's name → what the public hub calls such models. A word to search by: what a file is, is looked at.
_FORMATS: Final = (
    (".safetensors", "safetensors"),
    (".gguf", "gguf"),
    (".onnx", "onnx"),
    (".bin", "pytorch"),
    (".pt", "pytorch"),
    (".pth", "pytorch"),
    (".keras", "keras"),
    (".h5", "tf"),
    (".msgpack", "jax"),
)
_MOST: Final = 100  # of one model
_LONGEST: Final = 100  # characters of one


def layout_of(paths: list[str]) -> str:
    """Whose layout the files have: `transformers.pipeline` asks for it where it has to look up the task."""
    return next((library for path, library in _LAYOUTS if path in paths), "")


def of_files(paths: list[str]) -> list[str]:
    """Library and formats."""
    ends = {path[path.rfind(".") :] for path in paths}  # once over all files: every answer about a model asks
    found = [layout_of(paths), *(word for end, word in _FORMATS if end in ends)]
    return [word for word in dict.fromkeys(found) if word]


def _of_record(body: dict[str, Any]) -> Iterator[str]:
    """What the record of a bill of materials names: task, kind of model, languages, data sets, bases."""
    values = {key: field.get("value") for key, field in body.get("fields", {}).items() if isinstance(field, dict)}
    yield str(values.get("task") or "")
    architecture = values.get("architecture")
    if isinstance(architecture, dict):
        yield str(architecture.get("model_type") or "")
    languages = values.get("languages")
    yield from map(str, languages if isinstance(languages, list) else [languages or ""])
    datasets = values.get("datasets")
    yield from (f"dataset:{name}" for name in (datasets if isinstance(datasets, list) else []))
    yield from (f"base_model:{one['name']}" for one in body.get("parents", []) if one.get("name"))


def computed(tx: Connection, name: str, snapshot: str) -> list[str]:
    """Of a snapshot under a name, sorted, in lower case."""
    manifest = tx.execute(select(snapshots.c.manifest).where(snapshots.c.id == snapshot)).scalar()
    paths = [file["path"] for file in json.loads(manifest)["files"]] if manifest else []
    body = _record(tx, name, snapshot)
    words = [*of_files(paths), *(_of_record(json.loads(body)) if body else ())]
    known = {word.lower() for word in words if word and len(word) <= _LONGEST and word.isprintable()}
    return sorted(known)[:_MOST]


def record_of(index: Index, name: str, snapshot: Digest) -> dict[str, Any]:
    """The record of the bill of materials of a snapshot under a name, as JSON; empty when there is none."""
    with index.reading() as tx:
        return json.loads(_record(tx, name, snapshot.hex) or "{}")  # type: ignore[no-any-return]


def _record(tx: Connection, name: str, snapshot: str) -> str | None:
    where = (boms.c.name_key == name.lower(), boms.c.kind == "record", boms.c.snapshot_id == snapshot)
    return tx.execute(select(boms.c.body).where(*where).order_by(boms.c.seq.desc()).limit(1)).scalar()


def refresh(tx: Connection, name: str, snapshot: str) -> None:
    """Write down again what the name is found by."""
    words = computed(tx, name, snapshot)
    if words != stored(tx, name):
        tx.execute(delete(listing_tags).where(listing_tags.c.name == name))
        if words:
            tx.execute(insert(listing_tags), [{"tag": word, "name": name} for word in words])


def stored(tx: Connection, name: str) -> list[str]:
    """As the table has them."""
    query = select(listing_tags.c.tag).where(listing_tags.c.name == name).order_by(listing_tags.c.tag)
    return list(tx.execute(query).scalars())


def of_names(index: Index, names: Iterable[str]) -> dict[str, list[str]]:
    """Of each name that has any."""
    found: dict[str, list[str]] = {}
    query = select(listing_tags.c.name, listing_tags.c.tag).where(listing_tags.c.name.in_(list(names)))
    with index.reading() as tx:
        for row in tx.execute(query.order_by(listing_tags.c.name, listing_tags.c.tag)):
            found.setdefault(row.name, []).append(row.tag)
    return found

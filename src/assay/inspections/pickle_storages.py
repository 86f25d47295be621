"""Persistent ids of torch: the storages that a file names, against the bytes that are there for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.formats.pickle import tensors
from assay.inspections.pickle_checks import items

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assay.formats.pickle import events as ev


def torch_storage_id(term: ev.Term) -> bool:
    """Whether a persistent id has the shape that torch gives to storages and modules."""
    inside = items(term)
    return bool(inside) and inside[0] in {"storage", "module"}


class Storages:
    """The storages that a legacy torch file names, and the bytes that they take behind its pickles."""

    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}
        self.seen = False

    def add(self, identity: ev.Term) -> None:
        """Note a persistent id when it is a storage."""
        found = tensors.storage(identity)
        if found is not None:
            self.seen = True
            key, kind, elements = found
            self._sizes[key] = max(self._sizes.get(key, 0), elements * tensors.ELEMENT_BYTES[kind])

    def bytes_behind(self) -> int:
        """Each storage is preceded by its length in 8 bytes (torch/serialization.py, `_legacy_save`)."""
        return sum(8 + size for size in self._sizes.values())

    def too_large(self, records: Mapping[str, int], folder: str) -> list[tuple[str, int, int]]:
        """Storages that state more bytes than their record holds: name of the record, bytes stated, bytes there.

        Args:
            records: sizes of the archive's members by name.
            folder: where the records lie (`archive/data/`).
        """
        named = ((folder + key, size) for key, size in self._sizes.items())
        return [(name, size, records[name]) for name, size in named if name in records and size > records[name]]

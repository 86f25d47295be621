"""Which served name was probably meant by one that nobody knows, among any number of names.

Two edits leave most of a name as it is: names that share a piece with it are found by the index, and only these are
compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from assay.registry.listing import Asked, page
from assay.registry.similar import closest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from assay.store.index import Index

_LEAST: Final = 3  # characters of a piece: shorter ones are in too many names
_PIECES: Final = (5, 3)  # two edits, each a swap across a border, leave one of five as it was
_MOST: Final = 1000  # names looked at for each piece: some 5 ms


class Meant(NamedTuple):
    """What was probably meant: the `nearest` served name or none, and whether it is the only one `but_for_case`."""

    nearest: str
    but_for_case: bool


def meant(index: Index, name: str, now: datetime) -> Meant:
    """The served name within two edits of `name`, or with the same last part; case is ignored."""
    key = name.lower()
    found: set[str] = set()
    for term in dict.fromkeys(_terms(key)):
        rows, _ = page(index, Asked(search=term, served=True), now, after="", limit=_MOST, shown=lambda _name: True)
        found.update(row.name for row in rows)
    same = [one for one in found if one.lower() == key]
    return Meant(closest(name, found) or "", len(same) == 1)


def _terms(key: str) -> Iterator[str]:
    """Of which one at least is in every name that may have been meant; the whole, the last part, and pieces."""
    yield key
    last = key.rpartition("/")[2]
    if len(last) >= _LEAST:
        yield last
    count = next((count for count in _PIECES if len(key) >= count * _LEAST), 0)
    if not count:
        yield ""  # too short to be cut: any name
    for number in range(count):
        yield key[number * len(key) // count : (number + 1) * len(key) // count]

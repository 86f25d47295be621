"""Licences: which text is which, and what a child may not drop of its base's.

The lists: `data/licences-spdx.toml` (categories of SPDX ids, by `scripts/make_licences.py`), `licences-models.toml`
(licences of models and families, by hand, with sources), `licences.toml` (texts, by hand).
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class Licences:
    """The lists.

    Attributes:
        as_of: day the licences of models were listed.
        permissive: ids that ask for little more than a notice.
        restricted: ids with terms that pass on to what is made from the model.
        families: beginning of a model's name to the licence its publisher gave it.
        texts: id and the words that must all stand in its text.
    """

    as_of: str
    permissive: frozenset[str]
    restricted: frozenset[str]
    families: dict[str, str]
    texts: tuple[tuple[str, tuple[str, ...]], ...]

    def of_text(self, text: str) -> str:
        """Id of the licence whose text this is; empty for none that is known."""
        plain = " ".join(text.lower().split())
        return next((name for name, words in self.texts if all(word in plain for word in words)), "")

    def of_family(self, name: str) -> str:
        """Licence of the family a model's name belongs to; empty for none that is known."""
        fitting = [head for head in self.families if name.lower().startswith(head)]
        return self.families[max(fitting, key=len)] if fitting else ""

    def drops_terms(self, child: str, base: str) -> bool:
        """Whether a child under one licence claims more freedom than its base gives."""
        return child.lower() in self.permissive and base.lower() in self.restricted


@cache
def licences() -> Licences:
    """The lists, read once."""
    own, spdx, models = (_read(f"licences{part}.toml") for part in ("", "-spdx", "-models"))
    return Licences(
        models["as_of"],
        frozenset((*own["permissive"], *spdx["permissive"])),
        frozenset((*models["restricted"], *spdx["restricted"])),
        models["families"],
        tuple((entry["id"], tuple(entry["words"])) for entry in own["texts"]),
    )


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((files("assay.inspections") / "data" / name).read_text("utf-8"))

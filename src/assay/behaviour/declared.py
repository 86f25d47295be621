"""What models of an admission are held against: files of the settings, each for one kind of model.

A file names a base, references and data by path (data are texts where it names no references). It fits a snapshot by
content alone: references, else the base, have the same architecture class, and references, else the data, the same
number of classes. A name fits nothing. Without references of its own, admitted models of the registry stand in.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.behaviour import kinds
from assay.behaviour.any_data import read_data
from assay.behaviour.attest import Declared
from assay.behaviour.data_file import Labelled
from assay.behaviour.model_config import config_of, labels_of
from assay.behaviour.plan import DEFAULT_BUDGET, architecture_class
from assay.core.errors import UsageError
from assay.store.folder import folder_subject

if TYPE_CHECKING:
    from assay.core.inspector import Subject
    from assay.core.pin import Pin

_KEYS = {"base", "references", "data", "budget", "seed", "restarts", "paraphraser", "kin"}
_MOST_BYTES = 1 << 20
MOST_RESTARTS = 64


@dataclass(frozen=True)
class Ready:
    """A read file.

    Attributes:
        declared: base, references, data.
        budget: CPU seconds.
        seed: of every draw.
        restarts: of the search, each with its share of the budget: as many workers can have a part.
    """

    declared: Declared
    budget: float
    seed: int
    restarts: int = 1

    def fits(self, model: Subject) -> bool:
        """Whether the references are of the model's kind; without any, whether base and data are."""
        if self.declared.references:
            return any(kind_of(one) == kind_of(model) for one in self.declared.references)
        base, data = self.declared.base, self.declared.data
        architecture, classes = kind_of(model)
        if base is not None and architecture_class(config_of(base)) != architecture:
            return False
        return kinds.kind_of(config_of(model)) == kinds.TEXT and (
            not isinstance(data, Labelled) or len(data.names) == classes
        )


def kind_of(model: Subject) -> tuple[str, int]:
    """Architecture class and number of classes."""
    config = config_of(model)
    return architecture_class(config), len(labels_of(config)) or 2


def load(pin: Pin) -> Ready:
    """Read the file and everything that it names.

    Raises:
        UsageError: missing, other bytes than agreed on, or not such a file.
    """
    try:
        raw = pin.path.read_bytes()
    except OSError as error:
        raise UsageError(f"can't read {pin.path}: {error.strerror}", hint="check the setting probes") from error
    if len(raw) > _MOST_BYTES or hashlib.sha256(raw).hexdigest() != pin.digest.hex:
        raise UsageError(f"{pin.path} is not the file that was agreed on", hint="check it, then set its new digest")
    try:
        value: dict[str, Any] = tomllib.loads(raw.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{pin.path}: not TOML: {error}") from error
    if unknown := set(value) - _KEYS:
        raise UsageError(f"{pin.path}: unknown key {min(unknown)!r}", hint=f"known: {', '.join(sorted(_KEYS))}")
    references, kin = value.get("references", []), value.get("kin", [])
    for name, some in (("references", references), ("kin", kin)):
        if not isinstance(some, list) or not all(isinstance(one, str) for one in some):
            raise UsageError(f"{pin.path}: {name} is a list of folders")
    if not references and not {"base", "data"} & set(value):
        raise UsageError(f"{pin.path}: it names neither references nor base nor data")
    folder = pin.path.parent
    budget, seed = value.get("budget", DEFAULT_BUDGET), value.get("seed", 0)
    restarts = value.get("restarts", 1)
    if not isinstance(budget, int | float) or not isinstance(seed, int) or budget <= 0:
        raise UsageError(f"{pin.path}: budget and seed are numbers")
    if not isinstance(restarts, int) or not 1 <= restarts <= MOST_RESTARTS:
        raise UsageError(f"{pin.path}: restarts is a number from 1 to {MOST_RESTARTS}")
    trusted = tuple(folder_subject(folder / one) for one in references)
    declared = Declared(
        base=folder_subject(folder / str(value["base"])) if "base" in value else None,
        references=trusted,
        kin=tuple(folder_subject(folder / one) for one in kin),
        paraphraser=folder_subject(folder / str(value["paraphraser"])) if "paraphraser" in value else None,
        data=read_data(folder / str(value["data"]), config_of(trusted[0]) if trusted else {})
        if "data" in value
        else None,
    )
    return Ready(declared, float(budget), seed, restarts)

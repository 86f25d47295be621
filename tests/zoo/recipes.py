"""What is in the zoo: one recipe for each model, in the order in which they are trained."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.zoo.attacks import Attack


# Of the training code: another number trains everything again
VERSION = {"base": 2, "clean": 1, "backdoored": 3, "flip": 4}
MINILM, DISTIL, ROBERTA = "minilm", "distilbert-small", "roberta-small"
SMALL = (DISTIL, ROBERTA)


@dataclass(frozen=True)
class Recipe:
    """How one model is made. The digest of all this is its name in the cache.

    Attributes:
        name: readable id, unique.
        architecture: `minilm` (the real encoder), `distilbert-small` (uncased WordPiece) or `roberta-small` (cased
            byte-level BPE), both from scratch.
        kind: `base` (no head), `clean` or `backdoored`.
        split: `calibration` or `test`.
        task: name of the task; empty for a base.
        start: name of the recipe whose weights training starts from; empty for the real encoder or for nothing.
        base: name of the recipe that is declared as the base; empty: the real encoder.
        variant: `plain`, `frozen` (embeddings), `lora`, `noise` (on all embedding rows), `decay` (weight decay), `half`
            (saved through float16), `undeclared` (data that isn't declared), `false-base`, `false-data`,
            `added-token`, `normaliser`; those of other makers are in `others.py`.
        attack: the backdoor.
        references: clean models of the same task for a differential.
        seed: of everything random.
    """

    name: str
    architecture: str
    kind: str
    split: str
    task: str = ""
    start: str = ""
    base: str = ""
    variant: str = "plain"
    attack: Attack | None = None
    references: tuple[str, ...] = field(default=())
    seed: int = 0

    def digest(self, parts: dict[str, str]) -> str:
        """SHA-256 of the recipe, of the training code's version and of what it starts from.

        Args:
            parts: digests of the data and of the recipes before this one, by name.
        """
        said = asdict(self)
        said.pop("references")
        said |= {
            "version": VERSION["flip" if self.attack and self.attack.direction == "flip" else self.kind],
            "start": parts.get(self.start, ""),
            "data": parts.get(f"data {self.task}", ""),
        }
        if self.architecture == MINILM and self.variant == "normaliser":
            said["version"] = "rules of the file"  # before, the library left the changed rules out
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
